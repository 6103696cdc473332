//! The connections that the firewalls know: one table for all of them, bounded.

use std::hash::{BuildHasher, Hash, Hasher};

use arrayvec::ArrayVec;
use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::connection::{Connection, Life};
use crate::engine::BATCH;
use crate::flow::FlowKey;
use crate::point::PointId;
use crate::table::{Seed, fetch};
use crate::time::{SECOND, Timestamp};

/// Entries that are looked at for each new one: those whose time is over go.
const SWEPT: usize = 2;
/// Entries among which one is chosen that gives way when there is no room.
const CHOICE: usize = 16;
/// Connections that lived are kept for this long after their time, to tell that they timed out.
const REMEMBERED: i64 = 3600 * SECOND;
/// Marks of connections that were given up though their time was not over.
const MARKS: usize = 1 << 20;

/// Names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub point: PointId,
    pub flow: FlowKey,
    /// ICMP queries: who asks, because both ends may ask with one identifier; and the code, which is 0 in all that make
    /// sense.
    pub query: (u8, u8),
}

impl Hash for Key {
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let query = u16::from_be_bytes([self.query.0, self.query.1]);
        state.write_u64(u64::from(self.point.0) << 16 | u64::from(query));
        self.flow.hash(state);
    }
}

/// A tracked connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub key: Key,
    /// Who opened it.
    pub opener: u8,
    pub life: Life,
    pub tracked: Tracked,
}

/// What is known of a connection by its protocol.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tracked {
    Tcp(Connection),
    /// When it counts as a stream, if it is answered.
    Udp(Timestamp),
    Other,
}

impl Entry {
    /// Whether it can go: its time is over, and nobody will ask why.
    fn is_stale(&self, now: Timestamp) -> bool {
        let kept = if self.life.assured { REMEMBERED } else { 0 };
        self.life.deadline.plus(kept) <= now
    }
}

/// All entries.
#[derive(Debug)]
pub(super) struct Table {
    seed: Seed,
    limit: usize,
    index: HashTable<u32>,
    entries: Vec<Option<Entry>>,
    free: Vec<u32>,
    held: usize,
    hand: usize,
    /// Entries that gave way before their time.
    pub evicted: u64,
    /// One bit for each hash of a connection that is not known as the firewall knows it.
    marks: Vec<u64>,
}

