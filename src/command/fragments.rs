//! Parts of datagrams that are not complete: whose they are is known when the last one comes.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use mirrorscope_dissectors::{Options, Stop, Whole, decapsulate};
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::{SECOND, Timestamp};

/// Datagrams that are waited for at once, those that began last: as many as the engine waits for.
const DATAGRAMS: usize = 16_384;
/// Parts of one.
const PARTS: usize = 256;
/// Later parts are those of another datagram.
const WAIT: i64 = 60 * SECOND;

/// What makes parts those of one datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    interface: u32,
    ends: (IpAddr, IpAddr),
    whole: Whole,
}

/// The numbers of parts.
pub struct Fragments {
    options: Options,
    open: HashMap<Key, Parts>,
    /// The same in the order in which they began.
    order: BTreeMap<u64, Key>,
    /// The same by when a part of them came; of those at one time, the one that began first is first.
    times: BTreeMap<(Timestamp, u64), Key>,
    next: u64,
}

struct Parts {
    id: u64,
    since: Timestamp,
    numbers: Vec<u64>,
    times: Vec<Timestamp>,
}

impl Fragments {
    /// None yet. `options` tell what frames are.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            open: HashMap::new(),
            order: BTreeMap::new(),
            times: BTreeMap::new(),
            next: 0,
        }
    }

    /// The datagram that a frame is a part of, if it is one.
    pub fn key(&self, frame: &Frame<'_>) -> Option<Key> {
        let stripped = decapsulate(frame.link, frame.bytes, &self.options);
        match stripped.stop {
            Stop::Fragment(fragment) if !fragment.encapsulated => Some(Key {
                interface: frame.interface,
                ends: (fragment.source, fragment.destination),
                whole: fragment.whole,
            }),
            _ => None,
        }
    }

    /// Adds a part.
    pub fn add(&mut self, key: Key, number: u64, time: Timestamp) {
        let known = self.open.get_mut(&key);
        if let Some(parts) = known.filter(|parts| time.since(parts.since) < WAIT) {
            if parts.numbers.len() < PARTS {
                parts.numbers.push(number);
                parts.times.push(time);
                self.times.insert((time, parts.id), key);
            }
            return;
        }
        self.take(&key);
        let id = self.next;
        self.next += 1;
        let parts = Parts {
            id,
            since: time,
            numbers: vec![number],
            times: vec![time],
        };
        self.open.insert(key, parts);
        self.order.insert(id, key);
        self.times.insert((time, id), key);
        if self.order.len() > DATAGRAMS
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.take(&oldest);
        }
    }

    /// The parts of a datagram that is complete.
    pub fn take(&mut self, key: &Key) -> Vec<u64> {
        let Some(parts) = self.open.remove(key) else {
            return Vec::new();
        };
        self.order.remove(&parts.id);
        for time in parts.times {
            self.times.remove(&(time, parts.id));
        }
        parts.numbers
    }

    /// The parts of a datagram of which one came at a time.
    pub fn take_since(&mut self, time: Timestamp) -> Vec<u64> {
        let mut of = self.times.range((time, 0)..=(time, u64::MAX));
        let key = of.next().map(|(_, key)| *key);
        key.map_or_else(Vec::new, |key| self.take(&key))
    }
}
