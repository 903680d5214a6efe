//! Which rows are in which state.

use std::collections::VecDeque;

use super::shelf::BOARD;

/// How many rows one word tells of.
const WORD: usize = 64;

/// The numbers of rows by their states: a bit for each row and state, on boards like those of the
/// [`Shelf`](super::shelf::Shelf) that has the rows. A row changes its state several times in its life: here
/// that allocates nothing and looks for nothing.
pub(super) struct States<const STATES: usize> {
    boards: VecDeque<[Marks; STATES]>,
    /// How many boards were thrown away before the first that is there.
    gone: usize,
    counts: [usize; STATES],
}

/// The rows of one board that are in a state.
type Marks = [u64; BOARD / WORD];

impl<const STATES: usize> Default for States<STATES> {
    fn default() -> Self {
        Self { boards: VecDeque::new(), gone: 0, counts: [0; STATES] }
    }
}

impl<const STATES: usize> States<STATES> {
    /// A row that is in no state enters this one. Rows come in the order of their numbers.
    pub(super) fn enter(&mut self, number: u64, state: usize) {
        let Some((board, word, mark)) = self.place(number) else { return };
        while self.boards.len() <= board {
            self.boards.push_back([Marks::default(); STATES]);
        }
        self.boards[board][state][word] |= mark;
        self.counts[state] += 1;
    }

    /// A row changes its state.
    pub(super) fn change(&mut self, number: u64, before: usize, after: usize) {
        let Some((board, word, mark)) = self.place(number) else { return };
        let Some(states) = self.boards.get_mut(board) else { return };
        states[before][word] &= !mark;
        states[after][word] |= mark;
        self.counts[before] -= 1;
        self.counts[after] += 1;
    }

    /// A row goes for good. A board that has none left goes too, unless it may still get some.
    pub(super) fn leave(&mut self, number: u64, state: usize) {
        let Some((board, word, mark)) = self.place(number) else { return };
        let Some(states) = self.boards.get_mut(board) else { return };
        states[state][word] &= !mark;
        self.counts[state] -= 1;
        let is_empty = |states: &[Marks; STATES]| states.iter().flatten().all(|word| *word == 0);
        while self.boards.len() > 1 && self.boards.front().is_some_and(is_empty) {
            self.boards.pop_front();
            self.gone += 1;
        }
    }

    /// How many rows are in a state.
    pub(super) fn count(&self, state: usize) -> usize {
        self.counts[state]
    }

    /// The rows in a state with numbers above `after`, lowest first.
    pub(super) fn above(&self, state: usize, after: u64) -> impl Iterator<Item = u64> {
        let first = self.place(after.saturating_add(1)).map_or(0, |(board, ..)| board);
        let boards = self.boards.iter().enumerate().skip(first);
        let words = boards.flat_map(move |(board, states)| {
            let marks = states[state].into_iter().enumerate();
            marks.map(move |(word, marks)| self.numbers(board, word, marks))
        });
        words.flatten().skip_while(move |number| *number <= after).take(self.counts[state])
    }

    /// The rows in any of `wanted` with numbers below `below`, highest first.
    pub(super) fn below(&self, wanted: &[usize], below: u64) -> impl Iterator<Item = u64> {
        let in_all: usize = wanted.iter().map(|state| self.counts[*state]).sum();
        let end = self.place(below).map_or(0, |(board, ..)| board + 1).min(self.boards.len());
        let boards = self.boards.range(..end).enumerate().rev();
        let words = boards.flat_map(move |(board, states)| {
            let marks =
                |word: usize| wanted.iter().fold(0, |marks, state| marks | states[*state][word]);
            let marks: Marks = std::array::from_fn(marks);
            let marks = marks.into_iter().enumerate().rev();
            marks.map(move |(word, marks)| self.numbers(board, word, marks))
        });
        let numbers = words.flat_map(Iterator::rev);
        numbers.skip_while(move |number| *number >= below).take(in_all)
    }

    fn numbers(&self, board: usize, word: usize, marks: u64) -> Numbers {
        let before = (self.gone + board) * BOARD + word * WORD;
        Numbers { first: before as u64 + 1, marks }
    }

    /// Which of the boards, which of its words, and the mark in it.
    fn place(&self, number: u64) -> Option<(usize, usize, u64)> {
        let before = usize::try_from(number.checked_sub(1)?).ok()?;
        let board = (before / BOARD).checked_sub(self.gone)?;
        Some((board, before % BOARD / WORD, 1 << (before % WORD)))
    }
}

/// The numbers that the marks of a word stand for.
struct Numbers {
    /// What the lowest mark stands for.
    first: u64,
    marks: u64,
}

impl Iterator for Numbers {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let lowest = self.marks.trailing_zeros();
        (lowest < u64::BITS).then(|| {
            self.marks &= !(1 << lowest);
            self.first + u64::from(lowest)
        })
    }
}

impl DoubleEndedIterator for Numbers {
    fn next_back(&mut self) -> Option<u64> {
        let highest = self.marks.checked_ilog2()?;
        self.marks &= !(1 << highest);
        Some(self.first + u64::from(highest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows 1 to `count`, each in the state of its number modulo 3.
    fn rows(count: u64) -> States<3> {
        let mut states = States::default();
        (1..=count).for_each(|number| states.enter(number, state(number)));
        states
    }

    fn state(number: u64) -> usize {
        usize::try_from(number % 3).unwrap()
    }

    #[test]
    fn rows_are_listed_from_both_ends_and_from_any_number() {
        let last = 3 * BOARD as u64 + 70;
        let states = rows(last);
        for number in [0, 1, 63, 64, 65, 255, 256, 257, 600, last, last + 1, u64::MAX] {
            let above: Vec<u64> = states.above(1, number).collect();
            let below: Vec<u64> = states.below(&[0, 2], number).collect();
            assert!(above.into_iter().eq((1..=last).filter(|n| *n > number && state(*n) == 1)));
            let wanted = (1..=last).rev().filter(|n| *n < number && state(*n) != 1);
            assert!(below.into_iter().eq(wanted));
        }
    }

    #[test]
    fn a_row_is_in_the_state_it_changed_to() {
        let mut states = rows(300);
        states.change(3, 0, 1);
        assert_eq!((states.count(0), states.count(1), states.count(2)), (99, 101, 100));
        assert!(states.above(1, 0).take(3).eq([1, 3, 4]));
        assert!(states.below(&[0], 9).eq([6]));
    }

    #[test]
    fn boards_without_rows_go() {
        let last = 2 * BOARD as u64 + 1;
        let mut states = rows(last);
        (1..=last).for_each(|number| states.leave(number, state(number)));
        assert_eq!((states.boards.len(), states.gone), (1, 2));
        states.enter(last + 1, 1);
        assert!(states.above(1, 0).eq([last + 1]));
        assert!(states.below(&[0, 1, 2], u64::MAX).eq([last + 1]));
    }
}
