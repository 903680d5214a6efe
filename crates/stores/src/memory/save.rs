//! Changes, written.

use std::sync::Arc;

use postroom_core::dispatch::{Dispatch, DispatchState};
use postroom_core::error::StoreError;
use postroom_core::event::SharedEvent;
use postroom_core::id::ThreadId;
use postroom_core::mailbox::{Changes, Write};
use postroom_core::report::Report;
use postroom_core::run::Run;
use postroom_core::time::Timestamp;

use super::mailbox::{Answer, MailboxRows};
use super::tables::{OfTenant, Shared, Tables};

impl Tables {
    /// Writes a command's changes, whole or not at all. Gives the events back, for the answer.
    pub(super) fn save(
        &mut self,
        thread_id: &ThreadId,
        changes: Changes,
        now: Timestamp,
    ) -> Result<Vec<SharedEvent>, StoreError> {
        if changes.delete_thread {
            self.delete_thread(thread_id);
            return Ok(changes.events);
        }
        let here = self.mailboxes.get_mut(thread_id).map(Box::as_mut);
        check(thread_id, here.as_deref(), &changes)?;
        let here = match (here, changes.thread) {
            (Some(here), None) => here,
            (Some(here), Some(Write::Insert(thread) | Write::Update(thread))) => {
                self.shared.threads.moved(here.number, Some(&here.thread), Some(&thread));
                here.thread = thread;
                here
            }
            (None, Some(Write::Insert(thread) | Write::Update(thread))) => {
                let threads = &mut self.shared.threads;
                threads.newest += 1;
                threads.by_number.insert(threads.newest, thread_id.clone());
                let newest = threads.newest;
                let note = |rows: &mut OfTenant| {
                    rows.threads.insert(newest);
                };
                self.shared.tenants.note(&thread.tenant, note);
                let threads = &mut self.shared.threads;
                threads.moved(threads.newest, None, Some(&thread));
                let rows = Box::new(MailboxRows::new(thread, threads.newest));
                self.mailboxes.insert_new(thread_id.clone(), rows)
            }
            // The check has seen to it that there is nothing to write then.
            (None, None) => return Ok(changes.events),
        };
        for write in changes.runs {
            self.shared.write_run(here, write);
        }
        for run_id in changes.collected_runs {
            if let Some(number) = self.shared.runs.number(&run_id) {
                self.shared.remove_run(number);
                here.runs.forget(number);
            }
        }
        for write in changes.dispatches {
            self.shared.write_dispatch(here, write);
        }
        changes.messages.into_iter().for_each(|message| here.append_message(message));
        if !changes.pending.is_empty() {
            here.write_pending(changes.pending);
        }
        changes.events.iter().for_each(|event| here.append_event(event));
        if let Some((key, submitted)) = changes.submission {
            self.shared.answers.insert((now, thread_id.clone(), key.clone()));
            here.answers.insert(key, Answer { submitted, at: now });
        }
        Ok(changes.events)
    }

    fn delete_thread(&mut self, thread_id: &ThreadId) {
        let Some(here) = self.mailboxes.remove(thread_id) else { return };
        let shared = &mut self.shared;
        shared.threads.moved(here.number, Some(&here.thread), None);
        shared.threads.by_number.remove(&here.number);
        let tenant = &here.thread.tenant;
        shared.tenants.note(tenant, |rows| {
            rows.threads.remove(&here.number);
        });
        for number in here.dispatches.iter() {
            shared.remove_dispatch(number);
        }
        for number in here.runs.iter() {
            shared.remove_run(number);
        }
        for (key, answer) in here.answers {
            shared.answers.remove(&(answer.at, thread_id.clone(), key));
        }
    }
}

impl Shared {
    fn write_run(&mut self, here: &mut MailboxRows, write: Write<Arc<Run>>) {
        match write {
            Write::Insert(run) => {
                let parent = run.parent_run_id.clone();
                let owes = run.report == Report::Owed;
                let tenant = run.tenant.clone();
                let number = self.runs.insert(run);
                self.tenants.note(&tenant, |rows| {
                    rows.runs.insert(number);
                });
                self.owes(number, owes);
                if let Some(parent) = parent {
                    self.children.entry(parent).or_default().push(number);
                }
                here.runs.add(number);
            }
            Write::Update(run) => {
                let owes = run.report == Report::Owed;
                let number = self.runs.number_of(here.likely_runs(), &run.id);
                debug_assert!(number.is_some(), "a run that was updated was not there");
                if let Some(number) = number
                    && let Some(before) = self.runs.update(number, run)
                {
                    here.runs.change(number);
                    if owes != (before.report == Report::Owed) {
                        self.owes(number, owes);
                    }
                }
            }
        }
    }

