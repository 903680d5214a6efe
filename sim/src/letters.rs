//! Letters: what was submitted, and what its sender was told.

use postroom_core::command::Mode;
use postroom_core::id::{MessageId, RunId, ThreadId};
use postroom_core::message::Message;

/// What a sender was told of a letter at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Nothing that could be relied on.
    None,
    /// It is accepted.
    Accepted,
    /// Nothing of it was written.
    NotWritten,
    /// It was taken back.
    Retracted,
}

/// One message of somebody outside.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Where to.
    pub thread_id: ThreadId,
    /// Who from.
    pub sender: usize,
    /// The kind within which the order of sending is kept, if it is one of those.
    pub order: Option<Mode>,
    /// What the sender was told.
    pub answer: Answer,
    /// It was sent once, and answered.
    pub clean: bool,
    /// The run that it was for when it was accepted.
    pub run_id: Option<RunId>,
    /// It became a run of its own.
    pub own_run: bool,
    /// Its id, where it is known.
    pub message_id: Option<MessageId>,
}

/// All letters, in the order they were written. A letter's place is its token.
#[derive(Default)]
pub struct Letters(Vec<Letter>);

impl Letters {
    /// A letter to be sent; says its token.
    pub fn write(&mut self, thread_id: &ThreadId, sender: usize, order: Option<Mode>) -> usize {
        self.0.push(Letter {
            thread_id: thread_id.clone(),
            sender,
            order,
            answer: Answer::None,
            clean: true,
            run_id: None,
            own_run: false,
            message_id: None,
        });
        self.0.len() - 1
    }

    /// The letter of a token.
    pub fn letter(&mut self, token: usize) -> &mut Letter {
        &mut self.0[token]
    }

    /// A thread's letters.
    pub fn of_thread(&self, thread_id: &ThreadId) -> impl Iterator<Item = (usize, &Letter)> {
        self.0.iter().enumerate().filter(move |(_, letter)| letter.thread_id == *thread_id)
    }

    /// The token of the letter with this id.
    pub fn find(&self, message_id: &MessageId) -> Option<usize> {
        self.0.iter().position(|letter| letter.message_id.as_ref() == Some(message_id))
    }
}

/// The text of a letter: its token, and something to say.
pub fn text_of(token: usize, says: &str) -> String {
    format!("m{token} {says}")
}

/// The token in a message's text, if it is a letter.
pub fn token_of(message: &Message) -> Option<usize> {
    let text = message.content.text();
    text.strip_prefix('m')?.split(' ').next()?.parse().ok()
}
