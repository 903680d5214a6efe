//! Whatever stands in a request, a file or a row: a value that comes back the same, or an error;
//! never a panic.

use std::time::Duration;

use postroom_core::event::{Event, EventBody};
use postroom_core::id::{
    AgentId, DecisionId, DedupeKey, DispatchId, Epoch, ID_BYTES_MAX, IdempotencyKey, InvalidId,
    MessageId, NodeId, RunId, TaskId, ThreadId, ToolCallId,
};
use postroom_core::message::{Message, NewMessage, Role};
use postroom_core::pending::{Boundary, Delivery};
use postroom_core::policy::RetryPolicy;
use postroom_core::run::{AgentState, Reason, Run, Termination, Usage, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction};
use postroom_core::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

/// Texts of every kind, many of them nearly an id.
fn any_text() -> impl Strategy<Value = String> {
    let uuid = any::<u128>().prop_map(Uuid::from_u128);
    prop_oneof![
        any::<String>(),
        "[ \t\n\u{85}\u{a0}\u{3000}]{0,3}[a-zé\u{1}-\u{2}\u{7f}-\u{9f}]{0,4}[ \r\n\u{feff}]{0,3}",
        "[x€]{80,90}|[x]{250,260}|[x€ ]{240,260}",
        "[0-9a-fA-F-]{36}",
        uuid.clone().prop_map(|uuid| uuid.to_string()),
        uuid.clone().prop_map(|uuid| uuid.to_string().to_uppercase()),
        uuid.prop_map(|uuid| uuid.simple().to_string()),
    ]
}

