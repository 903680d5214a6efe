//! Why a request brought nothing.

use serde_json::Value;

/// Split by what to do next.
#[derive(Debug, Clone)]
pub enum Error {
    /// No answer.
    Unreachable {
        /// The server.
        url: String,
        /// What the system said.
        reason: String,
    },
    /// The server said no.
    Problem {
        /// The HTTP status.
        status: u16,
        /// The stable word for it.
        code: String,
        /// For people.
        detail: String,
    },
    /// Whatever answered, it was not Postroom.
    NotPostroom {
        /// The server.
        url: String,
    },
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable { url, reason } => write!(
                f,
                "no server answers at {url} ({reason}): start one with `postroom serve`, or say \
                 where it is with --url"
            ),
            Self::Problem { status: 401, detail, .. } => {
                write!(f, "{detail} (give a key with --key or POSTROOM_KEY)")
            }
            Self::Problem { detail, code, .. } => write!(f, "{detail} ({code})"),
            Self::NotPostroom { url } => {
                write!(f, "what answers at {url} is not Postroom: check --url")
            }
        }
    }
}

impl std::error::Error for Error {}

impl Error {
    /// What an answer that is no success says.
    pub(super) fn of_answer(status: u16, body: &[u8]) -> Self {
        let problem: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| problem.get(key).and_then(Value::as_str).map(str::to_owned);
        let code = text("code").unwrap_or_else(|| format!("status_{status}"));
        let detail = text("detail").or_else(|| text("title"));
        let detail = detail.unwrap_or_else(|| format!("the server answered with status {status}"));
        Self::Problem { status, code, detail }
    }

    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Problem { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the same request may succeed in a moment: the server starts, drains or was killed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Problem { status: 429 | 502 | 503 | 504, .. }
        )
    }

    /// Whether nobody listens there at all.
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// The cause at the bottom of an error, which says most.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let text = cause.to_string();
    // "Connection refused (os error 111)"
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}
