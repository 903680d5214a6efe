//! Asking the model, and hearing its answer to the end.

use std::time::Duration;

use futures::StreamExt;
use postroom_core::event::EventBody;
use postroom_core::ports::{CancelReason, ContextError};
use tokio::time::Instant;

use super::Turn;
use super::end::Ended;
use crate::executor::Settings;
use crate::model::{ModelError, ModelRequest};
use crate::reply::Reply;
use crate::trace;

/// A provider's short limits are waited out in place this often, for one answer.
const IN_PLACE_TRIES_MAX: u32 = 3;

/// How often a conversation that the model finds too long is shortened, for one answer.
const SHORTENING_TRIES_MAX: u32 = 4;

/// Why an answer was not heard to its end.
enum Unheard {
    Cancelled(CancelReason),
    OutOfTime,
    Failed(ModelError),
    Context(ContextError),
}

impl From<ModelError> for Unheard {
    fn from(error: ModelError) -> Self {
        Self::Failed(error)
    }
}

impl Turn {
    /// Asks the model until it has answered, or the run has to end without.
    pub(super) async fn ask(&mut self) -> Result<Reply, Ended> {
        let mut tries = 0;
        loop {
            let mut reply = Reply::new(self.prompt.call_ids());
            let request = self.request().await;
            match self.hear(request.clone(), &mut reply).await {
                Ok(()) => {
                    self.learn(&request, reply.usage());
                    return Ok(reply);
                }
                Err(Unheard::Context(error)) => return Err(error.into()),
                Err(Unheard::Cancelled(CancelReason::Requested)) => {
                    return Err(self.cancelled(&reply).into());
                }
                Err(Unheard::Cancelled(reason)) => return Err(reason.into()),
                Err(Unheard::OutOfTime) => {
                    let last = self.partly(&reply);
                    return Err(self.out_of_time(last).into());
                }
                Err(Unheard::Failed(error))
                    if error.is_context_too_long()
                        && reply.is_empty()
                        && tries < SHORTENING_TRIES_MAX
                        && self.show_less(&request) =>
                {
                    tries += 1;
                }
                Err(Unheard::Failed(error)) => {
                    let delay = retry_in_place(&error, &reply, &self.settings);
                    let Some(delay) = delay.filter(|_| tries < IN_PLACE_TRIES_MAX) else {
                        return Err(self.failed(error, &reply).await?.into());
                    };
                    tries += 1;
                    self.pause(&error, delay).await?;
                }
            }
        }
    }

    /// Hears one answer to its end and shows it while it comes.
    async fn hear(&self, request: ModelRequest, reply: &mut Reply) -> Result<(), Unheard> {
        let span = trace::inference(&self.context.span(), &self.agent, &self.run, &request);
        let heard = self.listen(request, reply).await;
        if let Some(finished) = &reply.finished {
            trace::answered(&span, &self.agent, finished, !reply.calls.is_empty());
        }
        match &heard {
            Ok(()) => {}
            Err(Unheard::Cancelled(_)) => span.fail("cancelled"),
            Err(Unheard::OutOfTime) => span.fail("time_limit"),
            Err(Unheard::Failed(error)) => trace::unanswered(&span, error),
            Err(Unheard::Context(_)) => span.fail("claim_lost"),
        }
        heard
    }

    async fn listen(&self, request: ModelRequest, reply: &mut Reply) -> Result<(), Unheard> {
        let asked = Instant::now();
        let model = &self.agent.model;
        let mut cancelled = self.context.cancelled();
        let time_is_up = self.time_is_up();
        tokio::pin!(time_is_up);
        let mut stream = tokio::select! {
            biased;
            reason = &mut cancelled => return Err(Unheard::Cancelled(reason)),
            () = &mut time_is_up => return Err(Unheard::OutOfTime),
            stream = model.stream(request) => stream?,
        };
        while reply.finished.is_none() {
            let event = tokio::select! {
                biased;
                reason = &mut cancelled => return Err(Unheard::Cancelled(reason)),
                () = &mut time_is_up => return Err(Unheard::OutOfTime),
                event = stream.next() => event,
            };
            let Some(event) = event else {
                return Err(ModelError::transient("the model's answer ended in the middle").into());
            };
            if let Some(shown) = reply.take(event?)? {
                self.context.emit(shown).await.map_err(Unheard::Context)?;
            }
        }
        let event = EventBody::InferenceFinished {
            model: reply.model().unwrap_or(model.name()).to_owned(),
            usage: reply.usage(),
            duration_ms: u64::try_from(asked.elapsed().as_millis()).unwrap_or(u64::MAX),
        };
        self.context.emit(event).await.map_err(Unheard::Context)
    }

    /// Waits a short limit out.
    async fn pause(&self, error: &ModelError, delay: Duration) -> Result<(), Ended> {
        let (code, message) = ("rate_limited".to_owned(), error.to_string());
        self.context.emit(EventBody::Error { code, message }).await?;
        tokio::select! {
            biased;
            reason = self.context.cancelled() => Err(reason.into()),
            () = tokio::time::sleep(delay) => Ok(()),
        }
    }
}

/// How long to wait before the model is asked again without giving up the attempt; only if it has
/// said nothing yet, since what was shown can't be taken back.
fn retry_in_place(error: &ModelError, reply: &Reply, settings: &Settings) -> Option<Duration> {
    match error {
        ModelError::Transient { retry_after: Some(delay), .. }
            if reply.is_empty() && *delay <= settings.rate_limit_in_place_max =>
        {
            Some(*delay)
        }
        _ => None,
    }
}
