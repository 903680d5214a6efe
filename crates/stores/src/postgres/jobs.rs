//! What waits to be carried out: one queue for all lanes.
//!
//! A lane takes its share of what waits, but nothing of a thread that another lane is at: so each
//! thread's commands are carried out in the order in which they came, and no lane is idle while there
//! is something to do. (A lane of its own for each thread would be simpler, but threads that are ready
//! at the same time then tend to be of one lane.)

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use postroom_core::command::{Command, Envelope};
use postroom_core::id::ThreadId;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

use super::transaction::Outcome;

/// How many commands one transaction takes at most.
const BATCH_MAX: usize = 256;

/// What a transaction costs by itself is worth so many commands: fewer are not shared among lanes.
const SHARE_MIN: usize = 64;

/// So few commands take the server no time to speak of: others do not wait for them.
const FEW: usize = 8;

/// For so long do more let others go first: a transaction that waits for a lock must not hold up the rest.
const PATIENCE: Duration = Duration::from_millis(50);

/// Where other nodes keep the server busy: for so long those who were just answered are waited for, who
/// mostly have something to say again.
const GATHER: Duration = Duration::from_millis(2);

/// Commands of one caller, carried out together.
pub(super) struct Job {
    pub(super) envelopes: Vec<Envelope>,
    pub(super) reply: oneshot::Sender<Vec<Outcome>>,
}

impl Job {
    /// Whether it deletes a thread. A deletion travels alone: it writes without regard to the rows
    /// that were read.
    pub(super) fn deletes(&self) -> bool {
        self.envelopes.iter().any(|envelope| matches!(envelope.command, Command::DeleteThread))
    }

    fn threads(&self) -> impl Iterator<Item = &ThreadId> {
        self.envelopes.iter().map(|envelope| &envelope.thread_id)
    }
}

/// The jobs that wait, and whose turn it is.
pub(super) struct Jobs {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    waiting: VecDeque<Job>,
    /// How many commands wait.
    commands: usize,
    /// How many the lanes are at.
    under_way: usize,
    /// How many nodes share the server.
    nodes: usize,
    /// How many commands were carried out together last, and when they were.
    answered: Option<(usize, Instant)>,
    /// The threads that lanes are at.
    busy: HashSet<ThreadId>,
    lanes: usize,
    closed: bool,
}

impl Jobs {
    /// None, to be shared by so many lanes.
    pub(super) fn of_lanes(lanes: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            commands: 0,
            under_way: 0,
            nodes: 1,
            answered: None,
            busy: HashSet::new(),
            lanes,
            closed: false,
        };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }

    /// Puts a job at the end; `false` if nobody carries out any more.
    pub(super) fn put(&self, job: Job) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        state.commands += job.envelopes.len();
        state.waiting.push_back(job);
        drop(state);
        self.changed.notify_one();
        true
    }

    /// So many nodes share the server.
    pub(super) fn nodes_are(&self, count: usize) {
        self.state.lock().nodes = count.max(1);
    }

    /// Takes no more jobs. What waits is still carried out; then the lanes end.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_waiters();
    }

    /// A share of what waits, once there is some; nothing when all is done for good.
    pub(super) async fn take(self: &Arc<Self>) -> Option<Batch> {
        let mut since = None;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listens from here on: what is put after the look wakes it.
            changed.as_mut().enable();
            let until = {
                let mut state = self.state.lock();
                let now = Instant::now();
                let until = state.lets_others_go(*since.get_or_insert(now)).filter(|at| *at > now);
                let batch = if until.is_none() { state.take() } else { Vec::new() };
                if !batch.is_empty() {
                    if !state.waiting.is_empty() {
                        // There may be a share for another lane.
                        self.changed.notify_one();
                    }
                    return Some(Batch::of(self.clone(), batch));
                }
                if state.closed && state.waiting.is_empty() {
                    return None;
                }
                if state.waiting.is_empty() {
                    since = None;
                }
                until.filter(|_| !state.waiting.is_empty())
            };
            match until {
                // Whichever it is, what waits is looked at again.
                Some(until) => drop(timeout_at(until, changed).await),
                None => changed.await,
            }
        }
    }

    /// A lane has ended; with the last one, what waits is given up.
    pub(super) fn lane_ended(&self) {
        let mut state = self.state.lock();
        state.lanes -= 1;
        if state.lanes == 0 {
            state.closed = true;
            state.waiting.clear();
        }
    }
}

