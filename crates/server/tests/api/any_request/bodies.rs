//! Bodies: good ones, and what becomes of them on the way.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::routes::Form;
use super::words::{DISPATCHES, MESSAGES, RUNS, SCHEDULES, THREADS};

/// The bytes of a body: mostly good, often with one thing wrong, sometimes with several.
pub fn body(form: Form) -> BoxedStrategy<Vec<u8>> {
    if form == Form::None {
        return prop_oneof![8 => Just(Vec::new()), 1 => Just(b"{}".to_vec()), 1 => noise()].boxed();
    }
    let whole = (good(form), prop_oneof![Just(vec![]), vec(change(), 1..3)]);
    let changed = whole.prop_map(|(mut body, changes)| {
        changes.iter().for_each(|change| change.make(&mut body));
        body.to_string().into_bytes()
    });
    let damaged = (changed, weighted(0.15, damage())).prop_map(|(mut bytes, damage)| {
        if let Some(damage) = damage {
            damage.make(&mut bytes);
        }
        bytes
    });
    prop_oneof![20 => damaged, 1 => noise()].boxed()
}

fn noise() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..60)
}

fn good(form: Form) -> BoxedStrategy<Value> {
    match form {
        Form::None => Just(Value::Null).boxed(),
        Form::Submission => submission().boxed(),
        Form::Batch => vec(submission(), 0..4).prop_map(|runs| json!({"runs": runs})).boxed(),
        Form::Decisions => vec(decision(), 0..3).prop_map(Value::from).boxed(),
        Form::Inputs => (messages(), weighted(0.3, delivery()))
            .prop_map(|(messages, delivery)| json!({"messages": messages, "delivery": delivery}))
            .boxed(),
        Form::NewThread => object(vec![
            ("thread_id", word(&["t", "new-1", "new-2", " ", " t "])),
            ("metadata", metadata()),
            ("parent_thread_id", word(&THREADS)),
        ]),
        Form::ThreadChange => metadata().prop_map(|metadata| json!({"metadata": metadata})).boxed(),
        Form::Edit => content().prop_map(|content| json!({"content": content})).boxed(),
        Form::Order => {
            vec(word(&MESSAGES), 0..4).prop_map(|ids| json!({"message_ids": ids})).boxed()
        }
        Form::NewKey => object(vec![
            ("tenant", word(&["default", "red", "A b", ""])),
            ("label", word(&["for tests", "a\nb"])),
            ("expires_at", time()),
        ])
        .prop_map(|mut key| {
            key["scopes"] = json!(["write"]);
            key
        })
        .boxed(),
        Form::LogIn => {
            word(&["x", "pr_0123456789abcdef.x"]).prop_map(|key| json!({"key": key})).boxed()
        }
        Form::RetryMany => object(vec![
            ("thread_id", word(&THREADS)),
            ("agent_id", word(&["default", "nobody"])),
            ("before", time()),
        ])
        .prop_map(|mut filter| {
            filter["status"] = "dead_letter".into();
            filter
        })
        .boxed(),
        Form::Schedule => {
            let optional = object(vec![
                ("schedule_id", word(&SCHEDULES)),
                ("time_zone", word(&["UTC", "Europe/Berlin", "Mars"])),
                ("missed", word(&["once", "skip", "all"])),
            ]);
            let cron = word(&["0 0 1 1 *", "@daily", "0 12 29 2 *", "* * * * * *", "never"]);
            (optional, cron, messages())
                .prop_map(|(mut schedule, cron, messages)| {
                    schedule["cron"] = cron;
                    schedule["run"] = json!({"messages": messages, "thread_id": "later"});
                    schedule
                })
                .boxed()
        }
    }
}

/// An object with some of these fields.
fn object(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(name, value)| weighted(0.15, value).prop_map(move |value| Some((name, value?))))
        .collect();
    fields
        .prop_map(|fields| {
            fields.into_iter().flatten().map(|(name, value)| (name.to_owned(), value)).collect()
        })
        .prop_map(Value::Object)
        .boxed()
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<Value> {
    select(words).prop_map(Value::from).boxed()
}

fn time() -> BoxedStrategy<Value> {
    word(&["2020-01-01T00:00:00Z", "2099-01-01T00:00:00+01:00", "9999-12-30T22:00:00Z"])
}

