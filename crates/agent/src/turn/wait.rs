//! Waiting: for people in memory for a while, and for everything else without an executor.

use std::time::Duration;

use postroom_core::command::{Step, Suspend, Wait};
use postroom_core::id::{RunId, TaskId};
use postroom_core::message::ToolCall;
use postroom_core::ports::{CancelReason, ContextError, RunOutcome};
use postroom_core::run::WaitReason;
use postroom_core::ticket::{Decision, DecisionAction, Ticket};
use postroom_core::time::Timestamp;

use super::Turn;
use super::end::Ended;
use super::stand::{Block, Blocked};
use crate::config::OnTimeout;

/// All that the calls of a step wait for.
#[derive(Default)]
struct Awaited {
    calls: Vec<ToolCall>,
    tickets: Vec<(Ticket, WaitReason)>,
    runs: Vec<RunId>,
    until: Option<Timestamp>,
}

impl Awaited {
    fn gather(blocked: Vec<Blocked>) -> Self {
        let mut awaited = Self::default();
        for Blocked { call, by } in blocked {
            awaited.calls.push(call);
            match by {
                Block::Ticket(ticket, reason) => awaited.tickets.push((*ticket, reason)),
                Block::Run(run_id) => awaited.runs.push(run_id),
                Block::Until(until) => {
                    awaited.until = Some(awaited.until.map_or(until, |first| first.min(until)));
                }
            }
        }
        awaited
    }

    /// What is said of the whole wait: a person's permission before all else, since messages are
    /// kept for later only then.
    fn reason(&self) -> WaitReason {
        let asks = |wanted| self.tickets.iter().any(|(_, reason)| *reason == wanted);
        if asks(WaitReason::ToolPermission) {
            WaitReason::ToolPermission
        } else if asks(WaitReason::UserInput) {
            WaitReason::UserInput
        } else if asks(WaitReason::ExternalEvent) || self.runs.is_empty() {
            WaitReason::ExternalEvent
        } else {
            WaitReason::BackgroundTasks
        }
    }

    fn tickets(&self) -> Vec<Ticket> {
        self.tickets.iter().map(|(ticket, _)| ticket.clone()).collect()
    }

    /// Whether nothing but permission is waited for: that is worth staying for.
    fn is_permission_alone(&self) -> bool {
        let all = |reason: &WaitReason| *reason == WaitReason::ToolPermission;
        self.runs.is_empty()
            && self.until.is_none()
            && self.tickets.iter().all(|(_, reason)| all(reason))
    }
}

impl Turn {
    /// Waits. Returns when it went on in memory; otherwise the execution is over.
    pub(super) async fn wait_for(&mut self, blocked: Vec<Blocked>) -> Result<(), Ended> {
        let awaited = Awaited::gather(blocked);
        let now = self.context.now().await?;
        let ask_until = self.ask_until(&awaited, now);
        if ask_until.is_some_and(|until| until <= now) {
            return self.decide_by_default(&awaited, false).await;
        }
        let patience = Duration::from_millis(self.agent.definition.approval.patience_ms);
        if awaited.is_permission_alone() && !patience.is_zero() {
            let left = ask_until.map_or(Duration::MAX, |until| until.since(now));
            if self.suspend(&awaited, patience.min(left)).await? {
                return Ok(());
            }
            if left <= patience {
                return self.decide_by_default(&awaited, true).await;
            }
        }
        let now = self.context.now().await?;
        let next = [awaited.until, ask_until].into_iter().flatten().min();
        let wait = Wait {
            tickets: awaited.tickets(),
            tasks: awaited.runs.iter().map(TaskId::of_run).collect(),
            resume_in: next.map(|moment| moment.since(now)),
            ..Wait::new(awaited.reason())
        };
        Err(RunOutcome::Waiting { last: self.step().into(), wait }.into())
    }

    /// Until when the step's tickets wait, where that is limited; noted when they are raised.
    fn ask_until(&mut self, awaited: &Awaited, now: Timestamp) -> Option<Timestamp> {
        let timeout = self.agent.definition.approval.timeout_ms.map(Duration::from_millis)?;
        let limited = |reason: &WaitReason| *reason == WaitReason::ToolPermission;
        let tickets: Vec<&Ticket> = awaited
            .tickets
            .iter()
            .filter(|(_, reason)| limited(reason))
            .map(|(ticket, _)| ticket)
            .collect();
        if tickets.is_empty() {
            return None;
        }
        let is_raised = tickets.iter().all(|ticket| self.raised.contains(&ticket.tool_call_id));
        if !is_raised || self.pin.ask_until.is_none() {
            self.pin.ask_until = Some(now + timeout);
            self.pin_is_new = true;
        }
        self.pin.ask_until
    }

    /// Waits in memory; says whether everything was decided.
    async fn suspend(&mut self, awaited: &Awaited, patience: Duration) -> Result<bool, Ended> {
        let suspend = Suspend {
            reason: WaitReason::ToolPermission,
            tickets: awaited.tickets(),
            lease: self.settings.suspended_lease,
        };
        let step = self.step();
        self.raised.extend(suspend.tickets.iter().map(|ticket| ticket.tool_call_id.clone()));
        // It ends by itself when the run is cancelled; dropped, it might lose a write under way.
        match self.context.suspend(step, suspend, patience).await {
            Ok(Some(decisions)) => {
                self.keep(decisions);
                Ok(true)
            }
            Ok(None) => Ok(false),
            Err(ContextError::Cancelled(CancelReason::Requested)) => {
                Err(self.cancelled_among_calls(Vec::new(), &awaited.calls).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Nobody has decided in time: the default holds, unless somebody decides at this very moment.
    async fn decide_by_default(&mut self, awaited: &Awaited, suspended: bool) -> Result<(), Ended> {
        let on_timeout = self.agent.definition.approval.on_timeout;
        let late =
            awaited.tickets.iter().filter(|(_, reason)| *reason == WaitReason::ToolPermission);
        let by_default: Vec<Decision> =
            late.map(|(ticket, _)| default_decision(ticket, on_timeout)).collect();
        let ids: Vec<_> = by_default.iter().map(|decision| decision.tool_call_id.clone()).collect();
        self.pin.ask_until = None;
        self.pin_is_new = true;
        let step = Step { by_default, resume: suspended, ..self.step() };
        self.commit(step).await?;
        for id in ids {
            let decision = self.context.decision(&id).await?;
            self.keep(decision);
        }
        Ok(())
    }

    fn keep(&mut self, decisions: impl IntoIterator<Item = Decision>) {
        let by_call = |decision: Decision| (decision.tool_call_id.clone(), decision);
        self.decisions.extend(decisions.into_iter().map(by_call));
    }
}

fn default_decision(ticket: &Ticket, on_timeout: OnTimeout) -> Decision {
    let (action, reason) = match on_timeout {
        OnTimeout::Deny => (DecisionAction::Cancel, "nobody decided in time"),
        OnTimeout::Approve => (DecisionAction::Resume, "nobody objected in time"),
    };
    Decision {
        reason: Some(reason.to_owned()),
        ..Decision::new(ticket.tool_call_id.clone(), action)
    }
}
