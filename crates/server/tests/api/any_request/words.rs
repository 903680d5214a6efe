//! Ids and parameters: known ones, and what nobody should send.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// What the house has; those with a `$` are known only once it is open.
pub const THREADS: [&str; 6] = ["t", "dead", "asks", "busy", "later", "nobody"];
pub const RUNS: [&str; 6] = ["r-done", "r-dead", "r-asks", "r-busy", "r-queued", "nobody"];
pub const MESSAGES: [&str; 4] = ["p1", "p2", "t-1", "nobody"];
/// Of schedules that requests may make.
pub const SCHEDULES: [&str; 2] = ["daily", "news"];
pub const DISPATCHES: [&str; 6] =
    ["$done", "$dead", "$busy", "$queued", "$later", "01900000-0000-7000-8000-000000000001"];

/// Escapes all that a URI can't have as it is, and what would end the part that it stands in.
pub fn escaped(bytes: &[u8]) -> String {
    let escaped = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'$' => {
            char::from(*byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    bytes.iter().map(escaped).collect()
}

/// An id as a path has it: often the one that fits the route, if it has one.
pub fn segment(placeholder: &str, fitting: Option<&'static str>) -> BoxedStrategy<String> {
    let known: &'static [&'static str] = match placeholder {
        "thread_id" => &THREADS,
        "run_id" => &RUNS,
        "message_id" => &MESSAGES,
        "dispatch_id" => &DISPATCHES,
        "schedule_id" => &SCHEDULES,
        "*file" => &["app.js", "screens/thread.js"],
        _ => &["default", "nobody"],
    };
    let fitting: Vec<&'static str> =
        known.iter().copied().filter(|id| Some(*id) == fitting).collect();
    let fitting = if fitting.is_empty() { known.to_vec() } else { fitting };
    let (known, fitting) = (select(known), select(fitting));
    let id = prop_oneof![known, fitting].prop_map(str::to_owned);
    prop_oneof![6 => id, 1 => odd_text()].boxed()
}

/// Text that is no good id, or a strange one, as a URI can have it.
pub fn odd_text() -> impl Strategy<Value = String> {
    let literal = select(
        &[
            "",
            "%",
            "%zz",
            "%2",
            "%ff",
            "%C3%28",
            "%00",
            "%0d%0a",
            "%20",
            "%20t%20",
            "%2f",
            "%2e%2e",
            ".",
            "..",
            "a/b",
            "//",
            "*",
            "+",
            ":id",
            "T",
            "t%00",
            "%F0%9F%93%AE",
            "batch",
            "order",
            "retry",
            "-1",
            "null",
        ][..],
    );
    prop_oneof![
        4 => literal.prop_map(str::to_owned),
        2 => any::<String>().prop_map(|text| escaped(text.as_bytes())),
        2 => vec(any::<u8>(), 1..12).prop_map(|bytes| escaped(&bytes)),
        // Around the longest id, and far beyond it.
        2 => prop_oneof![254..258_usize, 8_000..9_000_usize].prop_map(|long| "x".repeat(long)),
    ]
}

/// A parameter of the query: its name, and a value that may be meant.
pub fn parameter(name: &'static str) -> BoxedStrategy<String> {
    let words = |name: &'static str, words: &'static [&'static str]| {
        select(words).prop_map(move |word| format!("{name}={word}")).boxed()
    };
    match name {
        "limit" => words(name, &["1", "2", "100", "1000", "0", "1001", "-1", "1.5", "1e2"]),
        "cursor" => words(name, &["$cursor", "$cursor0", "$curso", "3", "0", "t", "%00"]),
        "after" | "after_seq" => words(
            name,
            &["0", "1", "17", "9223372036854775807", "9223372036854775808", "18446744073709551615"],
        ),
        "status" => words(
            name,
            &["queued", "claimed", "acked", "cancelled", "superseded", "dead_letter", "done"],
        ),
        "run_status" => words("status", &["created", "running", "waiting", "done", "queued"]),
        "thread_id" => words(name, &THREADS),
        "parent_run_id" => words(name, &RUNS),
        "agent_id" => words(name, &["default", "nobody", "%20", ""]),
        "metadata.team" => words(name, &["a", "", "%22a%22", "1", "null"]),
        "q" => words(name, &["t", "TEAM", "%22a%22", "", "%00", "%F0%9F%93%AE", "%25", "nobody"]),
        "before" => words(
            name,
            &[
                "2020-01-01T00:00:00Z",
                "9999-12-30T22:00:00.999999999Z",
                "-009999-01-02T01:59:59Z",
                "0",
                "now",
            ],
        ),
        // The time limits are short: the run that is waited for may have no end.
        "wait" => words(
            "wait",
            &["true&timeout_ms=1", "true&timeout_ms=0", "false", "1", "true&timeout_ms=-1", "yes"],
        ),
        "timeout_ms" => words(name, &["0", "1", "2"]),
        _ => unreachable!("no such parameter: {name}"),
    }
}

/// A parameter that no route has, or with a value that none takes.
pub fn odd_parameter() -> impl Strategy<Value = String> {
    let name = select(
        &[
            "limit",
            "cursor",
            "after",
            "after_seq",
            "status",
            "thread_id",
            "agent_id",
            "before",
            "parent_run_id",
            "metadata.",
            "metadata.%ff",
            "metadata.a.b",
            "timeout_ms",
            "verbose",
            "",
            "%00",
        ][..],
    );
    prop_oneof![
        (name, odd_text()).prop_map(|(name, value)| format!("{name}={value}")),
        odd_text(),
        select(&["&", "=", "&&=&", "limit", "limit=1&limit=1", "a[]=1", "?", "wait=%74rue0"][..])
            .prop_map(str::to_owned),
    ]
}
