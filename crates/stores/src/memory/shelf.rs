//! Rows by number, in the order they came.

use std::collections::VecDeque;

/// How many rows stand on one board.
pub(super) const BOARD: usize = 256;

/// Rows that are numbered from 1 as they come. A number is found by counting, and takes no more room
/// than the row itself: only boards from which every row was taken are thrown away.
pub(super) struct Shelf<T> {
    boards: VecDeque<Board<T>>,
    /// How many boards were thrown away before the first that is there.
    gone: usize,
    newest: u64,
}

struct Board<T> {
    rows: Vec<Option<T>>,
    taken: usize,
}

impl<T> Board<T> {
    /// Whether every row that it had room for came, and was taken.
    fn is_done(&self) -> bool {
        self.taken == BOARD
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { boards: VecDeque::new(), gone: 0, newest: 0 }
    }
}

impl<T> Shelf<T> {
    /// Puts a row behind all others, and gives its number.
    pub(super) fn push(&mut self, row: T) -> u64 {
        if self.newest.is_multiple_of(BOARD as u64) {
            // Most threads never fill a board: the first one grows with its rows.
            let room = if self.newest == 0 { 0 } else { BOARD };
            self.boards.push_back(Board { rows: Vec::with_capacity(room), taken: 0 });
        }
        if let Some(board) = self.boards.back_mut() {
            board.rows.push(Some(row));
        }
        self.newest += 1;
        self.newest
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        let (board, place) = self.place(number)?;
        self.boards.get(board)?.rows.get(place)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        let (board, place) = self.place(number)?;
        self.boards.get_mut(board)?.rows.get_mut(place)?.as_mut()
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<T> {
        let (board, place) = self.place(number)?;
        let board = self.boards.get_mut(board)?;
        let row = board.rows.get_mut(place)?.take()?;
        board.taken += 1;
        if board.is_done() {
            board.rows = Vec::new();
        }
        while self.boards.front().is_some_and(Board::is_done) {
            self.boards.pop_front();
            self.gone += 1;
        }
        Some(row)
    }

    /// The number of the newest row, whether it was taken or not; 0 if none came.
    pub(super) fn newest(&self) -> u64 {
        self.newest
    }

    /// The rows with numbers above `after`, in order.
    pub(super) fn above(&self, after: u64) -> impl Iterator<Item = (u64, &T)> {
        let (board, place) = self.place(after.saturating_add(1)).unwrap_or_default();
        let from = board.min(self.boards.len());
        let boards = self.boards.range(from..).enumerate();
        boards.flat_map(move |(ahead, held)| {
            let skipped = if ahead == 0 { place } else { 0 };
            let before = (self.gone + from + ahead) * BOARD;
            let rows = held.rows.iter().enumerate().skip(skipped);
            rows.filter_map(move |(place, row)| Some(((before + place) as u64 + 1, row.as_ref()?)))
        })
    }

    /// Which of the boards, and where on it.
    fn place(&self, number: u64) -> Option<(usize, usize)> {
        let before = usize::try_from(number.checked_sub(1)?).ok()?;
        Some(((before / BOARD).checked_sub(self.gone)?, before % BOARD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_once_and_finds_its_row_until_it_is_taken() {
        let mut shelf = Shelf::default();
        let last = 3 * BOARD as u64 + 5;
        assert!((1..=last).all(|number| shelf.push(number) == number));
        assert!((1..=last).all(|number| shelf.get(number) == Some(&number)));
        // All of the second board, then all of the first: both go, and the rest stay.
        for number in (1..=2 * BOARD as u64).rev() {
            assert_eq!(shelf.remove(number), Some(number));
            assert_eq!(shelf.get(number), None);
            assert_eq!(shelf.remove(number), None);
        }
        assert_eq!((shelf.boards.len(), shelf.gone), (2, 2));
        assert!((2 * BOARD as u64 + 1..=last).all(|number| shelf.get(number) == Some(&number)));
        assert_eq!((shelf.get(0), shelf.get(last + 1)), (None, None));
        for after in [0, 1, 2 * BOARD as u64, 2 * BOARD as u64 + 7, last - 1, last, u64::MAX] {
            let above = (2 * BOARD as u64 + 1..=last).filter(|number| *number > after);
            assert!(
                shelf.above(after).map(|(number, row)| (number, *row)).eq(above.map(|n| (n, n)))
            );
        }
        assert_eq!(shelf.push(last + 1), last + 1);
    }

    #[test]
    fn a_shelf_that_was_emptied_goes_on_counting() {
        let mut shelf = Shelf::default();
        for number in 1..=BOARD as u64 {
            assert_eq!(shelf.push(()), number);
            assert_eq!(shelf.remove(number), Some(()));
        }
        assert!(shelf.boards.is_empty());
        assert_eq!(shelf.push(()), BOARD as u64 + 1);
        assert_eq!(shelf.get(BOARD as u64 + 1), Some(&()));
    }
}
