//! Reports: what the end of a run owes, once it is made good.

use crate::command::Reply;
use crate::error::Refusal;
use crate::id::{DispatchId, RunId};
use crate::report::Report;

use super::work::Work;

impl Work<'_> {
    /// The end of a run was reported. A dead letter's run may have started over meanwhile: then it
    /// is another end that is owed, or will be.
    pub(super) fn reported(
        &mut self,
        run_id: &RunId,
        dispatch_id: Option<DispatchId>,
    ) -> Result<Reply, Refusal> {
        self.known_thread()?;
        let run = self.run(run_id)?;
        if run.report == Report::Owed && run.dispatch_id == dispatch_id {
            self.run_mut(run_id)?.report = Report::None;
        }
        Ok(Reply::Done)
    }
}