impl Table {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            seed: Seed::default(),
            limit: limit.clamp(1, u32::MAX as usize - 1),
            index: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            held: 0,
            hand: 0,
            evicted: 0,
            marks: Vec::new(),
        }
    }

    /// Entries, those whose time is over among them.
    pub(super) fn len(&self) -> usize {
        self.held
    }

    fn slot(&self, key: &Key) -> Option<u32> {
        let same = |slot: &u32| {
            let entry = self.entries.get(*slot as usize);
            entry.is_some_and(|e| e.as_ref().is_some_and(|e| e.key == *key))
        };
        self.index.find(self.seed.hash_one(key), same).copied()
    }

    /// Has entries brought near: one after the other, so that all are waited for together.
    pub(super) fn ahead(&self, keys: impl Iterator<Item = Key>) {
        let guess = |key: Key| self.index.find(self.seed.hash_one(key), |_| true);
        let slots: ArrayVec<u32, BATCH> = keys.filter_map(guess).copied().take(BATCH).collect();
        for slot in slots {
            let entries = self.entries.get(slot as usize..).unwrap_or_default();
            // Its begin, and its end at the begin of the next one.
            for entry in entries.iter().take(2) {
                fetch(entry);
            }
        }
    }

    /// The entry of a connection, its time over or not.
    pub(super) fn find(&mut self, key: &Key) -> Option<&mut Entry> {
        let slot = self.slot(key)?;
        self.entries.get_mut(slot as usize)?.as_mut()
    }

    /// Whether there is a connection whose time is not over.
    pub(super) fn knows(&self, key: &Key, now: Timestamp) -> bool {
        let entry = self
            .slot(key)
            .and_then(|slot| self.entries.get(slot as usize));
        entry.is_some_and(|e| e.as_ref().is_some_and(|e| e.life.deadline > now))
    }

    /// Forgets a connection.
    pub(super) fn remove(&mut self, key: &Key) {
        let hash = self.seed.hash_one(key);
        let entries = &self.entries;
        let same = |slot: &u32| {
            let entry = entries.get(*slot as usize);
            entry.is_some_and(|e| e.as_ref().is_some_and(|e| e.key == *key))
        };
        if let Ok(found) = self.index.find_entry(hash, same) {
            let (slot, _) = found.remove();
            if let Some(entry) = self.entries.get_mut(slot as usize) {
                *entry = None;
            }
            self.free.push(slot);
            self.held -= 1;
        }
    }

    /// Takes a connection in that is not there yet.
    pub(super) fn insert(&mut self, entry: Entry, now: Timestamp) {
        self.sweep(now);
        if self.held >= self.limit {
            self.make_room(now);
        }
        let hash = self.seed.hash_one(entry.key);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() as u32 - 1
        });
        if let Some(place) = self.entries.get_mut(slot as usize) {
            *place = Some(entry);
        }
        let (entries, seed) = (&self.entries, &self.seed);
        self.index.insert_unique(hash, slot, |slot| {
            let entry = entries.get(*slot as usize).and_then(Option::as_ref);
            entry.map_or(0, |entry| seed.hash_one(entry.key))
        });
        self.held += 1;
    }

    /// The next entry that the hand points at.
    fn next(&mut self) -> Option<&Entry> {
        self.hand = if self.hand + 1 < self.entries.len() {
            self.hand + 1
        } else {
            0
        };
        self.entries.get(self.hand)?.as_ref()
    }

    /// Lets some entries go whose time is over.
    fn sweep(&mut self, now: Timestamp) {
        for _ in 0..SWEPT {
            if let Some(entry) = self.next()
                && entry.is_stale(now)
            {
                let key = entry.key;
                self.remove(&key);
            }
        }
    }

    /// Gives one entry up: of some, one whose time is over, else one that never lived, else the one that would go first.
    fn make_room(&mut self, now: Timestamp) {
        let mut choice: Option<(bool, Timestamp, Key)> = None;
        let mut seen = 0;
        // There is one at least, or there would be room.
        for _ in 0..self.entries.len() {
            if let Some(entry) = self.next() {
                seen += 1;
                let of = (entry.life.assured, entry.life.deadline, entry.key);
                if choice.is_none_or(|best| (of.0, of.1) < (best.0, best.1)) {
                    choice = Some(of);
                }
            }
            if seen >= CHOICE {
                break;
            }
        }
        if let Some((_, deadline, key)) = choice {
            if deadline > now {
                self.evicted += 1;
                self.mark(&key);
            }
            self.remove(&key);
        }
    }

    /// Notes that a connection may be known to the firewall though it is not here.
    pub(super) fn mark(&mut self, key: &Key) {
        if self.marks.is_empty() {
            self.marks = vec![0; MARKS / 64];
        }
        let (word, bit) = mark(key);
        if let Some(word) = self.marks.get_mut(word) {
            *word |= bit;
        }
    }

    /// Whether a connection (or another of the same hash) was noted so.
    pub(super) fn is_marked(&self, key: &Key) -> bool {
        !self.marks.is_empty() && {
            let (word, bit) = mark(key);
            self.marks.get(word).is_some_and(|word| word & bit != 0)
        }
    }
}

/// The place of a connection among the marks: the same in every run, so that the same packets tell the same.
fn mark(key: &Key) -> (usize, u64) {
    let place = FixedState::with_seed(0).hash_one(key) as usize % MARKS;
    (place / 64, 1 << (place % 64))
}
