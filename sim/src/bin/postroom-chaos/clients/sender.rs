//! Senders: each sends letter after letter, and repeats one until it knows what became of it.

use std::time::Duration;

use postroom_sim::chance::Chance;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{Phase, Town};
use crate::model::Directive;
use crate::told::{Answer, Letter, Mode, text_of};

/// A letter that is poison is given up after so many attempts; any other may be killed with its node
/// as often as that happens.
const POISON_ATTEMPTS: u64 = 3;

/// One in so many senders gives up on a failure instead of trying again.
const GIVES_UP_ONE_IN: u64 = 6;

const MODES: [(u64, Mode); 5] = [
    (60, Mode::Enqueue),
    (22, Mode::Steer),
    (8, Mode::Interrupt),
    (6, Mode::Reject),
    (4, Mode::Rollback),
];

const DIRECTIVES: [(u64, Directive); 7] = [
    (55, Directive::Hello),
    (12, Directive::Slow),
    (12, Directive::Tool),
    (6, Directive::Ask),
    (9, Directive::Flaky),
    (3, Directive::Poison),
    (3, Directive::Refuse),
];

/// Sends until the load is over. `pause_ms_max` is the longest that it waits between two letters.
pub async fn send(number: usize, town: Town, chance: Chance, pause_ms_max: u64) {
    while town.phase() == Phase::Load {
        let mode = chance.weighted(&MODES);
        let directive = chance.weighted(&DIRECTIVES);
        let letter = town.told.lock().write(&town.thread(&chance), number, mode);
        deliver(&town, &chance, &letter, directive).await;
        town.told.lock().open -= 1;
        sleep(chance.millis(0..pause_ms_max)).await;
    }
}

/// Sends one letter, again if need be; gives up once everything is over.
async fn deliver(town: &Town, chance: &Chance, letter: &Letter, directive: Directive) {
    let body = body_of(letter, directive);
    let gives_up = chance.one_in(GIVES_UP_ONE_IN);
    while town.phase() != Phase::Over {
        let url = format!("{}/v1/threads/{}/runs", town.node(chance), letter.thread_id);
        let answer = town.http.post(&url, &body).await.submitted();
        let is_last = match &answer {
            Answer::Accepted { .. } | Answer::Refused { .. } | Answer::Undocumented { .. } => true,
            Answer::NothingWritten { .. } | Answer::Unknown { .. } => gives_up,
        };
        town.told.lock().answered(letter.token, answer);
        if is_last {
            return;
        }
        sleep(Duration::from_millis(50) + chance.millis(0..300)).await;
    }
    let facts = format!("letter {} was not taken after all was healed", letter.token);
    town.told.lock().undocumented.push(facts);
}

fn body_of(letter: &Letter, directive: Directive) -> Value {
    let text = text_of(letter.token, directive.word());
    let mut body = json!({
        "messages": [{"role": "user", "content": text, "id": letter.message_id}],
        "mode": letter.mode.word(),
    });
    if directive.may_fail() {
        body["max_attempts"] = POISON_ATTEMPTS.into();
    }
    body
}
