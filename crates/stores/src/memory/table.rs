//! A table whose rows are found by key, and listed newest first, all or by state.

use std::collections::BTreeSet;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::HashMap;
use postroom_core::dispatch::Dispatch;
use postroom_core::id::{DispatchId, RunId};
use postroom_core::run::Run;

use super::shelf::Shelf;

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

/// Rows, which are numbered as they come: no number is given twice. Run ids are chosen by users, so
/// each table's hash has a random seed of its own: nobody knows beforehand which ids would collide.
pub(super) struct Table<V: Row, const STATES: usize> {
    rows: Shelf<Arc<V>>,
    numbers: HashMap<V::Key, u64>,
    by_state: [BTreeSet<u64>; STATES],
}

impl<V: Row, const STATES: usize> Default for Table<V, STATES> {
    fn default() -> Self {
        Self {
            rows: Shelf::default(),
            numbers: HashMap::default(),
            by_state: std::array::from_fn(|_| BTreeSet::new()),
        }
    }
}

impl<V: Row, const STATES: usize> Table<V, STATES> {
    pub(super) fn get(&self, key: &V::Key) -> Option<&Arc<V>> {
        self.at(self.number(key)?)
    }

    pub(super) fn number(&self, key: &V::Key) -> Option<u64> {
        self.numbers.get(key).copied()
    }

    /// The row of this number.
    pub(super) fn at(&self, number: u64) -> Option<&Arc<V>> {
        self.rows.get(number)
    }

    /// Adds a row that was not there, and gives its number.
    pub(super) fn insert(&mut self, row: Arc<V>) -> u64 {
        let (key, state) = (row.key().clone(), row.state());
        let number = self.rows.push(row);
        self.by_state[state].insert(number);
        let before = self.numbers.insert(key, number);
        debug_assert!(before.is_none(), "a row that was inserted was there before");
        number
    }

    /// Replaces a row; gives its number, and the row that it was.
    pub(super) fn update(&mut self, row: Arc<V>) -> Option<(u64, Arc<V>)> {
        let number = self.number(row.key())?;
        let after = row.state();
        let before = std::mem::replace(self.rows.get_mut(number)?, row);
        if before.state() != after {
            self.by_state[before.state()].remove(&number);
            self.by_state[after].insert(number);
        }
        Some((number, before))
    }

    /// Takes the row of this number away.
    pub(super) fn remove(&mut self, number: u64) -> Option<Arc<V>> {
        let row = self.rows.remove(number)?;
        self.numbers.remove(row.key());
        self.by_state[row.state()].remove(&number);
        Some(row)
    }

    /// How many rows are in a state.
    pub(super) fn count(&self, state: usize) -> usize {
        self.by_state[state].len()
    }

    /// The rows in a state with numbers above `after`, oldest first.
    pub(super) fn oldest_first(&self, state: usize, after: u64) -> impl Iterator<Item = &Arc<V>> {
        let numbers = self.by_state[state].range(after.saturating_add(1)..);
        numbers.filter_map(|number| self.at(*number))
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
            let newest = (0..heads.len()).max_by_key(|i| heads[*i])?;
            std::mem::replace(&mut heads[newest], sources[newest].next())
        })
        .filter_map(|number| Some((*number, self.at(*number)?)))
    }
}
