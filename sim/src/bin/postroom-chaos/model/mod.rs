//! The model that the agents ask: it speaks `OpenAI`'s protocol, does what a letter tells it, and
//! keeps a ledger of what it was shown and what it answered.

mod reply;
mod serve;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use serve::serve;

/// What a letter asks of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directive {
    /// An answer.
    Hello,
    /// An answer that takes longer than a lease is left without renewal.
    Slow,
    /// A tool's call first.
    Tool,
    /// A call first that a person must approve.
    Ask,
    /// The first try fails, the second does not.
    Flaky,
    /// Every try fails.
    Poison,
    /// It is refused, for good.
    Refuse,
}

impl Directive {
    const ALL: [Self; 7] =
        [Self::Hello, Self::Slow, Self::Tool, Self::Ask, Self::Flaky, Self::Poison, Self::Refuse];

    /// As a letter says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Slow => "slow",
            Self::Tool => "tool",
            Self::Ask => "ask",
            Self::Flaky => "flaky",
            Self::Poison => "poison",
            Self::Refuse => "refuse",
        }
    }

    /// Whether a run that has such a letter may end otherwise than well.
    pub fn may_fail(self) -> bool {
        matches!(self, Self::Poison | Self::Refuse)
    }
}

/// What a letter's text asks for.
pub fn directive_in(text: &str) -> Option<Directive> {
    let word = text.split(' ').nth(1)?;
    Directive::ALL.into_iter().find(|directive| directive.word() == word)
}

/// One time that the model was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Stands in its answer.
    pub number: u64,
    /// The letters that it was shown.
    pub tokens: Vec<u64>,
    /// It answered to the end, as far as it knows.
    pub ended: bool,
}

/// The text that an answer begins with. It ends in a mark, so that one that was cut short has
/// another number or none.
fn answer_text(number: u64, token: u64) -> String {
    format!("answer #{number}; to m{token}")
}

/// The number of the call that a text is the answer of.
pub fn number_in(text: &str) -> Option<u64> {
    text.strip_prefix("answer #")?.split_once(';')?.0.parse().ok()
}

/// What the model remembers.
#[derive(Debug, Default)]
pub struct Ledger {
    inner: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    calls: Vec<Call>,
    /// How often each letter was asked about.
    tries: BTreeMap<u64, u64>,
}

impl Ledger {
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Notes a call about `token`; answers its number, and which try it is.
    fn note(&self, tokens: Vec<u64>, token: u64) -> (u64, u64) {
        let mut pages = self.lock();
        let number = pages.calls.len() as u64 + 1;
        pages.calls.push(Call { number, tokens, ended: false });
        let tries = pages.tries.entry(token).or_default();
        *tries += 1;
        (number, *tries)
    }

    fn ended(&self, number: u64) {
        let index = usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        if let Some(call) = self.lock().calls.get_mut(index) {
            call.ended = true;
        }
    }
}

/// Shared by every request.
type Shared = Arc<Ledger>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_cut_short_has_no_number() {
        let text = answer_text(123, 7);
        assert_eq!(number_in(&text), Some(123));
        assert_eq!(number_in(&text[..10]), None);
        assert_eq!(number_in("m7 hello"), None);
    }

    #[test]
    fn directives_are_found_by_their_words() {
        for directive in Directive::ALL {
            let text = crate::told::text_of(7, directive.word());
            assert_eq!(directive_in(&text), Some(directive));
        }
        assert_eq!(directive_in("answer #1; to m7"), None);
    }
}
