//! Every route of the server, and what its requests are made of.

use std::collections::BTreeSet;

/// What a route's body is, when it is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    None,
    Submission,
    Batch,
    Decisions,
    Inputs,
    NewThread,
    ThreadChange,
    Edit,
    Order,
    RetryMany,
    Schedule,
    NewKey,
    LogIn,
}

#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub method: &'static str,
    /// As the router has it, the ids in braces.
    pub path: &'static str,
    pub form: Form,
    /// The query's parameters.
    pub parameters: &'static [&'static str],
    /// The id with which it has the most to do.
    pub fitting: Option<&'static str>,
}

impl Route {
    const fn of(self, id: &'static str) -> Self {
        Self { fitting: Some(id), ..self }
    }
}

const fn read(path: &'static str, parameters: &'static [&'static str]) -> Route {
    Route { method: "GET", path, form: Form::None, parameters, fitting: None }
}

const fn write(method: &'static str, path: &'static str, form: Form) -> Route {
    Route { method, path, form, parameters: &[], fitting: None }
}

const fn submit(path: &'static str) -> Route {
    Route { method: "POST", path, form: Form::Submission, parameters: &["wait"], fitting: None }
}

const PAGE: &[&str] = &["limit", "cursor"];
const RUNS: &[&str] = &["limit", "cursor", "thread_id", "run_status", "agent_id", "parent_run_id"];
const EVENTS: &[&str] = &["limit", "cursor", "after"];

/// `run_status` is the parameter `status` with the words of a run.
pub const ROUTES: &[Route] = &[
    read("/", &[]),
    read("/dashboard/assets/{version}/{*file}", &[]),
    read("/health/live", &[]),
    read("/health/ready", &[]),
    read("/metrics", &[]),
    read("/v1/settings", &[]),
    read("/v1/system", &[]),
    read("/v1/system/recent", &[]),
    read("/v1/openapi.json", &[]),
    read("/v1/agents", PAGE),
    read("/v1/agents/{agent_id}", &[]),
    read("/v1/events", &[]),
    submit("/v1/runs"),
    read("/v1/runs", RUNS),
    write("POST", "/v1/runs/batch", Form::Batch),
    read("/v1/runs/{run_id}", &[]),
    read("/v1/runs/{run_id}/wait", &["timeout_ms"]),
    read("/v1/runs/{run_id}/events", EVENTS),
    write("POST", "/v1/runs/{run_id}/cancel", Form::None),
    write("POST", "/v1/runs/{run_id}/decisions", Form::Decisions).of("r-asks"),
    write("POST", "/v1/runs/{run_id}/inputs", Form::Inputs).of("r-busy"),
    write("POST", "/v1/threads", Form::NewThread),
    read("/v1/threads", &["limit", "cursor", "q", "metadata.team"]),
    read("/v1/threads/{thread_id}", &[]),
    write("PATCH", "/v1/threads/{thread_id}", Form::ThreadChange),
    write("DELETE", "/v1/threads/{thread_id}", Form::None),
    submit("/v1/threads/{thread_id}/runs"),
    read("/v1/threads/{thread_id}/runs", RUNS),
    read("/v1/threads/{thread_id}/messages", &["limit", "cursor", "after_seq"]),
    read("/v1/threads/{thread_id}/events", EVENTS),
    read("/v1/threads/{thread_id}/dispatches", &["limit", "cursor", "status"]),
    write("POST", "/v1/threads/{thread_id}/interrupt", Form::None),
    read("/v1/threads/{thread_id}/pending", &[]),
    write("POST", "/v1/threads/{thread_id}/pending/order", Form::Order).of("busy"),
    write("PATCH", "/v1/threads/{thread_id}/pending/{message_id}", Form::Edit).of("busy"),
    write("DELETE", "/v1/threads/{thread_id}/pending/{message_id}", Form::None).of("busy"),
    write("POST", "/v1/schedules", Form::Schedule),
    read("/v1/schedules", PAGE),
    read("/v1/schedules/{schedule_id}", &[]),
    write("DELETE", "/v1/schedules/{schedule_id}", Form::None),
    write("POST", "/v1/schedules/{schedule_id}/pause", Form::None),
    write("POST", "/v1/schedules/{schedule_id}/resume", Form::None),
    read("/v1/dispatches", &["limit", "cursor", "thread_id", "status"]),
    Route {
        method: "DELETE",
        path: "/v1/dispatches",
        form: Form::None,
        parameters: &["status", "before"],
        fitting: None,
    },
    read("/v1/keys", &[]),
    write("POST", "/v1/keys", Form::NewKey),
    write("DELETE", "/v1/keys/{key_id}", Form::None),
    read("/dashboard/session", &[]),
    write("POST", "/dashboard/session", Form::LogIn),
    write("DELETE", "/dashboard/session", Form::None),
    write("POST", "/v1/dispatches/retry", Form::RetryMany),
    read("/v1/dispatches/{dispatch_id}", &[]),
    write("POST", "/v1/dispatches/{dispatch_id}/retry", Form::None).of("$dead"),
];

/// What is not the API's: a person's, or the description itself.
fn is_described(path: &str) -> bool {
    !path.starts_with("/dashboard/") && !["/", "/v1/openapi.json"].contains(&path)
}

/// A route that is added to the server must be added here, or nobody would try it.
#[test]
fn these_are_all_operations_of_the_api() {
    let document = postroom_server::openapi();
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            methods.map(|method| (method.to_ascii_uppercase(), path.clone()))
        })
        .collect();
    let tried = ROUTES
        .iter()
        .filter(|route| is_described(route.path))
        .map(|route| (route.method.to_owned(), route.path.to_owned()))
        .collect();
    assert_eq!(described, tried);
}

/// The same of what is no part of the API, which only the source tells.
#[test]
fn these_are_all_other_routes() {
    let folders = ["routes", "dashboard"].map(|folder| {
        std::fs::read_dir(format!("{}/src/{folder}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    });
    let mut routed = BTreeSet::new();
    for entry in folders.into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let source = std::fs::read_to_string(path).unwrap();
        let calls = source.split(".route(").skip(1);
        routed.extend(calls.map(|call| call.split('"').nth(1).unwrap().to_owned()));
    }
    let others = ROUTES.iter().filter(|route| !is_described(route.path));
    assert_eq!(routed, others.map(|route| route.path.to_owned()).collect());
}
