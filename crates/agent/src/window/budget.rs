//! How much a model can be shown.

use postroom_core::message::Message;
use serde::{Deserialize, Serialize};

use super::estimate::estimate;

/// How much a model can be shown, in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// What the conversation and the answer may have together.
    pub window: u64,
    /// What is kept free for the answer.
    pub answer: u64,
    /// What the instructions and the tools are estimated to cost: [`estimate_request`] of a request
    /// without messages.
    ///
    /// [`estimate_request`]: super::estimate_request
    pub fixed: u64,
    /// How estimates compare with what the model really counts.
    pub scale: Scale,
}

/// The largest share of a window that is kept free for an answer, unless an answer's length is set.
const ANSWER_SHARE: u64 = 4;
/// What is kept free for an answer in a large window, in tokens.
const ANSWER_TOKENS: u64 = 16_000;

impl Budget {
    /// The budget of a model with this window, whose answers are at most `answer` tokens long, if
    /// that is known.
    pub fn new(window: u64, answer: Option<u32>, fixed: u64, scale: Scale) -> Self {
        let usual = || ANSWER_TOKENS.min(window / ANSWER_SHARE);
        Self { window, answer: answer.map_or_else(usual, u64::from), fixed, scale }
    }

    /// What the messages may cost together.
    pub fn for_messages(&self) -> u64 {
        self.window.saturating_sub(self.answer).saturating_sub(self.scale.apply(self.fixed))
    }

    /// The budget of the same model after it said that a conversation was too long, whose messages
    /// had been estimated at `tokens`: three quarters of that.
    pub fn after_too_long(&self, tokens: u64) -> Self {
        let fits = tokens.min(self.for_messages()) / 4 * 3;
        let window = fits.saturating_add(self.answer).saturating_add(self.scale.apply(self.fixed));
        Self { window, ..*self }
    }

    pub(super) fn cost(&self, message: &Message) -> u64 {
        self.scale.apply(estimate(message))
    }
}

/// How a model's own count of tokens compares with our estimate, in thousandths. Languages and
/// tokenizers differ; what a model counted last says how for this conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scale(u32);

/// Beyond these the count was of something else than was estimated.
const SCALE_MIN: u64 = 500;
const SCALE_MAX: u64 = 4000;
/// An estimate as small as this says little about the next.
const TELLING_TOKENS: u64 = 200;

impl Default for Scale {
    fn default() -> Self {
        Self(1000)
    }
}

impl Scale {
    /// The scale by a request that was estimated at one number of tokens, and counted at another.
    pub fn of(estimated: u64, counted: u64) -> Self {
        if estimated < TELLING_TOKENS || counted == 0 {
            return Self::default();
        }
        let scale = counted.saturating_mul(1000).div_ceil(estimated);
        Self(u32::try_from(scale.clamp(SCALE_MIN, SCALE_MAX)).unwrap_or(1000))
    }

    /// An estimate, as the model would count it.
    pub fn apply(self, tokens: u64) -> u64 {
        tokens.saturating_mul(u64::from(self.0)).div_ceil(1000)
    }
}
