//! Background tasks that end: the run that waits for them goes on.

use crate::command::Reply;
use crate::error::Refusal;
use crate::id::{RunId, TaskId};
use crate::run::{RunStatus, WaitReason};

use super::work::Work;

impl Work<'_> {
    /// A task ended. Its run may not wait for it yet: then it is noted, so that it never does.
    pub(super) fn finish_task(
        &mut self,
        run_id: &RunId,
        task_id: Option<&TaskId>,
    ) -> Result<Reply, Refusal> {
        self.known_thread()?;
        if self.run(run_id)?.is_done() {
            return Ok(Reply::TaskFinished(None));
        }
        let run = self.run_mut(run_id)?;
        let goes_on = match &mut run.status {
            RunStatus::Waiting { reason: WaitReason::BackgroundTasks, tasks } => {
                match task_id {
                    Some(task_id) => tasks.retain(|task| task != task_id),
                    None => tasks.retain(|task| task.run().is_some()),
                }
                tasks.is_empty()
            }
            _ => {
                let news = task_id.filter(|task_id| !run.ended_tasks.contains(task_id));
                run.ended_tasks.extend(news.cloned());
                false
            }
        };
        if !goes_on {
            return Ok(Reply::TaskFinished(None));
        }
        let (priority, max_attempts) = self.budget_of(run_id);
        let id = self.queue_again(run_id, self.now, priority, max_attempts)?;
        Ok(Reply::TaskFinished(Some(id)))
    }
}
