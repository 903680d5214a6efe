//! Events.

use postroom_core::event::{Event, EventBody};
use postroom_core::id::{RunId, ThreadId};
use postroom_core::time::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::time::{Moment, moment};

/// An event: the item of a JSON page and the `data` of a stream's frame are the same.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct EventView<'e> {
    seq: u64,
    thread_id: &'e ThreadId,
    run_id: Option<&'e RunId>,
    at: Moment,
    #[serde(flatten)]
    #[schemars(with = "EventBody")]
    body: Body<'e>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Body<'e> {
    /// Goes over the wire as it is in the log.
    AsItIs(&'e EventBody),
    /// Holds a time, which the log keeps as a number.
    WithTime { r#type: &'static str, data: Value },
}

impl<'e> From<&'e Event> for EventView<'e> {
    fn from(event: &'e Event) -> Self {
        let body = match &event.body {
            EventBody::RunQueued { available_at, .. }
            | EventBody::DispatchRetried { available_at, .. } => {
                with_time(&event.body, *available_at)
            }
            body => Body::AsItIs(body),
        };
        Self {
            seq: event.seq,
            thread_id: &event.thread_id,
            run_id: event.run_id.as_ref(),
            at: moment(event.at),
            body,
        }
    }
}

fn with_time(body: &EventBody, available_at: Timestamp) -> Body<'_> {
    let Ok(mut whole) = serde_json::to_value(body) else { return Body::AsItIs(body) };
    let mut data = whole.get_mut("data").map(Value::take).unwrap_or_default();
    if let Some(field) = data.get_mut("available_at") {
        *field = moment(available_at).to_string().into();
    }
    Body::WithTime { r#type: body.type_name(), data }
}

#[cfg(test)]
mod tests {
    use postroom_core::id::{AgentId, DispatchId, Epoch};
    use serde_json::json;

    use super::*;

    fn event(body: EventBody) -> Event {
        Event {
            seq: 17,
            thread_id: ThreadId::parse("t").unwrap(),
            run_id: Some(RunId::parse("r").unwrap()),
            at: Timestamp(0),
            body,
        }
    }

    #[test]
    fn an_event_has_the_form_of_the_specification() {
        let event = event(EventBody::TextDelta { text: "a\r\nb".to_owned() });
        assert_eq!(
            serde_json::to_value(EventView::from(&event)).unwrap(),
            json!({"seq": 17, "thread_id": "t", "run_id": "r", "type": "text_delta",
                   "at": "1970-01-01T00:00:00.000Z", "data": {"text": "a\r\nb"}})
        );
        let line = serde_json::to_string(&EventView::from(&event)).unwrap();
        assert!(!line.contains(['\r', '\n']), "data must be one line: {line}");
    }

    #[test]
    fn times_in_data_are_rfc_3339_too() {
        let dispatch_id: DispatchId = "01900000-0000-7000-8000-000000000001".parse().unwrap();
        let event = event(EventBody::RunQueued {
            dispatch_id,
            agent_id: AgentId::default_agent(),
            epoch: Epoch(0),
            available_at: Timestamp(1),
        });
        let wire = serde_json::to_value(EventView::from(&event)).unwrap();
        assert_eq!(wire["type"], "run_queued");
        assert_eq!(wire["data"]["available_at"], "1970-01-01T00:00:00.001Z");
        assert_eq!(wire["data"]["agent_id"], "default");
    }
}
