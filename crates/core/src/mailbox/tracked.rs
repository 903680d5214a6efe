//! Rows that were loaded, and what became of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::dispatch::Dispatch;
use crate::id::{DispatchId, RunId};
use crate::run::Run;

use super::changes::Write;

/// A row with a key.
pub(super) trait Row: Clone + fmt::Debug {
    type Key: Clone + Ord + fmt::Debug;
    fn key(&self) -> &Self::Key;
}

impl Row for Run {
    type Key = RunId;
    fn key(&self) -> &RunId {
        &self.id
    }
}

impl Row for Dispatch {
    type Key = DispatchId;
    fn key(&self) -> &DispatchId {
        &self.id
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Updated,
    Inserted,
}

/// Up to how many rows a look-up just goes through them.
const FEW: usize = 16;

/// Rows by their key. Most commands touch a few; an interrupt may touch thousands.
#[derive(Debug)]
pub(super) struct Tracked<T: Row> {
    rows: Vec<(Arc<T>, Fate)>,
    /// Where each row is, kept only where there are many.
    places: BTreeMap<T::Key, usize>,
}

impl<T: Row> Tracked<T> {
    pub(super) fn new() -> Self {
        Self { rows: Vec::new(), places: BTreeMap::new() }
    }

    /// Takes a row that was loaded, unless it is here already.
    pub(super) fn load(&mut self, row: Arc<T>) {
        if self.place(row.key()).is_none() {
            self.push(row, Fate::Kept);
        }
    }

    fn push(&mut self, row: Arc<T>, fate: Fate) {
        self.rows.push((row, fate));
        if self.rows.len() > FEW {
            for (place, (row, _)) in self.rows.iter().enumerate().skip(self.places.len()) {
                self.places.insert(row.key().clone(), place);
            }
        }
    }

    fn place(&self, key: &T::Key) -> Option<usize> {
        if self.rows.len() > FEW {
            self.places.get(key).copied()
        } else {
            self.iter().position(|row| row.key() == key)
        }
    }

    pub(super) fn get(&self, key: &T::Key) -> Option<&Arc<T>> {
        self.place(key).map(|place| &self.rows[place].0)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.rows.iter().map(|(row, _)| row)
    }

    /// The row, to be changed. It is copied the first time, and again if somebody keeps the copy:
    /// keep what you need of a row, not the row, while you change it.
    pub(super) fn edit(&mut self, key: &T::Key) -> Option<&mut T> {
        let (row, fate) = self.place(key).map(|place| &mut self.rows[place])?;
        if *fate == Fate::Kept {
            *fate = Fate::Updated;
        }
        Some(Arc::make_mut(row))
    }

    pub(super) fn insert(&mut self, row: T) {
        self.push(Arc::new(row), Fate::Inserted);
    }

    pub(super) fn into_writes(self) -> Vec<Write<Arc<T>>> {
        self.rows
            .into_iter()
            .filter_map(|(row, fate)| match fate {
                Fate::Kept => None,
                Fate::Updated => Some(Write::Update(row)),
                Fate::Inserted => Some(Write::Insert(row)),
            })
            .collect()
    }
}
