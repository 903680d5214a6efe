//! A pool: several models that stand in for one another.
//!
//! They are asked in order, until one answers. A member that failed rests for a while, longer each
//! time, and is asked last meanwhile. Only the silence before an answer is bridged: once something
//! was shown, a failure is the caller's, who has to take back what was shown.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::model::{Model, ModelError, ModelEvent, ModelOptions, ModelRequest, ModelStream};

/// The first rest of a member that failed. Each further one is twice as long.
const REST_MIN: Duration = Duration::from_secs(5);
/// The longest rest.
const REST_MAX: Duration = Duration::from_mins(5);
/// How soon a member must be ready again for the caller to wait for it, rather than ask the next.
/// It is waited for once: a member that says so twice in a row rests.
const PATIENCE: Duration = Duration::from_secs(2);

/// Several models as one.
pub(crate) struct Pool {
    name: String,
    members: Vec<Arc<Member>>,
    /// What the pool itself is configured to: over its members' own options.
    options: ModelOptions,
    window: Option<u64>,
}

struct Member {
    model: Arc<dyn Model>,
    health: Mutex<Health>,
}

/// How a member did lately.
#[derive(Default)]
struct Health {
    /// Since its last answer.
    failures: u32,
    waited: bool,
    resting_until: Option<Instant>,
    /// The provider itself said when: before, it is not asked at all.
    is_told: bool,
}

impl Pool {
    /// The models, in the order in which they are asked. `window` is theirs unless it is told.
    pub fn new(
        name: String,
        models: Vec<Arc<dyn Model>>,
        options: ModelOptions,
        window: Option<u64>,
    ) -> Self {
        // A conversation must fit whoever answers.
        let smallest = || models.iter().filter_map(|model| model.context_window()).min();
        let window = window.or_else(smallest);
        let member = |model| Arc::new(Member { model, health: Mutex::default() });
        Self { name, window, options, members: models.into_iter().map(member).collect() }
    }

    /// The members that can be asked: those at rest come last, and those that a provider has given
    /// a time not at all before it.
    fn in_order(&self, now: Instant) -> Vec<Arc<Member>> {
        let mut order: Vec<(Option<Instant>, Arc<Member>)> = self
            .members
            .iter()
            .filter_map(|member| {
                let health = member.health.lock();
                let rest = health.resting_until.filter(|until| *until > now);
                let is_closed = rest.is_some() && health.is_told;
                (!is_closed).then(|| (rest, member.clone()))
            })
            .collect();
        // The order of the configuration stays among equals.
        order.sort_by_key(|(rest, _)| *rest);
        order.into_iter().map(|(_, member)| member).collect()
    }

    /// All members were given a time by their providers: the first of them.
    fn all_limited(&self, now: Instant) -> ModelError {
        let until = self.members.iter().filter_map(|member| member.health.lock().resting_until);
        let retry_after = until.min().map(|until| until.saturating_duration_since(now));
        let message = format!("all models of the pool `{}` are at their limits", self.name);
        ModelError::Transient { message, retry_after }
    }
}

#[async_trait]
impl Model for Pool {
    fn name(&self) -> &str {
        &self.name
    }

    fn context_window(&self) -> Option<u64> {
        self.window
    }

    async fn stream(&self, request: ModelRequest) -> Result<ModelStream, ModelError> {
        let options = request.options.over(&self.options);
        let request = ModelRequest { options, ..request };
        let mut failed: Option<ModelError> = None;
        for member in self.in_order(Instant::now()) {
            match member.begin(&request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let is_final =
                        !error.is_of_this_model_only() || member.is_worth_waiting(&error);
                    member.fail(&error, Instant::now());
                    if is_final {
                        return Err(error);
                    }
                    failed = Some(likelier(failed, error));
                }
            }
        }
        Err(failed.unwrap_or_else(|| self.all_limited(Instant::now())))
    }
}

/// Which of two failures says better what to do: the one that time mends, and soonest.
fn likelier(one: Option<ModelError>, other: ModelError) -> ModelError {
    let rank = |error: &ModelError| match error {
        ModelError::Transient { retry_after: Some(delay), .. } => (0, *delay),
        ModelError::Transient { retry_after: None, .. } => (1, Duration::ZERO),
        ModelError::Permanent { .. } => (2, Duration::ZERO),
    };
    match one {
        Some(one) if rank(&one) <= rank(&other) => one,
        _ => other,
    }
}

impl Member {
    /// Asks, and waits for the first sign of an answer.
    async fn begin(self: &Arc<Self>, request: &ModelRequest) -> Result<ModelStream, ModelError> {
        let mut answer = self.model.stream(request.clone()).await?;
        let Some(first) = answer.next().await else {
            return Err(ModelError::transient("the model gave no answer"));
        };
        let first = first?;
        let member = self.clone();
        let watched = stream::once(async move { Ok(first) })
            .chain(answer)
            .map(move |event| member.watch(event));
        Ok(watched.boxed())
    }

    /// Learns from what passes by, and signs the end.
    fn watch(&self, event: Result<ModelEvent, ModelError>) -> Result<ModelEvent, ModelError> {
        match event {
            Ok(ModelEvent::Finished(mut finished)) => {
                *self.health.lock() = Health::default();
                finished.model.get_or_insert_with(|| self.model.name().to_owned());
                Ok(ModelEvent::Finished(finished))
            }
            Ok(event) => Ok(event),
            Err(error) => {
                self.fail(&error, Instant::now());
                Err(error)
            }
        }
    }

    /// Whether it is ready again before the next member could be asked in its place.
    fn is_worth_waiting(&self, error: &ModelError) -> bool {
        let ModelError::Transient { retry_after: Some(delay), .. } = error else { return false };
        *delay <= PATIENCE && !self.health.lock().waited
    }

    /// Sends it to rest, if the failure was its own.
    fn fail(&self, error: &ModelError, now: Instant) {
        if !error.is_of_this_model_only() {
            return;
        }
        let can_wait = self.is_worth_waiting(error);
        let mut health = self.health.lock();
        if can_wait {
            health.waited = true;
            return;
        }
        let doubled = REST_MIN.saturating_mul(1 << health.failures.min(10)).min(REST_MAX);
        let (rest, is_told) = match error {
            ModelError::Transient { retry_after: Some(delay), .. } => (*delay, true),
            ModelError::Transient { retry_after: None, .. } => (doubled, false),
            // A key or a name does not mend itself, but a person may mend it.
            ModelError::Permanent { .. } => (REST_MAX, false),
        };
        // Many runs may have asked at once: they all met the same failure.
        if health.resting_until.is_some_and(|until| until > now) && !is_told {
            return;
        }
        health.failures = health.failures.saturating_add(1);
        health.resting_until = now.checked_add(rest);
        health.is_told = is_told;
    }
}
