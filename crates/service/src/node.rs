//! What every part of the service shares.

use std::future::Future;
use std::sync::Arc;

use postroom_core::id::{NodeId, ThreadId};
use postroom_core::policy::RetryPolicy;
use postroom_core::ports::{
    Executor, IdSource, LiveControl, MailboxStore, Signals, Spawner, Tracer,
};
use tokio::sync::oneshot;

use crate::admission::Admission;
use crate::config::Config;
use crate::delivery::{self, Claimed};
use crate::error::Error;
use crate::events::Hub;
use crate::execution::Executions;
use crate::in_time::InTime;
use crate::lifecycle::Lifecycle;
use crate::lost::LostClaims;
use crate::observe::Observer;
use crate::orphans::Holders;
use crate::postroom::{OnCollect, Parts};
use crate::presence::Presence;
use crate::ready::Ready;
use crate::report::Reports;

/// One node: this process as one of those that work on the store.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn MailboxStore>,
    pub(crate) signals: Arc<dyn Signals>,
    pub(crate) live: Arc<dyn LiveControl>,
    pub(crate) executor: Arc<dyn Executor>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) tracer: Option<Arc<dyn Tracer>>,
    spawner: Arc<dyn Spawner>,
    pub(crate) on_collect: Option<OnCollect>,
    /// No other node works on the store.
    pub(crate) is_alone: bool,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) admission: Admission,
    pub(crate) ready: Ready,
    pub(crate) executions: Executions,
    pub(crate) lost: LostClaims,
    pub(crate) holders: Holders,
    pub(crate) reports: Reports,
    pub(crate) presence: Presence,
    pub(crate) hub: Hub,
    pub(crate) observer: Arc<Observer>,
    pub(crate) retry: RetryPolicy,
}

/// What a verb has come to: its answer, and what follows once the answer is given.
pub(crate) struct Done<T> {
    pub(crate) answer: Result<T, Error>,
    pub(crate) then: Then,
}

/// What follows an answer.
pub(crate) enum Then {
    /// Nothing.
    Nothing,
    /// The run that was claimed for this node.
    Run(Box<Claimed>),
    /// Other nodes are told that the thread has work.
    Signal(ThreadId),
}

impl<T> Done<T> {
    pub(crate) fn well(answer: T) -> Self {
        Self { answer: Ok(answer), then: Then::Nothing }
    }

    pub(crate) fn failed(error: impl Into<Error>) -> Self {
        Self { answer: Err(error.into()), then: Then::Nothing }
    }
}

impl Node {
    pub(crate) fn new(parts: Parts, config: Config, id: NodeId) -> Self {
        let is_alone = parts.store.capabilities().exclusive;
        // What lies beyond a network may never answer. Half a lease later a claim is hardly worth
        // having, and there is still time to try again.
        let limit = config.mailbox.lease() / 2;
        let store: Arc<dyn MailboxStore> =
            if is_alone { parts.store } else { Arc::new(InTime { store: parts.store, limit }) };
        Self {
            is_alone,
            store,
            admission: Admission::new(&config.limits),
            retry: RetryPolicy {
                base: config.mailbox.default_retry_delay(),
                max: config.mailbox.max_retry_delay(),
                ..RetryPolicy::default()
            },
            id,
            config,
            signals: parts.signals,
            live: parts.live,
            executor: parts.executor,
            ids: parts.ids,
            tracer: parts.tracer,
            spawner: parts.spawner,
            on_collect: parts.on_collect,
            lifecycle: Lifecycle::new(),
            ready: Ready::default(),
            executions: Executions::default(),
            lost: LostClaims::default(),
            holders: Holders::default(),
            reports: Reports::default(),
            presence: Presence::new(),
            hub: Hub::new((!is_alone).then_some(parts.feed)),
            observer: Arc::new(Observer::new()),
        }
    }

    /// Starts a task that a shutdown waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let token = self.lifecycle.tasks.token();
        self.spawn_untracked(async move {
            task.await;
            drop(token);
        });
    }

    pub(crate) fn spawn_untracked(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.spawner.spawn(Box::pin(task));
    }

    /// Does a verb's work in a task of its own and answers with its result. Whoever asked may go
    /// away (a client disconnects): what is written is still published, and what is claimed runs.
    pub(crate) async fn carry_through<T, F>(
        self: &Arc<Self>,
        work: impl FnOnce(Arc<Self>) -> F + Send + 'static,
    ) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Done<T>> + Send + 'static,
    {
        let (answered, answer) = oneshot::channel();
        let node = self.clone();
        self.spawn(async move {
            let done = work(node.clone()).await;
            // Nobody listens any more: the work is done all the same.
            let _ = answered.send(done.answer);
            follow_up(node, done.then).await;
        });
        answer
            .await
            .unwrap_or_else(|_| Err(Error::NotReady { readiness: self.lifecycle.readiness() }))
    }

    /// These threads have work that nobody has claimed: this node looks, and tells others of what it
    /// may have no room for.
    pub(crate) async fn work_is_there(&self, threads: &[ThreadId]) {
        self.ready.mark();
        if self.is_alone {
            return;
        }
        // One that drains takes nothing.
        let room = if self.lifecycle.is_ready() { self.admission.free() } else { 0 };
        for thread_id in threads.iter().skip(room) {
            publish(self, thread_id).await;
        }
    }

    /// Tells other nodes that the thread has work, where there are others.
    pub(crate) fn signal(&self, thread_id: &ThreadId) -> Then {
        if self.is_alone { Then::Nothing } else { Then::Signal(thread_id.clone()) }
    }
}

pub(crate) async fn follow_up(node: Arc<Node>, then: Then) {
    match then {
        Then::Nothing => {}
        // Boxed: a submission's task is moved about before it runs, and this is the large part.
        Then::Run(claimed) => Box::pin(delivery::execute(node, *claimed)).await,
        Then::Signal(thread_id) => publish(&node, &thread_id).await,
    }
}

pub(crate) async fn publish(node: &Node, thread_id: &ThreadId) {
    if let Err(error) = node.signals.publish(thread_id).await {
        tracing::debug!(%error, "a signal was not published: the sweep finds the work");
    }
}