impl State {
    /// Until when what waits, `since` then, leaves others the server; nothing, where it is worth a
    /// transaction of its own now. Where the lanes are at more than a [`FEW`], a smaller one beside theirs
    /// costs more than it gains: what waits goes with all that comes meanwhile. The more so where other
    /// nodes have transactions under way as well: then it takes a share for each of them.
    fn lets_others_go(&self, since: Instant) -> Option<Instant> {
        if self.under_way > FEW {
            return (self.commands < SHARE_MIN * self.nodes).then(|| since + PATIENCE);
        }
        let (count, at) = self.answered.filter(|_| self.nodes > 1)?;
        (count > FEW && self.commands < count).then(|| at + GATHER)
    }

    fn take(&mut self) -> Vec<Job> {
        let share = self.commands.div_ceil(self.lanes.max(1)).clamp(SHARE_MIN, BATCH_MAX);
        let mut batch: Vec<Job> = Vec::new();
        let mut commands = 0;
        let mut passed_over: Vec<Job> = Vec::new();
        // Whose turn comes after that of a job that was passed over.
        let mut later: HashSet<ThreadId> = HashSet::new();
        while commands < share
            && let Some(job) = self.waiting.pop_front()
        {
            let alone = job.deletes() && !batch.is_empty();
            let waits =
                alone || job.threads().any(|id| self.busy.contains(id) || later.contains(id));
            if waits {
                later.extend(job.threads().cloned());
                passed_over.push(job);
                continue;
            }
            commands += job.envelopes.len();
            let ends = job.deletes();
            batch.push(job);
            if ends {
                break;
            }
        }
        for job in passed_over.into_iter().rev() {
            self.waiting.push_front(job);
        }
        self.commands -= commands;
        self.under_way += commands;
        self.busy.extend(batch.iter().flat_map(Job::threads).cloned());
        batch
    }
}

/// Jobs that a lane is at. Its threads are let go of when it is dropped.
pub(super) struct Batch {
    jobs: Arc<Jobs>,
    /// Of each command the one that it is for.
    threads: Vec<ThreadId>,
    /// What is to be carried out, in its order.
    pub(super) taken: Vec<Job>,
}

