//! Webhooks: real posts to a receiver on this machine.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use postroom_automation::Automation;
use postroom_automation::webhook::{AGENT, WebhookSecret, Webhooks, WebhooksConfig};
use postroom_core::command::{Activation, Mode, Step, Submit, Suspend, Wait};
use postroom_core::dispatch::DispatchState;
use postroom_core::id::{NodeId, RunId, ThreadId};
use postroom_core::message::NewMessage;
use postroom_core::ports::{DispatchFilter, Executor, RunContext, RunFilter, RunOutcome};
use postroom_core::run::{Run, RunSpec, WaitReason};
use postroom_core::ticket::{Decision, DecisionAction, Ticket};
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::{SystemClock, SystemIds};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PATIENCE: Duration = Duration::from_secs(30);

/// Says what it was told to, and waits where it was told to: `ask` for a decision, `ask live` in memory.
struct Agent;

#[async_trait]
impl Executor for Agent {
    async fn run(&self, activation: Activation, context: Arc<dyn RunContext>) -> RunOutcome {
        let text = activation.input[0].message.content.text();
        let ticket = || {
            let id = "call-1".parse().unwrap();
            Ticket::open(id, "launch".into(), json!({}), "May I?".into())
        };
        let is_decided = activation.run.ticket(&"call-1".parse().unwrap()).is_some();
        match text.as_str() {
            "ask" if !is_decided => {
                let wait =
                    Wait { tickets: vec![ticket()], ..Wait::new(WaitReason::ToolPermission) };
                RunOutcome::Waiting { last: Box::default(), wait }
            }
            "ask live" => {
                let suspend = Suspend {
                    reason: WaitReason::ToolPermission,
                    tickets: vec![ticket()],
                    lease: PATIENCE,
                };
                context.suspend(Step::default(), suspend, PATIENCE).await.unwrap().unwrap();
                RunOutcome::natural_end(Some(text))
            }
            _ => RunOutcome::natural_end(Some(text)),
        }
    }
}

/// A post as it arrived.
#[derive(Debug, Clone)]
struct Heard {
    id: String,
    body: Value,
}

