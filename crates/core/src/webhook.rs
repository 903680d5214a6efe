//! Posts: somebody outside is told what becomes of a run.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::id::RunId;

/// What is posted about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Occasion {
    /// The run ended.
    #[serde(rename = "run.finished")]
    Finished,
    /// The run waits for somebody.
    #[serde(rename = "run.waiting")]
    Waiting,
}

/// A post to make, as the run that makes it carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// The same for every try, so that the receiver knows a repetition.
    pub id: Uuid,
    /// Where to.
    pub url: String,
    /// What about.
    pub occasion: Occasion,
    /// The run that it is about.
    pub run_id: RunId,
}

impl Post {
    /// As the overrides of the run that makes it.
    pub fn to_overrides(&self) -> Value {
        json!({"webhook": self})
    }
}
