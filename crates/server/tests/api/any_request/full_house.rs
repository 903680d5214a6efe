//! A house that has something of everything, and where nothing moves by itself: what a request
//! changes, and that it changes nothing, can be told by looking.

use postroom_core::ports::MailboxStore;
use postroom_service::Config;
use serde_json::{Value, json};

use super::request::Drawn;
use crate::house::{House, id};

pub struct FullHouse<S> {
    pub house: House<S>,
    /// What the words with a `$` stand for.
    named: Vec<(&'static str, String)>,
}

impl<S: MailboxStore + 'static> FullHouse<S> {
    pub async fn open(store: S) -> Self {
        let mut config = Config::default();
        // The one place is taken by a run that never ends: what is submitted later stays queued.
        config.limits.max_concurrent_runs = 1;
        config.mailbox.cancel_grace_ms = 3_600_000;
        config.mailbox.cancel_wait_ms = 1;
        let house = House::on(store, config).await;
        house.postroom.start().await.unwrap();

        let thread = json!({"thread_id": "t", "metadata": {"team": "a"}});
        house.post("/v1/threads", &thread).await.ok(201);
        rests(&house, "t", "r-done", "hello").await;
        rests(&house, "dead", "r-dead", "fail").await;
        rests(&house, "asks", "r-asks", "ask").await;
        let busy =
            submitted(&house, "busy", &json!({"run_id": "r-busy", "messages": "stay"})).await;
        house.running("r-busy").await;
        for message in ["p1", "p2"] {
            let inputs = json!({"messages": [{"id": message, "content": "and this"}]});
            house.post("/v1/runs/r-busy/inputs", &inputs).await.ok(202);
        }
        let queued = json!({"run_id": "r-queued", "messages": "later", "dedupe_key": "key"});
        let queued = submitted(&house, "busy", &queued).await;
        let later = json!({"messages": "much later", "delay_ms": 3_600_000});
        let later = submitted(&house, "later", &later).await;

        let page = house.get("/v1/runs?limit=1").await.ok(200);
        let named = vec![
            ("$done", dispatch_of(&house, "t").await),
            ("$dead", dispatch_of(&house, "dead").await),
            ("$busy", busy),
            ("$queued", queued),
            ("$later", later),
            ("$cursor", id(&page, "next_cursor")),
        ];
        Self { house, named }
    }

    /// The request with the ids that this house has.
    pub fn addressed(&self, drawn: &Drawn) -> Drawn {
        let address = |text: &str| {
            self.named.iter().fold(text.to_owned(), |text, (word, id)| text.replace(word, id))
        };
        Drawn {
            path: address(&drawn.path),
            query: drawn.query.as_deref().map(address),
            body: match std::str::from_utf8(&drawn.body) {
                Ok(text) => address(text).into_bytes(),
                Err(_) => drawn.body.clone(),
            },
            ..drawn.clone()
        }
    }

    /// Everything that there is.
    pub async fn contents(&self) -> Value {
        let mut all = Vec::new();
        for path in ["/v1/threads?limit=1000", "/v1/runs?limit=1000", "/v1/dispatches?limit=1000"] {
            all.push(self.house.get(path).await.ok(200)["items"].take());
        }
        let pending = self.house.get("/v1/threads/busy/pending").await;
        all.push(serde_json::from_slice(&pending.body).unwrap());
        Value::from(all)
    }
}

/// Submits, and waits until the run is done or waits.
async fn rests<S: MailboxStore + 'static>(house: &House<S>, thread: &str, run: &str, text: &str) {
    let path = format!("/v1/threads/{thread}/runs?wait=true");
    let message = json!({"id": format!("{thread}-1"), "content": text});
    house.post(&path, &json!({"run_id": run, "messages": [message]})).await.ok(200);
}

/// Submits; answers the dispatch.
async fn submitted<S: MailboxStore + 'static>(
    house: &House<S>,
    thread: &str,
    body: &Value,
) -> String {
    let answer = house.post(&format!("/v1/threads/{thread}/runs"), body).await.ok(202);
    id(&answer, "dispatch_id")
}

async fn dispatch_of<S: MailboxStore + 'static>(house: &House<S>, thread: &str) -> String {
    let page = house.get(&format!("/v1/threads/{thread}/dispatches")).await.ok(200);
    id(&page["items"][0], "dispatch_id")
}
