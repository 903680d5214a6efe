//! The list of all cases, and the tests that are made of it.

use std::future::Future;

use tokio::runtime::Builder;

use crate::backend::Backend;
use crate::cases::Case;
use crate::world::World;

/// Makes a test of every case a store must pass. Takes an expression that gives a [`Backend`]; it
/// is evaluated for each case.
#[macro_export]
macro_rules! suite {
    ($backend:expr) => {
        $crate::store_cases! { tests run_store, $backend }
    };
}

/// Makes a test of every case that a store of keys must pass. Takes an expression that gives an
/// `Arc<dyn AccessStore>`, empty, which may await; it is evaluated for each case.
#[macro_export]
macro_rules! access_suite {
    ($open:expr) => {
        $crate::access_cases! { tests run_port, ($crate::Time::Real, async || $open) }
    };
}

/// Makes a test of every case a signal queue must pass. Takes [`Time`](crate::Time) and an
/// expression that gives [`Nodes<dyn Signals>`](crate::Nodes), which may await; it is evaluated for
/// each case.
#[macro_export]
macro_rules! signals_suite {
    ($time:expr, $open:expr) => {
        $crate::signals_cases! { tests run_port, ($time, async || $open) }
    };
}

/// Makes a test of every case a live control must pass. Takes [`Time`](crate::Time) and an
/// expression that gives [`Nodes<dyn LiveControl>`](crate::Nodes), which may await; it is evaluated
/// for each case.
#[macro_export]
macro_rules! live_suite {
    ($time:expr, $open:expr) => {
        $crate::live_cases! { tests run_port, ($time, async || $open) }
    };
}

/// Makes a test of every case an event feed must pass. Takes [`Time`](crate::Time) and an
/// expression that gives [`Nodes<dyn EventFeed>`](crate::Nodes), which may await; it is evaluated
/// for each case.
#[macro_export]
macro_rules! feed_suite {
    ($time:expr, $open:expr) => {
        $crate::feed_cases! { tests run_port, ($time, async || $open) }
    };
}

