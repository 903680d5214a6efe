//! Clients that submit until they are told that it is done, however often the server dies.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::support::http;
use super::{Address, MESSAGES, THREADS, thread_id};

/// A message that the server said it has.
#[derive(Debug, Clone)]
pub struct Accepted {
    pub client: usize,
    pub thread: usize,
    pub number: usize,
    pub message_id: String,
    pub run_id: String,
}

/// What demo models are asked: an answer in one step, and one with a tool call.
const TEXTS: [&str; 2] = ["hello", "what time is it?"];

/// Submits one client's messages in order, to its threads in turn.
pub async fn submit_all(client: usize, mut address: Address, seed: u64) -> Vec<Accepted> {
    let mut random = StdRng::seed_from_u64(seed);
    let http = http();
    let mut accepted = Vec::new();
    for number in 0..MESSAGES {
        for thread in 0..THREADS {
            let message_id = format!("{client}-{thread}-{number}");
            let text = TEXTS[random.random_range(0..TEXTS.len())];
            let body = json!({"messages": [{"role": "user", "content": text, "id": message_id}]});
            let run_id = submit(&http, &mut address, thread, &body).await;
            accepted.push(Accepted { client, thread, number, message_id, run_id });
            // Spread over the kills.
            sleep(Duration::from_millis(random.random_range(0..600))).await;
        }
    }
    accepted
}

/// Repeats one submission until it is accepted. The message's id makes the repeat the same one.
async fn submit(
    http: &reqwest::Client,
    address: &mut Address,
    thread: usize,
    body: &Value,
) -> String {
    loop {
        let mut url = reqwest::Url::parse(&address.borrow_and_update()).unwrap();
        let thread = thread_id(thread);
        url.path_segments_mut().unwrap().extend(["v1", "threads", &thread, "runs"]);
        let request =
            http.post(url).header("content-type", "application/json").body(body.to_string());
        if let Ok(answer) = request.send().await {
            let status = answer.status().as_u16();
            match answer.bytes().await {
                Ok(answer) if status == 202 => {
                    let answer: Value = serde_json::from_slice(&answer).unwrap();
                    return answer["run_id"].as_str().unwrap().to_owned();
                }
                Ok(answer) => assert_eq!(status, 503, "{}", String::from_utf8_lossy(&answer)),
                // Killed in the middle of its answer.
                Err(_) => {}
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}
