//! Tenants are kept apart on every route, whoever is unknown is told so, and who may not may not.
//! The routes are all that the server has: `any_request::routes` sees to it that none is left out.

use axum::body::Body;
use axum::http::{Method, Request};
use futures::StreamExt;
use postroom_core::access::Scope;
use postroom_core::id::{KeyId, RunId, ThreadId};
use postroom_core::ports::{AccessStore, Clock};
use postroom_server::Limits;
use postroom_stores::system::SystemClock;
use serde_json::{Value, json};

use crate::any_request::routes::{Form, ROUTES, Route};
use crate::client::{Reply, request};
use crate::house::{House, id, with};

/// What anybody may ask for: it shows nothing of anybody.
const OPEN_TO_ALL: [&str; 3] = ["/", "/health/live", "/health/ready"];
/// So are the files of the dashboard.
const FILES: &str = "/dashboard/assets/";

/// What is of no tenant.
const FOR_OPERATORS: [&str; 3] = ["/metrics", "/v1/settings", "/v1/system/recent"];

/// The schedule that red has.
const SCHEDULE: &str = "red-schedule";

/// By which one logs in: it answers for itself.
const SESSION: &str = "/dashboard/session";

/// What a key of the scope `write` is not enough for.
const FOR_ADMINS: [(&str, &str); 6] = [
    ("GET", "/v1/keys"),
    ("POST", "/v1/keys"),
    ("DELETE", "/v1/keys/{key_id}"),
    ("DELETE", "/v1/dispatches"),
    ("POST", "/v1/dispatches/retry"),
    ("POST", "/v1/dispatches/{dispatch_id}/retry"),
];

/// A house with two tenants, where `red` has something of everything.
struct Two {
    house: House,
    red: String,
    blue: String,
    thread_id: String,
    run_id: String,
    dispatch_id: String,
    message_id: String,
    key_id: String,
}

