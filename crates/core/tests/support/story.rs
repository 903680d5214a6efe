//! Random commands. Each is made of a few small numbers that are read against the tables, so that
//! most of them mean something: a current claim or a stale one, a known message or a new one.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{
    CancelTarget, ClaimRequest, Command, CreateThread, Enqueue, Limits, Mode, Outcome, RunResult,
    Settle, Start, Step, Submit, Suspend, Take, TenantRooms, Wait,
};
use postroom_core::dispatch::{Claim, Priority};
use postroom_core::event::EventBody;
use postroom_core::id::{
    AgentId, DecisionId, DispatchId, InstanceId, MessageId, NodeId, RunId, TaskId, ThreadId,
    ToolCallId,
};
use postroom_core::message::{Content, Metadata, NewMessage, Role};
use postroom_core::pending::{Boundary, Delivery, Granularity};
use postroom_core::report::{Report, ReportAs, ReportId, ReportTo};
use postroom_core::run::{AgentState, Reason, RunSpec, Termination, Usage, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction, Ticket};

use super::Tables;

/// Numbers that a command is made of.
pub type Seed = [u8; 6];

const LEASE: Duration = Duration::from_secs(30);

pub fn thread(seed: u8) -> ThreadId {
    ThreadId::parse(["alpha", "beta"][usize::from(seed) % 2]).unwrap()
}

/// The command that the numbers mean, and the thread it is for.
pub fn command(tables: &Tables, seed: Seed) -> (ThreadId, Command) {
    let thread = thread(seed[1]);
    let reader = Reader { tables, thread: thread.clone(), seed };
    (thread, reader.command())
}

struct Reader<'t> {
    tables: &'t Tables,
    thread: ThreadId,
    seed: Seed,
}

fn pick<T>(items: &[T], at: u8) -> Option<&T> {
    (!items.is_empty()).then(|| &items[usize::from(at) % items.len()])
}

