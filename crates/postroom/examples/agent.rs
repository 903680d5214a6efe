//! An agent with a tool of one's own: `cargo run -p postroom --example agent`.

use std::sync::Arc;
use std::time::Duration;

use postroom::agent::schemars::JsonSchema;
use postroom::prelude::*;
use serde::Deserialize;
use serde_json::json;

/// What the tool wants to know; the comments are for the model.
#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "postroom::agent::schemars")]
struct Place {
    /// The city.
    city: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let weather = tool_fn("weather", "Tells the weather.", |place: Place, _| async move {
        Ok(format!("It rains in {}.", place.city))
    });
    // Without the script: `.models(…)` and the name of a real model in its place.
    let script = Script::new().calls("weather", json!({"city": "Oslo"})).says("Take an umbrella.");
    let tools = vec!["weather".to_owned()];
    let agents = agents()
        .model("script", Arc::new(script))
        .tool(Arc::new(weather))
        .agent("default", AgentConfig { tools, ..AgentConfig::new("script") })
        .build()?;

    let executor = AgentExecutor::new(Arc::new(Agents::new(agents)), Settings::default());
    let postroom = embedded(memory_store(), Arc::new(executor));
    postroom.start().await?;
    let question = Submit::new(Mode::Enqueue, vec![NewMessage::user("An umbrella in Oslo?")]);
    let submitted = postroom.submit(None, question).await?;
    let run = postroom.wait(&submitted.run_id, Duration::from_mins(1)).await?;
    println!("{}", run.output.unwrap_or_default());
    postroom.shutdown().await;
    Ok(())
}
