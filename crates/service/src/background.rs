//! Background tasks: work that may outlive the run that started it, and wakes its thread.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;

use futures::FutureExt;
use postroom_core::command::{Command, Mode, Reply, Submit};
use postroom_core::id::{TaskId, TenantId, ThreadId};
use postroom_core::message::{NewMessage, Visibility};
use postroom_core::run::Origin;
use postroom_core::trace::TraceParent;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::delivery::said;
use crate::execution::Execution;
use crate::node::{Node, follow_up};

/// What a background task comes to: a message for the thread, or nothing to say.
pub(crate) type Task = Pin<Box<dyn Future<Output = Option<NewMessage>> + Send>>;

/// How often the end of a task is tried to be written once the service goes down.
const LAST_TRIES: u32 = 3;

/// Starts a task of a run.
pub(crate) fn start(execution: &Execution, task: Task) -> TaskId {
    let node = &execution.node;
    let (thread_id, run_id) = (execution.thread_id.clone(), execution.run_id.clone());
    let (tenant, trace) = (execution.tenant.clone(), execution.span.place());
    let task_id = TaskId::held_by(&node.id, node.ids.new_uuid());
    node.holders.began(&task_id);
    let id = task_id.clone();
    let this = node.clone();
    node.spawn(async move {
        let stop = this.lifecycle.stops().all;
        let message = tokio::select! {
            biased;
            ended = AssertUnwindSafe(task).catch_unwind() => ended.unwrap_or_else(|panic| {
                tracing::error!(task_id = %id, panic = said(panic.as_ref()), "a background task panicked");
                None
            }),
            // The task dies with this process; its run must not wait for it.
            () = stop.cancelled() => None,
        };
        // The message first: it continues a run that waits, and ending the task then changes
        // nothing. The other way round the run would go on without it.
        if let Some(message) = message {
            wake(&this, &thread_id, &tenant, message, trace, &stop).await;
        }
        let finish = Command::FinishTask { run_id, task_id: Some(id.clone()) };
        let finished = until_written(&stop, || this.apply(thread_id.clone(), finish.clone())).await;
        // Where it could not be written, the sweep sees that the task is not here any more.
        this.holders.ended(&id);
        if let Some(Reply::TaskFinished(Some(_))) = finished {
            this.work_is_there(&[thread_id]).await;
        }
    });
    task_id
}

async fn wake(
    node: &Arc<Node>,
    thread_id: &ThreadId,
    tenant: &TenantId,
    mut message: NewMessage,
    trace: Option<TraceParent>,
    stop: &CancellationToken,
) {
    // With its id it can be submitted again without being doubled.
    message.id.get_or_insert_with(|| node.ids.new_uuid().into());
    message.visibility = Visibility::Internal;
    let mut submit = Submit::new(Mode::Enqueue, vec![message]);
    crate::trace::come_from(&mut submit, trace);
    submit.origin = Origin::Internal;
    submit.max_attempts = node.config.mailbox.default_max_attempts;
    let submitted = until_written(stop, || async {
        let done = node.submit(thread_id.clone(), submit.clone(), Some(tenant.clone())).await;
        match done.answer {
            Ok(_) => Ok(done.then),
            Err(crate::Error::Store(error)) => Err(error),
            Err(crate::Error::NotReady { readiness }) => {
                let reason = format!("the service is {readiness}");
                Err(postroom_core::error::StoreError::Unavailable { reason })
            }
        }
    });
    if let Some(then) = submitted.await {
        let this = node.clone();
        node.spawn(follow_up(this, then));
    }
}

/// Tries until it is written or refused; `None` if it was refused, or the service goes down first.
async fn until_written<T, F>(stop: &CancellationToken, mut write: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Result<T, postroom_core::error::StoreError>>,
{
    let mut pause = Backoff::of_store();
    let mut last_tries = LAST_TRIES;
    loop {
        match write().await {
            Ok(written) => return Some(written),
            Err(error) if error.is_transient() => {
                if stop.is_cancelled() {
                    last_tries = last_tries.checked_sub(1)?;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a background task's end was refused");
                return None;
            }
        }
        tokio::time::sleep(pause.pause()).await;
    }
}
