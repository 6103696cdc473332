//! The hash tables of the engine: fast, and seeded anew in every run, so that nobody can aim at one bucket.

/// A map.
pub(crate) type Map<K, V> = hashbrown::HashMap<K, V, Seed>;
/// A set.
pub(crate) type Set<K> = hashbrown::HashSet<K, Seed>;
/// Makes hashers.
pub type Seed = foldhash::fast::RandomState;