fn metadata() -> BoxedStrategy<Value> {
    let values = prop_oneof![Just(Value::Null), Just(json!("a")), Just(json!({"deep": [1, 2.5]}))];
    proptest::collection::btree_map("[a-z]{0,4}", values, 0..3)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
        .boxed()
}

fn content() -> BoxedStrategy<Value> {
    let block = prop_oneof![
        Just(json!({"type": "text", "text": "hello"})),
        Just(json!({"type": "image", "url": "https://example.org/a.png"})),
        Just(json!({"type": "tool_result", "tool_call_id": "call-1", "output": {"a": 1}})),
        Just(json!({"type": "data", "value": null})),
    ];
    let blocks = vec(block, 0..3).prop_map(Value::from);
    prop_oneof![any::<String>().prop_map(Value::from), blocks].boxed()
}

fn messages() -> BoxedStrategy<Value> {
    let message = object(vec![
        ("id", word(&["p1", "t-1", "new", " "])),
        ("role", word(&["user", "assistant", "system", "tool"])),
        ("tool_calls", Just(json!([{"id": "c", "name": "rm", "arguments": {}}])).boxed()),
        ("visibility", word(&["all", "internal"])),
        ("metadata", metadata()),
    ]);
    let message = (message, content()).prop_map(|(mut message, content)| {
        message["content"] = content;
        message
    });
    prop_oneof![Just(json!("hello")), vec(message, 0..3).prop_map(Value::from)].boxed()
}

fn delivery() -> BoxedStrategy<Value> {
    object(vec![
        ("boundary", word(&["new_run", "next_step", "on_natural_end"])),
        ("granularity", word(&["one", "batch"])),
        ("barrier", any::<bool>().prop_map(Value::from).boxed()),
    ])
}

fn decision() -> BoxedStrategy<Value> {
    let optional = object(vec![
        ("decision_id", word(&["d1", "d2"])),
        ("result", metadata()),
        ("reason", word(&["because", ""])),
    ]);
    (optional, word(&["call-1", "call-2"]), word(&["resume", "cancel"]))
        .prop_map(|(mut decision, call, action)| {
            decision["tool_call_id"] = call;
            decision["action"] = action;
            decision
        })
        .boxed()
}

fn submission() -> BoxedStrategy<Value> {
    let optional = object(vec![
        ("thread_id", word(&THREADS)),
        ("agent_id", word(&["default", "other"])),
        ("mode", word(&["enqueue", "interrupt", "steer", "reject", "rollback"])),
        ("expected_run_id", word(&RUNS)),
        ("run_id", word(&RUNS)),
        ("parent_run_id", word(&RUNS)),
        ("dedupe_key", word(&["key", "other"])),
        ("priority", any::<u8>().prop_map(Value::from).boxed()),
        (
            "delay_ms",
            select(&[0_u64, 1, 3_600_000, 3_162_240_000_000][..]).prop_map(Value::from).boxed(),
        ),
        ("available_at", time()),
        ("max_attempts", select(&[1_u32, 5, u32::MAX][..]).prop_map(Value::from).boxed()),
        ("delivery", delivery()),
        ("decisions", vec(decision(), 0..2).prop_map(Value::from).boxed()),
        ("frontend_tools", Just(json!([{"name": "f"}])).boxed()),
        ("overrides", Just(json!({"model": "m"})).boxed()),
        ("metadata", metadata()),
        ("webhook", word(&["https://example.org/hook", "http://", "ftp://example.org"])),
    ]);
    (optional, weighted(0.9, messages()))
        .prop_map(|(mut body, messages)| {
            if let Some(messages) = messages {
                body["messages"] = messages;
            }
            body
        })
        .boxed()
}

/// A change of one value somewhere in a body.
#[derive(Debug, Clone)]
enum Change {
    /// This instead.
    Replace(Index, Value),
    /// A field less, or an item.
    Remove(Index, Index),
    /// A field or an item more.
    Add(Index, String, Value),
}

fn change() -> impl Strategy<Value = Change> {
    let name = prop_oneof![
        select(
            &["thread_id", "messages", "run_id", "id", "mode", "role", "runs", "", "Messages"][..]
        )
        .prop_map(str::to_owned),
        ".{0,4}",
    ];
    prop_oneof![
        3 => (any::<Index>(), odd_value()).prop_map(|(at, value)| Change::Replace(at, value)),
        1 => any::<(Index, Index)>().prop_map(|(at, which)| Change::Remove(at, which)),
        1 => (any::<Index>(), name, odd_value())
            .prop_map(|(at, name, value)| Change::Add(at, name, value)),
    ]
}

