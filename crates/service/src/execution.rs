//! What executes here: one execution for each claim that this node holds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use postroom_core::command::Activation;
use postroom_core::dispatch::Claim;
use postroom_core::id::{DispatchId, RunId, TenantId, ThreadId};
use postroom_core::live::{LiveCommand, LiveTarget};
use postroom_core::ports::{CancelReason, LiveHandler, Span};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::admission::Permit;
use crate::lease::Lease;
use crate::node::Node;
use crate::shown::Shown;
use crate::stop::Stop;
use crate::trace;

/// One execution of a claimed dispatch. It is the executor's context too, and takes the live
/// commands for its run.
pub(crate) struct Execution {
    pub(crate) me: Weak<Self>,
    pub(crate) node: Arc<Node>,
    pub(crate) thread_id: ThreadId,
    /// On whose behalf it executes: what it brings about is theirs.
    pub(crate) tenant: TenantId,
    pub(crate) run_id: RunId,
    pub(crate) dispatch_id: DispatchId,
    pub(crate) claim: Claim,
    /// Of this dispatch, before this attempt.
    pub(crate) failed_attempts: u32,
    /// When its claim was asked for.
    pub(crate) claimed_at: Instant,
    pub(crate) stop: Stop,
    pub(crate) lease: Mutex<Lease>,
    /// The executor is done: nothing is renewed any more, and no live command taken.
    settling: AtomicBool,
    /// A ticket was decided.
    pub(crate) decided: Notify,
    /// Shown and not yet written.
    pub(crate) shown: Mutex<Shown>,
    /// Held while something is written, so that the log keeps the executor's order.
    pub(crate) writer: tokio::sync::Mutex<()>,
    /// The answer to a commit was lost: what this attempt knows is not what is written.
    pub(crate) out_of_step: AtomicBool,
    pub(crate) permit: Mutex<Option<Permit>>,
    /// Of this attempt.
    pub(crate) span: Span,
}

impl Execution {
    pub(crate) fn new(
        node: &Arc<Node>,
        activation: &Activation,
        permit: Permit,
        asked_at: Instant,
    ) -> Arc<Self> {
        let lease = Lease::new(asked_at, node.config.mailbox.lease(), &node.config.mailbox);
        let dispatch = &activation.dispatch;
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            node: node.clone(),
            thread_id: dispatch.thread_id.clone(),
            tenant: dispatch.tenant.clone(),
            run_id: dispatch.run_id.clone(),
            dispatch_id: dispatch.id,
            claim: activation.claim.clone(),
            failed_attempts: dispatch.attempt_count,
            claimed_at: asked_at,
            stop: Stop::default(),
            lease: Mutex::new(lease),
            settling: AtomicBool::new(false),
            decided: Notify::new(),
            shown: Mutex::default(),
            writer: tokio::sync::Mutex::default(),
            out_of_step: AtomicBool::new(false),
            permit: Mutex::new(Some(permit)),
            span: trace::attempt(node, activation),
        })
    }

    pub(crate) fn live_target(&self) -> LiveTarget {
        LiveTarget {
            thread_id: self.thread_id.clone(),
            run_id: self.run_id.clone(),
            dispatch_id: Some(self.dispatch_id),
        }
    }

    pub(crate) fn begin_settling(&self) {
        self.settling.store(true, Ordering::Release);
    }

    pub(crate) fn is_settling(&self) -> bool {
        self.settling.load(Ordering::Acquire)
    }

    /// Until when the claim surely holds.
    pub(crate) fn deadline(&self) -> Instant {
        self.lease.lock().deadline()
    }

    /// Resolves when the execution shall stop, whatever the reason.
    pub(crate) async fn until_stopped(&self) -> CancelReason {
        self.watch(|reason| reason.is_some()).await
    }

    /// Resolves when the claim is lost.
    pub(crate) async fn until_lost(&self) {
        self.watch(|reason| reason == Some(CancelReason::LeaseLost)).await;
    }

    /// Waits for a reason to stop, and finds one itself when the lease is over: this node's own
    /// clock decides, so that a run stops even if nobody can be asked.
    async fn watch(&self, wanted: impl Fn(Option<CancelReason>) -> bool + Send) -> CancelReason {
        loop {
            let changed = self.stop.changed();
            let reason = self.stop.reason();
            if let Some(reason) = reason.filter(|_| wanted(reason)) {
                return reason;
            }
            let deadline = self.deadline();
            if deadline <= Instant::now() {
                self.node.observer.lease_ran_out();
                self.stop.raise(CancelReason::LeaseLost);
                continue;
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }
}

impl LiveHandler for Execution {
    fn take(&self, command: LiveCommand) -> bool {
        if self.is_settling() {
            return false;
        }
        match command {
            LiveCommand::Cancel => self.stop.raise(CancelReason::Requested),
            LiveCommand::Decision => self.decided.notify_one(),
        }
        true
    }
}

/// All executions of this node.
#[derive(Default)]
pub(crate) struct Executions {
    /// Weak: who executes owns its execution, and the table must not keep a dead one alive.
    /// In an order of its own, so that a simulated run repeats itself.
    held: Mutex<BTreeMap<DispatchId, Weak<Execution>>>,
    removed: Notify,
    /// The drain time is over: what starts now stops at once.
    closed: AtomicBool,
}

impl Executions {
    pub(crate) fn register(&self, execution: Arc<Execution>) -> Registered {
        self.held.lock().insert(execution.dispatch_id, Arc::downgrade(&execution));
        // After the insertion: `stop_all` either finds it or was there before.
        if self.closed.load(Ordering::Acquire) {
            execution.stop.raise(CancelReason::Shutdown);
        }
        Registered(execution)
    }

    pub(crate) fn get(&self, id: DispatchId) -> Option<Arc<Execution>> {
        self.held.lock().get(&id)?.upgrade()
    }

    /// Whether `claim` of the dispatch is known here.
    pub(crate) fn holds(&self, id: DispatchId, claim: &Claim) -> bool {
        self.get(id).is_some_and(|execution| execution.claim == *claim)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Execution>> {
        self.held.lock().values().filter_map(Weak::upgrade).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.held.lock().len()
    }

    pub(crate) fn reopen(&self) {
        self.closed.store(false, Ordering::Release);
    }

    /// Stops all executions, and those that are still to come.
    pub(crate) fn stop_all(&self, reason: CancelReason) {
        self.closed.store(true, Ordering::Release);
        for execution in self.all() {
            execution.stop.raise(reason);
        }
    }

    pub(crate) async fn wait_until_empty(&self) {
        loop {
            let removed = self.removed.notified();
            if self.len() == 0 {
                return;
            }
            removed.await;
        }
    }

    fn remove(&self, execution: &Arc<Execution>) {
        let mut held = self.held.lock();
        // The same dispatch may have been claimed anew by now, and that claim is still held.
        let is_this = held
            .get(&execution.dispatch_id)
            .is_some_and(|other| std::ptr::eq(other.as_ptr(), Arc::as_ptr(execution)));
        if is_this {
            held.remove(&execution.dispatch_id);
            if held.is_empty() {
                self.removed.notify_waiters();
            }
        }
    }
}

/// An execution in the table. Dropping it takes it out and frees its place, even if its task panics
/// and whoever else may still hold the context.
pub(crate) struct Registered(Arc<Execution>);

impl std::ops::Deref for Registered {
    type Target = Arc<Execution>;

    fn deref(&self) -> &Arc<Execution> {
        &self.0
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.node.executions.remove(&self.0);
        let permit = self.0.permit.lock().take();
        drop(permit);
    }
}
