//! The demo model, as people try it.

use std::time::Duration;

use postroom_core::event::EventBody;
use postroom_core::message::NewMessage;
use postroom_core::ports::RunOutcome;
use postroom_core::run::Termination;
use postroom_core::ticket::DecisionAction;
use serde_json::Value;

use crate::fake::{Fake, agent, builder, demo_executor, env, executor, one_agent, output};

#[tokio::test]
async fn it_says_back_what_it_heard_word_by_word() {
    let fake = Fake::new(&["hello  dear\nworld"]);
    let said = output(fake.execute(&demo_executor()).await);
    assert!(said.starts_with("You said: “hello dear world”."), "{said}");
    assert_eq!(fake.shown(), said);
    let deltas = |event: &&EventBody| matches!(event, EventBody::TextDelta { .. });
    assert!(fake.events.lock().iter().filter(deltas).count() > 4);
}

#[tokio::test]
async fn it_remembers_the_conversation_and_takes_several_messages_together() {
    let fake = Fake::new(&["one"]);
    output(fake.execute(&demo_executor()).await);
    fake.append(vec![NewMessage::user("two"), NewMessage::user("three")]);
    let said = output(fake.execute(&demo_executor()).await);
    assert_eq!(said, "You said: “two”, and then “three”. That was message 3 of our conversation.");
}

#[tokio::test]
async fn it_tells_the_time_with_the_clock_tool() {
    let fake = Fake::new(&["What time is it?"]);
    assert_eq!(output(fake.execute(&demo_executor()).await), "It is Friday, 2026-01-02T03:04:05Z.");
    assert!(fake.event_names().contains(&"reasoning_delta"));
    assert!(fake.event_names().contains(&"tool_call_arguments_delta"));
}

#[tokio::test]
async fn it_asks_for_approval_and_says_what_was_decided() {
    for (action, reason, expected) in [
        (DecisionAction::Resume, None, "You approved it, and it is done"),
        (DecisionAction::Cancel, None, "You did not approve it, so I left it alone."),
        (DecisionAction::Cancel, Some("no!"), "You did not approve it (no!), so I left it alone."),
    ] {
        let fake = Fake::new(&["please ask for approval"]);
        let executor = demo_executor();
        let (outcome, ()) = tokio::join!(fake.execute(&executor), async {
            let ticket = fake.asked().await;
            assert_eq!(ticket.tool_name, "demo_action");
            fake.decide("demo_1", action, Value::Null, reason);
        });
        let said = output(outcome);
        assert!(said.starts_with(expected), "{said}");
    }
}

#[tokio::test]
async fn what_is_said_while_it_calls_a_tool_is_answered_too() {
    let fake = Fake::new(&["the time please"]);
    fake.pending.lock().push(NewMessage::user("and hello"));
    let said = output(fake.execute(&demo_executor()).await);
    assert!(said.starts_with("It is Friday"), "{said}");
    assert!(said.contains("You said: “and hello”"), "{said}");
}

#[tokio::test(start_paused = true)]
async fn it_can_be_slow_and_killed_in_the_middle() {
    let fake = Fake::new(&["slow 5"]);
    let executor = demo_executor();
    let killed = tokio::time::timeout(Duration::from_millis(2500), fake.execute(&executor)).await;
    assert!(killed.is_err());
    assert!(fake.shown().ends_with(" 1 2"), "{}", fake.shown());
    assert_eq!(fake.log.lock().len(), 1);

    let started = tokio::time::Instant::now();
    let said = output(fake.execute(&executor).await);
    assert_eq!(said, "Slowly to 5: 1 2 3 4 5 done.");
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn it_can_fail_in_each_way() {
    let executor = demo_executor();
    let fake = Fake::new(&["fail"]);
    for _ in 0..3 {
        let outcome = fake.execute(&executor).await;
        assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
    }

    let fake = Fake::new(&["fail once"]);
    let outcome = fake.execute(&executor).await;
    assert!(matches!(outcome, RunOutcome::TransientError { .. }), "{outcome:?}");
    assert_eq!(output(fake.execute(&executor).await), "It worked, in attempt 2.");

    let outcome = Fake::new(&["fail permanently"]).execute(&executor).await;
    let RunOutcome::Completed { result, .. } = outcome else { panic!("{outcome:?}") };
    assert!(matches!(result.termination, Termination::Error(_)));
}

#[tokio::test]
async fn it_says_what_it_can_do_and_what_it_lacks() {
    let fake = Fake::new(&["help"]);
    assert!(output(fake.execute(&demo_executor()).await).contains("slow 30"));

    let registry = builder().agents(one_agent(agent("demo", &[]))).build().unwrap();
    let said = output(Fake::new(&["time?"]).execute(&executor(registry)).await);
    assert!(said.contains("I have no `clock` tool"), "{said}");
}

#[tokio::test]
async fn strange_words_do_not_confuse_it() {
    for text in ["", " ", "“”\u{0}\u{202e}", "slow -1", "slow ٣", &"é".repeat(100_000)] {
        let fake = Fake::new(&[text]);
        if text.starts_with("slow") {
            tokio::time::pause();
        }
        output(fake.execute(&demo_executor()).await);
        if text.starts_with("slow") {
            tokio::time::resume();
        }
    }
    let _ = env(&[]);
}