impl Two {
    async fn open() -> Self {
        let house = House::guarded(Limits::default()).await;
        let red = house.key("red", Scope::Admin).await;
        let blue = house.key("blue", Scope::Admin).await;
        let body = json!({"messages": "stay", "metadata": {"team": "red"}});
        let stays = house.post_as(&red, "/v1/threads/red-thread/runs", &body).await.ok(202);
        let run_id = id(&stays, "run_id");
        let running = format!("/v1/runs/{run_id}");
        for _ in 0..500 {
            if house.get_as(&red, &running).await.ok(200)["status"] == "running" {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let more = json!({"messages": [{"id": "red-message", "content": "and this"}]});
        house.post_as(&red, &format!("{running}/inputs"), &more).await.ok(202);
        let schedule =
            json!({"schedule_id": SCHEDULE, "cron": "@yearly", "run": {"messages": "x"}});
        house.post_as(&red, "/v1/schedules", &schedule).await.ok(201);
        // It is executed once, and then waits for its time.
        let waiting = "/v1/runs?parent_run_id=postroom:schedules&status=waiting";
        for _ in 0..500 {
            if house.get_as(&red, waiting).await.ok(200)["items"] != json!([]) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let key_id = red.split('.').next().unwrap().to_owned();
        Self {
            house,
            red,
            blue,
            thread_id: "red-thread".to_owned(),
            dispatch_id: id(&stays, "dispatch_id"),
            run_id,
            message_id: "red-message".to_owned(),
            key_id,
        }
    }

    /// The route's path with what is red's.
    fn path(&self, route: &Route) -> String {
        route
            .path
            .replace("{thread_id}", &self.thread_id)
            .replace("{run_id}", &self.run_id)
            .replace("{dispatch_id}", &self.dispatch_id)
            .replace("{message_id}", &self.message_id)
            .replace("{key_id}", &self.key_id)
            .replace("{schedule_id}", SCHEDULE)
            .replace("{agent_id}", "default")
    }

    /// A request of the route that is as it should be, about what is red's.
    fn request(&self, route: &Route) -> Request<Body> {
        let mut path = self.path(route);
        match (route.method, route.path) {
            ("DELETE", "/v1/dispatches") => path.push_str("?before=2999-01-01T00:00:00Z"),
            (_, "/v1/runs/{run_id}/wait") => path.push_str("?timeout_ms=1"),
            _ => {}
        }
        let method: Method = route.method.parse().unwrap();
        match self.body(route.form) {
            Value::Null => request(method, self.house.url(&path)),
            body => self.house.json(method, &path, &body),
        }
    }

    fn body(&self, form: Form) -> Value {
        match form {
            Form::None => Value::Null,
            Form::Submission => json!({"messages": "x", "thread_id": self.thread_id}),
            Form::Batch => json!({"runs": [{"messages": "x", "thread_id": self.thread_id}]}),
            Form::Decisions => json!([{"tool_call_id": "call-1", "action": "resume"}]),
            Form::Inputs => json!({"messages": "x"}),
            Form::NewThread => json!({"thread_id": self.thread_id}),
            Form::ThreadChange => json!({"metadata": {"a": 1}}),
            Form::Edit => json!({"content": "x"}),
            Form::Order => json!({"message_ids": [self.message_id]}),
            Form::RetryMany => json!({"status": "dead_letter"}),
            Form::Schedule => json!({"schedule_id": "another", "cron": "@yearly",
                "run": {"messages": "x", "thread_id": self.thread_id}}),
            Form::NewKey => json!({"scopes": ["read"]}),
            Form::LogIn => json!({"key": "pr_0123456789abcdef.x"}),
        }
    }

    /// All that red has, as red sees it.
    async fn contents(&self) -> Vec<Value> {
        let mut all = Vec::new();
        for path in [
            "/v1/threads",
            "/v1/runs",
            "/v1/dispatches",
            "/v1/threads/red-thread/messages",
            "/v1/threads/red-thread/pending",
            "/v1/threads/red-thread/events",
            "/v1/schedules",
            "/v1/keys",
        ] {
            all.push(self.house.get_as(&self.red, path).await.ok(200));
        }
        all
    }

    /// Nothing in the answer tells of red.
    fn tells_nothing(&self, route: &Route, reply: &Reply) {
        let told = [&self.run_id, &self.dispatch_id, &self.key_id];
        // A refusal may repeat what the caller said.
        let said = self.path(route);
        for name in told.into_iter().filter(|name| !said.contains(name.as_str())) {
            assert!(!reply.text().contains(name.as_str()), "{route:?}: {}", reply.text());
        }
    }
}

fn names_something(route: &Route) -> bool {
    ["{thread_id}", "{run_id}", "{dispatch_id}", "{key_id}", "{schedule_id}"]
        .iter()
        .any(|placeholder| route.path.contains(placeholder))
}

fn is_open(route: &Route) -> bool {
    OPEN_TO_ALL.contains(&route.path) || route.path.starts_with(FILES)
}

/// The routes that want a caller.
fn closed() -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(|route| !is_open(route) && route.path != SESSION)
}

#[tokio::test]
async fn what_is_anothers_is_unknown_on_every_route() {
    let two = Two::open().await;
    let before = two.contents().await;
    let mut tried = 0;
    for route in closed().filter(|route| route.path != "/v1/events") {
        let reply = two.house.send_as(&two.blue, two.request(route)).await;
        two.tells_nothing(route, &reply);
        let submits = matches!(route.form, Form::Submission | Form::NewThread);
        if names_something(route) || submits {
            assert_eq!(reply.status, 404, "{route:?}: {}", reply.text());
            let problem: Value = serde_json::from_slice(&reply.body).unwrap();
            let code = problem["code"].as_str().unwrap();
            assert!(code.starts_with("unknown_"), "{route:?}: {problem}");
            tried += 1;
        }
        if route.form == Form::Batch {
            assert_eq!(reply.ok(202)["items"][0]["code"], "unknown_thread");
        }
        let streamed = with(two.request(route), "accept", "text/event-stream");
        if names_something(route) && route.method == "GET" {
            let reply = two.house.send_as(&two.blue, streamed).await;
            assert_eq!(reply.status, 404, "{route:?} as a stream: {}", reply.text());
        }
    }
    assert!(tried >= 20, "only {tried} routes name something");
    assert_eq!(two.contents().await, before, "blue has changed something of red's");
}

#[tokio::test]
async fn what_is_anothers_is_not_there_as_it_would_not_be() {
    let two = Two::open().await;
    // Its very words: whether a name is another's or nobody's can't be told.
    for (theirs, nobodys) in [
        ("/v1/threads/red-thread".to_owned(), "/v1/threads/nobodys".to_owned()),
        (format!("/v1/runs/{}", two.run_id), "/v1/runs/nobodys".to_owned()),
    ] {
        let told = async |path: &str| {
            let mut problem: Value =
                serde_json::from_slice(&two.house.get_as(&two.blue, path).await.body).unwrap();
            problem["request_id"] = Value::Null;
            let name = path.rsplit('/').next().unwrap();
            problem.to_string().replace(name, "NAME")
        };
        assert_eq!(told(&theirs).await, told(&nobodys).await);
    }
    let submit = async |body: Value| two.house.post_as(&two.blue, "/v1/runs", &body).await;
    for parent in [two.run_id.as_str(), "nobodys"] {
        let body = json!({"messages": "x", "parent_run_id": parent});
        submit(body).await.problem(404, "unknown_run");
        let body = json!({"messages": "x", "thread_id": "mine", "expected_run_id": parent});
        submit(body).await.problem(409, "unexpected_run");
    }
    submit(json!({"messages": "x", "run_id": two.run_id})).await.problem(404, "unknown_run");
    for parent in ["red-thread", "nobodys"] {
        let body = json!({"parent_thread_id": parent});
        let reply = two.house.post_as(&two.blue, "/v1/threads", &body).await;
        reply.problem(404, "unknown_thread");
    }
    // The same idempotency key of two tenants is of two submissions.
    let mut threads = Vec::new();
    for key in [&two.red, &two.blue] {
        let body = two.house.json(Method::POST, "/v1/runs", &json!({"messages": "x"}));
        let reply = two.house.send_as(key, with(body, "idempotency-key", "same")).await.ok(202);
        threads.push(id(&reply, "thread_id"));
    }
    assert_ne!(threads[0], threads[1]);
    // A tenant's schedules have names of their own.
    let schedule = json!({"schedule_id": SCHEDULE, "cron": "@daily", "run": {"messages": "x"}});
    two.house.post_as(&two.blue, "/v1/schedules", &schedule).await.ok(201);
    let path = format!("/v1/schedules/{SCHEDULE}");
    assert_eq!(two.house.get_as(&two.red, &path).await.ok(200)["cron"], "@yearly");
    // A cursor of another's list is but a place.
    two.house.post_as(&two.red, "/v1/threads", &json!({})).await.ok(201);
    let page = two.house.get_as(&two.red, "/v1/threads?limit=1").await.ok(200);
    let path = format!("/v1/threads?cursor={}", id(&page, "next_cursor"));
    let reply = two.house.get_as(&two.blue, &path).await;
    reply.ok(200);
    assert!(!reply.text().contains("red-thread"), "{}", reply.text());
}

#[tokio::test]
async fn whoever_is_unknown_is_told_so_on_every_route() {
    let two = Two::open().await;
    let revoked = two.house.key("red", Scope::Admin).await;
    let id = KeyId::parse(revoked.split('.').next().unwrap()).unwrap();
    let now = SystemClock.now();
    two.house.keys.revoke_key(&id, now).await.unwrap();
    let mut forged = two.red.clone();
    forged.pop();
    for route in closed() {
        let reply = two.house.send(two.request(route)).await;
        reply.problem(401, "key_missing");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
        for wrong in ["", "x", &forged, &revoked, "pr_0123456789abcdef.x"] {
            let reply = two.house.send_as(wrong, two.request(route)).await;
            reply.problem(401, "key_invalid");
        }
        let basic = with(two.request(route), "authorization", "Basic eDp5");
        two.house.send(basic).await.problem(401, "key_invalid");
    }
    for route in ROUTES.iter().filter(|route| OPEN_TO_ALL.contains(&route.path)) {
        assert_eq!(two.house.send(two.request(route)).await.status, 200, "{route:?}");
    }
    two.house.get("/v1/nothing").await.problem(401, "key_missing");
}

#[tokio::test]
async fn a_scope_allows_what_it_says_on_every_route() {
    let two = Two::open().await;
    let reader = two.house.key("red", Scope::Read).await;
    let writer = two.house.key("red", Scope::Write).await;
    let before = two.contents().await;
    for route in closed().filter(|route| route.path != "/v1/events") {
        let for_admins = FOR_ADMINS.contains(&(route.method, route.path));
        let for_operators = FOR_OPERATORS.contains(&route.path);
        let reply = two.house.send_as(&reader, two.request(route)).await;
        if for_operators {
            assert_eq!(reply.status, 403, "{route:?}");
            let reply = two.house.send_as(&two.red, two.request(route)).await;
            reply.problem(403, "operators_only");
        } else if route.method == "GET" && !for_admins {
            assert_eq!(reply.status / 100, 2, "{route:?}: {}", reply.text());
        } else {
            reply.problem(403, "scope_missing");
        }
        if for_admins {
            let reply = two.house.send_as(&writer, two.request(route)).await;
            reply.problem(403, "scope_missing");
        }
    }
    assert_eq!(two.contents().await, before, "something was changed all the same");
    let body = json!({"messages": "x"});
    two.house.post_as(&writer, "/v1/runs", &body).await.ok(202);
}

#[tokio::test]
async fn all_events_are_those_of_the_caller() {
    let two = Two::open().await;
    let follow = with(
        request(Method::GET, two.house.url("/v1/events")),
        "authorization",
        &format!("Bearer {}", two.blue),
    );
    let mut blues = two.house.stream(follow).await;
    for number in 0..3 {
        let path = format!("/v1/threads/red-{number}/runs?wait=true");
        two.house.post_as(&two.red, &path, &json!({"messages": "secret"})).await.ok(200);
    }
    let path = "/v1/threads/blue-thread/runs?wait=true";
    two.house.post_as(&two.blue, path, &json!({"messages": "x"})).await.ok(200);
    let frames = blues.until("run_finished").await;
    assert!(frames.iter().all(|frame| frame.data["thread_id"] == "blue-thread"), "{frames:?}");
}

#[tokio::test]
async fn the_system_shows_a_tenant_its_own() {
    let two = Two::open().await;
    let system = two.house.get_as(&two.blue, "/v1/system").await.ok(200);
    assert_eq!((&system["tenant"], &system["depth"]["claimed"]), (&json!("blue"), &json!(0)));
    for of_the_installation in ["node", "nodes", "store", "active_runs"] {
        assert!(system.get(of_the_installation).is_none(), "{system}");
    }
    let system = two.house.get_as(&two.red, "/v1/system").await.ok(200);
    assert_eq!(system["depth"]["claimed"], 1);
    let operator = two.house.key("default", Scope::Admin).await;
    let system = two.house.get_as(&operator, "/v1/system").await.ok(200);
    assert_eq!((&system["store"], &system["depth"]["claimed"]), (&json!("memory"), &json!(1)));
    // The default tenant is a tenant as others are.
    operator_sees_no_threads(&two, &operator).await;
    assert_eq!(two.house.get_as(&operator, "/metrics").await.status, 200);
}

async fn operator_sees_no_threads(two: &Two, operator: &str) {
    let threads = two.house.get_as(operator, "/v1/threads").await.ok(200);
    assert_eq!(threads["items"], json!([]));
    two.house.get_as(operator, "/v1/threads/red-thread").await.problem(404, "unknown_thread");
}

#[tokio::test]
async fn an_agent_is_its_threads_tenant_in_all_that_it_does() {
    let two = Two::open().await;
    let run_id = RunId::parse(&two.run_id).unwrap();
    let of = |name: &str| two.house.postroom.of_tenant(name.parse().unwrap());
    let thread = ThreadId::parse("red-thread").unwrap();
    assert!(of("red").run(&run_id).await.is_ok());
    assert!(of("blue").run(&run_id).await.unwrap_err().refusal().is_some());
    // Who has no tenants sees all.
    assert!(two.house.postroom.thread(&thread).await.is_ok());
    let mut events = of("blue").events(&thread, 0);
    let first = events.next().await.expect("the stream says something");
    assert!(first.is_err(), "{first:?}");
}
