//! Conversations that outgrow a model's window.
//!
//! [`fit`] decides what a model is shown of a conversation that is too long; the log keeps
//! everything. It is pure: the same conversation and budget give the same answer. In this order,
//! until the rest fits:
//!
//! 1. The oldest turns go, whole. A turn is what a person says, and all steps up to the next time.
//! 2. Of the newest turn the oldest steps go. A step is an answer with its tool calls and all of
//!    their results: none is ever shown without the others.
//! 3. The longest tool results are shortened in their middle.
//!
//! System messages, what the newest turn began with, and its last step always stay. A note stands
//! where something was left out. If even that is too long, [`Fitted::is_too_long`] says so.
//!
//! With [`Policy::Summarise`] the answer also says what is to be summarised: the caller asks a
//! model with [`summary_request`], keeps the text, and from then on shows [`summary_message`] in
//! place of those messages.

mod budget;
mod estimate;
mod shorten;
mod summary;
mod turns;

pub use budget::{Budget, Scale};
pub use estimate::{estimate, estimate_request};
pub use summary::{summary_message, summary_request};

use std::ops::Range;
use std::sync::Arc;

use postroom_core::message::{Content, Message, Metadata, Role, Visibility};
use serde::{Deserialize, Serialize};

use shorten::shorten_results;
use turns::{Turn, turns};

/// What becomes of the part of a conversation that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The model is not shown it.
    #[default]
    Drop,
    /// The model is shown a summary of it. More goes than has to, so that it is not summarised
    /// again at every step.
    Summarise,
}

/// What a model is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The conversation, or what is left of it. Every call in it is followed by its results, as in
    /// the conversation that was given.
    pub messages: Vec<Arc<Message>>,
    /// What that is estimated to cost, in tokens.
    pub tokens: u64,
    /// How many of the given messages are left out.
    pub left_out: usize,
    /// Which of the given messages a summary should stand for, counted from the first; only with
    /// [`Policy::Summarise`]. System messages among them still stay.
    pub summarise: Option<Range<usize>>,
    /// Even the least that can be shown is estimated to be too long.
    pub is_too_long: bool,
}

/// What stands for what was left out.
const NOTE: &str = "[Earlier parts of this conversation are left out here: it has outgrown what \
                    you can be shown at once.]";

/// What of the conversation is shown to a model with this budget.
pub fn fit(messages: &[Arc<Message>], budget: &Budget, policy: Policy) -> Fitted {
    let costs: Vec<u64> = messages.iter().map(|message| budget.cost(message)).collect();
    let total: u64 = costs.iter().sum();
    let limit = budget.for_messages();
    if total <= limit {
        return Fitted {
            messages: messages.to_vec(),
            tokens: total,
            left_out: 0,
            summarise: None,
            is_too_long: false,
        };
    }
    let cut = Cut::new(messages, &costs, limit, policy);
    let mut shown = cut.shown(messages);
    let mut tokens = shown.iter().map(|message| budget.cost(message)).sum();
    if tokens > limit {
        tokens = shorten_results(&mut shown, budget);
    }
    let has_summary = policy == Policy::Summarise && cut.left_out > 0;
    Fitted {
        messages: shown,
        tokens,
        left_out: cut.left_out,
        summarise: has_summary.then_some(0..cut.end),
        is_too_long: tokens > limit,
    }
}

/// What is left out.
struct Cut {
    /// Whether each message stays.
    stays: Vec<bool>,
    left_out: usize,
    /// Behind the last message that is left out.
    end: usize,
}

impl Cut {
    fn new(messages: &[Arc<Message>], costs: &[u64], limit: u64, policy: Policy) -> Self {
        let mut cut = Self { stays: vec![true; messages.len()], left_out: 0, end: 0 };
        let mut rest: u64 = costs.iter().sum();
        // The note's own cost is no matter for the calibration.
        let goal = match policy {
            Policy::Drop => limit,
            Policy::Summarise => limit / 2,
        };
        let goal = goal.saturating_sub(estimate(&note(messages)));
        let turns = turns(messages);
        let Some((newest, older)) = turns.split_last() else { return cut };
        for Turn { opening, steps } in older {
            if rest <= goal {
                return cut;
            }
            for part in opening.iter().chain(steps) {
                rest -= cut.leave_out(part, costs);
            }
        }
        let Some((_, older)) = newest.steps.split_last() else { return cut };
        for step in older {
            if rest <= goal {
                return cut;
            }
            rest -= cut.leave_out(step, costs);
        }
        cut
    }

    /// Answers what that saves.
    fn leave_out(&mut self, part: &Range<usize>, costs: &[u64]) -> u64 {
        self.stays[part.clone()].fill(false);
        self.left_out += part.len();
        self.end = self.end.max(part.end);
        costs[part.clone()].iter().sum()
    }

    /// What stays, with a note where the last of it is missing.
    fn shown(&self, messages: &[Arc<Message>]) -> Vec<Arc<Message>> {
        let mut shown = Vec::with_capacity(messages.len() - self.left_out + 1);
        for (at, message) in messages.iter().enumerate() {
            if at == self.end && self.left_out > 0 {
                shown.push(Arc::new(note(messages)));
            }
            if self.stays[at] {
                shown.push(message.clone());
            }
        }
        shown
    }
}

/// The note, under the first message's name: it is in no log.
fn note(messages: &[Arc<Message>]) -> Message {
    internal(messages, NOTE)
}

/// A text to the model that nobody else sees.
fn internal(messages: &[Arc<Message>], text: &str) -> Message {
    let id = messages.first().map(|message| message.id.clone());
    Message {
        id: id.unwrap_or_else(|| uuid::Uuid::nil().into()),
        role: Role::User,
        content: Content::Text(text.to_owned()),
        tool_calls: Vec::new(),
        visibility: Visibility::Internal,
        metadata: Metadata::new(),
    }
}