impl Reader<'_> {
    fn command(&self) -> Command {
        let [kind, _, a, b, c, d] = self.seed;
        match kind % 40 {
            0 => Command::CreateThread(CreateThread::default()),
            1 => Command::PatchThread { metadata: Metadata::from_iter([("k".into(), b.into())]) },
            2 if a % 5 == 0 => Command::DeleteThread,
            3..=11 => Command::Submit(Box::new(self.submit())),
            12 => Command::Enqueue(Box::new(Enqueue {
                run_id: self.run_id(a).unwrap_or_else(|| RunId::parse("named").unwrap()),
                dispatch_id: (b % 4 == 0).then(|| self.dispatch_id(c)),
                agent_id: None,
                dedupe_key: None,
                priority: Priority(c % 3),
                start: Self::start(d),
                max_attempts: 2,
            })),
            17 => Command::ClaimDispatch {
                dispatch_id: self.dispatch_id(a),
                request: Self::request(b),
            },
            18 => Command::Begin { claim: self.claim(a), instance_id: None },
            19..=21 => Command::Commit { claim: self.claim(a), step: Box::new(self.step(true)) },
            22..=27 => Command::Settle(Box::new(Settle {
                claim: self.claim(a),
                step: self.step(false),
                outcome: self.outcome(),
                next: (d % 2 == 0).then(|| Self::request(d)),
            })),
            28 => Command::RecordStart {
                claim: self.claim(a),
                instance_id: InstanceId::from(uuid::Uuid::from_u128(u128::from(b))),
            },
            29 if b % 2 == 0 => Command::RecordResult { claim: self.claim(a), result: result(b) },
            29 => Command::ExtendLease { claim: self.claim(a), lease: LEASE },
            30 if b % 2 == 0 => self.reported(a),
            30 => Command::Release { claim: self.claim(a) },
            31 => Command::Cancel {
                target: match a % 3 {
                    0 => CancelTarget::Thread,
                    1 => CancelTarget::Dispatch(self.dispatch_id(b)),
                    _ => CancelTarget::Run(self.run_id_or_unknown(b)),
                },
                stop_executing: c % 2 == 0,
            },
            32 => Command::Interrupt,
            33 if b % 4 == 0 => Command::SupersedeClaimed { claim: self.claim(a) },
            33 => Command::Reclaim { force: a % 2 == 0, retry_in: Duration::from_millis(c.into()) },
            34 => Command::Requeue { dispatch_id: self.dead_letter(a), max_attempts: None },
            35 => Command::Deliver {
                run_id: self.run_id_or_unknown(a),
                messages: self.messages(),
                delivery: self.delivery(),
                max_pending: 6,
            },
            36 if b % 2 == 0 => Command::EditPending {
                message_id: self.message_id(a),
                content: Content::from("edited"),
            },
            36 => Command::RetractPending { message_id: self.message_id(a) },
            37 if b % 4 == 0 => Command::CollectRun {
                run_id: self.run_id_or_unknown(a),
                ended_before: postroom_core::time::Timestamp(self.tables.now.get()),
            },
            37 => Command::ReorderPending { message_ids: self.reordered(a, b) },
            2 | 38 => Command::Decide {
                run_id: self.waiting_run(a),
                decisions: self.decisions(),
                claim: (d % 2 == 0).then(|| Self::request(d)),
            },
            39 => Command::FinishTask {
                run_id: self.run_id_or_unknown(a),
                task_id: (b % 4 > 0).then(|| task(b)),
            },
            _ => Command::Claim(Self::request(a)),
        }
    }

    /// Mostly of a run that owes it, for the end that it owes it for.
    fn reported(&self, a: u8) -> Command {
        let of_thread = self.tables.runs.values().filter(|run| run.thread_id == self.thread);
        let owing: Vec<_> = of_thread.filter(|run| run.report == Report::Owed).collect();
        let Some(run) = pick(&owing, a) else {
            let report = ReportId { dispatch_id: None, is_end: true, tickets: 0 };
            return Command::Reported { run_id: self.run_id_or_unknown(a), report };
        };
        let mut report = ReportId::of(run);
        report.dispatch_id = report.dispatch_id.filter(|_| !a.is_multiple_of(8));
        Command::Reported { run_id: run.id.clone(), report }
    }

    /// To whom the end of a run is reported, sometimes.
    fn report_to(&self, seed: u8) -> Option<ReportTo> {
        let as_ = match seed % 16 {
            0 => ReportAs::Task { run_id: self.run_id_or_unknown(seed) },
            1 => ReportAs::Message,
            _ => return None,
        };
        Some(ReportTo { thread_id: thread(seed), as_ })
    }

    fn submit(&self) -> Submit {
        let [_, _, a, b, c, d] = self.seed;
        let mode = [
            Mode::Enqueue,
            Mode::Steer,
            Mode::Interrupt,
            Mode::Reject,
            Mode::Rollback,
            Mode::Steer,
        ][usize::from(a) % 6];
        let mut submit = Submit::new(mode, self.messages());
        if b % 8 == 0 {
            submit.decisions = self.decisions();
        }
        submit.agent_id = (c % 3 == 0).then(|| agent(c));
        submit.run_id = match d % 8 {
            0 => self.run_id(c),
            1 => Some(RunId::parse("named").unwrap()),
            _ => None,
        };
        submit.expected_run_id = (d % 16 == 2).then(|| self.run_id_or_unknown(c));
        submit.dedupe_key = (c % 5 == 0).then(|| "same".parse().unwrap());
        submit.idempotency_key = (d % 11 == 0).then(|| "once".parse().unwrap());
        submit.priority = Priority(d % 3);
        submit.start = Self::start(c);
        submit.max_attempts = u32::from(d % 3);
        submit.delivery = self.delivery();
        submit.stopped_run_id = self.run_id(b).filter(|_| mode == Mode::Rollback);
        submit.limits = Limits { max_queued: 6, max_pending: 6 };
        submit.spec = Arc::new(RunSpec {
            report_to: self.report_to(c),
            webhook: webhook(c),
            ..RunSpec::default()
        });
        submit.claim = (b % 2 == 0).then(|| Self::request(b / 2));
        submit
    }

    fn messages(&self) -> Vec<NewMessage> {
        let [_, _, a, b, c, _] = self.seed;
        (0..b % 3)
            .map(|at| {
                let mut message = NewMessage::user("hello");
                let id = a.wrapping_mul(7).wrapping_add(c).wrapping_add(at) % 48;
                if !b.is_multiple_of(4) {
                    message.id = Some(MessageId::parse(&format!("m{id}")).unwrap());
                }
                message
            })
            .collect()
    }

    fn delivery(&self) -> Delivery {
        let [_, _, a, b, c, _] = self.seed;
        Delivery {
            boundary: [
                None,
                None,
                Some(Boundary::NextStep),
                Some(Boundary::OnNaturalEnd),
                Some(Boundary::NewRun),
            ][usize::from(a / 6) % 5],
            granularity: if b % 3 == 0 { Granularity::One } else { Granularity::Batch },
            barrier: c % 4 == 0,
        }
    }

    fn start(seed: u8) -> Start {
        match seed % 5 {
            0 => Start::In(Duration::from_secs(u64::from(seed))),
            _ => Start::Now,
        }
    }

    fn request(seed: u8) -> ClaimRequest {
        ClaimRequest {
            node: NodeId::parse(if seed.is_multiple_of(2) { "n1" } else { "n2" }).unwrap(),
            lease: LEASE,
            begin: seed % 4 < 3,
            except_agents: if seed % 16 == 5 { Arc::from([agent(seed)]) } else { Arc::default() },
            tenants: TenantRooms { others: usize::from(seed % 16 != 7), ..TenantRooms::default() },
            after_tenant: None,
        }
    }

    /// Mostly the thread's claim; sometimes a stale one.
    fn claim(&self, seed: u8) -> Claim {
        let current = self
            .tables
            .threads
            .get(&self.thread)
            .and_then(|thread| thread.claimed_dispatch_id)
            .and_then(|id| self.tables.dispatches[&id].claim().cloned());
        let stale = Claim { number: u64::from(seed), node: NodeId::parse("n1").unwrap() };
        match (seed % 8, current) {
            (0, Some(claim)) => Claim { number: claim.number - 1, ..claim },
            (_, Some(claim)) => claim,
            _ => stale,
        }
    }

    fn step(&self, commit: bool) -> Step {
        let [_, _, _, b, c, d] = self.seed;
        let mut step = Step { messages: self.messages(), ..Step::default() };
        step.messages.iter_mut().for_each(|message| message.role = Role::Assistant);
        if b % 2 == 0 {
            step.events.push(EventBody::TextDelta { text: "hel".into() });
            step.usage = Usage { input_tokens: 3, output_tokens: 5, cached_tokens: 2 };
            step.steps = 1;
            step.agent_version = Some(format!("v{c}"));
        }
        step.has_children = d % 8 == 5;
        if c % 4 == 0 {
            step.state = Some(AgentState::from_json(format!("[{d}]")).unwrap());
        }
        if d % 8 == 5 {
            step.by_default = tickets(c)
                .into_iter()
                .map(|ticket| Decision::new(ticket.tool_call_id, DecisionAction::Cancel))
                .collect();
        }
        if commit {
            step.take = [Take::Nothing, Take::NextStep, Take::NaturalEnd][usize::from(c) % 3];
            step.resume = d % 16 == 3;
            step.suspend = (d % 4 == 0).then(|| Suspend {
                reason: WaitReason::ToolPermission,
                tickets: tickets(d),
                lease: Duration::from_mins(10),
            });
        }
        step
    }

    fn outcome(&self) -> Outcome {
        let [_, _, _, b, c, d] = self.seed;
        match b % 8 {
            0 => Outcome::Nack {
                retry_in: Duration::from_millis(u64::from(c) * 4),
                error: "flaky".into(),
            },
            1 => Outcome::DeadLetter { code: "unknown_agent".into(), error: "no".into() },
            2 | 3 => {
                let reasons = [
                    WaitReason::ToolPermission,
                    WaitReason::UserInput,
                    WaitReason::BackgroundTasks,
                    WaitReason::RateLimit,
                    WaitReason::ManualPause,
                ];
                let mut wait = Wait::new(reasons[usize::from(c) % reasons.len()]);
                match wait.reason {
                    WaitReason::ToolPermission => wait.tickets = tickets(d),
                    WaitReason::BackgroundTasks => {
                        wait.tasks = vec![task(d), task(d.wrapping_add(1))];
                    }
                    WaitReason::RateLimit => wait.resume_in = Some(Duration::from_secs(9)),
                    _ => {}
                }
                Outcome::Wait(wait)
            }
            _ => Outcome::Ack(result(c)),
        }
    }

    fn runs(&self) -> Vec<RunId> {
        self.tables.runs.keys().cloned().collect()
    }

    fn run_id(&self, at: u8) -> Option<RunId> {
        pick(&self.runs(), at).cloned()
    }

    fn run_id_or_unknown(&self, at: u8) -> RunId {
        self.run_id(at)
            .filter(|_| !at.is_multiple_of(16))
            .unwrap_or_else(|| RunId::parse("unknown").unwrap())
    }

    fn waiting_run(&self, at: u8) -> RunId {
        let waiting: Vec<RunId> = self
            .tables
            .runs
            .values()
            .filter(|run| run.thread_id == self.thread && run.has_open_ticket())
            .map(|run| run.id.clone())
            .collect();
        pick(&waiting, at).cloned().unwrap_or_else(|| self.run_id_or_unknown(at))
    }

    fn dispatch_id(&self, at: u8) -> DispatchId {
        let ids: Vec<DispatchId> = self.tables.dispatches.keys().copied().collect();
        let unknown = DispatchId::from(uuid::Uuid::from_u128(u128::from(at)));
        pick(&ids, at).copied().filter(|_| !at.is_multiple_of(16)).unwrap_or(unknown)
    }

    fn dead_letter(&self, at: u8) -> DispatchId {
        let dead: Vec<DispatchId> = self
            .tables
            .dispatches
            .values()
            .filter(|dispatch| {
                dispatch.state() == postroom_core::dispatch::DispatchState::DeadLetter
            })
            .map(|dispatch| dispatch.id)
            .collect();
        pick(&dead, at).copied().unwrap_or_else(|| self.dispatch_id(at))
    }

    fn pending_ids(&self) -> Vec<MessageId> {
        let mut pending: Vec<_> =
            self.tables.pending.iter().filter(|((id, _), _)| *id == self.thread).collect();
        pending.sort_by_key(|(_, pending)| pending.position);
        pending.into_iter().map(|((_, id), _)| id.clone()).collect()
    }

    fn message_id(&self, at: u8) -> MessageId {
        pick(&self.pending_ids(), at)
            .cloned()
            .filter(|_| !at.is_multiple_of(8))
            .unwrap_or_else(|| MessageId::parse(&format!("m{}", at % 48)).unwrap())
    }

    fn reordered(&self, a: u8, b: u8) -> Vec<MessageId> {
        let mut ids = self.pending_ids();
        if !ids.is_empty() {
            let len = ids.len();
            ids.swap(usize::from(a) % len, usize::from(b) % len);
            if a.is_multiple_of(8) {
                ids.pop();
            }
        }
        ids
    }

    fn decisions(&self) -> Vec<Decision> {
        let [_, _, a, b, c, d] = self.seed;
        let of_thread = self.tables.runs.values().filter(|run| run.thread_id == self.thread);
        let open: Vec<ToolCallId> = of_thread
            .flat_map(|run| &run.tickets)
            .filter(|ticket| ticket.is_open())
            .map(|ticket| ticket.tool_call_id.clone())
            .collect();
        (0..=b % 2)
            .map(|at| Decision {
                decision_id: (c % 3 == 0).then(|| DecisionId::parse("d1").unwrap()),
                tool_call_id: pick(&open, at)
                    .filter(|_| a % 4 > 0)
                    .cloned()
                    .unwrap_or_else(|| call(d.wrapping_add(at) % 3)),
                action: if c % 2 == 0 { DecisionAction::Resume } else { DecisionAction::Cancel },
                result: serde_json::Value::Null,
                arguments: serde_json::Value::Null,
                reason: None,
            })
            .collect()
    }
}

