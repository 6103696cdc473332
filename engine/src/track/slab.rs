//! Numbered places for values, used again once they are free, that can be brought near before they are looked at.

use std::ops::Range;

use crate::table::{fetch, fetch_from};

/// End of the list of free places.
const NONE: u32 = u32::MAX;

/// Values by number. Its memory grows, and never shrinks.
#[derive(Debug)]
pub(super) struct Slab<T> {
    cells: Vec<Cell<T>>,
    /// The place that became free last.
    free: u32,
    held: usize,
}

/// One place. It begins with a line of the cache, so that a value touches as few of them as possible.
#[derive(Debug)]
#[repr(C, align(64))]
struct Cell<T> {
    /// If it is free: the one that became free before it.
    next_free: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// Bytes that a value takes.
    pub(super) const SIZE: usize = size_of::<Cell<T>>();

    pub(super) fn new() -> Self {
        Self {
            cells: Vec::new(),
            free: NONE,
            held: 0,
        }
    }

    /// Values in it.
    pub(super) fn len(&self) -> usize {
        self.held
    }

    /// Has a value brought near, all lines of it at a time, without waiting for any.
    #[inline(always)]
    pub(super) fn fetch(&self, number: u32) {
        if let Some(cell) = self.cells.get(number as usize) {
            fetch_from(&cell.next_free, Self::SIZE);
        }
    }

    /// Has the first line of a value brought near.
    #[inline(always)]
    pub(super) fn fetch_first(&self, number: u32) {
        if let Some(cell) = self.cells.get(number as usize) {
            fetch(&cell.next_free);
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.cells.get(number as usize)?.value.as_ref()
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.cells.get_mut(number as usize)?.value.as_mut()
    }

    /// Puts a value where one became free last, else behind all others, and gives its number.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        self.held += 1;
        if let Some(cell) = self.cells.get_mut(self.free as usize) {
            let number = self.free;
            self.free = cell.next_free;
            cell.value = Some(value);
            return number;
        }
        self.cells.push(Cell {
            next_free: NONE,
            value: Some(value),
        });
        self.cells.len() as u32 - 1
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let cell = self.cells.get_mut(number as usize)?;
        let value = cell.value.take()?;
        cell.next_free = self.free;
        self.free = number;
        self.held -= 1;
        Some(value)
    }

    /// All values, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.cells.iter().filter_map(|cell| cell.value.as_ref())
    }

    /// Places, those that are free among them.
    pub(super) fn places(&self) -> u32 {
        self.cells.len() as u32
    }

    /// The values at some places, with their numbers.
    pub(super) fn some(&self, places: Range<u32>) -> impl Iterator<Item = (u32, &T)> {
        let end = places.end.min(self.places());
        let start = places.start.min(end);
        let cells = self.cells.get(start as usize..end as usize);
        let values = (start..).zip(cells.unwrap_or_default());
        values.filter_map(|(number, cell)| Some((number, cell.value.as_ref()?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again_the_latest_first() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = ["a", "b", "c"].map(|value| slab.insert(value)).into();
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(slab.remove(0), Some("a"));
        assert_eq!(slab.remove(2), Some("c"));
        assert_eq!((slab.remove(2), slab.get(0), slab.len()), (None, None, 1));
        assert_eq!(["d", "e", "f"].map(|value| slab.insert(value)), [2, 0, 3]);
        assert_eq!(
            slab.iter().copied().collect::<Vec<_>>(),
            ["e", "b", "d", "f"]
        );
        assert_eq!(slab.remove(0), Some("e"));
        assert_eq!(slab.some(0..2).collect::<Vec<_>>(), [(1, &"b")]);
        assert_eq!(slab.some(2..9).collect::<Vec<_>>(), [(2, &"d"), (3, &"f")]);
        assert_eq!((slab.some(4..9).count(), slab.places()), (0, 4));
        *slab.get_mut(1).unwrap() = "g";
        assert_eq!(slab.get(1), Some(&"g"));
    }
}
