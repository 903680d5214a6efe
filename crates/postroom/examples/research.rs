//! An agent that gives tasks to others, side by side: `cargo run -p postroom --example research`.

use std::sync::Arc;
use std::time::Duration;

use postroom::prelude::*;
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ask = |task: &str| ("delegate:reader", json!({"task": task}));
    let editor = Script::new()
        .calls_all([ask("When did the bridge open?"), ask("How long is it?")])
        .says("The bridge opened in 1937 and is 2,737 m long.");
    // Each task is a run of its own, on a thread of its own.
    let reader = Script::new().says("The source says it.").says("Another source says it.");
    let tools = vec!["delegate:reader".to_owned()];
    let agents = agents()
        .model("editor", Arc::new(editor))
        .model("reader", Arc::new(reader))
        .agent("default", AgentConfig { tools, ..AgentConfig::new("editor") })
        .agent("reader", AgentConfig::new("reader"))
        .build()?;

    let executor = AgentExecutor::new(Arc::new(Agents::new(agents)), Settings::default());
    let postroom = embedded(memory_store(), Arc::new(executor));
    postroom.start().await?;
    let question = Submit::new(Mode::Enqueue, vec![NewMessage::user("Tell me of the bridge.")]);
    let submitted = postroom.submit(None, question).await?;
    // While the readers work, the run waits and holds nothing: follow it until it ends.
    let run = loop {
        let run = postroom.wait(&submitted.run_id, Duration::from_mins(1)).await?;
        if run.is_done() {
            break run;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let children = RunFilter { parent_run_id: Some(run.id.clone()), ..RunFilter::default() };
    for child in postroom.store().runs(&children, 10, None).await?.items {
        println!("{}: {}", child.agent_id, child.output.unwrap_or_default());
    }
    println!("{}", run.output.unwrap_or_default());
    postroom.shutdown().await;
    Ok(())
}
