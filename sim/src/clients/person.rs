//! The person: decides what runs ask for, sooner or later.

use postroom_conformance::front::at_once;
use postroom_core::command::DecidedVia;
use postroom_core::ports::{MailboxStore, RunFilter};
use postroom_core::run::{Run, RunState};
use postroom_core::ticket::{Decision, DecisionAction, Ticket};

use super::Outside;
use crate::world::pause;

/// Decides for as long as the world lasts.
pub async fn decide_all(outside: Outside) {
    let world = &outside.world;
    loop {
        pause(world.chance.millis(500..6_000)).await;
        for run in waiting(&outside) {
            if world.chance.one_in(2) {
                decide(&outside, &run).await;
            }
        }
    }
}

/// The runs that wait. The person reads them on a screen that never fails.
pub fn waiting(outside: &Outside) -> Vec<Run> {
    let filter = RunFilter { state: Some(RunState::Waiting), ..RunFilter::default() };
    let page = at_once(outside.world.store.runs(&filter, 1_000, None));
    page.map(|page| page.items).unwrap_or_default()
}

async fn decide(outside: &Outside, run: &Run) {
    let world = &outside.world;
    let action =
        if world.chance.one_in(4) { DecisionAction::Cancel } else { DecisionAction::Resume };
    let decisions: Vec<Decision> = run
        .tickets
        .iter()
        .filter(|ticket| ticket.is_open())
        .map(|ticket: &Ticket| Decision::new(ticket.tool_call_id.clone(), action))
        .collect();
    let Some(door) = outside.house.any() else { return };
    if decisions.is_empty() {
        return;
    }
    let run_id = run.id.clone();
    let asked = door.ask(move |postroom| async move { postroom.decide(&run_id, decisions).await });
    // What fails is looked at again.
    if let Some(Ok(decided)) = asked.await {
        world.mark(match decided.via {
            DecidedVia::Live => "decided live",
            DecidedVia::Queued(_) | DecidedVia::Partly => "decided durably",
        });
    }
}
