//! Orphans: background tasks whose node is dead. They have ended with it, and the runs that wait for
//! them go on.
//!
//! Every node looks; ending a task that has ended changes nothing. That a node is dead is a guess
//! from its silence: where it is wrong, a run has gone on without its task, and what the task still
//! has to say comes as a message like any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::command::{Command, Envelope, Reply};
use postroom_core::error::StoreError;
use postroom_core::id::{NodeId, TaskId, ThreadId};
use postroom_core::run::{Run, RunStatus};
use postroom_core::time::Timestamp;
use tokio::time::Instant;

use crate::node::Node;

/// How many runs are looked at together.
const PAGE: usize = 256;

/// What this node knows of the holders of tasks.
#[derive(Default)]
pub(crate) struct Holders {
    /// The tasks that are under way here.
    here: Mutex<BTreeSet<TaskId>>,
    /// Nodes that hold tasks and are not in the list, and since when this node misses them. The
    /// list itself may have been lost: who lives is in it again soon.
    missing: Mutex<BTreeMap<NodeId, Instant>>,
}

impl Holders {
    pub(crate) fn began(&self, task: &TaskId) {
        self.here.lock().insert(task.clone());
    }

    pub(crate) fn ended(&self, task: &TaskId) {
        self.here.lock().remove(task);
    }
}

/// Ends the tasks of dead nodes, page by page, and says how many runs go on.
pub(crate) async fn wake(node: &Arc<Node>) -> Result<usize, StoreError> {
    let mut roll = Roll::call(node).await?;
    let mut woken = 0;
    let mut after = None;
    loop {
        let runs = node.store.runs_waiting_for_tasks(after.as_ref(), PAGE).await?;
        let Some(last) = runs.last() else { break };
        after = Some(last.id.clone());
        let mut over = Vec::new();
        for run in &runs {
            over.extend(ends(&mut roll, run));
        }
        woken += end(node, over).await?;
    }
    roll.close();
    Ok(woken)
}

/// The end of each of the run's tasks that is over.
fn ends(roll: &mut Roll<'_>, run: &Run) -> Vec<Envelope> {
    let RunStatus::Waiting { tasks, .. } = &run.status else { return Vec::new() };
    let over = tasks.iter().filter(|task| roll.is_over(task));
    let end = |task: &TaskId| {
        let command = Command::FinishTask { run_id: run.id.clone(), task_id: Some(task.clone()) };
        Envelope::new(run.thread_id.clone(), command)
    };
    over.map(end).collect()
}

async fn end(node: &Arc<Node>, over: Vec<Envelope>) -> Result<usize, StoreError> {
    let threads: Vec<ThreadId> = over.iter().map(|envelope| envelope.thread_id.clone()).collect();
    if threads.is_empty() {
        return Ok(0);
    }
    let mut going_on = Vec::new();
    for (answer, thread_id) in node.apply_all(over).await.into_iter().zip(threads) {
        match answer {
            Ok(Reply::TaskFinished(Some(_))) => going_on.push(thread_id),
            // It waits for others too, went on meanwhile, or its thread was deleted.
            Ok(_) | Err(StoreError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
    }
    node.work_is_there(&going_on).await;
    Ok(going_on.len())
}

/// Who is there, at one moment.
struct Roll<'n> {
    node: &'n Node,
    now: Timestamp,
    seen_at: BTreeMap<NodeId, Timestamp>,
    missed: BTreeSet<NodeId>,
    silence: Duration,
}

impl<'n> Roll<'n> {
    async fn call(node: &'n Node) -> Result<Self, StoreError> {
        let nodes = node.store.nodes().await?;
        // After the list: whoever says something meanwhile only seems to have been silent for less.
        let now = node.store.now().await?;
        Ok(Self {
            node,
            now,
            seen_at: nodes.into_iter().map(|record| (record.id, record.seen_at)).collect(),
            missed: BTreeSet::new(),
            silence: node.silence_of_the_dead(),
        })
    }

    /// Whether the task has ended, without its run having heard of it.
    fn is_over(&mut self, task: &TaskId) -> bool {
        // What has a name of its own is not a node's, and ends when somebody says so.
        let Some(holder) = task.node() else { return false };
        if holder == self.node.id {
            return !self.node.holders.here.lock().contains(task);
        }
        match self.seen_at.get(&holder) {
            Some(seen_at) => self.now.since(*seen_at) > self.silence,
            None => self.is_long_missed(holder),
        }
    }

    fn is_long_missed(&mut self, holder: NodeId) -> bool {
        let mut missing = self.node.holders.missing.lock();
        let since = *missing.entry(holder.clone()).or_insert_with(Instant::now);
        self.missed.insert(holder);
        since.elapsed() > self.silence
    }

    /// Who is not missed any more is forgotten.
    fn close(self) {
        self.node.holders.missing.lock().retain(|node, _| self.missed.contains(node));
    }
}
