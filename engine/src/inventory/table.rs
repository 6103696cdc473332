//! A table with a bound: what was not used for longest gives way, half of it at a time.

use std::hash::Hash;

use crate::table::Map;

/// Values by key, in two generations: what is used moves to the young one, and what is left in the old one when the
/// young one is full is forgotten.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    young: Map<K, V>,
    old: Map<K, V>,
    /// Most values in a generation.
    most: usize,
    /// Values that were forgotten.
    pub evicted: u64,
}

impl<K: Copy + Eq + Hash, V: Default> Table<K, V> {
    /// An empty table for at most so many values.
    pub fn new(limit: usize) -> Self {
        Self {
            young: Map::default(),
            old: Map::default(),
            most: (limit / 2).max(1),
            evicted: 0,
        }
    }

    /// The value of a key, made if it is new.
    pub fn entry(&mut self, key: K) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_default();
            if self.young.len() >= self.most {
                self.evicted += self.old.len() as u64;
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(key, value);
        }
        self.young.entry(key).or_default()
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// The value of a key, without taking it for used.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let Self { young, old, .. } = self;
        young.get_mut(key).or_else(|| old.get_mut(key))
    }

    /// All keys and values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.young.iter().chain(&self.old)
    }

    /// All values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.young.values_mut().chain(self.old.values_mut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_stays_and_what_is_not_gives_way() {
        let mut table: Table<u32, u32> = Table::new(8);
        *table.entry(1000) = 7;
        for key in 0..100 {
            table.entry(key);
            assert_eq!(*table.entry(1000), 7);
            assert!(table.iter().count() <= 8);
        }
        assert!(table.get(&0).is_none() && table.get(&99).is_some());
        assert_eq!(table.evicted as usize + table.iter().count(), 101);
    }
}
