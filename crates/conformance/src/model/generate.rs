//! What happens next: a seed's steps, given what has happened.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{
    CancelTarget, ClaimRequest, Command, CreateThread, Enqueue, Envelope, Limits, Mode, Outcome,
    RunResult, Settle, Start, Step as RunStep, Submit, Suspend, Take, TenantRooms, Wait,
};
use postroom_core::dispatch::{Claim, Priority};
use postroom_core::event::EventBody;
use postroom_core::id::{
    AgentId, DecisionId, DedupeKey, DispatchId, IdempotencyKey, MessageId, NodeId, RunId, TaskId,
    TenantId, ThreadId,
};
use postroom_core::message::{NewMessage, Role};
use postroom_core::pending::{Boundary, Delivery, Granularity};
use postroom_core::ports::ReclaimScope;
use postroom_core::report::{ReportAs, ReportId, ReportTo};
use postroom_core::run::{AgentState, Reason, RunSpec, Termination, Usage, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction};
use postroom_core::time::Timestamp;
use postroom_core::trace::TraceParent;

use super::seen::{Seen, one_of};
use crate::ids::Random;
use crate::world::{resume, ticket};

/// What some submissions are part of.
const TRACE: TraceParent = TraceParent { trace_id: [7; 16], span_id: [9; 8], sampled: true };

/// One thing that happens.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Apply(Vec<Envelope>),
    ClaimReady { request: ClaimRequest, limit: usize },
    Reclaim { scope: ReclaimScope, retry_in: Duration, limit: usize },
    Purge { older_than: Timestamp },
    Collect { ended_before: Timestamp },
    Advance(Duration),
    GoBack(Duration),
}

/// The next step.
pub(super) fn step(random: &Random, seen: &Seen, now: Timestamp) -> Step {
    let make = Make { random, seen };
    match random.below(100) {
        0..6 => Step::Advance(make.delay()),
        6 => Step::GoBack(Duration::from_secs(2)),
        7..12 => Step::ClaimReady { request: make.request(), limit: 1 + random.below(4) },
        12..15 => Step::Reclaim {
            scope: if random.once_in(3) { ReclaimScope::All } else { ReclaimScope::Expired },
            retry_in: make.delay(),
            limit: 10,
        },
        15 => Step::Purge { older_than: now.before(make.delay()) },
        16 => Step::Collect { ended_before: now.before(make.delay()) },
        _ => {
            let together = if random.once_in(4) { 1 + random.below(4) } else { 1 };
            Step::Apply((0..together).map(|_| make.envelope()).collect())
        }
    }
}

/// A tenant beside the default one.
pub(super) fn tenant() -> TenantId {
    TenantId::parse("red").expect("a name")
}

struct Make<'a> {
    random: &'a Random,
    seen: &'a Seen,
}

