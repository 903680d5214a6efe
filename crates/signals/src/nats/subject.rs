//! The names of subjects and of the stream.

use std::fmt::Write;

use postroom_core::id::{DispatchId, RunId, ThreadId};
use postroom_core::live::LiveTarget;

/// The names within one installation.
pub(super) struct Subjects {
    installation: String,
}

impl Subjects {
    pub(super) fn of(installation: &str) -> Self {
        Self { installation: token(installation) }
    }

    /// Where nobody ever listens.
    pub(super) fn nobody(&self) -> String {
        format!("postroom.{}.nobody", self.installation)
    }

    /// Where signals of the thread go.
    pub(super) fn signal(&self, thread_id: &ThreadId) -> String {
        format!("postroom.{}.signals.{}", self.installation, thread_id.with_str(token))
    }

    /// Where all signals go.
    pub(super) fn signals(&self) -> String {
        format!("postroom.{}.signals.*", self.installation)
    }

    /// The stream that keeps them.
    pub(super) fn stream(&self) -> String {
        format!("POSTROOM_{}_SIGNALS", self.installation)
    }

    /// Where the thread's events are told.
    pub(super) fn events(&self, thread_id: &ThreadId) -> String {
        format!("postroom.{}.events.{}", self.installation, thread_id.with_str(token))
    }

    /// Where nodes say which threads they listen to.
    pub(super) fn ears(&self) -> String {
        format!("postroom.{}.ears", self.installation)
    }

    /// Where commands for the target go: to one dispatch of a run, or to whichever executes.
    pub(super) fn live(&self, target: &LiveTarget) -> String {
        match target.dispatch_id {
            Some(id) => self.live_dispatch(&target.thread_id, &target.run_id, id),
            None => self.live_run(&target.thread_id, &target.run_id),
        }
    }

    pub(super) fn live_run(&self, thread_id: &ThreadId, run_id: &RunId) -> String {
        let (thread, run) = (thread_id.with_str(token), run_id.with_str(token));
        format!("postroom.{}.live.{thread}.{run}", self.installation)
    }

    fn live_dispatch(&self, thread_id: &ThreadId, run_id: &RunId, id: DispatchId) -> String {
        format!("{}.{id}", self.live_run(thread_id, run_id))
    }
}

/// The text as one token of a subject, different for different texts: letters, digits, `-` and `_`
/// stand for themselves, other bytes are written as `=` and two digits.
fn token(text: &str) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            token.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(token, "={byte:02x}");
        }
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_is_one_token_and_stays_different() {
        let names = ["a", "a.b", "a*", ">", "a b", "a=2eb", "a=b", "ü", "-_-", "A"];
        let tokens: std::collections::BTreeSet<String> = names.map(token).into_iter().collect();
        assert_eq!(tokens.len(), names.len());
        for token in tokens {
            assert!(token.bytes().all(|it| it.is_ascii_alphanumeric() || b"-_=".contains(&it)));
        }
        assert_eq!(token("0190-x"), "0190-x");
    }
}
