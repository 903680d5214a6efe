//! Collecting: a run that ended long ago is forgotten, once nothing needs it any more.

use crate::command::Reply;
use crate::error::Refusal;
use crate::id::RunId;
use crate::report::Report;
use crate::run::Run;
use crate::time::Timestamp;

use super::work::Work;

impl Work<'_> {
    pub(super) fn collect_run(
        &mut self,
        run_id: &RunId,
        ended_before: Timestamp,
    ) -> Result<Reply, Refusal> {
        self.known_thread()?;
        let run = self.run(run_id)?;
        let is_old = run.finished_at().is_some_and(|at| at < ended_before);
        let goes = is_old && !self.is_needed(run);
        if goes {
            self.collected_runs.push(run_id.clone());
        }
        Ok(Reply::Collected(goes))
    }

    /// Whether something of this thread needs a run that has ended.
    fn is_needed(&self, run: &Run) -> bool {
        let thread = &self.thread;
        let pointers = [
            &thread.active_run_id,
            &thread.open_run_id,
            &thread.latest_run_id,
            &thread.ended_run_id,
        ];
        let is_pointed_at = pointers.into_iter().any(|id| id.as_ref() == Some(&run.id));
        // A dead letter may be requeued.
        let is_delivered = run.dispatch_id.is_some_and(|id| self.dispatches.get(&id).is_some());
        // It is what keeps its messages out of prompts.
        is_pointed_at || is_delivered || run.hidden || run.report == Report::Owed
    }
}
