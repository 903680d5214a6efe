//! An agent that does what its first word says.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use postroom_core::command::{Activation, Step, Suspend, Take, Wait};
use postroom_core::event::EventBody;
use postroom_core::id::ToolCallId;
use postroom_core::message::{LogMessage, NewMessage, Role};
use postroom_core::ports::{Executor, RunContext, RunOutcome};
use postroom_core::run::WaitReason;
use postroom_core::ticket::Ticket;
use serde_json::json;

pub struct Obedient;

#[async_trait]
impl Executor for Obedient {
    async fn run(&self, activation: Activation, context: Arc<dyn RunContext>) -> RunOutcome {
        let text = texts(&activation.input);
        match text.split(['+', ' ']).next().unwrap_or_default() {
            "hold" => {
                context.cancelled().await;
                RunOutcome::cancelled()
            }
            // Does not even stop when it is told to.
            "stay" => std::future::pending().await,
            "fail" => RunOutcome::PermanentError {
                code: "broken".to_owned(),
                error: "it was told to fail".to_owned(),
            },
            "ask" => ask(&activation),
            "ask-live" => ask_live(context).await,
            "listen" => listen(context).await,
            "talk" => talk(context).await,
            _ => RunOutcome::natural_end(Some(text)),
        }
    }
}

pub fn ticket() -> Ticket {
    let call = ToolCallId::parse("call-1").unwrap();
    Ticket::open(call, "rm".to_owned(), json!({"path": "/tmp/x"}), "may I?".to_owned())
}

/// Waits durably for a decision, and ends with its reason.
fn ask(activation: &Activation) -> RunOutcome {
    let decided = activation.run.tickets.iter().find_map(|ticket| ticket.decision());
    match decided {
        Some(decision) => RunOutcome::natural_end(decision.reason.clone()),
        None => RunOutcome::Waiting {
            last: Box::default(),
            wait: Wait { tickets: vec![ticket()], ..Wait::new(WaitReason::ToolPermission) },
        },
    }
}

/// The same, in memory.
async fn ask_live(context: Arc<dyn RunContext>) -> RunOutcome {
    let suspend = Suspend {
        reason: WaitReason::ToolPermission,
        tickets: vec![ticket()],
        lease: Duration::from_mins(10),
    };
    match context.suspend(Step::default(), suspend, Duration::from_hours(1)).await {
        Ok(decisions) => RunOutcome::natural_end(decisions.unwrap()[0].reason.clone()),
        Err(_) => RunOutcome::cancelled(),
    }
}

/// Takes messages in until there is one, and ends with it.
async fn listen(context: Arc<dyn RunContext>) -> RunOutcome {
    loop {
        let step = Step { take: Take::NextStep, ..Step::default() };
        match context.commit(step).await {
            Ok(committed) if committed.taken.is_empty() => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Ok(committed) => return RunOutcome::natural_end(Some(texts(&committed.taken))),
            Err(_) => return RunOutcome::cancelled(),
        }
    }
}

/// Writes text with every character that could break a frame.
async fn talk(context: Arc<dyn RunContext>) -> RunOutcome {
    for text in ["one\r\n\r\n", "data: two\n\n", "\u{2028}three"] {
        let _ = context.emit(EventBody::TextDelta { text: text.to_owned() }).await;
        let _ = context.commit(Step::default()).await;
    }
    let said = NewMessage::text(Role::Assistant, "that was it");
    let last = Step { messages: vec![said], steps: 1, ..Step::default() };
    RunOutcome::Completed {
        last: Box::new(last),
        result: postroom_core::command::RunResult::natural_end(Some("that was it".to_owned())),
    }
}

fn texts(messages: &[LogMessage]) -> String {
    let texts: Vec<String> = messages.iter().map(|row| row.message.content.text()).collect();
    texts.join("+")
}
