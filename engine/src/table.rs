//! The hash tables of the engine: fast, and seeded anew in every run, so that nobody can aim at one bucket.

/// A map.
pub type Map<K, V> = hashbrown::HashMap<K, V, Seed>;
/// A set.
pub(crate) type Set<K> = hashbrown::HashSet<K, Seed>;
/// Has the memory of a value brought near, without waiting for it: the packet that is at work will want it.
#[inline(always)]
pub fn fetch<T>(value: &T) {
    prefetch_index::prefetch_index(std::slice::from_ref(value), 0);
}

/// A MAC address as one word, which hashes several times as fast.
#[inline(always)]
pub(crate) fn word(mac: [u8; 6]) -> u64 {
    mac.iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// Makes hashers.
pub type Seed = foldhash::fast::RandomState;

/// Has the lines brought near that hold so many bytes from a word on.
#[inline(always)]
pub(crate) fn fetch_from(word: &u32, bytes: usize) {
    for offset in (0..bytes).step_by(64) {
        prefetch_index::prefetch_index(std::slice::from_ref(word), offset / 4);
    }
}

/// Has the lines of some bytes brought near.
#[inline(always)]
pub(crate) fn fetch_bytes(bytes: &[u8]) {
    for place in (0..bytes.len()).step_by(64) {
        prefetch_index::prefetch_index(bytes, place);
    }
}
