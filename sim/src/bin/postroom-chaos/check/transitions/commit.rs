//! One transaction of a thread: what must hold when it commits.

use super::mailbox::Mailbox;
use crate::check::Findings;
use crate::transitions::{ClaimRow, Delta, DispatchRow, MessageRow, RunRow, Transition};

/// A claim, and the process that took it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    claim: ClaimRow,
    owner: String,
    run_id: String,
}

/// What a transaction did.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) txid: u64,
    pub(super) at_ms: i64,
    writer: String,
    /// The claim as it was before.
    before: Option<Held>,
    /// The epoch as it was before. A transaction may carry out several commands of one thread: what
    /// was started in it may have been interrupted in it, too.
    epoch_before: Option<u64>,
    pub(super) runs: Vec<Delta<RunRow>>,
    pub(super) dispatches: Vec<Delta<DispatchRow>>,
    pub(super) messages: Vec<MessageRow>,
}

impl Commit {
    pub(super) fn new(first: &Transition, before: Option<Held>, epoch_before: Option<u64>) -> Self {
        Self {
            txid: first.txid,
            at_ms: first.at_ms,
            writer: first.writer.clone(),
            before,
            epoch_before,
            runs: Vec::new(),
            dispatches: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// Whether the transaction was the claim holder's own.
    fn is_owners(&self) -> bool {
        self.before.as_ref().is_some_and(|held| held.owner == self.writer)
    }
}

impl Mailbox {
    pub(super) fn committed(&mut self, commit: &Commit, findings: &mut Findings) {
        self.fenced(commit, findings);
        self.ended_for_good(commit, findings);
        self.claim_moves(commit, findings);
        self.begun(commit, findings);
        self.at_rest(findings);
    }

    /// 3: only its holder ends a claim before its lease is over, and only its holder lets the agent
    /// speak.
    fn fenced(&self, commit: &Commit, findings: &mut Findings) {
        let (no, writer) = (self.thread_no, &commit.writer);
        for Delta { was, becomes } in &commit.dispatches {
            let Some(was) = was.as_ref().filter(|was| was.status == "claimed") else { continue };
            let ended = becomes.as_ref().is_some_and(|becomes| becomes.status != "claimed");
            if !ended || commit.is_owners() {
                continue;
            }
            let lease_until = commit.before.as_ref().map(|held| held.claim.lease_until);
            let reclaimed = lease_until.is_some_and(|until| until < commit.at_ms);
            findings.that(3, "claims taken back", reclaimed, || {
                let (id, held) = (&was.id, &commit.before);
                format!("thread {no}: {writer} ended {id} at {}, held: {held:?}", commit.at_ms)
            });
        }
        for message in commit.messages.iter().filter(|message| message.role == "assistant") {
            let ours = commit.before.as_ref().filter(|_| commit.is_owners());
            let speaks = ours.is_some_and(|held| held.run_id == message.run_id);
            findings.that(3, "answers written", speaks, || {
                let (seq, held) = (message.seq, &commit.before);
                format!("thread {no}: {writer} wrote answer {seq}, held: {held:?}")
            });
        }
    }

    /// 4: a run that is done goes on only if its dead letter is requeued.
    fn ended_for_good(&self, commit: &Commit, findings: &mut Findings) {
        let requeued = commit.dispatches.iter().any(|Delta { becomes, .. }| {
            becomes.as_ref().is_some_and(|becomes| becomes.requeued_as.is_some())
        });
        for Delta { was, becomes } in &commit.runs {
            let (Some(was), Some(becomes)) = (was, becomes) else { continue };
            let stays = was.status != "done" || becomes.status == "done" || requeued;
            findings.that(4, "runs that stay ended", stays, || {
                format!("thread {}: run {} was done, and goes on", self.thread_no, was.id)
            });
        }
    }

    /// 3: each claim has a number that none before had; only its holder renews it.
    fn claim_moves(&mut self, commit: &Commit, findings: &mut Findings) {
        let (no, writer) = (self.thread_no, &commit.writer);
        let Some(claim) = &self.claim else {
            self.held = None;
            return;
        };
        let before = commit.before.as_ref();
        let same = before.filter(|held| held.claim.claim_number == claim.claim_number);
        if let Some(held) = same {
            let renewed = held.claim.lease_until != claim.lease_until;
            let kept = held.claim.dispatch_id == claim.dispatch_id
                && held.claim.claimed_by == claim.claimed_by
                && (!renewed || commit.is_owners());
            findings.that(3, "renewals", kept, || {
                format!("thread {no}: {writer} changed {held:?} to {claim:?}")
            });
        } else {
            findings.that(3, "claims", claim.claim_number > self.number, || {
                format!("thread {no}: {claim:?} has a number that was given before")
            });
            let lapsed = before.is_none_or(|held| held.claim.lease_until < commit.at_ms);
            findings.that(3, "claims replaced", lapsed || commit.is_owners(), || {
                format!("thread {no}: {writer} replaced {before:?} at {}", commit.at_ms)
            });
            self.number = self.number.max(claim.claim_number);
        }
        let owner = same.map_or_else(|| writer.clone(), |held| held.owner.clone());
        let run_id = self.dispatches.get(&claim.dispatch_id).map(|row| row.run_id.clone());
        let run_id = run_id.unwrap_or_default();
        self.held = Some(Held { claim: claim.clone(), owner, run_id });
    }

    /// 5, 3: what starts is of the current epoch, and is started by who holds the claim.
    fn begun(&self, commit: &Commit, findings: &mut Findings) {
        let no = self.thread_no;
        for Delta { was, becomes } in &commit.dispatches {
            let Some(becomes) = becomes else { continue };
            let before = was.as_ref().and_then(|was| was.instance_id.as_ref());
            if becomes.instance_id.is_none() || becomes.instance_id.as_ref() == before {
                continue;
            }
            let is_over = commit.epoch_before.is_some_and(|epoch| becomes.epoch < epoch);
            findings.that(5, "starts", !is_over, || {
                format!("thread {no}: {} starts, and its epoch is over", becomes.id)
            });
            let holds = self.held.as_ref().is_some_and(|held| {
                held.owner == commit.writer && held.claim.dispatch_id == becomes.id
            });
            findings.that(3, "starts by the holder", holds, || {
                format!(
                    "thread {no}: {} started {}, held: {:?}",
                    commit.writer, becomes.id, self.held
                )
            });
        }
    }

    /// 2, 4, 5, 9: rows agree with each other.
    fn at_rest(&self, findings: &mut Findings) {
        let Some(thread) = &self.thread else { return };
        let no = self.thread_no;
        let of = |status: &'static str| {
            self.dispatches.values().filter(move |dispatch| dispatch.status == status)
        };
        let claimed: Vec<&String> = of("claimed").map(|dispatch| &dispatch.id).collect();
        findings.that(2, "commits with one claim at most", claimed.len() <= 1, || {
            format!("thread {no}: claimed at once: {claimed:?}")
        });
        let held = self.claim.as_ref().map(|claim| &claim.dispatch_id);
        let pointer = thread.claimed_dispatch_id.as_ref();
        let agree = claimed.first().copied() == held && held == pointer;
        findings.that(9, "commits whose claim is one", agree, || {
            format!("thread {no}: {claimed:?} is claimed, {held:?} is held, {pointer:?} is meant")
        });
        let busy = (thread.readiness == "busy") == held.is_some();
        findings.that(9, "readiness", busy, || {
            format!("thread {no}: it is {}, and {held:?} is held", thread.readiness)
        });
        let queued = of("queued").count() as u64;
        findings.that(9, "queues counted", queued == thread.queued, || {
            format!("thread {no}: {queued} are queued, it says {}", thread.queued)
        });
        let late = of("queued").find(|dispatch| dispatch.epoch != thread.epoch);
        findings.that(5, "queues of the epoch", late.is_none(), || {
            format!("thread {no}: its epoch is {}, and this is queued: {late:?}", thread.epoch)
        });
        let active = thread.active_run_id.as_ref();
        let executing = of("claimed").next().map(|dispatch| &dispatch.run_id);
        findings.that(9, "active runs", active.is_none() || active == executing, || {
            format!("thread {no}: {active:?} is active, {executing:?} is claimed")
        });
        let open = thread.open_run_id.as_ref();
        let is_open =
            open.is_none_or(|id| self.runs.get(id).is_some_and(|run| run.status != "done"));
        findings.that(9, "open runs", is_open, || format!("thread {no}: {open:?} is not open"));
        self.delivered(findings);
    }

    /// 4: an unfinished run is delivered once, unless it waits; 5: one that is done is not.
    fn delivered(&self, findings: &mut Findings) {
        let no = self.thread_no;
        for dispatch in self.dispatches.values() {
            let run = self.runs.get(&dispatch.run_id);
            let fits = run.is_some_and(|run| {
                run.status != "done" && run.dispatch_id.as_ref() == Some(&dispatch.id)
            });
            findings.that(9, "deliveries", fits, || {
                format!("thread {no}: {dispatch:?} does not fit {run:?}")
            });
        }
        let moving = |run: &&RunRow| matches!(run.status.as_str(), "created" | "running");
        for run in self.runs.values().filter(moving) {
            let id = run.dispatch_id.as_ref();
            let delivered = id.is_some_and(|id| self.dispatches.contains_key(id));
            findings.that(4, "unfinished runs", delivered, || {
                format!("thread {no}: run {} is {}, and nothing brings it on", run.id, run.status)
            });
        }
    }
}