/// Any JSON, with the words of messages, decisions and events among its keys and texts.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        select(
            "id role content tool_calls visibility metadata type text image url tool_result data \
             value output is_error tool_call_id action result reason decision_id name arguments \
             user assistant system tool all internal resume cancel event seq thread_id at run_id \
             boundary granularity status state op"
                .split(' ')
                .collect::<Vec<_>>()
        )
        .prop_map(str::to_owned),
        any_text(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::from),
            vec((word.clone(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn id<T: std::str::FromStr<Err = InvalidId> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    any_text().prop_filter_map("an id", |text| text.parse().ok())
}

fn role() -> impl Strategy<Value = Role> {
    select(vec![Role::User, Role::Assistant, Role::System, Role::Tool])
}

fn decision() -> impl Strategy<Value = Decision> {
    let action = select(vec![DecisionAction::Resume, DecisionAction::Cancel]);
    let named = prop::option::of(id::<DecisionId>());
    (named, id::<ToolCallId>(), action, any_json(), prop::option::of(any::<String>())).prop_map(
        |(decision_id, tool_call_id, action, result, reason)| Decision {
            decision_id,
            tool_call_id,
            action,
            result,
            arguments: Value::Null,
            reason,
        },
    )
}

fn termination() -> impl Strategy<Value = Termination> {
    let (code, message) = (any::<String>(), any::<String>());
    prop_oneof![
        Just(Termination::NaturalEnd),
        Just(Termination::Cancelled),
        (code, message)
            .prop_map(|(code, message)| Termination::Stopped(Reason::new(code, message))),
    ]
}

fn usage() -> impl Strategy<Value = Usage> {
    any::<(u64, u64, u64)>().prop_map(|(input_tokens, output_tokens, cached_tokens)| Usage {
        input_tokens,
        output_tokens,
        cached_tokens,
    })
}

fn dispatch_id() -> impl Strategy<Value = DispatchId> {
    any::<u128>().prop_map(|bits| Uuid::from_u128(bits).into())
}

/// Events of every kind of field: ids, numbers to their ends, text, and JSON.
fn event_body() -> impl Strategy<Value = EventBody> {
    let text = any::<String>;
    let call = id::<ToolCallId>;
    let message = id::<MessageId>;
    prop_oneof![
        (dispatch_id(), id::<AgentId>(), any::<u64>(), any::<i64>()).prop_map(
            |(dispatch_id, agent_id, epoch, at)| EventBody::RunQueued {
                dispatch_id,
                agent_id,
                epoch: Epoch(epoch),
                available_at: Timestamp(at),
            }
        ),
        (vec(call(), 0..3), any::<bool>()).prop_map(|(tickets, live)| EventBody::RunWaiting {
            reason: WaitReason::ToolPermission,
            tickets,
            live,
        }),
        (termination(), prop::option::of(text()), usage(), any::<u32>()).prop_map(
            |(termination, output, usage, steps)| EventBody::RunFinished {
                termination,
                error: output.clone().map(Into::into),
                output: output.map(Into::into),
                usage,
                steps,
            }
        ),
        (any::<u64>(), message(), role()).prop_map(|(message_seq, message_id, role)| {
            EventBody::MessageCommitted { message_seq, message_id, role }
        }),
        (message(), any::<u64>()).prop_map(|(message_id, position)| EventBody::MessagePending {
            message_id,
            position,
            boundary: Boundary::OnNaturalEnd,
        }),
        text().prop_map(|text| EventBody::TextDelta { text }),
        (call(), text(), any_json()).prop_map(|(tool_call_id, tool_name, arguments)| {
            EventBody::ToolCallReady { tool_call_id, tool_name, arguments }
        }),
        (call(), decision()).prop_map(|(tool_call_id, decision)| EventBody::ToolCallResumed {
            tool_call_id,
            decision: Box::new(decision),
        }),
        any_json().prop_map(|state| EventBody::StateChanged { state }),
        (text(), text()).prop_map(|(code, message)| EventBody::Error { code, message }),
    ]
}

/// Bytes changed here and there, as a disk or a bad client does.
fn damaged(text: &str, damage: &[(prop::sample::Index, u8, u8)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (place, how, byte) in damage {
        let at = place.index(bytes.len() + 1);
        match how % 4 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, byte % 128),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            _ if at < bytes.len() => bytes[at] = byte % 128,
            _ => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn any_damage() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    vec(any::<(prop::sample::Index, u8, u8)>(), 1..4)
}

/// What `T` reads from `json` it writes so that it reads the same.
fn reads_what_it_writes<T: DeserializeOwned + Serialize>(json: &Value) -> Option<Value> {
    let first: T = serde_json::from_value(json.clone()).ok()?;
    let written = serde_json::to_value(first).unwrap();
    let second: T = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(serde_json::to_value(second).unwrap(), written);
    Some(written)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_id_is_the_trimmed_text_or_an_error_that_says_why(text in any_text()) {
        let trimmed = text.trim();
        match ThreadId::parse(&text) {
            Ok(id) => {
                let shown = id.to_string();
                prop_assert_eq!(&shown, trimmed);
                prop_assert!((1..=ID_BYTES_MAX).contains(&shown.len()));
                prop_assert!(!shown.chars().any(char::is_control));
                prop_assert_eq!(ThreadId::parse(&shown).unwrap(), id.clone());
                let json = serde_json::to_string(&id).unwrap();
                prop_assert_eq!(serde_json::from_str::<ThreadId>(&json).unwrap(), id);
            }
            Err(InvalidId::Blank { noun }) => {
                prop_assert_eq!((noun, trimmed), ("thread", ""));
            }
            Err(InvalidId::TooLong { noun, bytes, max }) => {
                prop_assert_eq!((noun, bytes, max), ("thread", trimmed.len(), ID_BYTES_MAX));
                prop_assert!(bytes > ID_BYTES_MAX);
            }
            Err(InvalidId::Control { noun }) => {
                prop_assert_eq!(noun, "thread");
                prop_assert!(trimmed.chars().any(char::is_control));
            }
            Err(InvalidId::NotUuid { .. } | InvalidId::NotTenant) => {
                prop_assert!(false, "any text may name a thread");
            }
        }
    }

    #[test]
    fn all_kinds_of_ids_take_the_same_texts(text in any_text()) {
        let taken = ThreadId::parse(&text).is_ok();
        for other in [
            text.parse::<RunId>().is_ok(),
            text.parse::<MessageId>().is_ok(),
            text.parse::<AgentId>().is_ok(),
            text.parse::<NodeId>().is_ok(),
            text.parse::<ToolCallId>().is_ok(),
            text.parse::<DecisionId>().is_ok(),
            // One of a task may be longer: it has room for that of its node.
            text.len() <= ID_BYTES_MAX && text.parse::<TaskId>().is_ok(),
            text.parse::<DedupeKey>().is_ok(),
            text.parse::<IdempotencyKey>().is_ok(),
        ] {
            prop_assert_eq!(other, taken);
        }
        match text.parse::<DispatchId>() {
            Ok(id) => prop_assert_eq!(id.to_string().parse::<DispatchId>().unwrap(), id),
            Err(error) => prop_assert_eq!(error, InvalidId::NotUuid { noun: "dispatch" }),
        }
    }

    #[test]
    fn ids_are_ordered_and_told_apart_as_their_texts(a in id::<RunId>(), b in id::<RunId>()) {
        let (text_a, text_b) = (a.to_string(), b.to_string());
        prop_assert_eq!(a.cmp(&b), text_a.cmp(&text_b));
        prop_assert_eq!(a == b, text_a == text_b);
    }

    #[test]
    fn an_event_comes_back_from_its_parts(body in event_body()) {
        let data = body.data_json().unwrap();
        prop_assert_eq!(EventBody::from_parts(body.type_name(), &data).unwrap(), body.clone());
        let event = Event {
            seq: 1,
            thread_id: ThreadId::parse("t").unwrap(),
            run_id: None,
            at: Timestamp(0),
            body,
        };
        let json = serde_json::to_string(&event).unwrap();
        prop_assert_eq!(serde_json::from_str::<Event>(&json).unwrap(), event);
    }

    #[test]
    fn parts_that_are_no_event_are_an_error(type_name in any_text(), data in any_text()) {
        prop_assert!(EventBody::from_parts(&type_name, &data).is_err());
    }

    #[test]
    fn damaged_parts_are_an_event_or_an_error(body in event_body(), damage in any_damage()) {
        let data = damaged(&body.data_json().unwrap(), &damage);
        if let Ok(read) = EventBody::from_parts(body.type_name(), &data) {
            let again = EventBody::from_parts(read.type_name(), &read.data_json().unwrap());
            prop_assert_eq!(again.unwrap(), read);
        }
    }

    #[test]
    fn moments_end_where_their_numbers_do(
        a in prop_oneof![any::<i64>(), select(vec![i64::MIN, -1, 0, 1, i64::MAX])],
        b in prop_oneof![any::<i64>(), select(vec![i64::MIN, -1, 0, 1, i64::MAX])],
        duration in prop_oneof![
            any::<Duration>(),
            any::<u64>().prop_map(Duration::from_millis),
            Just(Duration::MAX),
        ],
    ) {
        let (a, b) = (Timestamp(a), Timestamp(b));
        prop_assert!(a + duration >= a);
        prop_assert!(a.before(duration) <= a);
        prop_assert_eq!(a.since(b).is_zero(), a <= b);
        if let Some(ms) = a.0.checked_sub(b.0).and_then(|ms| u64::try_from(ms).ok()) {
            prop_assert_eq!(a.since(b), Duration::from_millis(ms));
            prop_assert_eq!(b + a.since(b), a);
        }
    }

    #[test]
    fn a_delay_is_never_longer_than_its_limits(
        (base, max) in prop_oneof![
            any::<(Duration, Duration)>(),
            any::<(u64, u64)>()
                .prop_map(|(a, b)| (Duration::from_millis(a), Duration::from_millis(b))),
            Just((Duration::MAX, Duration::MAX)),
        ],
        max_doublings in any::<u32>(),
        jitter in prop_oneof![0.0..=1.0, any::<f64>(), Just(f64::NAN)],
        attempt in any::<u32>(),
        random in any::<u64>(),
    ) {
        let policy = RetryPolicy { base, max, max_doublings, jitter };
        prop_assert!(policy.delay(attempt, random) <= max);
        let steady = RetryPolicy { jitter: 0.0, ..policy };
        prop_assert!(steady.delay(1, random) <= base);
        prop_assert!(steady.delay(attempt, random) <= steady.delay(attempt.saturating_add(1), random));
    }

    #[test]
    fn json_of_any_form_is_read_or_refused(json in any_json()) {
        reads_what_it_writes::<Message>(&json);
        reads_what_it_writes::<NewMessage>(&json);
        reads_what_it_writes::<Decision>(&json);
        reads_what_it_writes::<Delivery>(&json);
        reads_what_it_writes::<Event>(&json);
        reads_what_it_writes::<Run>(&json);
        let text = json.to_string();
        let state = AgentState::from_json(text.clone()).unwrap();
        prop_assert_eq!(state.as_json(), text);
    }

    #[test]
    fn a_new_message_of_known_words_is_read_and_another_word_is_refused(
        content in prop_oneof![
            any::<String>().prop_map(Value::from),
            vec(any::<String>().prop_map(|text| json!({"type": "text", "text": text})), 0..3)
                .prop_map(Value::from),
        ],
        id in prop::option::of(id::<MessageId>()),
        role in role(),
        word in "[a-z_]{1,8}|.{0,4}",
        value in any_json(),
    ) {
        let mut message = json!({"id": id, "role": role, "content": content});
        let read: NewMessage = serde_json::from_value(message.clone()).unwrap();
        prop_assert_eq!((read.id, read.role), (id, role));
        let known = ["id", "role", "content", "tool_calls", "visibility", "metadata"];
        prop_assume!(!known.contains(&word.as_str()));
        message[&word] = value;
        let error = serde_json::from_value::<NewMessage>(message).unwrap_err().to_string();
        prop_assert!(error.contains("unknown field"), "{}", error);
        prop_assert!(error.contains(&word), "{}", error);
    }

    #[test]
    fn a_decision_comes_back_and_another_word_is_refused(
        decision in decision(),
        word in "[a-z_]{1,8}|.{0,4}",
        value in any_json(),
    ) {
        let mut json = serde_json::to_value(&decision).unwrap();
        prop_assert_eq!(serde_json::from_value::<Decision>(json.clone()).unwrap(), decision);
        let known = ["decision_id", "tool_call_id", "action", "result", "reason"];
        prop_assume!(!known.contains(&word.as_str()));
        json[&word] = value;
        let error = serde_json::from_value::<Decision>(json).unwrap_err().to_string();
        prop_assert!(error.contains("unknown field"), "{}", error);
    }
}
