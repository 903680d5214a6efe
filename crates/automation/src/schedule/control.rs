//! What a schedule is told after it was made: to pause, and to go on.

use postroom_core::command::{Mode, Submit};
use postroom_core::message::{Message, NewMessage, Visibility};
use postroom_core::run::Origin;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The metadata key of a message that tells a schedule something.
const KEY: &str = "schedule";

/// What a schedule is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Submit nothing more.
    Pause,
    /// Submit again, from now on: what passed meanwhile was not missed.
    Resume,
}

impl Control {
    /// What tells it so, submitted to the schedule's thread.
    pub fn submission(self) -> Submit {
        let text = match self {
            Self::Pause => "Pause.",
            Self::Resume => "Go on.",
        };
        let mut message = NewMessage::user(text);
        message.visibility = Visibility::Internal;
        message.metadata.insert(KEY.to_owned(), json!(self));
        Submit {
            origin: Origin::Internal,
            max_attempts: u32::MAX,
            ..Submit::new(Mode::Steer, vec![message])
        }
    }

    pub(super) fn of(message: &Message) -> Option<Self> {
        Self::deserialize(message.metadata.get(KEY)?).ok()
    }
}
