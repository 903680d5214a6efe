//! Reports: what a run owes, and once it is made good.

use crate::command::Reply;
use crate::error::Refusal;
use crate::id::RunId;
use crate::report::{Report, ReportId, is_of_interest};
use crate::run::WaitReason;

use super::work::Work;

impl Work<'_> {
    /// What a run owed was reported. It may have gone on or started over meanwhile: then it is another
    /// report that is owed, or will be.
    pub(super) fn reported(&mut self, run_id: &RunId, report: ReportId) -> Result<Reply, Refusal> {
        self.known_thread()?;
        let run = self.run(run_id)?;
        if run.report == Report::Owed && ReportId::of(run) == report {
            let left = if report.is_end { Report::None } else { Report::Wanted };
            self.run_mut(run_id)?.report = left;
        }
        Ok(Reply::Done)
    }

    /// The run began to wait: who has named an address to post to hears of it.
    pub(super) fn owe_wait(&mut self, run_id: &RunId, reason: WaitReason) -> Result<(), Refusal> {
        let run = self.run(run_id)?;
        let is_wanted = run.report == Report::Wanted && run.spec.webhook.is_some();
        if is_wanted && is_of_interest(reason) {
            self.run_mut(run_id)?.report = Report::Owed;
        }
        Ok(())
    }
}