impl Make<'_> {
    fn envelope(&self) -> Envelope {
        let thread_id = self.thread();
        let command = self.command(&thread_id);
        Envelope::new(thread_id, command).on_behalf_of(self.caller())
    }

    /// Mostly nobody's, so that most commands reach their thread, whoever made it.
    fn caller(&self) -> Option<TenantId> {
        match self.random.below(8) {
            0 => Some(tenant()),
            1 => Some(TenantId::default()),
            _ => None,
        }
    }

    fn command(&self, t: &ThreadId) -> Command {
        let random = self.random;
        match random.below(100) {
            0..22 => Command::Submit(Box::new(self.submit(t))),
            22..27 => Command::Enqueue(Box::new(self.enqueue(t))),
            27..41 => Command::Claim(self.request()),
            41..44 => self.with(self.dispatch(t), |dispatch_id| Command::ClaimDispatch {
                dispatch_id,
                request: self.request(),
            }),
            44..49 => self.held(t, |claim| Command::Begin { claim, instance_id: None }),
            49..59 => self.held(t, |claim| Command::Commit { claim, step: self.run_step().into() }),
            59..72 => self.held(t, |claim| Command::Settle(self.settle(claim).into())),
            72 => self.held(t, |claim| Command::RecordResult { claim, result: self.result() }),
            73 => self.with(self.dispatch(t), |dispatch_id| {
                // Any UUID names an attempt.
                let instance_id = dispatch_id.uuid().into();
                self.held(t, |claim| Command::RecordStart { claim, instance_id })
            }),
            74 => self.held(t, |claim| Command::ExtendLease { claim, lease: self.lease() }),
            75..77 => self.held(t, |claim| Command::Release { claim }),
            77 => self.with(self.run(t), |run_id| Command::Reported {
                run_id,
                report: ReportId {
                    dispatch_id: self.dispatch(t),
                    is_end: random.once_in(2),
                    tickets: 0,
                },
            }),
            78..80 => Command::Cancel { target: self.target(t), stop_executing: random.once_in(2) },
            80..82 => Command::Interrupt,
            82 => self.held(t, |claim| Command::SupersedeClaimed { claim }),
            83 => Command::Reclaim { force: random.once_in(2), retry_in: self.delay() },
            84..87 => self.with(self.dispatch(t), |dispatch_id| Command::Requeue {
                dispatch_id,
                max_attempts: random.once_in(2).then_some(1),
            }),
            87..89 => self.with(self.run(t), |run_id| Command::Deliver {
                run_id,
                messages: self.messages(t),
                delivery: self.delivery(),
                max_pending: 6,
            }),
            89 => self.with(self.message(t), |message_id| Command::EditPending {
                message_id,
                content: "edited".into(),
            }),
            90 => self.with(self.message(t), |message_id| Command::RetractPending { message_id }),
            91 => Command::ReorderPending { message_ids: self.order(t) },
            92..95 => self.with(self.run(t), |run_id| Command::Decide {
                run_id,
                decisions: self.decisions(),
                claim: random.once_in(3).then(|| self.request()),
            }),
            95..97 => self.with(self.run(t), |run_id| Command::FinishTask {
                run_id,
                task_id: (!random.once_in(3)).then(|| self.task()),
            }),
            97 => Command::CreateThread(CreateThread::default()),
            98 => Command::PatchThread { metadata: self.metadata() },
            _ if random.once_in(3) => Command::DeleteThread,
            _ => Command::Claim(self.request()),
        }
    }

    /// A command about something that was seen; where nothing was, a claim.
    fn with<T>(&self, one: Option<T>, command: impl FnOnce(T) -> Command) -> Command {
        one.map_or_else(|| Command::Claim(self.request()), command)
    }

    fn held(&self, t: &ThreadId, command: impl FnOnce(Claim) -> Command) -> Command {
        self.with(one_of(self.random, &self.seen.claims, t), command)
    }

    fn thread(&self) -> ThreadId {
        let threads = &self.seen.threads;
        threads[self.random.below(threads.len())].clone()
    }

    fn dispatch(&self, t: &ThreadId) -> Option<DispatchId> {
        one_of(self.random, &self.seen.dispatches, t)
    }

    fn run(&self, t: &ThreadId) -> Option<RunId> {
        one_of(self.random, &self.seen.runs, t)
    }

    fn message(&self, t: &ThreadId) -> Option<MessageId> {
        one_of(self.random, &self.seen.messages, t)
    }

    fn delay(&self) -> Duration {
        let millis = [0, 0, 1, 250, 1_000, 5_000, 31_000, 120_000];
        Duration::from_millis(millis[self.random.below(millis.len())])
    }

    fn lease(&self) -> Duration {
        Duration::from_secs([1, 30][self.random.below(2)])
    }

    fn agent(&self) -> AgentId {
        AgentId::parse(["x", "y"][self.random.below(2)]).expect("a name")
    }

    fn request(&self) -> ClaimRequest {
        let random = self.random;
        let node = ["n1", "n2"][random.below(2)];
        ClaimRequest {
            node: NodeId::parse(node).expect("a name"),
            lease: self.lease(),
            begin: !random.once_in(3),
            except_agents: if random.once_in(6) {
                Arc::from([self.agent()])
            } else {
                Arc::from([])
            },
            tenants: self.rooms(),
            after_tenant: match random.below(4) {
                0 => Some(tenant()),
                1 => Some(TenantId::default()),
                _ => None,
            },
        }
    }

    /// Mostly for all that comes.
    fn rooms(&self) -> TenantRooms {
        let mut rooms = TenantRooms::default();
        if self.random.once_in(5) {
            let tenant = [tenant(), TenantId::default()][self.random.below(2)].clone();
            rooms.named = Arc::from([(tenant, self.random.below(2))]);
        }
        if self.random.once_in(12) {
            rooms.others = self.random.below(2);
        }
        rooms
    }

    fn start(&self) -> Start {
        if self.random.once_in(4) { Start::In(self.delay()) } else { Start::Now }
    }

    fn priority(&self) -> Priority {
        Priority([128, 128, 0, 255][self.random.below(4)])
    }

    fn messages(&self, t: &ThreadId) -> Vec<NewMessage> {
        (0..=self.random.below(2)).map(|_| self.new_message(t, Role::User)).collect()
    }

    fn new_message(&self, t: &ThreadId, role: Role) -> NewMessage {
        let mut message = NewMessage::text(role, "text");
        if self.random.once_in(5) {
            message.id = self.message(t);
        } else if self.random.once_in(4) {
            let name = format!("m{}", self.random.below(40));
            message.id = Some(MessageId::parse(&name).expect("a name"));
        }
        message
    }

    fn delivery(&self) -> Delivery {
        let random = self.random;
        Delivery {
            boundary: match random.below(6) {
                0 => Some(Boundary::NextStep),
                1 => Some(Boundary::OnNaturalEnd),
                2 => Some(Boundary::NewRun),
                _ => None,
            },
            granularity: if random.once_in(4) { Granularity::One } else { Granularity::Batch },
            barrier: random.once_in(6),
        }
    }

    fn submit(&self, t: &ThreadId) -> Submit {
        let random = self.random;
        let modes = [
            Mode::Enqueue,
            Mode::Enqueue,
            Mode::Steer,
            Mode::Interrupt,
            Mode::Reject,
            Mode::Rollback,
        ];
        let mode = modes[random.below(modes.len())];
        let rarely = |one: Option<RunId>| one.filter(|_| random.once_in(12));
        Submit {
            decisions: if random.once_in(8) { self.decisions() } else { Vec::new() },
            agent_id: random.once_in(3).then(|| self.agent()),
            run_id: rarely(self.run(t)),
            expected_run_id: rarely(self.run(t)),
            parent_run_id: rarely(self.run(t)),
            dedupe_key: random.once_in(6).then(|| self.key()),
            idempotency_key: random.once_in(8).then(|| {
                let name = ["i1", "i2", "i3"][random.below(3)];
                IdempotencyKey::parse(name).expect("a key")
            }),
            priority: self.priority(),
            start: self.start(),
            max_attempts: 1 + u32::try_from(random.below(3)).expect("it is small"),
            delivery: self.delivery(),
            stopped_run_id: self.run(t).filter(|_| random.once_in(2)),
            spec: self.spec(t),
            limits: Limits { max_queued: 6, max_pending: 6 },
            claim: random.once_in(5).then(|| self.request()),
            ..Submit::new(mode, self.messages(t))
        }
    }

    /// What a run is asked to be: to report its end, sometimes.
    fn spec(&self, t: &ThreadId) -> Arc<RunSpec> {
        let random = self.random;
        let as_task = self.run(t).map(|run_id| ReportAs::Task { run_id });
        let as_ = as_task.filter(|_| random.once_in(2)).unwrap_or(ReportAs::Message);
        let report_to = ReportTo { thread_id: self.thread(), as_ };
        let report_to = Some(report_to).filter(|_| random.once_in(3));
        let webhook = random.once_in(4).then(|| "https://example.org/hook".to_owned());
        let trace = random.once_in(4).then_some(TRACE);
        Arc::new(RunSpec { report_to, webhook, trace, ..RunSpec::default() })
    }

    fn key(&self) -> DedupeKey {
        DedupeKey::parse(["k1", "k2"][self.random.below(2)]).expect("a key")
    }

    fn enqueue(&self, t: &ThreadId) -> Enqueue {
        let random = self.random;
        let named = || RunId::parse(&format!("{t}-{}", random.below(30))).expect("a name");
        let seen = self.run(t).filter(|_| random.once_in(3));
        Enqueue {
            run_id: seen.unwrap_or_else(named),
            dispatch_id: self.dispatch(t).filter(|_| random.once_in(8)),
            agent_id: random.once_in(2).then(|| self.agent()),
            dedupe_key: random.once_in(4).then(|| self.key()),
            priority: self.priority(),
            start: self.start(),
            max_attempts: 2,
        }
    }

    fn run_step(&self) -> RunStep {
        let random = self.random;
        let json = format!("{{\"n\":{}}}", random.below(100));
        let state = AgentState::from_json(json).expect("JSON");
        RunStep {
            messages: if random.once_in(2) {
                vec![self.new_message(&self.thread(), Role::Assistant)]
            } else {
                Vec::new()
            },
            events: if random.once_in(3) {
                vec![EventBody::TextDelta { text: "…\n".to_owned() }]
            } else {
                Vec::new()
            },
            state: random.once_in(3).then_some(state),
            usage: Usage {
                input_tokens: random.below(3) as u64,
                output_tokens: 0,
                cached_tokens: random.below(2) as u64,
            },
            has_children: random.once_in(4),
            steps: u32::from(random.once_in(2)),
            agent_version: random.once_in(4).then(|| "v1".to_owned()),
            by_default: if random.once_in(4) { self.decisions() } else { Vec::new() },
            take: match random.below(4) {
                0 => Take::Nothing,
                1 => Take::NaturalEnd,
                _ => Take::NextStep,
            },
            suspend: random.once_in(6).then(|| Suspend {
                reason: WaitReason::ToolPermission,
                tickets: vec![ticket(self.call())],
                lease: self.lease(),
            }),
            resume: random.once_in(10),
        }
    }

    fn settle(&self, claim: Claim) -> Settle {
        let random = self.random;
        let error = || "it failed".to_owned();
        let outcome = match random.below(10) {
            0..4 => Outcome::Ack(self.result()),
            4..6 => Outcome::Nack { retry_in: self.delay(), error: error() },
            6 => Outcome::DeadLetter { code: "broken".to_owned(), error: error() },
            _ => Outcome::Wait(self.wait()),
        };
        // A step that settles neither suspends nor goes on.
        let step = RunStep { suspend: None, resume: false, ..self.run_step() };
        let next = random.once_in(3).then(|| self.request());
        Settle { claim, step, outcome, next }
    }

    fn result(&self) -> RunResult {
        match self.random.below(4) {
            0 => RunResult::cancelled(),
            1 => RunResult {
                termination: Termination::Error(Reason::new("bad", "it went wrong")),
                output: None,
                error: Some("it went wrong".into()),
            },
            _ => RunResult::natural_end(Some("done".to_owned())),
        }
    }

    fn wait(&self) -> Wait {
        let random = self.random;
        let resume_in = Some(self.delay());
        match random.below(6) {
            0..2 => Wait {
                tickets: (0..=random.below(2)).map(|_| ticket(self.call())).collect(),
                ..Wait::new(WaitReason::ToolPermission)
            },
            2 => Wait {
                tasks: (0..=random.below(2)).map(|_| self.task()).collect(),
                ..Wait::new(WaitReason::BackgroundTasks)
            },
            3 => Wait { resume_in, ..Wait::new(WaitReason::RateLimit) },
            4 => Wait::new(WaitReason::UserInput),
            _ => Wait::new(WaitReason::ManualPause),
        }
    }

    fn call(&self) -> &'static str {
        ["c1", "c2", "c3", "c4", "c5"][self.random.below(5)]
    }

    fn task(&self) -> TaskId {
        TaskId::parse(["t1", "t2"][self.random.below(2)]).expect("a name")
    }

    fn decisions(&self) -> Vec<Decision> {
        let random = self.random;
        (0..=random.below(2))
            .map(|_| Decision {
                decision_id: random.once_in(3).then(|| DecisionId::parse("d").expect("a name")),
                action: if random.once_in(3) {
                    DecisionAction::Cancel
                } else {
                    DecisionAction::Resume
                },
                ..resume(self.call())
            })
            .collect()
    }

    fn target(&self, t: &ThreadId) -> CancelTarget {
        let by_dispatch = self.dispatch(t).map(CancelTarget::Dispatch);
        let by_run = self.run(t).map(CancelTarget::Run);
        match self.random.below(3) {
            0 => by_dispatch.unwrap_or(CancelTarget::Thread),
            1 => by_run.unwrap_or(CancelTarget::Thread),
            _ => CancelTarget::Thread,
        }
    }

    /// The newest messages, in some order: now and then exactly those that are pending.
    fn order(&self, t: &ThreadId) -> Vec<MessageId> {
        let own = self.seen.messages.iter().filter(|(of, _)| of == t).map(|(_, id)| id.clone());
        let mut own: Vec<MessageId> = own.collect();
        let newest = own.split_off(own.len() - own.len().min(1 + self.random.below(3)));
        if self.random.once_in(2) { newest.into_iter().rev().collect() } else { newest }
    }

    fn metadata(&self) -> postroom_core::message::Metadata {
        let value = match self.random.below(3) {
            0 => serde_json::Value::Null,
            n => n.into(),
        };
        [(["p", "q"][self.random.below(2)].to_owned(), value)].into_iter().collect()
    }
}
