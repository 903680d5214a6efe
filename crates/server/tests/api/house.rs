//! A server with a service behind it, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use postroom_automation::Automation;
use postroom_core::access::Scope;
use postroom_core::id::{AgentId, NodeId, TenantId};
use postroom_core::ports::{AccessStore, Clock, MailboxStore};
use postroom_server::{
    Access, AgentInfo, KeyOrder, Limits, Options, Origin, SettingInfo, make_key,
};
use postroom_service::{Config, Parts, Postroom, TokioSpawner};
use postroom_signals::{LocalFeed, LocalLive, LocalSignals};
use postroom_stores::memory::MemoryStore;
use postroom_stores::system::{SystemClock, SystemIds};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::agent::Obedient;
use crate::client::{PATIENCE, Reply, Stream, request};
use crate::store::FaultyStore;

pub struct House<S = FaultyStore> {
    pub addr: SocketAddr,
    pub postroom: Postroom,
    pub store: Arc<S>,
    /// Where its keys are.
    pub keys: Arc<MemoryStore>,
    pub closing: CancellationToken,
    client: Client<HttpConnector, Body>,
    /// The server; dropped, it ends.
    pub server: JoinSet<()>,
}

impl House {
    pub async fn open() -> Self {
        Self::with(Config::default()).await
    }

    pub async fn with(config: Config) -> Self {
        let house = Self::not_started(config).await;
        house.postroom.start().await.unwrap();
        house
    }

    pub async fn not_started(config: Config) -> Self {
        let memory = MemoryStore::new(Arc::new(SystemClock), Arc::new(SystemIds::new()));
        Self::on(FaultyStore::new(memory), config).await
    }

    /// One that answers nobody without a key.
    pub async fn guarded(limits: Limits) -> Self {
        let memory = MemoryStore::new(Arc::new(SystemClock), Arc::new(SystemIds::new()));
        let config = Config::default();
        let house = Self::of(FaultyStore::new(memory), config, true, limits, Vec::new()).await;
        house.postroom.start().await.unwrap();
        house
    }

    /// One that pages of this origin may call.
    pub async fn called_from(origin: &str) -> Self {
        let memory = MemoryStore::new(Arc::new(SystemClock), Arc::new(SystemIds::new()));
        let (store, config, limits) =
            (FaultyStore::new(memory), Config::default(), Limits::default());
        let house = Self::of(store, config, false, limits, vec![origin.parse().unwrap()]).await;
        house.postroom.start().await.unwrap();
        house
    }
}

