//! About how many bytes of memory rows take, so that what is kept of them has a bound.

use std::sync::Arc;

use postroom_core::dispatch::Dispatch;
use postroom_core::message::{Content, Message, Metadata};
use postroom_core::pending::Pending;
use postroom_core::run::{Run, RunSpec};
use postroom_core::thread::Thread;
use postroom_core::ticket::Ticket;
use serde_json::Value;

/// A row without what it points to.
const ROW: usize = 512;

/// A JSON value, or the name of one, without its text.
const VALUE: usize = 48;

pub(super) fn of_thread(thread: &Thread) -> usize {
    ROW + of_object(&thread.metadata)
}

pub(super) fn of_dispatch(dispatch: &Dispatch) -> usize {
    let attempt = dispatch.attempt.as_ref();
    let said = attempt.map_or(0, |attempt| {
        of_text(attempt.run_response.as_ref()) + of_text(attempt.run_error.as_ref())
    });
    ROW + said + dispatch.last_error.as_ref().map_or(0, String::len)
}

pub(super) fn of_run(run: &Run) -> usize {
    let state = run.state.as_ref().map_or(0, |state| state.as_json().len());
    let tickets: usize = run.tickets.iter().map(of_ticket).sum();
    let said = of_text(run.output.as_ref()) + of_text(run.error.as_ref());
    ROW + of_spec(&run.spec) + state + tickets + run.ended_tasks.len() * VALUE + said
}

/// Nothing where the message has blocks: pictures and files may be in them, and they are not measured.
pub(super) fn of_message(message: &Message) -> Option<usize> {
    let Content::Text(text) = &message.content else { return None };
    let calls: usize = message.tool_calls.iter().map(|call| ROW + of_value(&call.arguments)).sum();
    Some(ROW + text.len() + calls + of_object(&message.metadata))
}

/// Nothing where its message is not measured.
pub(super) fn of_pending(pending: &Pending) -> Option<usize> {
    of_message(&pending.message).map(|message| ROW + message)
}

fn of_spec(spec: &Arc<RunSpec>) -> usize {
    if Arc::ptr_eq(spec, &RunSpec::plain()) {
        return 0;
    }
    let tools: usize = spec.frontend_tools.iter().map(of_value).sum();
    let webhook = spec.webhook.as_ref().map_or(0, String::len);
    ROW + of_value(&spec.overrides) + tools + of_object(&spec.metadata) + webhook
}

fn of_ticket(ticket: &Ticket) -> usize {
    ROW + ticket.message.len() + of_value(&ticket.arguments)
}

fn of_text(text: Option<&Arc<str>>) -> usize {
    text.map_or(0, |text| text.len())
}

fn of_object(object: &Metadata) -> usize {
    object.iter().map(|(name, value)| VALUE + name.len() + of_value(value)).sum()
}

fn of_value(value: &Value) -> usize {
    VALUE
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(of_value).sum(),
            Value::Object(object) => of_object(object),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use postroom_core::id::ThreadId;
    use postroom_core::message::NewMessage;
    use postroom_core::time::Timestamp;
    use serde_json::json;

    use super::*;

    /// As long as what is kept of a thread may be.
    const LONG: usize = 100_000;

    #[test]
    fn what_a_caller_can_make_long_weighs_what_it_is_long() {
        let long = "x".repeat(LONG);
        let mut thread = Thread::new(ThreadId::parse("t").unwrap(), Timestamp(0));
        assert!(of_thread(&thread) < 2 * ROW);
        let metadata = json!({"a": {"b": [1, long]}}).as_object().unwrap().clone();
        thread.metadata = Arc::new(metadata.clone());
        assert!(of_thread(&thread) > LONG);

        let new = NewMessage::user("hello");
        let mut message = Message {
            id: postroom_core::id::MessageId::parse("m").unwrap(),
            role: new.role,
            content: new.content,
            tool_calls: Vec::new(),
            visibility: postroom_core::message::Visibility::All,
            metadata: Metadata::default(),
        };
        assert!(of_message(&message).unwrap() < 2 * ROW);
        message.metadata.clone_from(&metadata);
        assert!(of_message(&message).unwrap() > LONG);
        message.content = Content::Blocks(Vec::new());
        assert_eq!(of_message(&message), None);

        assert_eq!(of_spec(&RunSpec::plain()), 0);
        let spec = RunSpec { metadata, ..RunSpec::default() };
        assert!(of_spec(&Arc::new(spec)) > LONG);
    }
}