/// Answers as it was told to, and 200 from then on.
#[derive(Clone)]
struct Receiver {
    heard: watch::Sender<Vec<Heard>>,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

async fn hear(State(receiver): State<Receiver>, headers: HeaderMap, body: String) -> StatusCode {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let id = header("webhook-id");
    let signed = format!("{id}.{}.{body}", header("webhook-timestamp"));
    assert_eq!(header("webhook-signature"), format!("v1,{}", signature(&signed)));
    let body = serde_json::from_str(&body).unwrap();
    receiver.heard.send_modify(|heard| heard.push(Heard { id, body }));
    receiver.answers.lock().pop_front().unwrap_or(StatusCode::OK)
}

/// HMAC-SHA256 by its definition, so that ours is not compared with itself.
fn signature(text: &str) -> String {
    use base64::Engine;
    use sha2::{Digest, Sha256};
    let engine = base64::engine::general_purpose::STANDARD;
    let mut key = engine.decode(SECRET.trim_start_matches("whsec_")).unwrap();
    key.resize(64, 0);
    let pad = |with: u8| key.iter().map(|byte| byte ^ with).collect::<Vec<u8>>();
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    engine.encode(Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize())
}

struct House {
    node: Postroom,
    url: String,
    receiver: Receiver,
    serving: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl House {
    #[expect(clippy::disallowed_methods, reason = "a test's own server lives as long as the test")]
    async fn open(answers: &[u16], allow_private: &[&str]) -> Self {
        let answers = answers.iter().map(|code| StatusCode::from_u16(*code).unwrap()).collect();
        let answers = Arc::new(Mutex::new(answers));
        let receiver = Receiver { heard: watch::channel(Vec::new()).0, answers };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().route("/hook", post(hear)).with_state(receiver.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

        let allowed = allow_private.iter().map(|place| (*place).to_owned().try_into().unwrap());
        let config = WebhooksConfig {
            allow_private: allowed.collect(),
            retry_after_ms: vec![5, 10],
            ..WebhooksConfig::default()
        };
        let render = Arc::new(|run: &Run| json!({"run_id": run.id, "status": run.run_state()}));
        let secret = WebhookSecret::parse(SECRET).unwrap();
        let webhooks = Webhooks::new(&config, secret, render).unwrap();
        let ids = Arc::new(SystemIds::new());
        let parts = Parts {
            store: Arc::new(MemoryStore::new(Arc::new(SystemClock), ids.clone())),
            signals: Arc::new(LocalSignals::default()),
            live: Arc::new(LocalLive::default()),
            feed: Arc::new(LocalFeed::default()),
            executor: Arc::new(Automation::new(Arc::new(Agent), Some(webhooks))),
            ids,
            spawner: Arc::new(TokioSpawner),
            tracer: None,
            on_collect: None,
        };
        let node = Postroom::new(parts, Config::default(), NodeId::parse("node").unwrap());
        node.start().await.unwrap();
        Self { node, url, receiver, serving }
    }

    async fn submit(&self, text: &str) -> RunId {
        let mut submit = Submit::new(Mode::Enqueue, vec![NewMessage::user(text)]);
        submit.spec = RunSpec { webhook: Some(self.url.clone()), ..RunSpec::default() }.into();
        let thread = ThreadId::parse("t").unwrap();
        self.node.submit(Some(thread), submit).await.unwrap().run_id
    }

    /// The first posts, once there are so many.
    async fn heard(&self, count: usize) -> Vec<Heard> {
        let mut heard = self.receiver.heard.subscribe();
        let enough = heard.wait_for(|heard| heard.len() >= count);
        timeout(PATIENCE, enough).await.expect("the posts come").unwrap().clone()
    }

    /// The runs that make posts, once each has ended.
    async fn posts(&self, count: usize) -> Vec<Run> {
        let agent_id = Some(AGENT.parse().unwrap());
        let filter = RunFilter { agent_id, ..RunFilter::default() };
        let ended = async {
            loop {
                let runs = self.node.store().runs(&filter, 100, None).await.unwrap().items;
                if runs.len() == count && runs.iter().all(Run::is_done) {
                    return runs;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, ended).await.expect("the posts end")
    }

    fn heard_so_far(&self) -> usize {
        self.receiver.heard.borrow().len()
    }
}

#[tokio::test]
async fn the_end_of_a_run_is_posted_and_signed() {
    let house = House::open(&[], &["127.0.0.1"]).await;
    let run_id = house.submit("hello").await;
    let heard = house.heard(1).await;
    assert_eq!(heard[0].body["type"], "run.finished");
    assert_eq!(heard[0].body["data"], json!({"run_id": run_id, "status": "done"}));
    assert!(heard[0].body["timestamp"].is_string());
    house.posts(1).await;
    assert_eq!(house.heard_so_far(), 1, "once");
}

#[tokio::test]
async fn a_wait_is_posted_and_then_the_end() {
    for text in ["ask", "ask live"] {
        let house = House::open(&[], &["127.0.0.0/8"]).await;
        let run_id = house.submit(text).await;
        assert_eq!(house.heard(1).await[0].body["type"], "run.waiting", "{text}");
        let decision = Decision::new("call-1".parse().unwrap(), DecisionAction::Resume);
        house.node.decide(&run_id, vec![decision]).await.unwrap();
        let heard = house.heard(2).await;
        assert_eq!(heard[1].body["type"], "run.finished", "{text}");
        assert_ne!(heard[0].id, heard[1].id);
        house.posts(2).await;
        assert_eq!(house.heard_so_far(), 2, "{text}");
    }
}

#[tokio::test]
async fn a_receiver_that_fails_hears_it_again_under_the_same_id() {
    let house = House::open(&[500, 429], &["127.0.0.1"]).await;
    house.submit("hello").await;
    let heard = house.heard(3).await;
    assert!(heard.iter().all(|post| post.id == heard[0].id), "{heard:?}");
    house.posts(1).await;
    assert_eq!(house.heard_so_far(), 3);
}

#[tokio::test]
async fn what_can_not_be_posted_is_a_dead_letter_and_may_be_requeued() {
    let house = House::open(&[500, 500, 500, 500, 500], &["127.0.0.1"]).await;
    house.submit("hello").await;
    house.heard(3).await;
    house.posts(1).await;
    let states = vec![DispatchState::DeadLetter];
    let dead = DispatchFilter { states, ..DispatchFilter::default() };
    let dead = house.node.store().dispatches(&dead, 10, None).await.unwrap().items;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].last_error.as_deref().unwrap().contains("500"), "{dead:?}");
    assert_eq!(house.heard_so_far(), 3, "it was tried three times");

    house.node.requeue(dead[0].id).await.unwrap();
    let heard = house.heard(6).await;
    assert_eq!(heard[5].id, heard[0].id, "with all its tries again");
    house.posts(1).await;
}

#[tokio::test]
async fn nothing_is_posted_to_private_places_or_to_who_wants_no_more() {
    let house = House::open(&[], &[]).await;
    house.submit("hello").await;
    let post = house.posts(1).await.remove(0);
    assert!(post.error.as_deref().unwrap().contains("private address"), "{post:?}");
    assert_eq!(house.heard_so_far(), 0);

    let house = House::open(&[410], &["127.0.0.1"]).await;
    house.submit("hello").await;
    let post = house.posts(1).await.remove(0);
    assert!(post.error.as_deref().unwrap().contains("410"), "{post:?}");
    assert_eq!(house.heard_so_far(), 1);
}