impl<S: MailboxStore + 'static> House<S> {
    /// On a store of any kind; the service is not started.
    pub async fn on(store: S, config: Config) -> Self {
        Self::of(store, config, false, Limits::default(), Vec::new()).await
    }

    async fn of(
        store: S,
        config: Config,
        required: bool,
        limits: Limits,
        origins: Vec<Origin>,
    ) -> Self {
        let store = Arc::new(store);
        let parts = Parts {
            store: store.clone(),
            signals: Arc::new(LocalSignals::default()),
            live: Arc::new(LocalLive::default()),
            feed: Arc::new(LocalFeed::default()),
            executor: Arc::new(Automation::new(Arc::new(Obedient), None)),
            ids: Arc::new(SystemIds::new()),
            spawner: Arc::new(TokioSpawner),
            tracer: None,
            on_collect: None,
        };
        let postroom = Postroom::new(parts, config, NodeId::parse("node-1").unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let closing = CancellationToken::new();
        let clock = Arc::new(SystemClock);
        let keys = Arc::new(MemoryStore::new(clock.clone(), Arc::new(SystemIds::new())));
        let access = Access::new(keys.clone(), clock, required, limits);
        let router = postroom_server::router(Options {
            postroom: postroom.clone(),
            agents: Arc::new(|| vec![agent()]),
            posts_webhooks: true,
            access,
            settings: Arc::new(|| vec![setting()]),
            bound: addr,
            origins,
            closing: closing.clone(),
        });
        let mut server = JoinSet::new();
        server.spawn(postroom_server::serve(listener, router, closing.clone()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { addr, postroom, store, keys, closing, client, server }
    }

    /// Makes a key; what its holder presents.
    pub async fn key(&self, tenant: &str, scope: Scope) -> String {
        let tenant = TenantId::parse(tenant).unwrap();
        let order = KeyOrder { tenant, scope, label: "a test's".to_owned(), expires_at: None };
        let made = make_key(order, SystemClock.now()).unwrap();
        self.keys.add_key(made.key).await.unwrap();
        made.text.expose().to_owned()
    }

    /// The same request with a key.
    pub async fn send_as(&self, key: &str, request: Request<Body>) -> Reply {
        self.send(with(request, "authorization", &format!("Bearer {key}"))).await
    }

    pub async fn get_as(&self, key: &str, path: &str) -> Reply {
        self.send_as(key, request(Method::GET, self.url(path))).await
    }

    pub async fn post_as(&self, key: &str, path: &str, body: &Value) -> Reply {
        self.send_as(key, self.json(Method::POST, path, body)).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        answer.expect("the server answers").unwrap().map(Body::new)
    }

    pub async fn send(&self, request: Request<Body>) -> Reply {
        Reply::read(self.answer(request).await).await
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(request(Method::GET, self.url(path))).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(request(Method::DELETE, self.url(path))).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        self.send(self.json(Method::PATCH, path, body)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.json(Method::POST, path, body)).await
    }

    /// A `POST` without a body.
    pub async fn poke(&self, path: &str) -> Reply {
        self.send(request(Method::POST, self.url(path))).await
    }

    pub fn json(&self, method: Method, path: &str, body: &Value) -> Request<Body> {
        let mut request = request(method, self.url(path));
        *request.body_mut() = Body::from(body.to_string());
        with(request, "content-type", "application/json")
    }

    /// A stream by `GET`.
    pub async fn follow(&self, path: &str) -> Stream {
        self.stream(request(Method::GET, self.url(path))).await
    }

    /// The same, by a client that has seen the event `last`.
    pub async fn resume(&self, path: &str, last: u64) -> Stream {
        let request = request(Method::GET, self.url(path));
        self.stream(with(request, "last-event-id", &last.to_string())).await
    }

    pub async fn stream(&self, request: Request<Body>) -> Stream {
        Stream::open(self.answer(with(request, "accept", "text/event-stream")).await)
    }

    /// Submits a text, and waits until its run is done or waits.
    pub async fn run(&self, thread_id: &str, text: &str) -> Value {
        let path = format!("/v1/threads/{thread_id}/runs?wait=true");
        self.post(&path, &json!({"messages": text})).await.ok(200)
    }

    /// Submits a text, and answers as soon as it is accepted.
    pub async fn submit(&self, thread_id: &str, text: &str) -> Value {
        let path = format!("/v1/threads/{thread_id}/runs");
        self.post(&path, &json!({"messages": text})).await.ok(202)
    }

    /// Waits until the run executes.
    pub async fn running(&self, run_id: &str) {
        self.until(&format!("/v1/runs/{run_id}"), |run| run["status"] == "running").await;
    }

    /// Reads `path` again and again until it is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        for _ in 0..500 {
            let seen = self.get(path).await.ok(200);
            if wanted(&seen) {
                return seen;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{path} is not as wanted");
    }
}

pub fn with(mut request: Request<Body>, name: &str, value: &str) -> Request<Body> {
    let name: HeaderName = name.parse().unwrap();
    request.headers_mut().insert(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    request
}

/// The id of that name in an answer.
pub fn id(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

fn agent() -> AgentInfo {
    AgentInfo {
        agent_id: AgentId::default_agent(),
        version: "1".to_owned(),
        model: "obedient".to_owned(),
        provider: "test".to_owned(),
        tools: Vec::new(),
        approve: Vec::new(),
        max_steps: 20,
    }
}

fn setting() -> SettingInfo {
    SettingInfo {
        key: "limits.drain_ms".to_owned(),
        value: json!(1000),
        origin: Some("--set".to_owned()),
    }
}
