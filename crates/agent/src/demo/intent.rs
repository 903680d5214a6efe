//! What a message wants of the demo model.

use serde_json::{Value, json};

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Intent {
    /// Call this tool, with these arguments.
    Call(String, Value),
    Fail(Failure),
    Slow(u32),
    Approve,
    Time,
    Help,
    Echo,
}

/// How to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// In so many attempts.
    Attempts(u32),
    Permanently,
}

/// An hour: longer than anybody waits, shorter than for ever.
const SLOW_MAX: u32 = 3600;

impl Intent {
    /// What several messages want together: the newest that wants something counts. Only the very
    /// last can make it fail, or a run that failed would spoil every later one of its thread.
    pub fn of_all(texts: &[String]) -> Self {
        let mut newest_first = texts.iter().rev().map(|text| Self::of(text));
        match newest_first.next() {
            None => Self::Echo,
            Some(Self::Echo) => newest_first
                .find(|intent| !matches!(intent, Self::Echo | Self::Fail(_)))
                .unwrap_or(Self::Echo),
            Some(wanted) => wanted,
        }
    }

    /// Reads whole words, so that nothing happens "sometimes" because of the time in it.
    pub fn of(text: &str) -> Self {
        if let Some((tool, arguments)) = call(text) {
            return Self::Call(tool, arguments);
        }
        let lower = text.to_lowercase();
        let words: Vec<&str> =
            lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let after = |word: &str| {
            let at = words.iter().position(|candidate| *candidate == word)?;
            Some(words.get(at + 1).copied().unwrap_or(""))
        };
        let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));

        if let Some(next) = after("fail") {
            return Self::Fail(match next {
                "permanently" | "permanent" => Failure::Permanently,
                "once" => Failure::Attempts(1),
                "twice" => Failure::Attempts(2),
                number => Failure::Attempts(number.parse().unwrap_or(u32::MAX)),
            });
        }
        if let Some(next) = after("slow") {
            return Self::Slow(next.parse().unwrap_or(10).clamp(1, SLOW_MAX));
        }
        if has(&["approve", "approval", "approvals"]) {
            return Self::Approve;
        }
        if has(&["time", "clock", "date"]) {
            return Self::Time;
        }
        if has(&["help"]) {
            return Self::Help;
        }
        Self::Echo
    }
}

/// The tool and the arguments of `call TOOL {…}`: a message that begins so, and goes on with nothing or
/// an object.
fn call(text: &str) -> Option<(String, Value)> {
    let (first, rest) = text.trim().split_once(char::is_whitespace)?;
    if !first.eq_ignore_ascii_case("call") {
        return None;
    }
    let rest = rest.trim_start();
    let (tool, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let arguments = match arguments.trim() {
        "" => json!({}),
        object => serde_json::from_str(object).ok().filter(Value::is_object)?,
    };
    Some((tool.to_owned(), arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_messages_the_newest_wish_counts() {
        let of = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            Intent::of_all(&texts)
        };
        assert_eq!(of(&[]), Intent::Echo);
        assert_eq!(of(&["the time", "and hello"]), Intent::Time);
        assert_eq!(of(&["the time", "slow 3"]), Intent::Slow(3));
        assert_eq!(of(&["fail", "hello"]), Intent::Echo);
        assert_eq!(of(&["hello", "fail once"]), Intent::Fail(Failure::Attempts(1)));
    }

    #[test]
    fn a_tool_is_called_by_its_name() {
        let call = |tool: &str, arguments| Intent::Call(tool.to_owned(), arguments);
        assert_eq!(Intent::of("call mcp:files/list"), call("mcp:files/list", json!({})));
        assert_eq!(
            Intent::of(" Call  wait {\"seconds\": 1}\n"),
            call("wait", json!({"seconds": 1}))
        );
        for text in ["call", "call me at noon", "call x [1]", "call x {\"a\"", "recall x"] {
            assert_eq!(Intent::of(text), Intent::Echo, "{text:?}");
        }
    }

    #[test]
    fn whole_words_count_in_any_case() {
        for (text, intent) in [
            ("What TIME is it?", Intent::Time),
            ("sometimes I clocked in", Intent::Echo),
            ("please ask for my approval.", Intent::Approve),
            ("slow", Intent::Slow(10)),
            ("slow 30, and the time", Intent::Slow(30)),
            ("slow 99999999999", Intent::Slow(10)),
            ("slow 0", Intent::Slow(1)),
            ("fail", Intent::Fail(Failure::Attempts(u32::MAX))),
            ("fail once", Intent::Fail(Failure::Attempts(1))),
            ("fail 3 times", Intent::Fail(Failure::Attempts(3))),
            ("Fail permanently!", Intent::Fail(Failure::Permanently)),
            ("failure", Intent::Echo),
            ("", Intent::Echo),
            ("help", Intent::Help),
        ] {
            assert_eq!(Intent::of(text), intent, "{text:?}");
        }
    }
}
