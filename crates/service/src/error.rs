//! Why a verb of the service did not do what it was asked to.

use postroom_core::error::{Refusal, StoreError};

use crate::lifecycle::Readiness;

/// Split by what the caller does next.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The mailbox refused, or the store failed. See [`StoreError`] for which.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The service is not ready: it has not started, has not recovered yet, or was shut down. Try
    /// again later, or on another node.
    #[error("the service is not ready: it is {readiness}")]
    NotReady {
        /// Where it is in its life.
        readiness: Readiness,
    },
}

impl Error {
    /// The mailbox's refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Store(error) => error.refusal(),
            Self::NotReady { .. } => None,
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Store(StoreError::Refused(refusal))
    }
}
