//! Histories that break an invariant each.

use super::*;
use crate::transitions::{Change, ClaimRow, Delta, DispatchRow, MessageRow, RunRow, ThreadRow};

const LEASE_UNTIL: i64 = 1_000;

/// Writes a history of one thread with one run.
struct Story {
    log: Vec<Transition>,
    txid: u64,
    at_ms: i64,
    writer: &'static str,
    thread: ThreadRow,
    run: RunRow,
    dispatch: DispatchRow,
}

fn claim_row(number: u64) -> ClaimRow {
    ClaimRow {
        thread_no: 1,
        claim_number: number,
        lease_until: LEASE_UNTIL,
        dispatch_id: "d".to_owned(),
        claimed_by: "node".to_owned(),
    }
}

impl Story {
    /// A run that is submitted.
    fn new() -> Self {
        let thread = ThreadRow {
            thread_no: 1,
            epoch: 0,
            claim_number: 0,
            claimed_dispatch_id: None,
            active_run_id: None,
            open_run_id: None,
            queued: 1,
            readiness: "ready".to_owned(),
        };
        let run = RunRow {
            thread_no: 1,
            id: "r".to_owned(),
            status: "created".to_owned(),
            dispatch_id: Some("d".to_owned()),
            attempt: 0,
        };
        let dispatch = DispatchRow {
            thread_no: 1,
            id: "d".to_owned(),
            run_id: "r".to_owned(),
            status: "queued".to_owned(),
            epoch: 0,
            attempt_count: 0,
            max_attempts: 5,
            instance_id: None,
            last_error: None,
            requeued_as: None,
        };
        let mut story =
            Self { log: Vec::new(), txid: 0, at_ms: 0, writer: "a", thread, run, dispatch };
        story.begin("a", 0);
        story.push(Change::Thread(Delta { was: None, becomes: Some(story.thread.clone()) }));
        story.push(Change::Run(Delta { was: None, becomes: Some(story.run.clone()) }));
        story.push(Change::Dispatch(Delta { was: None, becomes: Some(story.dispatch.clone()) }));
        story
    }

    /// The next transaction.
    fn begin(&mut self, writer: &'static str, at_ms: i64) -> &mut Self {
        self.txid += 1;
        self.writer = writer;
        self.at_ms = at_ms;
        self
    }

    fn push(&mut self, change: Change) -> &mut Self {
        let (at_ms, txid, writer) = (self.at_ms, self.txid, self.writer.to_owned());
        self.log.push(Transition { at_ms, txid, writer, change });
        self
    }

    fn thread(&mut self, change: impl FnOnce(&mut ThreadRow)) -> &mut Self {
        let was = self.thread.clone();
        change(&mut self.thread);
        self.push(Change::Thread(Delta { was: Some(was), becomes: Some(self.thread.clone()) }))
    }

    fn run(&mut self, change: impl FnOnce(&mut RunRow)) -> &mut Self {
        let was = self.run.clone();
        change(&mut self.run);
        self.push(Change::Run(Delta { was: Some(was), becomes: Some(self.run.clone()) }))
    }

    fn dispatch(&mut self, change: impl FnOnce(&mut DispatchRow)) -> &mut Self {
        let was = self.dispatch.clone();
        change(&mut self.dispatch);
        self.push(Change::Dispatch(Delta { was: Some(was), becomes: Some(self.dispatch.clone()) }))
    }

    /// Claims it, and starts it.
    fn claim(&mut self, writer: &'static str, at_ms: i64, number: u64) -> &mut Self {
        self.begin(writer, at_ms);
        self.push(Change::Claim(Delta { was: None, becomes: Some(claim_row(number)) }));
        self.dispatch(|row| {
            row.status = "claimed".to_owned();
            row.instance_id = Some(format!("instance {number}"));
        });
        self.run(|row| row.status = "running".to_owned());
        self.thread(|row| {
            row.claim_number = number;
            row.claimed_dispatch_id = Some("d".to_owned());
            row.active_run_id = Some("r".to_owned());
            row.queued = 0;
            row.readiness = "busy".to_owned();
        })
    }

