//! What a message wants of the demo model.

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
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
    /// Reads whole words, so that nothing happens "sometimes" because of the time in it.
    pub fn of(text: &str) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;

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
