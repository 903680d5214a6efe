//! Reporting: what a run owes to others is made good.
//!
//! The node that settles a run does it at once; what ended otherwise, or whose node died, every node
//! looks for from time to time. Each part can be repeated, by several nodes at once: what is done
//! changes nothing the second time, and only then the debt is crossed out.

use std::sync::Arc;

use postroom_core::command::{CancelTarget, Cancelled, Command, Mode, Reply, Submit};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::id::{AgentId, DispatchId, RunId, TaskId, ThreadId};
use postroom_core::message::{Content, Metadata, NewMessage, Visibility};
use postroom_core::ports::RunFilter;
use postroom_core::report::{Report, ReportAs, ReportId, ReportTo};
use postroom_core::reserved::{WEBHOOK_AGENT, WEBHOOK_THREAD};
use postroom_core::run::{Origin, Run, RunSpec, RunState, RunStatus, Termination};
use postroom_core::webhook::{Occasion, Post};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::backoff::Backoff;
use crate::error::Error;
use crate::node::{Node, follow_up};
use crate::nudge::{self, Wish};
use crate::trace;

/// How many runs are looked at together.
const PAGE: usize = 256;

/// How often a report is tried before it is left to the next sweep.
const TRIES_MAX: u32 = 4;

/// Names the ids of messages that tell of a run's end.
const MESSAGES_OF_ENDS: Uuid = Uuid::from_u128(0x3d2e_9b51_60c8_4f7a_b1d4_0c6f_92e5_7a18);

/// Names the threads in which posts are made.
const WEBHOOK_THREADS: Uuid = Uuid::from_u128(0xb7d0_52f8_1a6e_4c93_8f05_d3e9_7b24_60ac);

/// What this node knows of reports that are owed.
#[derive(Default)]
pub(crate) struct Reports {
    due: Notify,
}

impl Reports {
    /// Runs may have ended that owe a report.
    pub(crate) fn look(&self) {
        self.due.notify_one();
    }
}

/// Makes what is owed whenever somebody says that something may be, until told to stop.
pub(crate) async fn keep(node: Arc<Node>, stop: CancellationToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = node.reports.due.notified() => {}
        }
        if let Err(error) = make_all(&node, &stop).await {
            tracing::warn!(%error, "what is owed was not looked up: the next sweep tries again");
        }
    }
}

/// Makes all reports that are owed, page by page.
async fn make_all(node: &Arc<Node>, stop: &CancellationToken) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let owing = node.store.runs_owing_reports(after.as_ref(), PAGE).await?;
        let Some(last) = owing.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for run in &owing {
            if stop.is_cancelled() {
                return Ok(());
            }
            make_or_leave(node, run).await;
        }
    }
}

/// Makes the report of a run that has just ended or begun to wait here, if it owes one.
pub(crate) fn soon(node: &Arc<Node>, run: &Arc<Run>) {
    if run.report != Report::Owed {
        return;
    }
    let (node, run) = (node.clone(), run.clone());
    let this = node.clone();
    node.spawn(async move { make_or_leave(&this, &run).await });
}

/// Makes a report, or leaves it owed: then the next sweep of any node finds it.
async fn make_or_leave(node: &Arc<Node>, run: &Run) {
    let mut pause = Backoff::of_store();
    for tries in 1..=TRIES_MAX {
        match make(node, run).await {
            Ok(()) => return,
            Err(error) if error.is_transient() && tries < TRIES_MAX => {
                tokio::time::sleep(pause.pause()).await;
            }
            Err(error) => {
                tracing::warn!(run_id = %run.id, %error, "not reported: the next sweep tries again");
                return;
            }
        }
    }
}

async fn make(node: &Arc<Node>, run: &Run) -> Result<(), StoreError> {
    let report = ReportId::of(run);
    if let Some(url) = &run.spec.webhook {
        post(node, run, report, url).await?;
    }
    if report.is_end {
        if let Some(to) = &run.spec.report_to {
            tell(node, run, to).await?;
        }
        cancel_children(node, &run.id).await?;
    }
    let reported = Command::Reported { run_id: run.id.clone(), report };
    // Refused where its thread was deleted meanwhile.
    unless_gone(node.apply(run.thread_id.clone(), reported).await)?;
    Ok(())
}

