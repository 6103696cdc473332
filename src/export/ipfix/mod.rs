//! IPFIX (RFC 7011), with biflows (RFC 5103).
//!
//! A flow is told once for each point that saw it: the point's site is the observation domain, and options data tell
//! the names behind the numbers. Or once in all, in domain 0.

mod record;
mod template;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use mirrorscope_engine::report::{AtPoint, FlowReport};
use mirrorscope_engine::time::Timestamp;

use super::chunk::Chunk;
use super::news::{End, News};
use super::outlet::Form;
use record::{Counts, Seen};

/// Collectors that begin later, or that a datagram did not reach, learn templates so often (RFC 7011 §8.4).
const REFRESH: Duration = Duration::from_secs(30);
/// Messages that pass every network as one datagram; on a connection they may be longer.
const DATAGRAM: usize = 1400;
const LONGEST: usize = 16_384;
/// The header of a message.
const HEADER: usize = 16;
/// Flows that go on, of which is remembered what was told, before those are forgotten that did not go on for so long.
const REMEMBERED: usize = 262_144;
const FORGOTTEN: Duration = Duration::from_hours(1);
/// Names are no longer.
const NAME: usize = 255;

/// What is told of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Each {
    /// What each point saw of it.
    Point,
    /// What all saw together.
    Flow,
}

/// Makes messages.
pub struct Ipfix {
    each: Each,
    /// Whether each message is a datagram.
    datagrams: bool,
    domains: BTreeMap<u32, Domain>,
    /// When templates were told last.
    refreshed: Instant,
    /// What was told of flows that go on, by their number and the point's.
    told: HashMap<(u64, u64), Told>,
}

/// What was told of a flow that goes on, and when.
struct Told {
    counts: Counts,
    last: Timestamp,
    at: Instant,
}

/// An observation domain.
#[derive(Default)]
struct Domain {
    /// Its site.
    name: String,
    /// Its points by number, with their names and roles.
    points: BTreeMap<u64, (String, &'static str)>,
    /// Data records so far.
    sequence: u32,
    /// Sets that are not yet in a message, by template; how many records each has.
    waiting: HashMap<u16, Waiting>,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    records: u32,
    /// Flows whose first record it is.
    flows: u64,
}

impl Ipfix {
    pub fn new(each: Each, datagrams: bool) -> Self {
        Self {
            each,
            datagrams,
            domains: BTreeMap::new(),
            refreshed: Instant::now(),
            told: HashMap::new(),
        }
    }

    /// Leaves out what was told of a flow before; false if nothing is left.
    fn since_last(&mut self, flow: u64, seen: &mut Seen, end: End) -> bool {
        let all = Told {
            counts: seen.counts,
            last: seen.period.1,
            at: Instant::now(),
        };
        let key = (flow, seen.point);
        let before = if end == End::UnderWay {
            self.told.insert(key, all)
        } else {
            self.told.remove(&key)
        };
        if let Some(before) = before {
            for (now, before) in seen.counts.iter_mut().zip(before.counts) {
                now.0 = now.0.saturating_sub(before.0);
                now.1 = now.1.saturating_sub(before.1);
            }
            seen.period.0 = before.last.min(seen.period.1);
        }
        seen.counts != [(0, 0); 2]
    }

    fn longest(&self) -> usize {
        if self.datagrams { DATAGRAM } else { LONGEST }
    }

    /// Makes sure that the collector knows the domain and the point of what follows.
    fn introduce(&mut self, at: Option<&AtPoint>, chunk: &mut Chunk) -> (u32, u64) {
        let Some(at) = at else {
            self.domains.entry(0).or_insert_with(|| {
                let domain = Domain::default();
                chunk.add_of(&domain.message(0, &template::sets()), 0);
                domain
            });
            return (0, 0);
        };
        let id = (number(&at.site, "") as u32).max(1);
        let point = u64::from((number(&at.site, &at.point) as u32).max(1));
        let domain = self.domains.entry(id).or_insert_with(|| {
            let domain = Domain {
                name: at.site.clone(),
                ..Domain::default()
            };
            chunk.add_of(&domain.message(id, &template::sets()), 0);
            domain
        });
        if let Entry::Vacant(new) = domain.points.entry(point) {
            new.insert((at.point.clone(), at.role));
            domain.name_point(id, point, chunk);
        }
        (id, point)
    }