impl Batch {
    fn of(jobs: Arc<Jobs>, taken: Vec<Job>) -> Self {
        let threads = taken.iter().flat_map(Job::threads).cloned().collect();
        Self { jobs, threads, taken }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let mut state = self.jobs.state.lock();
        for id in &self.threads {
            state.busy.remove(id);
        }
        state.under_way -= self.threads.len();
        state.answered = Some((self.threads.len(), Instant::now()));
        if !state.waiting.is_empty() {
            self.jobs.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn job(threads: &[&str]) -> Job {
        let command = || Command::Claim(postroom_conformance::world::beginning("node"));
        let envelope = |id: &&str| Envelope::new(ThreadId::parse(id).unwrap(), command());
        let (reply, _) = oneshot::channel();
        Job { envelopes: threads.iter().map(envelope).collect(), reply }
    }

    fn jobs(lanes: usize, all: &[&[&str]]) -> Arc<Jobs> {
        let jobs = Arc::new(Jobs::of_lanes(lanes));
        for threads in all {
            assert!(jobs.put(job(threads)));
        }
        jobs
    }

    /// Puts so many commands, each for a thread of its own.
    fn put_into(jobs: &Jobs) -> impl FnMut(usize) {
        let mut last = 0;
        move |count| {
            for number in last..last + count {
                jobs.put(job(&[format!("t{number}").as_str()]));
            }
            last += count;
        }
    }

    fn taken(batch: &Batch) -> Vec<Vec<String>> {
        let names = |job: &Job| job.threads().map(ToString::to_string).collect();
        batch.taken.iter().map(names).collect()
    }

    #[test]
    fn a_thread_is_at_one_lane_and_in_order() {
        let jobs = jobs(2, &[&["a"], &["b"]]);
        let first = jobs.take().now_or_never().unwrap().unwrap();
        assert_eq!(taken(&first), [["a"], ["b"]]);
        // The second waits for the first, and the third for the second.
        for threads in [&["a", "c"][..], &["c"], &["d"]] {
            jobs.put(job(threads));
        }
        let second = jobs.take().now_or_never().unwrap().unwrap();
        assert_eq!(taken(&second), [["d"]]);
        assert!(jobs.take().now_or_never().is_none(), "all that waits is of busy threads");
        drop(first);
        let third = jobs.take().now_or_never().unwrap().unwrap();
        assert_eq!(taken(&third), [vec!["a", "c"], vec!["c"]]);
    }

    #[test]
    fn lanes_share_what_is_more_than_a_handful() {
        let jobs = jobs(2, &[]);
        put_into(&jobs)(200);
        let first = jobs.take().now_or_never().unwrap().unwrap();
        let second = jobs.take().now_or_never().unwrap().unwrap();
        assert_eq!((first.taken.len(), second.taken.len()), (100, 64));
    }

    #[tokio::test(start_paused = true)]
    async fn a_handful_does_not_begin_beside_a_large_transaction() {
        let jobs = jobs(2, &[]);
        let mut put = put_into(&jobs);
        let took = || jobs.take().now_or_never().flatten();
        put(FEW);
        let few = took().unwrap();
        put(1);
        let beside_few = took().expect("a few are no reason to wait");
        put(SHARE_MIN - 1);
        assert!(took().is_none(), "it waits for the rest of a share");
        put(1);
        let share = took().expect("a share is worth it");
        jobs.nodes_are(3);
        put(SHARE_MIN);
        assert!(took().is_none(), "with three nodes it takes three shares");
        let overdue = jobs.take().await.expect("it does not wait for ever");
        assert_eq!(overdue.taken.len(), SHARE_MIN);
        put(SHARE_MIN);
        drop((few, beside_few, overdue));
        assert!(took().is_none(), "a share is still under way");
        drop(share);
        assert_eq!(took().unwrap().taken.len(), SHARE_MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn beside_other_nodes_those_who_were_just_answered_are_waited_for() {
        let jobs = jobs(2, &[]);
        let mut put = put_into(&jobs);
        let took = || jobs.take().now_or_never().flatten().map(|batch| batch.taken.len());
        put(20);
        assert_eq!(took(), Some(20));
        put(1);
        assert_eq!(took(), Some(1), "a node by itself waits for nobody");
        jobs.nodes_are(2);
        put(20);
        assert_eq!(took(), Some(20), "one was answered before: that is no crowd");
        put(19);
        assert_eq!(took(), None, "one is still to come");
        put(1);
        assert_eq!(took(), Some(20), "all are there");
        put(5);
        assert_eq!(took(), None);
        let asked = Instant::now();
        let few = jobs.take().await.expect("they are not waited for long");
        assert_eq!((few.taken.len(), asked.elapsed() <= GATHER), (5, true));
    }

    #[test]
    fn what_was_put_before_the_end_is_still_taken() {
        let jobs = jobs(1, &[&["a"]]);
        jobs.close();
        assert!(!jobs.put(job(&["b"])));
        let batch = jobs.take().now_or_never().unwrap().unwrap();
        assert_eq!(taken(&batch), [["a"]]);
        drop(batch);
        assert!(jobs.take().now_or_never().unwrap().is_none());
    }
}