fn agent(seed: u8) -> AgentId {
    AgentId::parse(["default", "helper"][usize::from(seed) % 2]).unwrap()
}

fn task(seed: u8) -> TaskId {
    match seed % 4 {
        3 => TaskId::of_run(&RunId::parse("child").unwrap()),
        seed => TaskId::parse(&format!("t{seed}")).unwrap(),
    }
}

fn call(seed: u8) -> ToolCallId {
    ToolCallId::parse(&format!("c{seed}")).unwrap()
}

fn tickets(seed: u8) -> Vec<Ticket> {
    (0..=seed / 4 % 2)
        .map(|at| {
            let id = call(seed.wrapping_add(at) % 3);
            Ticket::open(id, "tool".into(), serde_json::Value::Null, "may I?".into())
        })
        .collect()
}

fn result(seed: u8) -> RunResult {
    match seed % 4 {
        0 => RunResult::cancelled(),
        1 => RunResult {
            termination: Termination::Stopped(Reason::new("max_steps", "20")),
            output: None,
            error: Some("stopped".into()),
        },
        _ => RunResult::natural_end(Some("done".into())),
    }
}

/// An address that hears of a run, sometimes.
fn webhook(seed: u8) -> Option<String> {
    seed.is_multiple_of(5).then(|| "https://example.org/hook".to_owned())
}