    fn speak(&mut self, writer: &'static str, at_ms: i64) -> &mut Self {
        let (run_id, role) = ("r".to_owned(), "assistant".to_owned());
        let message = MessageRow { thread_no: 1, seq: 2, run_id, role };
        self.begin(writer, at_ms);
        self.push(Change::Message(Delta { was: None, becomes: Some(message) }))
    }

    fn leave(&mut self, status: &str) -> &mut Self {
        let queued = u64::from(status == "queued");
        self.push(Change::Claim(Delta { was: Some(claim_row(1)), becomes: None }));
        self.dispatch(|row| {
            row.status = status.to_owned();
            row.instance_id = None;
        });
        self.thread(|row| {
            row.claimed_dispatch_id = None;
            row.active_run_id = None;
            row.queued = queued;
            row.readiness = if queued == 1 { "ready" } else { "idle" }.to_owned();
        })
    }

    fn settle(&mut self, writer: &'static str, at_ms: i64) -> &mut Self {
        self.begin(writer, at_ms);
        self.run(|row| row.status = "done".to_owned());
        self.leave("acked")
    }

    /// Takes it back, and counts the attempt.
    fn reclaim(&mut self, writer: &'static str, at_ms: i64) -> &mut Self {
        self.begin(writer, at_ms);
        self.leave("queued");
        self.dispatch(|row| {
            row.attempt_count += 1;
            row.last_error = Some("lost".to_owned());
        })
    }

    fn found(&self) -> Vec<u8> {
        let mut findings = Findings::default();
        check(&self.log, &mut findings);
        findings.numbers()
    }
}

#[test]
fn all_is_well() {
    let mut story = Story::new();
    story.claim("a", 10, 1).speak("a", 20).settle("a", 30);
    assert_eq!(story.found(), [0_u8; 0]);
}

#[test]
fn a_lost_claim_is_taken_back_and_given_again() {
    let mut story = Story::new();
    story.claim("a", 10, 1).reclaim("b", LEASE_UNTIL + 1);
    story.claim("b", LEASE_UNTIL + 2, 2).speak("b", LEASE_UNTIL + 3);
    story.settle("b", LEASE_UNTIL + 4);
    assert_eq!(story.found(), [0_u8; 0]);
}

#[test]
fn a_claim_is_taken_before_its_lease_is_over() {
    let mut story = Story::new();
    story.claim("a", 10, 1).reclaim("b", 20);
    assert_eq!(story.found(), [3]);
}

#[test]
fn a_stale_holder_speaks_or_settles() {
    let mut story = Story::new();
    story.claim("a", 10, 1).reclaim("b", LEASE_UNTIL + 1).claim("b", LEASE_UNTIL + 2, 2);
    story.speak("a", LEASE_UNTIL + 3);
    assert_eq!(story.found(), [3]);
    let mut story = Story::new();
    story.claim("a", 10, 1).settle("b", 20);
    assert_eq!(story.found(), [3]);
}

#[test]
fn a_claim_has_the_number_of_an_earlier_one() {
    let mut story = Story::new();
    story.claim("a", 10, 1).reclaim("b", LEASE_UNTIL + 1).claim("b", LEASE_UNTIL + 2, 1);
    assert_eq!(story.found(), [3]);
}

#[test]
fn somebody_else_renews() {
    let mut story = Story::new();
    let mut renewed = claim_row(1);
    renewed.lease_until += 1;
    let delta = Delta { was: Some(claim_row(1)), becomes: Some(renewed) };
    story.claim("a", 10, 1).begin("b", 20).push(Change::Claim(delta));
    assert_eq!(story.found(), [3]);
}

#[test]
fn two_are_claimed_at_once() {
    let mut story = Story::new();
    let mut second = story.dispatch.clone();
    second.id = "second".to_owned();
    second.status = "claimed".to_owned();
    let delta = Delta { was: None, becomes: Some(second) };
    story.claim("a", 10, 1).begin("a", 20).push(Change::Dispatch(delta));
    // The second one does not fit its run either.
    assert_eq!(story.found(), [2, 9]);
}