impl Change {
    fn make(&self, body: &mut Value) {
        let (Self::Replace(at, _) | Self::Remove(at, _) | Self::Add(at, _, _)) = self;
        let place = at.index(count(body));
        let Some(value) = nth(body, &mut { place }) else { return };
        match (self, value) {
            (Self::Replace(_, new), value) => *value = new.clone(),
            (Self::Remove(_, which), Value::Object(fields)) if !fields.is_empty() => {
                let name = fields.keys().nth(which.index(fields.len())).cloned();
                name.and_then(|name| fields.remove(&name));
            }
            (Self::Remove(_, which), Value::Array(items)) if !items.is_empty() => {
                items.remove(which.index(items.len()));
            }
            (Self::Add(_, name, new), Value::Object(fields)) => {
                fields.insert(name.clone(), new.clone());
            }
            (Self::Add(_, _, new), Value::Array(items)) => items.push(new.clone()),
            (Self::Remove(..), value) => *value = Value::Null,
            (Self::Add(_, name, new), value) => *value = json!({name: new}),
        }
    }
}

/// How many values there are in it, itself among them.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Object(fields) => fields.values().map(count).sum(),
        Value::Array(items) => items.iter().map(count).sum(),
        _ => 0,
    }
}

/// The one with that number, in the order in which they are written.
fn nth<'v>(value: &'v mut Value, left: &mut usize) -> Option<&'v mut Value> {
    if *left == 0 {
        return Some(value);
    }
    *left -= 1;
    match value {
        Value::Object(fields) => fields.values_mut().find_map(|value| nth(value, left)),
        Value::Array(items) => items.iter_mut().find_map(|value| nth(value, left)),
        _ => None,
    }
}

fn odd_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        select(vec![0, 1, -1, 255, 256, i64::from(u32::MAX) + 1, i64::MAX, i64::MIN])
            .prop_map(Value::from),
        Just(Value::from(u64::MAX)),
        select(&[0.5, -0.0, 1e308, 5e-324][..]).prop_map(Value::from),
    ];
    let text = prop_oneof![
        select(&["", " ", "\0", "\u{7f}", "a\nb", "\u{feff}", "t", "true", "1", "null"][..])
            .prop_map(str::to_owned),
        any::<String>(),
        (250..260_usize).prop_map(|long| "é".repeat(long)),
    ];
    let id = select([&THREADS[..], &RUNS, &DISPATCHES, &MESSAGES].concat()).prop_map(Value::from);
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        text.prop_map(Value::from),
        id,
        select(&[1_usize, 60, 126, 200][..]).prop_map(nested),
        Just(json!([])),
        Just(Value::Object(Map::new())),
        // More than may be submitted at once.
        Just(json!(vec!["x"; 1_001])),
        Just(json!(vec![json!({"content": "x"}); 1_001])),
    ]
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, level| match level % 2 {
        0 => json!([inner]),
        _ => json!({"a": inner}),
    })
}

/// Damage to the bytes of a body.
#[derive(Debug, Clone)]
enum Damage {
    Cut(Index),
    Insert(Index, Vec<u8>),
    Append(&'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = prop_oneof![
        vec(any::<u8>(), 1..4),
        // Not UTF-8; half a surrogate pair; numbers that no type holds; a field that comes twice.
        select(vec![
            &b"\xff"[..],
            b"\xc3\x28",
            b"\\ud800",
            b"1e999",
            b"\"messages\":\"x\",",
            b"-",
            b"99999999999999999999999999999999",
            b"NaN",
            b"\0",
            b"/*",
            b"[[[[[[[[",
            b"{\"a\":",
        ],)
        .prop_map(<[u8]>::to_vec),
    ];
    prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        select(&[" {}", ",", "}", "\n\n", "\0"][..]).prop_map(Damage::Append),
    ]
}

impl Damage {
    fn make(&self, body: &mut Vec<u8>) {
        match self {
            Self::Cut(at) => body.truncate(at.index(body.len() + 1)),
            Self::Insert(at, bytes) => {
                let at = at.index(body.len() + 1);
                body.splice(at..at, bytes.iter().copied());
            }
            Self::Append(text) => body.extend_from_slice(text.as_bytes()),
        }
    }
}
