//! A table with a bound: what was not used for longest gives way, half of it at a time.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

use crate::table::Seed;

/// Values by key, in two generations: what is used moves to the young one, and what is left in the old one when the
/// young one is full is forgotten.
#[derive(Clone, Debug)]
pub(super) struct Table<K, V> {
    young: HashTable<(K, V)>,
    old: HashTable<(K, V)>,
    seed: Seed,
    /// Most values in a generation.
    most: usize,
    /// Values that were forgotten.
    pub evicted: u64,
}

impl<K: Copy + Eq + Hash, V: Default> Table<K, V> {
    /// An empty table for at most so many values.
    pub fn new(limit: usize) -> Self {
        Self {
            young: HashTable::new(),
            old: HashTable::new(),
            seed: Seed::default(),
            most: (limit / 2).max(1),
            evicted: 0,
        }
    }

    /// The value of a key, made if it is new.
    pub fn entry(&mut self, key: K) -> &mut V {
        let Self {
            young, old, seed, ..
        } = self;
        let hash = seed.hash_one(key);
        let is_it = |known: &(K, V)| known.0 == key;
        if young.find(hash, is_it).is_none() {
            let value = match old.find_entry(hash, is_it) {
                Ok(known) => known.remove().0,
                Err(_) => (key, V::default()),
            };
            if young.len() >= self.most {
                self.evicted += old.len() as u64;
                *old = std::mem::take(young);
            }
            young.insert_unique(hash, value, |known| seed.hash_one(known.0));
        }
        let known = young.entry(hash, is_it, |known| seed.hash_one(known.0));
        let known = known.or_insert_with(|| (key, V::default()));
        &mut known.into_mut().1
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        let hash = self.seed.hash_one(key);
        let is_it = |known: &(K, V)| known.0 == *key;
        let young = self.young.find(hash, is_it);
        Some(&young.or_else(|| self.old.find(hash, is_it))?.1)
    }

    /// The value of a key, without taking it for used.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let hash = self.seed.hash_one(key);
        let is_it = |known: &(K, V)| known.0 == *key;
        let young = self.young.find_mut(hash, is_it);
        Some(&mut young.or_else(|| self.old.find_mut(hash, is_it))?.1)
    }

    /// All keys and values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        let all = self.young.iter().chain(&self.old);
        all.map(|(key, value)| (key, value))
    }

    /// All values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        let all = self.young.iter_mut().chain(&mut self.old);
        all.map(|(_, value)| value)
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
