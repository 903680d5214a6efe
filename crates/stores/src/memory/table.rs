//! A table whose rows are found by key, and listed newest first, all or by state.

use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::HashMap;
use postroom_core::dispatch::Dispatch;
use postroom_core::id::{DispatchId, RunId};
use postroom_core::run::Run;

/// A row of a [`Table`].
pub(super) trait Row {
    type Key: Clone + Eq + Hash;
    fn key(&self) -> &Self::Key;
    /// The index of its state among all that it can be in.
    fn state(&self) -> usize;
}

impl Row for Run {
    type Key = RunId;

    fn key(&self) -> &RunId {
        &self.id
    }

    fn state(&self) -> usize {
        self.run_state() as usize
    }
}

impl Row for Dispatch {
    type Key = DispatchId;

    fn key(&self) -> &DispatchId {
        &self.id
    }

    fn state(&self) -> usize {
        Dispatch::state(self) as usize
    }
}

/// A row and its number: rows are numbered as they come, and no number is given twice.
pub(super) struct Numbered<V> {
    pub(super) number: u64,
    pub(super) row: Arc<V>,
}

/// Rows by key, and their numbers by state. Run ids are chosen by users, so each table's hash has a
/// random seed of its own: nobody knows beforehand which ids would collide.
pub(super) struct Table<V: Row, const STATES: usize> {
    rows: HashMap<V::Key, Numbered<V>>,
    by_state: [BTreeMap<u64, V::Key>; STATES],
    newest: u64,
}

impl<V: Row, const STATES: usize> Default for Table<V, STATES> {
    fn default() -> Self {
        Self {
            rows: HashMap::default(),
            by_state: std::array::from_fn(|_| BTreeMap::new()),
            newest: 0,
        }
    }
}

impl<V: Row, const STATES: usize> Table<V, STATES> {
    pub(super) fn get(&self, key: &V::Key) -> Option<&Arc<V>> {
        self.rows.get(key).map(|numbered| &numbered.row)
    }

    pub(super) fn number(&self, key: &V::Key) -> Option<u64> {
        self.rows.get(key).map(|numbered| numbered.number)
    }

    /// Adds a row that was not there.
    pub(super) fn insert(&mut self, row: Arc<V>) -> &Numbered<V> {
        self.newest += 1;
        let number = self.newest;
        self.by_state[row.state()].insert(number, row.key().clone());
        let slot = self.rows.entry(row.key().clone());
        debug_assert!(matches!(slot, Entry::Vacant(_)), "a row that was inserted was there before");
        slot.insert_entry(Numbered { number, row }).into_mut()
    }

    /// Replaces a row; gives the one before, and the one now.
    pub(super) fn update(&mut self, row: Arc<V>) -> Option<(Arc<V>, &Numbered<V>)> {
        let numbered = self.rows.get_mut(row.key())?;
        let before = std::mem::replace(&mut numbered.row, row);
        let after = &numbered.row;
        if before.state() != after.state()
            && let Some(key) = self.by_state[before.state()].remove(&numbered.number)
        {
            self.by_state[after.state()].insert(numbered.number, key);
        }
        Some((before, numbered))
    }

    pub(super) fn remove(&mut self, key: &V::Key) -> Option<Numbered<V>> {
        let numbered = self.rows.remove(key)?;
        self.by_state[numbered.row.state()].remove(&numbered.number);
        Some(numbered)
    }

    /// How many rows are in a state.
    pub(super) fn count(&self, state: usize) -> usize {
        self.by_state[state].len()
    }

    /// The rows in a state with numbers above `after`, oldest first.
    pub(super) fn oldest_first(&self, state: usize, after: u64) -> impl Iterator<Item = &Arc<V>> {
        self.by_state[state].range(after.saturating_add(1)..).filter_map(|(_, key)| self.get(key))
    }

    /// The rows in any of `states` with numbers below `below`, newest first.
    pub(super) fn newest_first(
        &self,
        states: &[usize],
        below: u64,
    ) -> impl Iterator<Item = (u64, &Arc<V>)> {
        let mut sources: Vec<_> =
            states.iter().map(|state| self.by_state[*state].range(..below).rev()).collect();
        let mut heads: Vec<_> = sources.iter_mut().map(Iterator::next).collect();
        std::iter::from_fn(move || {
            let newest = (0..heads.len()).max_by_key(|i| heads[*i].map(|(number, _)| *number))?;
            std::mem::replace(&mut heads[newest], sources[newest].next())
        })
        .filter_map(|(number, key)| Some((*number, self.get(key)?)))
    }
}