    fn add(&mut self, flow: &FlowReport, end: End, chunk: &mut Chunk) {
        let seen: Vec<(Option<&AtPoint>, Seen)> = match self.each {
            Each::Flow => vec![(None, Seen::anywhere(flow))],
            Each::Point => {
                let points = flow.points.iter();
                points.map(|at| (Some(at), Seen::at(at))).collect()
            }
        };
        let longest = self.longest();
        // The flow counts with its first record.
        let mut flows = 1;
        for (at, mut seen) in seen {
            let (id, point) = self.introduce(at, chunk);
            seen.point = point;
            if !self.since_last(flow.serial, &mut seen, end) {
                continue;
            }
            let mut bytes = Vec::new();
            let kind = record::write(flow, &seen, end, &mut bytes);
            let Some(domain) = self.domains.get_mut(&id) else {
                continue;
            };
            if domain.length() + bytes.len() + 4 > longest {
                domain.flush(id, chunk);
            }
            let waiting = domain.waiting.entry(kind.id()).or_default();
            waiting.bytes.extend(bytes);
            waiting.records += 1;
            waiting.flows += std::mem::take(&mut flows);
        }
    }

    fn tell_all(&mut self, chunk: &mut Chunk) {
        self.refreshed = Instant::now();
        for (id, domain) in &mut self.domains {
            chunk.add_of(&domain.message(*id, &template::sets()), 0);
            let points: Vec<u64> = domain.points.keys().copied().collect();
            for point in points {
                domain.name_point(*id, point, chunk);
            }
        }
    }
}

impl Form for Ipfix {
    fn begin(&mut self, chunk: &mut Chunk) {
        self.tell_all(chunk);
    }

    fn put(&mut self, news: &News, chunk: &mut Chunk) {
        let News::Flows(flows) = news else { return };
        for (flow, end) in flows {
            self.add(flow, *end, chunk);
        }
        for (id, domain) in &mut self.domains {
            domain.flush(*id, chunk);
        }
    }

    fn tick(&mut self, chunk: &mut Chunk) {
        if self.told.len() > REMEMBERED {
            // Their ends were lost on the way here.
            self.told.retain(|_, told| told.at.elapsed() < FORGOTTEN);
        }
        if self.datagrams && self.refreshed.elapsed() >= REFRESH {
            self.tell_all(chunk);
        }
    }
}

impl Domain {
    /// Bytes of the message that would be made now.
    fn length(&self) -> usize {
        let sets = self.waiting.values();
        HEADER + sets.map(|set| set.bytes.len() + 4).sum::<usize>()
    }

    /// Makes a message of what waits.
    fn flush(&mut self, id: u32, chunk: &mut Chunk) {
        let waiting = std::mem::take(&mut self.waiting);
        let mut sets: Vec<(u16, Waiting)> = waiting.into_iter().collect();
        if sets.is_empty() {
            return;
        }
        sets.sort_unstable_by_key(|(id, _)| *id);
        let content = sets.iter().map(|(id, set)| template::set(*id, &set.bytes));
        let message = self.message(id, &content.collect::<Vec<_>>().concat());
        chunk.add_of(&message, sets.iter().map(|(_, set)| set.flows).sum());
        for (_, set) in &sets {
            self.sequence = self.sequence.wrapping_add(set.records);
        }
    }

    /// Tells what a point is called.
    fn name_point(&mut self, id: u32, point: u64, chunk: &mut Chunk) {
        let Some((name, role)) = self.points.get(&point) else {
            return;
        };
        let mut record = point.to_be_bytes().to_vec();
        for text in [self.name.as_str(), name, role] {
            text_into(text, &mut record);
        }
        let message = self.message(id, &template::set(template::POINT, &record));
        self.sequence = self.sequence.wrapping_add(1);
        chunk.add_of(&message, 0);
    }

    /// A message: its header (RFC 7011 §3.1), and sets.
    fn message(&self, id: u32, sets: &[u8]) -> Vec<u8> {
        let seconds = mirrorscope_capture::live::now() / 1_000_000_000;
        let mut message = Vec::with_capacity(HEADER + sets.len());
        message.extend(10_u16.to_be_bytes());
        message.extend(((HEADER + sets.len()) as u16).to_be_bytes());
        message.extend((seconds as u32).to_be_bytes());
        message.extend(self.sequence.to_be_bytes());
        message.extend(id.to_be_bytes());
        message.extend(sets);
        message
    }
}

/// A text with its length in front (RFC 7011 §7).
fn text_into(text: &str, to: &mut Vec<u8>) {
    let text = text
        .get(..text.floor_char_boundary(NAME - 1))
        .unwrap_or_default();
    to.push(text.len() as u8);
    to.extend(text.as_bytes());
}

/// A number made of names: the same in every run, so that collectors may keep it (FNV-1a).
fn number(site: &str, point: &str) -> u64 {
    let bytes = site.bytes().chain([0]).chain(point.bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (hash >> 32)
}