    fn owes(&mut self, number: u64, owes: bool) {
        if owes {
            self.owing.insert(number);
        } else {
            self.owing.remove(&number);
        }
    }

    fn remove_run(&mut self, number: u64) {
        let Some(removed) = self.runs.remove(number) else { return };
        self.tenants.note(&removed.tenant, |rows| {
            rows.runs.remove(&number);
        });
        self.owing.remove(&number);
        if let Some(parent) = &removed.parent_run_id
            && let Some(children) = self.children.get_mut(parent)
        {
            if let Ok(place) = children.binary_search(&number) {
                children.remove(place);
            }
            if children.is_empty() {
                self.children.remove(parent);
            }
        }
    }

    /// Takes a dispatch away that is over.
    pub(super) fn remove_dispatch(&mut self, number: u64) -> Option<Arc<Dispatch>> {
        let removed = self.dispatches.remove(number)?;
        self.tenants.note(&removed.tenant, |rows| {
            rows.dispatches.remove(&number);
            rows.depth[removed.state() as usize] -= 1;
        });
        Some(removed)
    }

    fn write_dispatch(&mut self, here: &mut MailboxRows, write: Write<Arc<Dispatch>>) {
        let Self { runs, .. } = self;
        let run_id = write.row().run_id.clone();
        let run_number = |here: &MailboxRows| runs.number_of(here.likely_runs(), &run_id);
        match write {
            Write::Insert(dispatch) => {
                let number = self.dispatches.insert(dispatch.clone());
                self.made.note(dispatch.created_at);
                self.tenants.note(&dispatch.tenant, |rows| {
                    rows.dispatches.insert(number);
                    rows.depth[dispatch.state() as usize] += 1;
                });
                here.dispatches.add(number);
                here.index(number, &dispatch, run_number);
            }
            Write::Update(dispatch) => {
                let number = self.dispatches.number_of(here.likely_dispatches(), &dispatch.id);
                debug_assert!(number.is_some(), "a dispatch that was updated was not there");
                if let Some(number) = number
                    && let Some(before) = self.dispatches.update(number, dispatch.clone())
                {
                    here.dispatches.change(number);
                    here.unindex(&before);
                    here.index(number, &dispatch, run_number);
                    self.tenants.note(&dispatch.tenant, |rows| {
                        rows.depth[before.state() as usize] -= 1;
                        rows.depth[dispatch.state() as usize] += 1;
                    });
                }
            }
        }
    }
}

/// The constraints that hold whatever the core decides: rows have a thread, at most one of its
/// dispatches is claimed, and its logs have no gap.
fn check(
    thread_id: &ThreadId,
    here: Option<&MailboxRows>,
    changes: &Changes,
) -> Result<(), StoreError> {
    let corrupt = |what: &str| {
        Err(StoreError::Corrupt {
            reason: format!("thread {thread_id}: {what}; nothing was written"),
        })
    };
    if here.is_none() && changes.thread.is_none() && !changes.is_empty() {
        return corrupt("rows were to be written to it, and it does not exist");
    }
    let kept = here
        .and_then(|here| here.claimed)
        .is_some_and(|id| changes.dispatches.iter().all(|write| write.row().id != id));
    let claimed = |write: &&Write<Arc<Dispatch>>| write.row().state() == DispatchState::Claimed;
    if usize::from(kept) + changes.dispatches.iter().filter(claimed).count() > 1 {
        return corrupt("a second dispatch was to be claimed");
    }
    let message_seq = here.map_or(0, |here| here.log.newest());
    if changes.messages.iter().zip(message_seq + 1..).any(|(message, seq)| message.seq != seq) {
        return corrupt("its messages were to have a gap");
    }
    let event_seq = here.map_or(0, MailboxRows::event_seq);
    if changes.events.iter().zip(event_seq + 1..).any(|(event, seq)| event.seq != seq) {
        return corrupt("its events were to have a gap");
    }
    Ok(())
}
