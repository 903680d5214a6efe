//! A run's beginning and end, whatever verb brings it.

use std::sync::Arc;

use crate::command::{DEFAULT_MAX_ATTEMPTS, RunResult};
use crate::dispatch::{Dispatch, DispatchStatus, Priority};
use crate::error::Refusal;
use crate::event::EventBody;
use crate::id::{AgentId, DispatchId, RunId};
use crate::message::Message;
use crate::report::Report;
use crate::run::{Origin, Reason, Run, RunSpec, RunState, RunStatus, Termination, Usage};
use crate::sabotage::{Fault, committed};
use crate::ticket::TicketState;

use super::pending::Occasion;
use super::queue::NewDispatch;
use super::work::Work;

impl Work<'_> {
    /// The agent of a new run: the wanted one, else that of the thread's newest run.
    pub(super) fn agent_for(&self, wanted: Option<AgentId>) -> AgentId {
        wanted
            .or_else(|| {
                let latest = self.runs.get(self.thread.latest_run_id.as_ref()?)?;
                Some(latest.agent_id.clone())
            })
            .unwrap_or_else(AgentId::default_agent)
    }

    pub(super) fn create_run(&mut self, id: &RunId, agent_id: AgentId, origin: Origin) -> &mut Run {
        self.thread.latest_run_id = Some(id.clone());
        let run = Run {
            id: id.clone(),
            thread_id: self.thread.id.clone(),
            tenant: self.thread.tenant.clone(),
            agent_id,
            agent_version: None,
            origin,
            parent_run_id: None,
            input: Vec::new(),
            spec: RunSpec::plain(),
            status: RunStatus::Created,
            dispatch_id: None,
            tickets: Vec::new(),
            ended_tasks: Vec::new(),
            stop_requested: false,
            hidden: false,
            report: Report::None,
            state: None,
            output: None,
            error: None,
            usage: Usage::default(),
            steps: 0,
            attempt: 0,
            events_after: self.thread.event_seq,
            created_at: self.now,
            started_at: None,
        };
        self.runs.insert(run);
        self.runs.edit(id).expect("a row that was just inserted is there")
    }

    /// Ends a run: tickets close, pointers move, what was pending for it is free.
    pub(super) fn finish_run(&mut self, id: &RunId, result: &RunResult) -> Result<(), Refusal> {
        let finished_at = self.now;
        let run = self.run_mut(id)?;
        let before = run.run_state();
        if before == RunState::Done {
            return Ok(());
        }
        let started = run.started_at.is_some();
        run.status = RunStatus::Done { termination: result.termination.clone(), finished_at };
        run.output.clone_from(&result.output);
        run.error.clone_from(&result.error);
        run.ended_tasks.clear();
        if run.report == Report::Wanted {
            run.report = Report::Owed;
        }
        for ticket in &mut run.tickets {
            if ticket.is_open() {
                ticket.state = TicketState::Cancelled;
            }
        }
        let (usage, steps) = (run.usage, run.steps);
        if before == RunState::Created {
            // Its input was accepted: it belongs in the log even though no model will answer it.
            let unread = self.take_targeted(id);
            self.append_input(id, unread)?;
        } else {
            self.free_targeted(id);
        }
        self.event(
            Some(id),
            EventBody::RunFinished {
                termination: result.termination.clone(),
                output: result.output.clone(),
                error: result.error.clone(),
                usage,
                steps,
            },
        );
        if self.thread.open_run_id.as_ref() == Some(id) {
            self.thread.open_run_id = None;
        }
        if started {
            self.thread.ended_run_id = Some(id.clone());
        }
        Ok(())
    }

    /// Gives a claim up for good: the dispatch is superseded, and its run cancelled.
    pub(super) fn supersede(&mut self, dispatch: &Dispatch) -> Result<(), Refusal> {
        self.move_dispatch(dispatch.id, DispatchStatus::Superseded)?;
        self.finish_run(&dispatch.run_id, &RunResult::cancelled())?;
        Ok(())
    }

    /// Gives a dispatch up as a dead letter, and its run with it.
    pub(super) fn bury(
        &mut self,
        dispatch: &Dispatch,
        code: String,
        error: String,
    ) -> Result<(), Refusal> {
        let row =
            self.move_dispatch(dispatch.id, DispatchStatus::DeadLetter { requeued_as: None })?;
        row.last_error = Some(error.clone());
        let attempt_count = row.attempt_count;
        self.event(
            Some(&dispatch.run_id),
            EventBody::DispatchDeadLettered {
                dispatch_id: dispatch.id,
                attempt_count,
                error: error.clone(),
            },
        );
        let result = RunResult {
            termination: Termination::Error(Reason::new(code, error.as_str())),
            output: None,
            error: Some(error.into()),
        };
        self.finish_run(&dispatch.run_id, &result)
    }

    /// What a delivery that is over leaves to others: nothing of what was pending is stuck.
    pub(super) fn hand_over(&mut self, dispatch: &Dispatch) -> Result<Option<DispatchId>, Refusal> {
        if self.run(&dispatch.run_id)?.is_done() {
            self.follow_up(&dispatch.agent_id, Some(dispatch))
        } else {
            self.answer_waiting()
        }
    }

    /// Gives what is pending to a run that waits for it, else turns steering that no run has taken
    /// in into the thread's next dispatch. It takes the place in the queue of the dispatch that
    /// ended, where that is known.
    pub(super) fn follow_up(
        &mut self,
        agent_id: &AgentId,
        ended: Option<&Dispatch>,
    ) -> Result<Option<DispatchId>, Refusal> {
        let answered = self.answer_waiting()?;
        if self.is_busy() || answered.is_some() {
            return Ok(answered);
        }
        let messages: Vec<Arc<Message>> = self.take(Occasion::Start);
        if messages.is_empty() || committed(Fault::SettleDropsSteering) {
            return Ok(None);
        }
        let run_id: RunId = self.ids.new_uuid().into();
        self.create_run(&run_id, agent_id.clone(), Origin::User);
        self.append_input(&run_id, messages)?;
        let id = self.queue(NewDispatch {
            id: None,
            run_id,
            priority: ended.map_or_else(Priority::default, |dispatch| dispatch.priority),
            ordinal: ended.map(|dispatch| dispatch.ordinal),
            dedupe_key: None,
            available_at: self.now,
            max_attempts: ended.map_or(DEFAULT_MAX_ATTEMPTS, |dispatch| dispatch.max_attempts),
        })?;
        Ok(Some(id))
    }
}
