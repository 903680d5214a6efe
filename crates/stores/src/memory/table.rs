//! A table whose rows are found by key, and listed newest first, all or by state.

use std::hash::Hash;
use std::sync::Arc;

use postroom_core::dispatch::Dispatch;
use postroom_core::id::{DispatchId, RunId};
use postroom_core::run::Run;

use super::gradual::GradualMap;
use super::shelf::Shelf;
use super::states::States;

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

/// Rows, which are numbered as they come: no number is given twice.
pub(super) struct Table<V: Row, const STATES: usize> {
    rows: Shelf<Arc<V>>,
    numbers: GradualMap<V::Key, u64>,
    states: States<STATES>,
}

impl<V: Row, const STATES: usize> Default for Table<V, STATES> {
    fn default() -> Self {
        Self { rows: Shelf::default(), numbers: GradualMap::default(), states: States::default() }
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
        self.states.enter(number, state);
        self.numbers.insert_new(key, number);
        number
    }

    /// The number of a row that is most `likely` one of these.
    pub(super) fn number_of(
        &self,
        likely: impl IntoIterator<Item = u64>,
        key: &V::Key,
    ) -> Option<u64> {
        let is_it = |number: &u64| self.at(*number).is_some_and(|row| row.key() == key);
        likely.into_iter().find(is_it).or_else(|| self.number(key))
    }

    /// Replaces the row of this number; gives the row that it was.
    pub(super) fn update(&mut self, number: u64, row: Arc<V>) -> Option<Arc<V>> {
        let after = row.state();
        let before = std::mem::replace(self.rows.get_mut(number)?, row);
        if before.state() != after {
            self.states.change(number, before.state(), after);
        }
        Some(before)
    }

    /// Takes the row of this number away.
    pub(super) fn remove(&mut self, number: u64) -> Option<Arc<V>> {
        let row = self.rows.remove(number)?;
        self.numbers.remove(row.key());
        self.states.leave(number, row.state());
        Some(row)
    }

    /// How many rows are in a state.
    pub(super) fn count(&self, state: usize) -> usize {
        self.states.count(state)
    }

    /// The rows in a state with numbers above `after`, oldest first.
    pub(super) fn oldest_first(
        &self,
        state: usize,
        after: u64,
    ) -> impl Iterator<Item = (u64, &Arc<V>)> {
        self.states.above(state, after).filter_map(|number| Some((number, self.at(number)?)))
    }

    /// The rows in any of `states` with numbers below `below`, newest first.
    pub(super) fn newest_first(
        &self,
        states: &[usize],
        below: u64,
    ) -> impl Iterator<Item = (u64, &Arc<V>)> {
        self.states.below(states, below).filter_map(|number| Some((number, self.at(number)?)))
    }
}