#[test]
fn a_run_is_stuck() {
    let mut story = Story::new();
    story.claim("a", 10, 1).begin("a", 20).leave("acked");
    assert_eq!(story.found(), [4]);
}

#[test]
fn a_run_that_is_done_goes_on() {
    let mut story = Story::new();
    story.claim("a", 10, 1).settle("a", 20);
    story.begin("a", 30).run(|row| row.status = "waiting".to_owned());
    assert_eq!(story.found(), [4]);
}

#[test]
fn a_superseded_dispatch_starts() {
    let mut story = Story::new();
    story.begin("a", 10);
    story.dispatch(|row| row.status = "superseded".to_owned());
    story.thread(|row| {
        row.queued = 0;
        row.readiness = "idle".to_owned();
    });
    story.run(|row| row.status = "waiting".to_owned());
    assert_eq!(story.found(), [0_u8; 0]);
    story.claim("a", 20, 1);
    assert_eq!(story.found(), [5]);
}

#[test]
fn one_transaction_starts_it_and_interrupts() {
    let mut story = Story::new();
    story.claim("a", 10, 1).thread(|row| row.epoch = 1);
    assert_eq!(story.found(), [0_u8; 0]);
}

#[test]
fn a_run_starts_in_a_later_epoch() {
    let mut story = Story::new();
    story.claim("a", 10, 1).begin("a", 20).thread(|row| row.epoch = 1);
    story.begin("a", 30).dispatch(|row| row.instance_id = Some("again".to_owned()));
    assert_eq!(story.found(), [5]);
}

#[test]
fn a_claim_is_replaced_before_its_lease_is_over() {
    let mut story = Story::new();
    let delta = Delta { was: Some(claim_row(1)), becomes: Some(claim_row(2)) };
    story.claim("a", 10, 1).begin("b", 20).push(Change::Claim(delta));
    assert_eq!(story.found(), [3]);
}

#[test]
fn an_interrupt_leaves_the_queue_and_it_starts() {
    let mut story = Story::new();
    story.begin("a", 10).thread(|row| row.epoch = 1);
    assert_eq!(story.found(), [5]);
}

#[test]
fn an_epoch_falls() {
    let mut story = Story::new();
    story.dispatch.epoch = 1;
    story.log.clear();
    story.begin("a", 10).thread(|row| row.epoch = 1);
    story.begin("a", 20).thread(|row| row.epoch = 0);
    assert_eq!(story.found(), [5, 9]);
}

#[test]
fn a_failed_attempt_is_not_counted() {
    let mut story = Story::new();
    story.claim("a", 10, 1).begin("a", 20).leave("queued");
    // Handed back: nothing has failed.
    assert_eq!(story.found(), [0_u8; 0]);
    let mut story = Story::new();
    story.claim("a", 10, 1).begin("a", 20);
    story.dispatch(|row| row.last_error = Some("failed".to_owned()));
    story.leave("queued");
    assert_eq!(story.found(), [6]);
}

#[test]
fn more_attempts_than_there_are() {
    let mut story = Story::new();
    story.begin("a", 10).dispatch(|row| row.attempt_count = 6);
    assert_eq!(story.found(), [6]);
}

#[test]
fn pointers_contradict_each_other() {
    let mut story = Story::new();
    story.claim("a", 10, 1).begin("a", 20).thread(|row| row.claimed_dispatch_id = None);
    assert_eq!(story.found(), [9]);
    let mut story = Story::new();
    story.begin("a", 10).thread(|row| row.queued = 2);
    assert_eq!(story.found(), [9]);
    let mut story = Story::new();
    story.begin("a", 10).thread(|row| row.active_run_id = Some("r".to_owned()));
    assert_eq!(story.found(), [9]);
    let mut story = Story::new();
    story.claim("a", 10, 1).settle("a", 20);
    story.begin("a", 30).thread(|row| row.open_run_id = Some("r".to_owned()));
    assert_eq!(story.found(), [9]);
}
