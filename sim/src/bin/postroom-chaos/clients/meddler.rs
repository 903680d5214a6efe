//! Whoever cancels, interrupts, and brings dead letters back.

use postroom_sim::chance::Chance;
use serde_json::json;
use tokio::time::sleep;

use super::http::Got;
use super::{Phase, Town};

/// Meddles until the load is over.
pub async fn meddle(town: Town, chance: Chance) {
    while town.phase() == Phase::Load {
        sleep(chance.millis(100..900)).await;
        match chance.number(0..10) {
            0..=2 => cancel(&town, &chance).await,
            3..=8 => interrupt(&town, &chance).await,
            _ => requeue(&town, &chance).await,
        }
    }
}

fn note(town: &Town, what: &'static str, got: &Got) {
    let mut book = town.told.lock();
    if let Got::Answer { status, .. } = got {
        *book.others.entry((what, *status)).or_default() += 1;
    }
    if let Some(facts) = got.undocumented() {
        book.undocumented.push(format!("{what}: {facts}"));
    }
}

/// Cancels one of the newest runs.
async fn cancel(town: &Town, chance: &Chance) {
    let run_id = {
        let book = town.told.lock();
        let newest = book.letters.values().rev().take(20);
        let runs: Vec<&str> = newest.filter_map(|letter| letter.run_id()).collect();
        if runs.is_empty() {
            return;
        }
        (*chance.pick(&runs)).to_owned()
    };
    let url = format!("{}/v1/runs/{run_id}/cancel", town.node(chance));
    let got = town.http.post(&url, &json!({})).await;
    note(town, "cancel", &got);
    if matches!(got, Got::Answer { status: 202, .. }) {
        town.told.lock().cancelled.push(run_id);
    }
}

async fn interrupt(town: &Town, chance: &Chance) {
    let url = format!("{}/v1/threads/{}/interrupt", town.node(chance), town.thread(chance));
    note(town, "interrupt", &town.http.post(&url, &json!({})).await);
}

/// Gives a dead letter another chance.
async fn requeue(town: &Town, chance: &Chance) {
    let node = town.node(chance);
    let dead = town.http.get(&format!("{node}/v1/dispatches?status=dead_letter&limit=1")).await;
    let Got::Answer { status: 200, body } = dead else { return };
    let Some(id) = body["items"][0]["dispatch_id"].as_str() else { return };
    let got = town.http.post(&format!("{node}/v1/dispatches/{id}/retry"), &json!({})).await;
    note(town, "retry", &got);
}
