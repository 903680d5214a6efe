//! What clients did, and what they were told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How a letter meets the work that its thread has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Enqueue,
    Interrupt,
    Steer,
    Reject,
    Rollback,
}

impl Mode {
    /// As the API says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enqueue => "enqueue",
            Self::Interrupt => "interrupt",
            Self::Steer => "steer",
            Self::Reject => "reject",
            Self::Rollback => "rollback",
        }
    }
}

/// What one request was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is accepted: by this run.
    Accepted { run_id: String },
    /// It is refused, for good: nothing was written.
    Refused { status: u16, code: String },
    /// It failed, and nothing was written.
    NothingWritten { code: String },
    /// Perhaps it was carried out.
    Unknown { why: String },
    /// An answer that no documented failure has.
    Undocumented { status: u16, body: String },
}

/// A message that somebody sent, once or again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Unique; part of its text.
    pub token: u64,
    pub thread_id: String,
    pub sender: usize,
    pub message_id: String,
    pub mode: Mode,
    /// One for each request.
    pub answers: Vec<Answer>,
}

/// What all answers to a letter come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It must be there.
    Accepted,
    /// It must not.
    NotWritten,
    /// It may.
    Unknown,
}

impl Letter {
    pub fn fate(&self) -> Fate {
        let any = |wanted: fn(&Answer) -> bool| self.answers.iter().any(wanted);
        if any(|answer| matches!(answer, Answer::Accepted { .. })) {
            Fate::Accepted
        } else if any(|answer| {
            matches!(answer, Answer::Unknown { .. } | Answer::Undocumented { .. })
        }) {
            Fate::Unknown
        } else {
            Fate::NotWritten
        }
    }

    /// The run that it was accepted by.
    pub fn run_id(&self) -> Option<&str> {
        self.answers.iter().find_map(|answer| match answer {
            Answer::Accepted { run_id } => Some(run_id.as_str()),
            _ => None,
        })
    }
}

/// Everything that clients were told.
#[derive(Debug, Default)]
pub struct Told {
    inner: Mutex<Book>,
}

/// The notes of all clients.
#[derive(Debug, Default, Clone)]
pub struct Book {
    /// By token, which is the order in which they were written.
    pub letters: BTreeMap<u64, Letter>,
    /// Runs that a client was told are cancelled, or will be.
    pub cancelled: Vec<String>,
    /// How often each other request was answered, and how.
    pub others: BTreeMap<(&'static str, u16), u64>,
    /// What no documented answer is like.
    pub undocumented: Vec<String>,
    /// Letters whose sender has not had its last answer yet.
    pub open: usize,
}

impl Told {
    pub fn lock(&self) -> MutexGuard<'_, Book> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    /// A new letter; answers its token.
    pub fn write(&mut self, thread_id: &str, sender: usize, mode: Mode) -> Letter {
        let token = self.letters.len() as u64 + 1;
        let message_id = format!("letter-{token}");
        let thread_id = thread_id.to_owned();
        let letter = Letter { token, thread_id, sender, message_id, mode, answers: Vec::new() };
        self.letters.insert(token, letter.clone());
        self.open += 1;
        letter
    }

    pub fn answered(&mut self, token: u64, answer: Answer) {
        if let Answer::Undocumented { status, body } = &answer {
            self.undocumented.push(format!("letter {token} was answered {status}: {body}"));
        }
        if let Some(letter) = self.letters.get_mut(&token) {
            letter.answers.push(answer);
        }
    }
}

/// The text of a letter: its token, and what the model is to do with it.
pub fn text_of(token: u64, directive: &str) -> String {
    format!("m{token} {directive}")
}

/// The token in a text, if it is a letter's.
pub fn token_in(text: &str) -> Option<u64> {
    text.strip_prefix('m')?.split(' ').next()?.parse().ok()
}
