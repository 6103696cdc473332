//! Parts of datagrams that are not complete: whose they are is known when the last one comes.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use mirrorscope_dissectors::{Options, Stop, Whole, decapsulate};
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::{SECOND, Timestamp};

/// Datagrams that are waited for at once: those that began last.
const DATAGRAMS: usize = 4096;
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
    /// The datagrams in the order in which they began; some may be complete.
    order: VecDeque<(u64, Key)>,
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
            order: VecDeque::new(),
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
            }
            return;
        }
        let id = self.next;
        self.next += 1;
        let parts = Parts {
            id,
            since: time,
            numbers: vec![number],
            times: vec![time],
        };
        self.open.insert(key, parts);
        self.order.push_back((id, key));
        if self.order.len() > DATAGRAMS
            && let Some((id, oldest)) = self.order.pop_front()
            && self.open.get(&oldest).is_some_and(|parts| parts.id == id)
        {
            self.open.remove(&oldest);
        }
    }

    /// The parts of a datagram that is complete.
    pub fn take(&mut self, key: &Key) -> Vec<u64> {
        let parts = self.open.remove(key);
        parts.map_or_else(Vec::new, |parts| parts.numbers)
    }

    /// The parts of a datagram of which one came at a time.
    pub fn take_since(&mut self, time: Timestamp) -> Vec<u64> {
        let of = |key: &&Key| {
            let parts = self.open.get(*key);
            parts.is_some_and(|parts| parts.times.contains(&time))
        };
        let key = self.order.iter().map(|(_, key)| key).find(of).copied();
        key.map_or_else(Vec::new, |key| self.take(&key))
    }
}
