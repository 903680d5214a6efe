//! One try to post.

use std::error::Error;
use std::time::Duration;

use postroom_agent::egress::{self, Guard};
use postroom_core::trace::TraceParent;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, StatusCode, Url};

use super::{Post, WebhookSecret, WebhooksConfig};

/// The longest that a receiver's own wish to be asked later is followed.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// Posts.
pub(super) struct Poster {
    client: Client,
    guard: Guard,
    timeout: Duration,
}

/// What is posted.
pub(super) struct Sealed {
    /// When, in seconds.
    pub at: i64,
    pub body: String,
    /// The span of the try, for the receiver to join.
    pub trace: Option<TraceParent>,
}

/// What came of a try.
pub(super) enum Posted {
    /// The receiver has it.
    Taken(StatusCode),
    /// It may work later; the receiver may have said when.
    Failed { why: String, retry_after: Option<Duration> },
    /// It will never work.
    Refused(String),
}

impl Poster {
    pub fn new(config: &WebhooksConfig) -> Result<Self, String> {
        let guard = Guard::new(config.allow_private.clone());
        let client = egress::client(&guard)?;
        Ok(Self { client, guard, timeout: Duration::from_millis(config.timeout_ms) })
    }

    pub async fn post(&self, post: &Post, secret: &WebhookSecret, sealed: Sealed) -> Posted {
        let Sealed { at, body, trace } = sealed;
        let url = match Url::parse(&post.url) {
            Ok(url) => url,
            Err(error) => return Posted::Refused(format!("the webhook's URL is none: {error}")),
        };
        if let Err(refused) = self.guard.check(&url) {
            return Posted::Refused(refused.to_string());
        }
        let id = post.id.to_string();
        let mut request = self
            .client
            .post(url)
            .timeout(self.timeout)
            .header("content-type", "application/json")
            .header("webhook-id", &id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", secret.sign(&id, at, &body));
        if let Some(trace) = trace {
            request = request.header("traceparent", trace.to_string());
        }
        match request.body(body).send().await {
            Ok(answer) if answer.status().is_success() => Posted::Taken(answer.status()),
            // What a receiver says when it wants nothing more.
            Ok(answer) if answer.status() == StatusCode::GONE => {
                Posted::Refused("the receiver answered 410: it wants no more".to_owned())
            }
            Ok(answer) => {
                let wish = answer.headers().get(RETRY_AFTER).and_then(|wish| wish.to_str().ok());
                let wish = wish.and_then(|wish| wish.trim().parse().ok()).map(Duration::from_secs);
                Posted::Failed {
                    why: format!("the receiver answered {}", answer.status()),
                    retry_after: wish.map(|wish| wish.min(RETRY_AFTER_MAX)),
                }
            }
            Err(error) => Posted::Failed { why: innermost(&error), retry_after: None },
        }
    }
}

/// The first cause: what stands around it names the URL, which may hold what is nobody's business.
fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the receiver did not answer in time".to_owned();
    }
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    format!("the receiver can't be reached: {cause}")
}