async fn tell(node: &Arc<Node>, run: &Run, to: &ReportTo) -> Result<(), StoreError> {
    let thread_id = &to.thread_id;
    match &to.as_ {
        ReportAs::Task { run_id } => finish(node, thread_id, run_id, TaskId::of_run(&run.id)).await,
        ReportAs::Message => {
            // A thread that was deleted is not made anew, and one that somebody else made is not told.
            let told = node.store.thread(thread_id).await?;
            if told.is_none_or(|thread| thread.tenant != run.tenant) {
                return Ok(());
            }
            let submit = Submit::new(Mode::Enqueue, vec![message(run)]);
            submit_for(node, run, thread_id, submit).await
        }
    }
}

/// Has somebody outside told, by a run of its own: it is tried again as runs are. The posts about the
/// runs of one thread are made one after the other.
async fn post(node: &Arc<Node>, run: &Run, report: ReportId, url: &str) -> Result<(), StoreError> {
    let occasion = match (report.is_end, run.run_state()) {
        (true, _) => Occasion::Finished,
        (false, RunState::Waiting) => Occasion::Waiting,
        // It went on meanwhile: there is nothing to tell.
        (false, _) => return Ok(()),
    };
    let id = report.uuid(&run.id);
    let post = Post { id, url: url.to_owned(), occasion, run_id: run.id.clone() };
    let mut message = NewMessage::user(&format!("Post what became of run {}.", run.id));
    message.id = Some(id.into());
    let thread = run.thread_id.with_str(|id| Uuid::new_v5(&WEBHOOK_THREADS, id.as_bytes()));
    let thread_id = ThreadId::parse(&format!("{WEBHOOK_THREAD}{thread}"));
    let agent_id = AgentId::parse(WEBHOOK_AGENT);
    let (Ok(thread_id), Ok(agent_id)) = (thread_id, agent_id) else { return Ok(()) };
    let mut submit = Submit::new(Mode::Enqueue, vec![message]);
    submit.agent_id = Some(agent_id);
    // A run is kept while it has children that are under way: what is posted is the run.
    submit.parent_run_id = Some(run.id.clone());
    submit.spec = RunSpec { overrides: post.to_overrides(), ..RunSpec::default() }.into();
    submit_for(node, run, &thread_id, submit).await
}

/// What went away meanwhile need not be told.
fn unless_gone(answer: Result<Reply, StoreError>) -> Result<Option<Reply>, StoreError> {
    match answer {
        Err(StoreError::Refused(Refusal::UnknownThread { .. } | Refusal::UnknownRun { .. })) => {
            Ok(None)
        }
        answer => answer.map(Some),
    }
}

/// Submits on behalf of the run's tenant.
async fn submit_for(
    node: &Arc<Node>,
    run: &Run,
    thread_id: &ThreadId,
    mut submit: Submit,
) -> Result<(), StoreError> {
    submit.origin = Origin::Internal;
    submit.max_attempts = node.config.mailbox.default_max_attempts;
    submit.limits = node.config.limits.of_a_thread();
    trace::come_from(&mut submit, run.spec.trace);
    let done = node.submit(thread_id.clone(), submit, Some(run.tenant.clone())).await;
    match done.answer {
        Ok(_) => {
            let this = node.clone();
            node.spawn(follow_up(this, done.then));
            Ok(())
        }
        Err(Error::Store(error)) => Err(error),
        Err(Error::NotReady { readiness }) => {
            Err(StoreError::Unavailable { reason: format!("the service is {readiness}") })
        }
    }
}

/// What a thread is told of a run's end. Each end has one id, so that it is told once.
fn message(run: &Run) -> NewMessage {
    let end = run.dispatch_id.map_or_else(Uuid::nil, DispatchId::uuid);
    let end = Uuid::new_v5(&MESSAGES_OF_ENDS, end.as_bytes());
    let mut message = NewMessage::user("");
    message.id = Some(run.id.with_str(|id| Uuid::new_v5(&end, id.as_bytes())).into());
    message.visibility = Visibility::Internal;
    message.content = Content::Text(words(run));
    let status = run.termination().map_or("unfinished", Termination::as_str);
    message.metadata = Metadata::from_iter([
        ("run_id".to_owned(), run.id.to_string().into()),
        ("agent_id".to_owned(), run.agent_id.to_string().into()),
        ("status".to_owned(), status.into()),
    ]);
    message
}

/// The run's answer, or what became of it.
fn words(run: &Run) -> String {
    match (run.termination(), &run.output) {
        (Some(Termination::NaturalEnd), Some(output)) => output.to_string(),
        (Some(Termination::NaturalEnd) | None, _) => "It ended without an answer.".to_owned(),
        (Some(termination), _) => {
            let reason = termination.reason().map(|reason| reason.message.as_str());
            let why = run.error.as_deref().or(reason).unwrap_or("nobody said why");
            format!("It did not come to an answer ({}): {why}.", termination.as_str())
        }
    }
}