/// The cases of a store by file, for a macro that makes something of them.
#[doc(hidden)]
#[macro_export]
macro_rules! store_cases {
    ($make:ident $($with:tt)*) => {
        $crate::$make! { $($with)*;
            answers: behind_a_run_that_ends, behind_a_run_that_goes_on_later, behind_what_is_retracted;
            begin: a_retry_begins_clean, inherits_the_agent_state, is_fenced, keeps_the_agent,
                not_after_a_cancel, not_after_an_interrupt, starts_the_run;
            cancel: executing_work_can_be_left_alone, executing_work_is_asked_to_stop,
                queued_work_ends, the_others_stay, waiting_work_ends, what_can_not_be_cancelled;
            claim: a_known_one_of_another_thread, a_known_one_out_of_its_turn,
                a_known_one_that_is_not_queued, gives_a_lease, nothing_to_claim,
                numbers_only_grow, one_at_a_time, passes_over_excluded_agents,
                the_lease_ends_with_the_claim;
            claim_ready: busy_threads_are_not_ready, by_priority, can_begin,
                delayed_work_when_it_is_due, due_work_of_an_excluded_agent,
                due_work_takes_its_place, one_of_each_thread, passes_over_excluded_agents;
            collect: forgets_the_run_alone, frees_the_name, keeps_what_is_needed,
                keeps_what_is_younger, piece_by_piece;
            commit: hears_of_a_stop, is_fenced, may_be_empty, suspends_in_memory,
                writes_a_message_once, writes_a_step;
            decisions: a_default_closes_only_what_is_open, a_live_run_looks_itself, all_or_none,
                an_answer_before_the_wait_is_not_waited_for, can_be_claimed_at_once,
                changed_arguments_go_with_a_call_that_is_made,
                in_a_submission, messages_wait_with_the_run, once_for_each_ticket,
                the_last_one_resumes_the_run, too_late;
            deep_queue: becomes_due_at_once, is_interrupted_whole, is_worked_off_from_the_front;
            delays: a_moment_that_has_passed, a_retry_lets_others_go, at_its_time,
                is_not_in_the_way, submissions_for_later, the_thread_knows_when;
            depth: follows_every_transition;
            enqueue: queues_a_delivery, queues_for_later, refuses_a_key_in_use, refuses_a_known_id,
                refuses_a_run_that_can_not_be_delivered, refuses_a_run_that_is_on_its_way,
                takes_the_threads_epoch;
            events: a_submission_says_where_it_begins, from_anywhere, the_answer_is_the_log,
                what_is_no_event;
            idempotency: a_refused_key_is_free, a_repeated_key, a_repeated_message, after_the_end,
                keys_are_purged;
            interrupt: an_unknown_thread, epochs_only_grow, later_work_is_not_touched,
                names_what_executes, steering_survives, supersedes_the_queue,
                what_executed_is_not_retried;
            lease: extend_after_the_end, extend_hears_of_a_stop, extend_renews,
                extend_says_what_is_lost, release_after_an_interrupt, release_leaves_a_wait,
                release_loses_no_attempt, supersede_claimed;
            lists: any_cursor, dispatches, queued_thread_ids, runs, strange_pages, threads,
                threads_by_text, what_is_not_there, while_rows_come_and_go;
            nodes: are_forgotten, are_listed_by_id, end, say_how_they_are, say_it_again;
            ops: a_life_by_names, refusals_by_names, the_other_ends_by_names;
            ordering: a_clock_that_goes_back, a_refusal_in_a_batch, a_retry_keeps_its_place,
                by_priority_then_arrival, within_a_batch;
            pending: a_barrier_is_not_overtaken, becomes_the_next_dispatch,
                beside_others_of_the_same_batch, edit_and_retract, granularity, is_delivered_once, is_taken_in_once, reorder, stays_for_the_retry,
                the_log_keeps_the_order, waits_for_its_boundary, what_is_refused;
            prompt: others_first_then_its_own, without_what_was_rolled_back;
            purge: one_state, only_what_is_old, page_by_page;
            racing: claimers_of_one_thread, claimers_of_what_is_ready, settle_against_reclaim,
                submitters, submitters_of_the_same;
            reclaim: a_wait_in_memory_goes_on, all_claims_of_dead_nodes, delays_the_retry,
                expired_leases, fences_the_loser, one_thread, page_by_page, poison_is_given_up,
                renewed_leases_hold, what_is_over_is_superseded;
            record: is_fenced, result_needs_a_start, start_begins_clean;
            reopen: keeps_everything, work_goes_on;
            reports: are_found, are_kept, is_not_owed_where_nobody_wants_it,
                is_owed_by_who_has_children, is_owed_for_waits_to_an_address,
                is_owed_however_the_run_ends, is_owed_until_it_is_made, keep_their_thread, of_a_run_that_starts_over;
            requeue: makes_a_new_dispatch, once, only_dead_letters, waits_its_turn;
            retention: days_go_whole, keeps_what_is_newer, of_many_threads;
            settle: a_failed_run_is_a_consumed_delivery, ack, claims_the_next,
                dead_letter_at_once, is_fenced, nack_tries_again, nack_until_the_budget_is_spent,
                wait, wait_for_a_time, writes_the_last_step;
            submit_modes: a_full_queue, a_named_run, a_waiting_run_is_continued,
                a_waiting_run_is_interrupted, an_expected_run, beside_an_active_run,
                can_be_claimed_at_once, do_not_touch_an_active_run,
                every_mode_starts_an_idle_thread, nothing_at_all, reject,
                rollback_hides_the_stopped_run, several_messages, supersede_queued_work,
                the_boundary_overrules_the_mode, wait_behind_queued_work;
            tasks: all_that_died, are_found, of_a_run_that_has_ended, one_that_ended_before_another_wait,
                one_that_ends_early, runs_outlive_processes, the_last_one_resumes_the_run;
            tenants: a_thread_is_its_callers, anothers_runs_and_dispatches, depth_of_each,
                have_lists_of_their_own, is_for_ever, name_what_is_free, purges_of_each,
                share_a_claim, take_turns, take_turns_past_a_full_agent,
                take_turns_with_what_is_due, who_has_none_sees_all, without_room_are_passed_over;
            threads: create, delete, delete_is_refused_while_there_is_work, patch;
        }
    };
}

/// Those of a store of keys.
#[doc(hidden)]
#[macro_export]
macro_rules! access_cases {
    ($make:ident $($with:tt)*) => {
        $crate::$make! { $($with)*;
            access: a_key_is_kept_whole, a_key_is_made_once, a_revoked_key_stays_revoked,
                a_secret_is_the_first_that_was_proposed, keys_are_listed_by_tenant,
                uses_are_noted;
        }
    };
}

