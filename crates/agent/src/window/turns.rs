//! A conversation in turns and steps.

use std::ops::Range;
use std::sync::Arc;

use postroom_core::message::{Message, Role};

/// What people said, and what the agent did about it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// What people said.
    pub opening: Vec<Range<usize>>,
    /// Answers, each with the results of its calls.
    pub steps: Vec<Range<usize>>,
}

/// The turns, oldest first. System messages are in none.
pub(super) fn turns(messages: &[Arc<Message>]) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        match message.role {
            Role::System => {}
            Role::User => {
                if turns.last().is_none_or(|turn| !turn.steps.is_empty()) {
                    turns.push(Turn::default());
                }
                newest(&mut turns).opening.push(at..at + 1);
            }
            Role::Assistant => newest(&mut turns).steps.push(at..at + 1),
            Role::Tool => match newest(&mut turns).steps.last_mut() {
                Some(step) if step.end == at => step.end = at + 1,
                // It answers nothing that is there: it stands for itself.
                _ => newest(&mut turns).steps.push(at..at + 1),
            },
        }
    }
    turns
}

fn newest(turns: &mut Vec<Turn>) -> &mut Turn {
    if turns.is_empty() {
        turns.push(Turn::default());
    }
    let last = turns.len() - 1;
    &mut turns[last]
}
