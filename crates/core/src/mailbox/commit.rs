//! Committing: what a run has done is written, and what is pending is taken in.

use crate::command::{Committed, Reply, Step, Suspend, Take};
use crate::dispatch::{AttemptStatus, Claim, Dispatch, DispatchStatus};
use crate::error::Refusal;
use crate::event::EventBody;
use crate::report::Report;
use crate::run::{RunState, RunStatus};
use crate::ticket::Ticket;

use super::pending::Occasion;
use super::work::Work;

impl Work<'_> {
    pub(super) fn commit(&mut self, claim: &Claim, mut step: Step) -> Result<Reply, Refusal> {
        let dispatch = self.fence(claim)?;
        self.begun(&dispatch)?;
        let state = self.run(&dispatch.run_id)?.run_state();
        if step.resume && state != RunState::Waiting {
            return Err(Refusal::IllegalRun {
                run_id: dispatch.run_id.clone(),
                state,
                command: self.command,
            });
        }
        let suspend = step.suspend.take();
        let resume = step.resume;
        let take = step.take;
        self.write_step(&dispatch, step)?;
        let written = self.appended().to_vec();
        let occasion = match take {
            Take::Nothing => None,
            Take::NextStep => Some(Occasion::NextStep(&dispatch.run_id)),
            Take::NaturalEnd => Some(Occasion::NaturalEnd(&dispatch.run_id)),
        };
        let taken = match occasion {
            Some(occasion) => {
                let messages = self.take(occasion);
                self.append(&dispatch.run_id, messages).to_vec()
            }
            None => Vec::new(),
        };
        if resume {
            self.resume(&dispatch)?;
        }
        if let Some(suspend) = suspend {
            self.suspend(&dispatch, suspend)?;
        }
        let stop_requested = self.run(&dispatch.run_id)?.stop_requested;
        Ok(Reply::Committed(Committed { written, taken, stop_requested }))
    }

    /// Refuses what only a run that has begun under the current claim can do.
    pub(super) fn begun(&self, dispatch: &Dispatch) -> Result<(), Refusal> {
        if self.thread.active_run_id.as_ref() == Some(&dispatch.run_id) {
            return Ok(());
        }
        Err(Refusal::NotBegun { dispatch_id: dispatch.id, command: self.command })
    }

    /// Writes what the run has done; a message that the log has already is not written again.
    pub(super) fn write_step(&mut self, dispatch: &Dispatch, step: Step) -> Result<(), Refusal> {
        for body in step.events {
            self.event(Some(&dispatch.run_id), body);
        }
        let messages = self.fresh(step.messages.into_iter());
        self.append(&dispatch.run_id, messages);
        for decision in step.by_default {
            let ticket = self.run(&dispatch.run_id)?.ticket(&decision.tool_call_id);
            if ticket.is_some_and(Ticket::is_open) {
                self.apply_decisions(&dispatch.run_id, vec![decision])?;
            }
        }
        let changes_run = step.state.is_some()
            || step.agent_version.is_some()
            || step.steps > 0
            || step.has_children
            || step.usage != crate::run::Usage::default();
        if changes_run {
            let run = self.run_mut(&dispatch.run_id)?;
            run.usage += step.usage;
            run.steps += step.steps;
            if step.state.is_some() {
                run.state = step.state;
            }
            if run.agent_version.is_none() {
                run.agent_version = step.agent_version;
            }
            if step.has_children && run.report == Report::None {
                run.report = Report::Wanted;
            }
        }
        Ok(())
    }

    /// The run waits in memory: its claim is held, under a long lease.
    fn suspend(&mut self, dispatch: &Dispatch, suspend: Suspend) -> Result<(), Refusal> {
        self.raise_tickets(&dispatch.run_id, suspend.tickets)?;
        let run = self.run_mut(&dispatch.run_id)?;
        run.status = RunStatus::Waiting { reason: suspend.reason, tasks: Vec::new() };
        let tickets = run.tickets.iter().filter(|ticket| ticket.is_open());
        let tickets = tickets.map(|ticket| ticket.tool_call_id.clone()).collect();
        let lease_until = self.now + suspend.lease;
        let row = self.dispatch_mut(dispatch.id)?;
        if let DispatchStatus::Claimed { lease_until: until, .. } = &mut row.status {
            *until = lease_until;
        }
        if let Some(attempt) = &mut row.attempt {
            attempt.run_status = AttemptStatus::Waiting;
        }
        self.event(
            Some(&dispatch.run_id),
            EventBody::RunWaiting { reason: suspend.reason, tickets, live: true },
        );
        self.owe_wait(&dispatch.run_id, suspend.reason)
    }

    fn resume(&mut self, dispatch: &Dispatch) -> Result<(), Refusal> {
        let run = self.run_mut(&dispatch.run_id)?;
        run.status = RunStatus::Running;
        if let Some(attempt) = &mut self.dispatch_mut(dispatch.id)?.attempt {
            attempt.run_status = AttemptStatus::Running;
        }
        self.event(Some(&dispatch.run_id), EventBody::RunResumed { dispatch_id: dispatch.id });
        Ok(())
    }

    /// Adds tickets to the run. One that it has already stays as it is: it may be decided.
    pub(super) fn raise_tickets(
        &mut self,
        run_id: &crate::id::RunId,
        tickets: Vec<Ticket>,
    ) -> Result<(), Refusal> {
        let run = self.run_mut(run_id)?;
        for ticket in tickets {
            if run.ticket(&ticket.tool_call_id).is_none() {
                run.tickets.push(ticket);
            }
        }
        Ok(())
    }
}