/// Those of a signal queue.
#[doc(hidden)]
#[macro_export]
macro_rules! signals_cases {
    ($make:ident $($with:tt)*) => {
        $crate::$make! { $($with)*;
            signals: a_node_that_goes, a_pull_that_is_dropped, a_thread_can_be_signalled_again,
                comes_again_after_a_nack, comes_to_who_pulls, ends_with_an_ack, gives_up_waiting,
                goes_on_after_a_disturbance, in_disorder, published_twice, reaches_another_node,
                several_nodes_pull, several_pull, strange_receipts, takes_no_more_than_asked_for,
                wakes_who_waits;
        }
    };
}

/// Those of a live control.
#[doc(hidden)]
#[macro_export]
macro_rules! live_cases {
    ($make:ident $($with:tt)*) => {
        $crate::$make! { $($with)*;
            live: a_dropped_receipt, a_dropped_subscription, a_node_that_has_gone,
                a_stale_subscriber_elsewhere, another_target, delivers_with_a_receipt,
                from_several_nodes_at_once, goes_on_after_a_disturbance, many_at_once,
                nobody_there, on_another_node, past_taking_it, strange_names, the_next_dispatch,
                without_the_dispatch;
        }
    };
}

/// Those of an event feed.
#[doc(hidden)]
#[macro_export]
macro_rules! feed_cases {
    ($make:ident $($with:tt)*) => {
        $crate::$make! { $($with)*;
            feed: a_burst, a_large_event, an_ended_subscription, deltas_come_whole,
                goes_on_after_a_disturbance, nobody_listens, not_what_the_node_wrote_itself,
                only_its_thread, several_nodes_listen, several_on_one_node, strange_names,
                the_rest_is_announced;
        }
    };
}

/// A module per file of cases, and in it a test per case.
#[doc(hidden)]
#[macro_export]
macro_rules! tests {
    ($run:ident, $with:expr; $($file:ident: $($case:ident),+;)+) => {$(
        mod $file {
            #[allow(unused_imports)]
            use super::*;
            $(
                #[test]
                fn $case() {
                    $crate::$run($with, $crate::cases::$file::$case);
                }
            )+
        }
    )+};
}

/// How a case's runtime keeps time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// It stands still, and jumps to the next timer when nothing else is left to do: for what lives
    /// in the process alone.
    Paused,
    /// It passes: for what talks to a server.
    Real,
}

/// Runs one case on an empty store of `backend`.
pub fn run_store(backend: impl Backend, case: fn(World) -> Case) {
    // Several workers, so that tasks which race really do.
    let mut runtime = Builder::new_multi_thread();
    let opening = World::open(Box::new(backend));
    run(runtime.worker_threads(4), async move { case(opening.await).await });
}

/// Runs one case on what `open` gives.
pub fn run_port<P: 'static>(
    (time, open): (Time, impl AsyncFnOnce() -> P + 'static),
    case: fn(P) -> Case,
) {
    let mut runtime = Builder::new_current_thread();
    runtime.start_paused(time == Time::Paused);
    run(&mut runtime, async move { case(open().await).await });
}

/// Boxed, so that a runtime is made of this once and not for every case.
fn run(runtime: &mut Builder, case: impl Future<Output = ()> + 'static) {
    let case: Case = Box::pin(case);
    runtime.enable_all().build().expect("a runtime").block_on(case);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// A case that nobody lists is never run.
    #[test]
    fn every_case_is_listed() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let list = fs::read_to_string(source.join("suite.rs")).unwrap();
        let mut files: Vec<_> = fs::read_dir(source.join("store"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_stem().is_some_and(|stem| stem != "mod"))
            .collect();
        files.extend(
            ["access.rs", "signals.rs", "live.rs", "feed.rs"].map(|name| source.join(name)),
        );
        for file in files {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let (_, listed) = list.split_once(&format!(" {name}: ")).expect(name);
            let (listed, _) = listed.split_once(';').unwrap();
            let listed: Vec<&str> = listed.split(',').map(str::trim).collect();
            let text = fs::read_to_string(&file).unwrap();
            for case in text.lines().filter_map(|line| line.strip_prefix("pub async fn ")) {
                let case = case.split('(').next().unwrap();
                assert!(listed.contains(&case), "{name}::{case} is not listed");
            }
        }
    }
}
