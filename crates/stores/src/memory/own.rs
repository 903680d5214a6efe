//! Which rows of a table are one thread's.

use std::collections::VecDeque;

/// The numbers of a thread's rows. Those that commands are mostly about are at hand: to find one by its
/// id among all rows of all threads is mostly a wait for memory that no cache holds.
#[derive(Default)]
pub(super) struct Own {
    /// 0 where there is none: rows are numbered from 1.
    newest: u64,
    /// The one that was changed last.
    changed: u64,
    /// Oldest first; purged from the front.
    all: VecDeque<u64>,
}

impl Own {
    /// A row was added.
    pub(super) fn add(&mut self, number: u64) {
        self.newest = number;
        self.all.push_back(number);
    }

    /// A row was changed.
    pub(super) fn change(&mut self, number: u64) {
        self.changed = number;
    }

    /// A row is gone.
    pub(super) fn forget(&mut self, number: u64) {
        if let Ok(place) = self.all.binary_search(&number) {
            self.all.remove(place);
        }
    }

    /// The ones that the next command is most likely about. There may be no such row any more.
    pub(super) fn likely(&self) -> [u64; 2] {
        [self.newest, self.changed]
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// All of them, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        self.all.iter().copied()
    }

    /// Those below `below`, newest first.
    pub(super) fn newest_first(&self, below: u64) -> impl Iterator<Item = u64> {
        let end = self.all.partition_point(|number| *number < below);
        self.all.range(..end).rev().copied()
    }
}
