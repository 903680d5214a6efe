//! Decisions: a person or a system says what shall become of waiting tool calls.

use crate::command::{ClaimRequest, DEFAULT_MAX_ATTEMPTS, Decided, DecidedVia, Reply};
use crate::dispatch::Priority;
use crate::error::Refusal;
use crate::event::EventBody;
use crate::id::RunId;
use crate::run::RunState;
use crate::ticket::{Decision, DecisionAction, TicketState};

use super::work::Work;

impl Work<'_> {
    pub(super) fn decide_tickets(
        &mut self,
        run_id: &RunId,
        decisions: Vec<Decision>,
        claim: Option<&ClaimRequest>,
    ) -> Result<Reply, Refusal> {
        self.known_thread()?;
        if decisions.is_empty() {
            return Err(Refusal::Invalid { reason: "no decision is given: give at least one" });
        }
        let via = self.apply_decisions(run_id, decisions)?;
        let claimed = match (via, claim) {
            (DecidedVia::Queued(id), Some(request)) => self.claim_if_next(id, request)?,
            _ => None,
        };
        Ok(Reply::Decided(Decided { via, claimed }))
    }

    /// Closes tickets. All of the decisions apply, or none.
    pub(super) fn apply_decisions(
        &mut self,
        run_id: &RunId,
        decisions: Vec<Decision>,
    ) -> Result<DecidedVia, Refusal> {
        let live = self.claimed().is_some_and(|dispatch| dispatch.run_id == *run_id);
        let mut newly_closed = false;
        let mut was_live = None;
        for decision in decisions {
            check(&decision)?;
            let tool_call_id = decision.tool_call_id.clone();
            let closed = Refusal::TicketClosed {
                run_id: run_id.clone(),
                tool_call_id: tool_call_id.clone(),
            };
            let unknown = Refusal::UnknownTicket {
                run_id: run_id.clone(),
                tool_call_id: tool_call_id.clone(),
            };
            let run = self.run_mut(run_id)?;
            let ticket = run
                .tickets
                .iter_mut()
                .find(|ticket| ticket.tool_call_id == tool_call_id)
                .ok_or(unknown)?;
            match &ticket.state {
                TicketState::Open => {
                    let decision = Box::new(decision);
                    ticket.state = TicketState::Decided { decision: decision.clone(), live };
                    newly_closed = true;
                    self.event(Some(run_id), EventBody::ToolCallResumed { tool_call_id, decision });
                }
                TicketState::Decided { decision: first, live }
                    if first.is_repeated_by(&decision) =>
                {
                    was_live = Some(*live);
                }
                TicketState::Decided { .. } | TicketState::Cancelled => return Err(closed),
            }
        }
        let run = self.run(run_id)?;
        if live || (!newly_closed && was_live == Some(true)) {
            return Ok(DecidedVia::Live);
        }
        let waits = run.run_state() == RunState::Waiting;
        let dispatch_id = run.dispatch_id;
        if !waits || !newly_closed {
            return Ok(dispatch_id.map_or(DecidedVia::Partly, DecidedVia::Queued));
        }
        if run.has_open_ticket() {
            return Ok(DecidedVia::Partly);
        }
        let (priority, max_attempts) = self.budget_of(run_id);
        self.queue_again(run_id, self.now, priority, max_attempts).map(DecidedVia::Queued)
    }

    /// With what priority and how many attempts a run goes on: those it had, if they are known.
    pub(super) fn budget_of(&self, run_id: &RunId) -> (Priority, u32) {
        self.runs
            .get(run_id)
            .and_then(|run| self.dispatches.get(&run.dispatch_id?))
            .map_or((Priority::default(), DEFAULT_MAX_ATTEMPTS), |dispatch| {
                (dispatch.priority, dispatch.max_attempts)
            })
    }
}

/// Arguments are for a call that is made: not beside a result that stands for it, nor for a denial.
fn check(decision: &Decision) -> Result<(), Refusal> {
    if decision.arguments.is_null() {
        return Ok(());
    }
    if !decision.arguments.is_object() {
        return Err(Refusal::Invalid { reason: "a decision's arguments must be a JSON object" });
    }
    if decision.action == DecisionAction::Cancel || !decision.result.is_null() {
        return Err(Refusal::Invalid {
            reason: "a decision has arguments only where the call is made: give no result, and `resume`",
        });
    }
    Ok(())
}
