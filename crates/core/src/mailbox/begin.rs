//! Beginning: the claimed dispatch's run starts, or must not.

use crate::command::{Activation, Begun, Reply};
use crate::dispatch::{Attempt, Claim, DispatchStatus};
use crate::error::Refusal;
use crate::event::EventBody;
use crate::id::{DispatchId, InstanceId};
use crate::run::{RunState, RunStatus};
use crate::sabotage::{Fault, committed};

use super::work::Work;

impl Work<'_> {
    pub(super) fn begin(
        &mut self,
        claim: &Claim,
        instance_id: Option<InstanceId>,
    ) -> Result<Reply, Refusal> {
        let dispatch = self.fence(claim)?;
        Ok(Reply::Begun(self.start(dispatch.id, instance_id)?))
    }

    /// Starts the run of the claimed dispatch, unless its epoch is over, somebody asked it to stop,
    /// or it has ended; then the claim is given up.
    pub(super) fn start(
        &mut self,
        id: DispatchId,
        instance_id: Option<InstanceId>,
    ) -> Result<Begun, Refusal> {
        let dispatch = self.dispatch(id)?;
        let run = self.run(&dispatch.run_id)?;
        if run.is_done() {
            self.move_dispatch(id, DispatchStatus::Acked)?;
            return Ok(Begun::NotStarted);
        }
        let epoch_is_over = dispatch.epoch < self.thread.epoch && !committed(Fault::OldEpochStarts);
        if epoch_is_over || run.stop_requested {
            let dispatch = dispatch.clone();
            self.supersede(&dispatch)?;
            self.follow_up(&dispatch.agent_id, Some(&dispatch))?;
            return Ok(Begun::NotStarted);
        }
        let run_id = run.id.clone();
        let before = run.run_state();
        let inherited = if before == RunState::Created && run.state.is_none() {
            let ended = self.thread.ended_run_id.as_ref();
            ended.and_then(|id| self.runs.get(id)).and_then(|ended| ended.state.clone())
        } else {
            None
        };
        if before == RunState::Created {
            let kept_back = self.take_targeted(&run_id);
            self.append_input(&run_id, kept_back)?;
        }

        let now = self.now;
        let run = self.run_mut(&run_id)?;
        run.status = RunStatus::Running;
        run.attempt += 1;
        run.started_at.get_or_insert(now);
        if inherited.is_some() {
            run.state = inherited;
        }
        let instance_id = instance_id.unwrap_or_else(|| self.ids.new_uuid().into());
        let row = self.dispatch_mut(id)?;
        row.attempt = Some(Attempt::started(instance_id));
        let attempt = row.attempt_count + 1;
        self.thread.active_run_id = Some(run_id.clone());
        self.thread.open_run_id.get_or_insert_with(|| run_id.clone());
        if before == RunState::Waiting {
            self.event(Some(&run_id), EventBody::RunResumed { dispatch_id: id });
        }
        self.event(Some(&run_id), EventBody::RunStarted { dispatch_id: id, attempt });
        Ok(Begun::Started(Box::new(self.activation(id)?)))
    }

    fn activation(&mut self, id: DispatchId) -> Result<Activation, Refusal> {
        let dispatch = self.dispatch(id)?.clone();
        let run = self.run(&dispatch.run_id)?.clone();
        let claim = dispatch.claim().cloned().ok_or(Refusal::IllegalDispatch {
            dispatch_id: id,
            state: dispatch.state(),
            command: self.command,
        })?;
        let input = self.take_input(&run);
        let thread_metadata = self.thread.metadata.clone();
        Ok(Activation { claim, thread_metadata, run, dispatch, input })
    }
}
