//! Why a model gave no answer.

use std::time::Duration;

/// Why there is no answer, split by what to do next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// Asking again may help: a limit of the moment, a fault of the server, the network, a timeout.
    #[error("{message}")]
    Transient {
        /// For people.
        message: String,
        /// When the provider wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// Asking again can't help: a bad key, an unknown model, a request that is refused.
    #[error("{message}")]
    Permanent {
        /// Stable, for programs: one of this type's constants, or a model's own.
        code: &'static str,
        /// For people.
        message: String,
    },
}

impl ModelError {
    /// The provider does not accept the key, or not for this model.
    pub const BAD_API_KEY: &'static str = "bad_api_key";
    /// The provider does not have the model.
    pub const UNKNOWN_MODEL: &'static str = "unknown_model";
    /// What was paid for is spent: unlike a rate limit, waiting does not bring it back.
    pub const QUOTA_EXHAUSTED: &'static str = "quota_exhausted";
    /// The conversation is longer than the model's window: a shorter one may be answered.
    pub const CONTEXT_TOO_LONG: &'static str = "context_too_long";
    /// The provider's policy forbids the question.
    pub const CONTENT_POLICY: &'static str = "content_policy";
    /// The provider lacks an option that the request asks for.
    pub const UNSUPPORTED_OPTION: &'static str = "unsupported_option";
    /// The provider's address points to another one, where the key is not sent.
    pub const REDIRECTED: &'static str = "redirected";
    /// The provider refuses the request for another reason.
    pub const INVALID_REQUEST: &'static str = "invalid_request";
    /// The answer is longer than any that is taken.
    pub const ANSWER_TOO_LONG: &'static str = "answer_too_long";

    /// An error that asking again may mend.
    pub fn transient(message: impl Into<String>) -> Self {
        Self::Transient { message: message.into(), retry_after: None }
    }

    /// An error that asking again can't mend.
    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Self::Permanent { code, message: message.into() }
    }

    /// Whether a shorter conversation may be answered.
    pub fn is_context_too_long(&self) -> bool {
        matches!(self, Self::Permanent { code, .. } if *code == Self::CONTEXT_TOO_LONG)
    }

    /// Whether another model may answer what this one did not: the fault is not the question's.
    pub fn is_of_this_model_only(&self) -> bool {
        match self {
            Self::Transient { .. } => true,
            Self::Permanent { code, .. } => [
                Self::BAD_API_KEY,
                Self::UNKNOWN_MODEL,
                Self::QUOTA_EXHAUSTED,
                Self::UNSUPPORTED_OPTION,
                Self::REDIRECTED,
            ]
            .contains(code),
        }
    }

    /// The same error with its text changed.
    pub(crate) fn map_message(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Transient { message, retry_after } => {
                Self::Transient { message: change(message), retry_after }
            }
            Self::Permanent { code, message } => Self::Permanent { code, message: change(message) },
        }
    }
}
