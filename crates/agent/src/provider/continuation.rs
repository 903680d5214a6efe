//! What a provider wants back with its own messages: signed thoughts, mostly. It is kept with the
//! message, and given back to the model that said it alone, since others refuse it.

use std::collections::BTreeMap;

use genai::chat::ContentPart;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What goes back with a message.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Continuation {
    /// Who said it.
    by: String,
    /// Its thoughts, in order, before everything else.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub thoughts: Vec<ContentPart>,
    /// Signatures of single calls, by the call's id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub calls: BTreeMap<String, Vec<String>>,
}

impl Continuation {
    pub fn of(by: &str) -> Self {
        Self { by: by.to_owned(), ..Self::default() }
    }

    /// What was kept, if `asked` said it.
    pub fn read(kept: &Value, asked: &str) -> Option<Self> {
        Self::deserialize(kept).ok().filter(|continuation| continuation.by == asked)
    }

    /// To be kept; null if there is nothing.
    pub fn into_value(self) -> Value {
        if self.thoughts.is_empty() && self.calls.is_empty() {
            return Value::Null;
        }
        serde_json::to_value(self).unwrap_or_default()
    }
}
