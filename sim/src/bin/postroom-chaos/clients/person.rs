//! The person whose approval some tools need.

use std::time::Duration;

use postroom_sim::chance::Chance;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::http::Got;
use super::{Phase, Town};

/// How often the person looks.
const GLANCE: Duration = Duration::from_millis(300);

/// Decides whatever waits for a decision, until the very end.
pub async fn decide(town: Town, chance: Chance) {
    while town.phase() != Phase::Over {
        sleep(GLANCE).await;
        let url = format!("{}/v1/runs?status=waiting&limit=50", town.node(&chance));
        let Got::Answer { status: 200, body } = town.http.get(&url).await else { continue };
        for run in body["items"].as_array().into_iter().flatten() {
            let Some(run_id) = run["run_id"].as_str() else { continue };
            let decisions = decisions(run, &chance);
            if decisions.is_empty() {
                continue;
            }
            let url = format!("{}/v1/runs/{run_id}/decisions", town.node(&chance));
            let got = town.http.post(&url, &Value::Array(decisions)).await;
            let mut book = town.told.lock();
            if let Got::Answer { status, .. } = &got {
                *book.others.entry(("decide", *status)).or_default() += 1;
            }
            if let Some(facts) = got.undocumented() {
                book.undocumented.push(format!("decide: {facts}"));
            }
        }
    }
}

/// Yes to most, no to some.
fn decisions(run: &Value, chance: &Chance) -> Vec<Value> {
    let tickets = run["waiting"]["tickets"].as_array().into_iter().flatten();
    let decide = |ticket: &Value| {
        let action = if chance.one_in(5) { "cancel" } else { "resume" };
        json!({"tool_call_id": ticket["tool_call_id"], "action": action})
    };
    tickets.map(decide).collect()
}