/// Looks after all runs that wait for others, page by page: see [`look_after_wait`].
pub(crate) async fn look_after_waits(node: &Node) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let runs = node.store.runs_waiting_for_tasks(after.as_ref(), PAGE).await?;
        let Some(last) = runs.last() else { return Ok(()) };
        after = Some(last.id.clone());
        for run in &runs {
            look_after_wait(node, run).await?;
        }
    }
}

/// Lets a run go on that waits for runs whose ends were reported before it did: an end is told once,
/// and an attempt that starts over may wait for it a second time.
async fn look_after_wait(node: &Node, run: &Run) -> Result<(), StoreError> {
    let RunStatus::Waiting { tasks, .. } = &run.status else { return Ok(()) };
    for task in tasks {
        let Some(child) = task.run() else { continue };
        let child = node.store.run(&child).await?;
        // What is owed is on its way.
        if child.is_some_and(|child| !child.is_done() || child.report == Report::Owed) {
            continue;
        }
        finish(node, &run.thread_id, &run.id, task.clone()).await?;
    }
    Ok(())
}

/// Looks after a run that began to wait here.
pub(crate) fn look_after_soon(node: &Arc<Node>, run: &Arc<Run>) {
    let RunStatus::Waiting { tasks, .. } = &run.status else { return };
    if !tasks.iter().any(|task| task.run().is_some()) {
        return;
    }
    let (this, run) = (node.clone(), run.clone());
    node.spawn(async move {
        if let Err(error) = look_after_wait(&this, &run).await {
            tracing::warn!(run_id = %run.id, %error, "its children were not looked up: the sweep does it");
        }
    });
}

async fn finish(
    node: &Node,
    thread_id: &ThreadId,
    run_id: &RunId,
    task_id: TaskId,
) -> Result<(), StoreError> {
    let finish = Command::FinishTask { run_id: run_id.clone(), task_id: Some(task_id) };
    let finished = unless_gone(node.apply(thread_id.clone(), finish).await)?;
    if let Some(Reply::TaskFinished(Some(_))) = finished {
        node.work_is_there(std::slice::from_ref(thread_id)).await;
    }
    Ok(())
}

/// Whether nobody waits for the run's end any more: it was started just when its parent ended, and
/// not found when that one's children were cancelled.
pub(crate) async fn is_orphan(node: &Node, run: &Run) -> Result<bool, StoreError> {
    let Some(ReportTo { as_: ReportAs::Task { run_id }, .. }) = &run.spec.report_to else {
        return Ok(false);
    };
    let parent = node.store.run(run_id).await?;
    Ok(parent.is_none_or(|parent| parent.is_done()))
}

/// Cancels the runs that report to this one as tasks: nobody waits for them any more.
async fn cancel_children(node: &Arc<Node>, parent: &RunId) -> Result<(), StoreError> {
    let filter = RunFilter { parent_run_id: Some(parent.clone()), ..RunFilter::default() };
    let mut cursor = None;
    loop {
        let page = node.store.runs(&filter, PAGE, cursor.as_deref()).await?;
        for child in page.items.iter().filter(|child| !child.is_done() && is_for(child, parent)) {
            cancel(node, child).await?;
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}

/// Whether the run reports to `parent` as a task.
fn is_for(child: &Run, parent: &RunId) -> bool {
    let to = child.spec.report_to.as_ref().map(|to| &to.as_);
    matches!(to, Some(ReportAs::Task { run_id }) if run_id == parent)
}

async fn cancel(node: &Arc<Node>, child: &Run) -> Result<(), StoreError> {
    let target = CancelTarget::Run(child.id.clone());
    let command = Command::Cancel { target, stop_executing: true };
    match node.apply(child.thread_id.clone(), command).await {
        Ok(Reply::Cancelled(Cancelled::Executing { run_id, dispatch_id, .. })) => {
            node.ask_to_stop(nudge::target(&child.thread_id, &run_id, dispatch_id), Wish::Written);
        }
        Ok(_) => {
            // What was behind it in its queue may be ready; and it may have children of its own.
            node.ready.mark();
            node.reports.look();
        }
        // It ended by itself meanwhile, or its thread was deleted.
        Err(StoreError::Refused(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
