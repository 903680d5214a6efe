//! A store under test, with its time and ids, and the short words that the cases are written in.

use std::sync::Arc;
use std::time::Duration;

use postroom_core::command::{
    Activation, Begun, ClaimRequest, Command, Delivered, Enqueue, Envelope, Mode, Outcome, Reply,
    RunResult, Settle, Settled, Start, Step, Submit, Submitted, TenantRooms, Wait,
};
use postroom_core::dispatch::{Claim, Dispatch, DispatchState, Priority};
use postroom_core::error::{Refusal, StoreError};
use postroom_core::event::SharedEvent;
use postroom_core::id::{DispatchId, NodeId, RunId, ThreadId, ToolCallId};
use postroom_core::message::NewMessage;
use postroom_core::ports::{Applied, MailboxStore};
use postroom_core::run::{Run, WaitReason};
use postroom_core::thread::Thread;
use postroom_core::ticket::{Decision, DecisionAction, Ticket};

use crate::backend::Backend;
use crate::clock::ManualClock;
use crate::ids::SeededIds;
use crate::invariants;
use crate::snapshot::Snapshot;

/// The lease that the cases claim with.
pub const LEASE: Duration = Duration::from_secs(30);

/// A store under test.
pub struct World {
    /// The store.
    pub store: Arc<dyn MailboxStore>,
    /// Its time.
    pub clock: Arc<ManualClock>,
    /// Its ids.
    pub ids: Arc<SeededIds>,
    backend: Box<dyn Backend>,
}

impl World {
    /// An empty store of `backend`.
    pub async fn open(backend: Box<dyn Backend>) -> Self {
        let (clock, ids) = (Arc::new(ManualClock::new()), Arc::new(SeededIds::new(1)));
        let store = backend.open(clock.clone(), ids.clone()).await;
        Self { store, clock, ids, backend }
    }

    /// The same store after its process has ended and another has begun; `None` if that leaves
    /// nothing of it.
    pub async fn reopened(self) -> Option<Self> {
        let Self { store, clock, ids, backend } = self;
        let store = backend.reopen(store, clock.clone(), ids.clone()).await?;
        Some(Self { store, clock, ids, backend })
    }

    /// Carries one command out.
    pub async fn try_apply(
        &self,
        thread_id: &ThreadId,
        command: Command,
    ) -> Result<Applied, StoreError> {
        let mut answers = self.store.apply(vec![Envelope::new(thread_id.clone(), command)]).await;
        assert_eq!(answers.len(), 1, "one command has one answer");
        answers.remove(0)
    }

    /// Carries out a command that must succeed.
    pub async fn apply(&self, thread_id: &ThreadId, command: Command) -> Reply {
        let name = command.name();
        let answer = self.try_apply(thread_id, command).await;
        answer.unwrap_or_else(|error| panic!("{name} failed: {error}")).reply
    }

    /// A command that must be refused, and must not have changed anything.
    pub async fn refused(&self, thread_id: &ThreadId, command: Command) -> Refusal {
        let name = command.name();
        let before = self.snapshot(thread_id).await;
        let refusal = match self.try_apply(thread_id, command).await {
            Err(StoreError::Refused(refusal)) => refusal,
            other => panic!("{name} should have been refused, and was answered {other:?}"),
        };
        assert_eq!(before, self.snapshot(thread_id).await, "a refused {name} changed something");
        refusal
    }

    /// Submits what must be accepted.
    pub async fn submit(&self, thread_id: &ThreadId, submit: Submit) -> Submitted {
        match self.apply(thread_id, Command::Submit(Box::new(submit))).await {
            Reply::Submitted(submitted) => submitted,
            other => panic!("submit was answered {other:?}"),
        }
    }

    /// Submits one text with mode `enqueue`.
    pub async fn say(&self, thread_id: &ThreadId, text: &str) -> Submitted {
        self.submit(thread_id, said(Mode::Enqueue, text)).await
    }

    /// Enqueues what must be accepted.
    pub async fn enqueue(&self, thread_id: &ThreadId, enqueue: Enqueue) -> Arc<Dispatch> {
        match self.apply(thread_id, Command::Enqueue(Box::new(enqueue))).await {
            Reply::Enqueued(dispatch) => dispatch,
            other => panic!("enqueue was answered {other:?}"),
        }
    }

    /// Claims the head of the thread's queue.
    pub async fn try_claim(
        &self,
        thread_id: &ThreadId,
        request: ClaimRequest,
    ) -> Option<Delivered> {
        match self.apply(thread_id, Command::Claim(request)).await {
            Reply::Claimed(delivered) => delivered.map(|boxed| *boxed),
            other => panic!("claim was answered {other:?}"),
        }
    }

    /// Claims the head of the thread's queue, which must be there, without beginning it.
    pub async fn claim(&self, thread_id: &ThreadId) -> (Arc<Dispatch>, Claim) {
        let delivered = self.try_claim(thread_id, request("node")).await;
        let dispatch = delivered.expect("there is something to claim").dispatch;
        let claim = claim_of(&dispatch);
        (dispatch, claim)
    }

    /// Claims and begins the head of the thread's queue, which must be there.
    pub async fn start(&self, thread_id: &ThreadId) -> Activation {
        let delivered = self.try_claim(thread_id, beginning("node")).await;
        started(delivered.expect("there is something to claim"))
    }

    /// Submits a text and starts its run.
    pub async fn started(&self, thread_id: &ThreadId) -> Activation {
        self.say(thread_id, "begin").await;
        self.start(thread_id).await
    }

    /// Ends a delivery.
    pub async fn settle(&self, thread_id: &ThreadId, claim: &Claim, outcome: Outcome) -> Settled {
        match self.apply(thread_id, settle(claim, outcome)).await {
            Reply::Settled(settled) => *settled,
            other => panic!("settle was answered {other:?}"),
        }
    }

