//! An agent with the tools of an MCP server: `cargo run -p postroom --example mcp`, or with another
//! server than the usual one for files: `… --example mcp -- PROGRAM ARGUMENT…`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use postroom::prelude::*;
use serde_json::json;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut command: Vec<String> = std::env::args().skip(1).collect();
    if command.is_empty() {
        command =
            ["npx", "-y", "@modelcontextprotocol/server-filesystem", "."].map(String::from).into();
    }
    let files: McpConfig = serde_json::from_value(json!({"command": command}))?;
    let script = Script::new()
        .calls("mcp:files/read_text_file", json!({"path": "greeting.txt"}))
        .says("I have read it.");
    let tools = vec!["mcp:files/*".to_owned()];
    let agents = agents()
        .model("script", Arc::new(script))
        .mcp(BTreeMap::from([("files".to_owned(), files)]), Arc::new(TokioSpawner))
        .agent("default", AgentConfig { tools, ..AgentConfig::new("script") })
        .build()?;

    let agents = Arc::new(Agents::new(agents));
    let executor = AgentExecutor::new(agents.clone(), Settings::default());
    let postroom = embedded(memory_store(), Arc::new(executor));
    postroom.start().await?;
    let wish = Submit::new(Mode::Enqueue, vec![NewMessage::user("Read the greeting.")]);
    let submitted = postroom.submit(None, wish).await?;
    let run = postroom.wait(&submitted.run_id, Duration::from_mins(2)).await?;
    for logged in postroom.store().messages(&run.thread_id, 0, 100).await? {
        println!("{:?}: {}", logged.message.role, serde_json::to_string(&logged.message.content)?);
    }
    postroom.shutdown().await;
    agents.current().stop().await;
    Ok(())
}
