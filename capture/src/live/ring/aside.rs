//! Blocks that were copied out of a ring, to be read later.

use std::collections::VecDeque;

/// Blocks that wait at most.
const MOST: usize = 64;

/// The copies, in order.
#[derive(Debug, Default)]
pub struct Aside {
    waiting: VecDeque<Vec<u8>>,
    /// The one that was taken last.
    pub taken: Vec<u8>,
    /// Those that were read, to be written to again.
    spare: Vec<Vec<u8>>,
}

impl Aside {
    /// Whether any waits.
    #[inline]
    pub fn any(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether there is room for one more.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.waiting.len() < MOST
    }

    /// Copies a block behind the others.
    pub fn put(&mut self, block: &[u8]) {
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(block);
        self.waiting.push_back(copy);
    }

    /// Takes the next one; false if none waits.
    #[inline]
    pub fn take(&mut self) -> bool {
        let Some(next) = self.waiting.pop_front() else {
            return false;
        };
        self.spare.push(std::mem::replace(&mut self.taken, next));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_come_in_order_and_their_memory_is_used_again() {
        let mut aside = Aside::default();
        assert!(!aside.any() && !aside.take());
        for round in 0..9 {
            for block in [[round; 30].as_slice(), &[7; 10], &[]] {
                aside.put(block);
            }
            assert!(aside.take());
            // What is read stays while others are put behind it.
            aside.put(&[9; 5]);
            assert_eq!(aside.taken, [round; 30]);
            for then in [[7; 10].as_slice(), &[], &[9; 5]] {
                assert!(aside.take());
                assert_eq!(aside.taken, then);
            }
            assert!(!aside.any() && !aside.take());
        }
        assert_eq!(aside.spare.len(), 3, "and the one that was taken last");
    }

    #[test]
    fn when_it_is_full_each_that_is_read_makes_room() {
        let mut aside = Aside::default();
        for _ in 0..MOST {
            assert!(aside.has_room());
            aside.put(&[1]);
        }
        assert!(!aside.has_room() && aside.take());
        assert!(aside.has_room());
        aside.put(&[1]);
        assert!(!aside.has_room());
    }
}