    /// Ends a delivery and its run naturally.
    pub async fn ack(&self, thread_id: &ThreadId, claim: &Claim) -> Settled {
        self.settle(thread_id, claim, Outcome::Ack(RunResult::natural_end(None))).await
    }

    /// Lets an attempt fail.
    pub async fn nack(&self, thread_id: &ThreadId, claim: &Claim) -> Settled {
        let outcome = Outcome::Nack { retry_in: Duration::ZERO, error: "for now".to_owned() };
        self.settle(thread_id, claim, outcome).await
    }

    /// Starts a run and lets it wait for a decision on the tool call `call`.
    pub async fn waiting_for_permission(&self, thread_id: &ThreadId, call: &str) -> Arc<Run> {
        let active = self.started(thread_id).await;
        let wait = Wait { tickets: vec![ticket(call)], ..Wait::new(WaitReason::ToolPermission) };
        self.settle(thread_id, &active.claim, Outcome::Wait(wait)).await.run
    }

    /// A dispatch that must be there.
    pub async fn dispatch(&self, id: DispatchId) -> Arc<Dispatch> {
        self.store.dispatch(id).await.expect("a read").expect("the dispatch is known").into()
    }

    /// A dispatch's state.
    pub async fn state(&self, id: DispatchId) -> DispatchState {
        self.dispatch(id).await.state()
    }

    /// A run that must be there.
    pub async fn run(&self, id: &RunId) -> Arc<Run> {
        self.store.run(id).await.expect("a read").expect("the run is known").into()
    }

    /// A thread that must be there.
    pub async fn thread(&self, id: &ThreadId) -> Thread {
        self.store.thread(id).await.expect("a read").expect("the thread is known")
    }

    /// The types of the thread's events after `after_seq`.
    pub async fn event_types(&self, id: &ThreadId, after_seq: u64) -> Vec<&'static str> {
        let events = self.store.events(id, after_seq, 1_000).await.expect("a read");
        events.iter().map(|event| event.body.type_name()).collect()
    }

    /// The thread's events.
    pub async fn events(&self, id: &ThreadId) -> Vec<SharedEvent> {
        self.snapshot(id).await.events
    }

    /// The texts of the thread's log.
    pub async fn texts(&self, id: &ThreadId) -> Vec<String> {
        let messages = self.snapshot(id).await.messages;
        messages.iter().map(|message| message.message.content.text()).collect()
    }

    /// The texts of the thread's pending messages.
    pub async fn pending_texts(&self, id: &ThreadId) -> Vec<String> {
        let pending = self.store.pending(id).await.expect("a read");
        pending.iter().map(|pending| pending.message.content.text()).collect()
    }

    /// All of a thread; the invariants hold whenever one looks.
    pub async fn snapshot(&self, thread_id: &ThreadId) -> Snapshot {
        let snapshot = Snapshot::read(&*self.store, thread_id).await.expect("a read");
        let violations = invariants::violations(&snapshot);
        assert!(violations.is_empty(), "{violations:#?}\n{snapshot:#?}");
        snapshot
    }
}

/// The thread of this name.
pub fn thread(name: &str) -> ThreadId {
    ThreadId::parse(name).expect("a name")
}

/// A request of `node`, which begins by itself.
pub fn request(node: &str) -> ClaimRequest {
    ClaimRequest {
        node: NodeId::parse(node).expect("a name"),
        lease: LEASE,
        begin: false,
        except_agents: Arc::from([]),
        tenants: TenantRooms::default(),
        after_tenant: None,
    }
}

/// A request of `node` that begins in the same transaction.
pub fn beginning(node: &str) -> ClaimRequest {
    ClaimRequest { begin: true, ..request(node) }
}

/// A submission of one text.
pub fn said(mode: Mode, text: &str) -> Submit {
    Submit::new(mode, vec![NewMessage::user(text)])
}

/// A delivery of a run.
pub fn delivery(run: &str) -> Enqueue {
    Enqueue {
        run_id: RunId::parse(run).expect("a name"),
        dispatch_id: None,
        agent_id: None,
        dedupe_key: None,
        priority: Priority::default(),
        start: Start::Now,
        max_attempts: 5,
    }
}

/// The end of a delivery, and nothing else.
pub fn settle(claim: &Claim, outcome: Outcome) -> Command {
    let (claim, step) = (claim.clone(), Step::default());
    Command::Settle(Box::new(Settle { claim, step, outcome, next: None }))
}

/// A step boundary.
pub fn commit(claim: &Claim, step: Step) -> Command {
    Command::Commit { claim: claim.clone(), step: Box::new(step) }
}

/// The claim that holds a dispatch.
pub fn claim_of(dispatch: &Dispatch) -> Claim {
    dispatch.claim().expect("the dispatch is claimed").clone()
}

/// The activation of a run that must have started.
pub fn started(delivered: Delivered) -> Activation {
    match delivered.begun {
        Some(Begun::Started(activation)) => *activation,
        other => panic!("the run should have started, and begin said {other:?}"),
    }
}

/// An open ticket for a tool call.
pub fn ticket(call: &str) -> Ticket {
    let id = ToolCallId::parse(call).expect("a name");
    Ticket::open(id, "tool".to_owned(), serde_json::json!({"x": 1}), "may I?".to_owned())
}

/// Leave to call the tool.
pub fn resume(call: &str) -> Decision {
    Decision {
        decision_id: None,
        tool_call_id: ToolCallId::parse(call).expect("a name"),
        action: DecisionAction::Resume,
        result: serde_json::Value::Null,
        arguments: serde_json::Value::Null,
        reason: None,
    }
}
