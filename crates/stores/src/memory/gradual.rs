//! A map that grows a piece at a time.

use std::hash::{BuildHasher, Hash};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// The last of the pieces that a map is taken apart into.
const LAST: u8 = 15;

/// How many they are.
const PIECES: usize = LAST as usize + 1;

/// Which piece each of 256 equal parts of all hashes belongs to. A table doubles when it is full; so the
/// pieces are of different sizes, each by the 16th root of two larger than the one before: each is full
/// at another time, evenly spread, while the map doubles once.
static PIECE_OF: [u8; 256] = pieces();

/// The 16th root of two, as a part of 2^16.
const STEP: usize = 68_438;

const fn pieces() -> [u8; 256] {
    let mut pieces = [0; 256];
    let (mut part, mut piece, mut end) = (0, 0, STEP);
    while part < pieces.len() {
        if (part << 8) + (1 << 16) >= end && piece < LAST {
            piece += 1;
            end = (end * STEP) >> 16;
        }
        pieces[part] = piece;
        part += 1;
    }
    pieces
}

/// A hash map that never moves all that it holds at once: a table of a million rows takes a hundred
/// milliseconds to double, and everybody waits for it. Keys may be chosen by users, so each map's
/// hash has a random seed of its own: nobody knows beforehand which would collide.
pub(super) struct GradualMap<K, V> {
    pieces: [HashTable<(K, V)>; PIECES],
    hasher: RandomState,
}

impl<K, V> Default for GradualMap<K, V> {
    fn default() -> Self {
        let pieces = std::array::from_fn(|_| HashTable::new());
        Self { pieces, hasher: RandomState::default() }
    }
}

impl<K: Eq + Hash, V> GradualMap<K, V> {
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        let hash = self.hasher.hash_one(key);
        self.pieces[piece(hash)].find(hash, |(held, _)| held == key).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = self.hasher.hash_one(key);
        self.pieces[piece(hash)].find_mut(hash, |(held, _)| held == key).map(|(_, value)| value)
    }

    /// Adds what is not there yet.
    pub(super) fn insert_new(&mut self, key: K, value: V) -> &mut V {
        debug_assert!(self.get(&key).is_none(), "what is added was there before");
        let hash = self.hasher.hash_one(&key);
        let hasher = &self.hasher;
        let piece = &mut self.pieces[piece(hash)];
        let entry = piece.insert_unique(hash, (key, value), |(held, _)| hasher.hash_one(held));
        &mut entry.into_mut().1
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let entry = self.pieces[piece(hash)].find_entry(hash, |(held, _)| held == key).ok()?;
        Some(entry.remove().0.1)
    }
}

/// Which piece a hash belongs to. By bits from its middle: within a piece the table goes by the first
/// and the last.
fn piece(hash: u64) -> usize {
    usize::from(PIECE_OF[(hash >> 44) as usize & 0xff])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_is_found_until_it_is_removed() {
        let mut map = GradualMap::default();
        for number in 0..10_000_u32 {
            assert_eq!(*map.insert_new(number, number + 1), number + 1);
        }
        for number in (0..10_000).step_by(2) {
            assert_eq!(map.remove(&number), Some(number + 1));
            assert_eq!(map.remove(&number), None);
        }
        *map.get_mut(&7).unwrap() = 70;
        assert_eq!((map.get(&7), map.get(&9), map.get(&8)), (Some(&70), Some(&10), None));
        assert_eq!(map.get_mut(&8), None);
    }

    #[test]
    fn it_grows_a_piece_at_a_time() {
        let mut map = GradualMap::default();
        let room = |map: &GradualMap<usize, ()>| map.pieces.each_ref().map(HashTable::capacity);
        for number in 0..50_000_usize {
            map.insert_new(number, ());
        }
        // How many entries were moved, in each quarter of what doubles the map.
        let mut moved = [0; 4];
        for number in 50_000..100_000 {
            let before = room(&map);
            map.insert_new(number, ());
            let after = room(&map);
            for (piece, (before, after)) in before.iter().zip(after).enumerate() {
                if *before != after {
                    let at_once = map.pieces[piece].len();
                    assert!(at_once < 10_000, "{at_once} entries were moved at once");
                    moved[(number - 50_000) / 12_500] += at_once;
                }
            }
        }
        assert!(moved.iter().all(|moved| (5_000..40_000).contains(moved)), "moved: {moved:?}");
    }
}
