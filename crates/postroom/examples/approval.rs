//! An agent that may not do everything alone: `cargo run -p postroom --example approval`.

use std::sync::Arc;
use std::time::Duration;

use postroom::agent::policy::{Action, Rule};
use postroom::agent::schemars::JsonSchema;
use postroom::prelude::*;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "postroom::agent::schemars")]
struct Payment {
    /// To whom.
    to: String,
    /// How much.
    euros: u32,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pay = tool_fn("pay", "Pays.", |payment: Payment, context: ToolContext| async move {
        // The same in every repetition: a bank would recognise it.
        println!("paid {} € to {} (call {})", payment.euros, payment.to, context.call_id);
        Ok("paid")
    });
    let script = Script::new()
        .calls("pay", json!({"to": "the baker", "euros": 900}))
        .says("The baker has the money.");
    let ask = Rule {
        tool: "pay".to_owned(),
        arguments: [("to".to_owned(), "the *".to_owned())].into(),
        action: Action::Ask,
        reason: Some("It is much money.".to_owned()),
    };
    let tools = vec!["pay".to_owned()];
    let agents = agents()
        .model("script", Arc::new(script))
        // A payment that a crash cut off is not made again by itself.
        .tool(Arc::new(pay.not_repeatable()))
        .agent("default", AgentConfig { tools, rules: vec![ask], ..AgentConfig::new("script") })
        .build()?;

    let executor = AgentExecutor::new(Arc::new(Agents::new(agents)), Settings::default());
    let postroom = embedded(memory_store(), Arc::new(executor));
    postroom.start().await?;
    let wish = Submit::new(Mode::Enqueue, vec![NewMessage::user("Pay the baker 900 euros.")]);
    let submitted = postroom.submit(None, wish).await?;
    let waiting = postroom.wait(&submitted.run_id, Duration::from_mins(1)).await?;
    for ticket in &waiting.tickets {
        println!("{} {}", ticket.message, ticket.arguments);
        let call = ticket.tool_call_id.clone();
        // The person allows it, but not as it was meant.
        let decision = Decision {
            arguments: json!({"to": "the baker", "euros": 90}),
            ..Decision::new(call, DecisionAction::Resume)
        };
        postroom.decide(&submitted.run_id, vec![decision]).await?;
    }
    let run = finished(&postroom, &submitted.run_id).await?;
    println!("{}", run.output.unwrap_or_default());
    postroom.shutdown().await;
    Ok(())
}

/// The run, once it has ended: the decision takes a moment to reach it.
async fn finished(postroom: &Postroom, run_id: &RunId) -> Result<Run, Box<dyn std::error::Error>> {
    loop {
        let run = postroom.wait(run_id, Duration::from_mins(1)).await?;
        if run.is_done() {
            return Ok(run);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
