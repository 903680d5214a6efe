//! Dispatches.

use std::sync::Arc;

use postroom_core::dispatch::{AttemptStatus, Dispatch, DispatchState, DispatchStatus, Priority};
use postroom_core::id::{
    AgentId, DedupeKey, DispatchId, Epoch, InstanceId, NodeId, RunId, ThreadId,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::run::TerminationView;
use super::time::{Moment, moment};

/// A dispatch: every field of the specification, whatever its state.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct DispatchView {
    dispatch_id: DispatchId,
    thread_id: ThreadId,
    run_id: RunId,
    agent_id: AgentId,
    priority: Priority,
    dedupe_key: Option<DedupeKey>,
    dispatch_epoch: Epoch,
    status: DispatchState,
    available_at: Moment,
    attempt_count: u32,
    max_attempts: u32,
    last_error: Option<String>,
    claim_token: Option<u64>,
    claimed_by: Option<NodeId>,
    lease_until: Option<Moment>,
    dispatch_instance_id: Option<InstanceId>,
    run_status: Option<AttemptStatus>,
    termination: Option<TerminationView>,
    run_response: Option<Arc<str>>,
    run_error: Option<Arc<str>>,
    completed_at: Option<Moment>,
    requeued_as: Option<DispatchId>,
    created_at: Moment,
    updated_at: Moment,
}

impl From<Dispatch> for DispatchView {
    fn from(dispatch: Dispatch) -> Self {
        let attempt = dispatch.attempt.as_ref();
        let requeued_as = match dispatch.status {
            DispatchStatus::DeadLetter { requeued_as } => requeued_as,
            _ => None,
        };
        Self {
            status: dispatch.state(),
            claim_token: dispatch.claim().map(|claim| claim.number),
            claimed_by: dispatch.claim().map(|claim| claim.node.clone()),
            lease_until: dispatch.lease_until().map(moment),
            dispatch_instance_id: attempt.map(|attempt| attempt.instance_id),
            run_status: attempt.map(|attempt| attempt.run_status),
            termination: attempt
                .and_then(|attempt| attempt.termination.as_ref())
                .map(TerminationView::from),
            run_response: attempt.and_then(|attempt| attempt.run_response.clone()),
            run_error: attempt.and_then(|attempt| attempt.run_error.clone()),
            completed_at: attempt.and_then(|attempt| attempt.completed_at).map(moment),
            requeued_as,
            dispatch_id: dispatch.id,
            thread_id: dispatch.thread_id,
            run_id: dispatch.run_id,
            agent_id: dispatch.agent_id,
            priority: dispatch.priority,
            dedupe_key: dispatch.dedupe_key,
            dispatch_epoch: dispatch.epoch,
            available_at: moment(dispatch.available_at),
            attempt_count: dispatch.attempt_count,
            max_attempts: dispatch.max_attempts,
            last_error: dispatch.last_error,
            created_at: moment(dispatch.created_at),
            updated_at: moment(dispatch.updated_at),
        }
    }
}
