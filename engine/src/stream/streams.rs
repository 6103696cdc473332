//! All streams of a run, within one bound of memory.

use std::collections::{BTreeSet, VecDeque};

use super::event::{Event, Segment};
use super::half::{Half, Surroundings};
use super::policy::Policy;
use crate::flow::Side;
use crate::table::Map;
use crate::time::Timestamp;

/// What a stream costs beside what it holds: its places in tables and queues, which may be half empty.
const PLACES: usize = 256;

/// Gets what comes of a stream, with the number of its flow.
pub type Sink<'a> = &'a mut dyn FnMut(u64, Event<'_>);

/// Puts the segments of all flows in order.
///
/// A flow is a number that is never used again. Its segments come in any order, repeated, from as many points as there
/// are: whatever one of them saw is in the stream.
///
/// A hole is given up, and becomes a gap, when the other side has acknowledged it and [`Policy::wait`] has passed in which
/// it did not ask for it ([`Policy::wait_selected`] where it acknowledged selectively), when more waits behind it than there is room for, or when the stream ends.
#[derive(Debug)]
pub struct Streams {
    policy: Policy,
    now: Timestamp,
    all: Map<u64, Box<Stream>>,
    /// The streams in the order in which they are looked at when room is needed.
    queue: VecDeque<u64>,
    /// Directions by what waits in them.
    waiting: BTreeSet<(usize, u64, Side)>,
    /// Directions that something is to be done about, as time goes on.
    deadlines: VecDeque<(Timestamp, u64, Side)>,
    /// Flows whose place was given to others: one bit for each number.
    forgotten: Vec<u64>,
    /// Bytes in all that waits.
    pending: usize,
    /// Bytes in all that is remembered.
    history: usize,
    /// Segments of flows whose place was given to others.
    pub refused: u64,
}

#[derive(Debug, Default)]
struct Stream {
    halves: [Half; 2],
    seen: [bool; 2],
    /// More segments came than the first, since it was looked at.
    touched: bool,
}

impl Streams {
    /// No stream yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            now: Timestamp(i64::MIN),
            all: Map::default(),
            queue: VecDeque::new(),
            waiting: BTreeSet::new(),
            deadlines: VecDeque::new(),
            forgotten: Vec::new(),
            pending: 0,
            history: 0,
            refused: 0,
        }
    }

    /// Bytes held, with everything that they cost.
    pub fn memory(&self) -> usize {
        self.pending
            + self.history
            + self.all.len() * (size_of::<Stream>() + PLACES)
            + self.forgotten()
    }

    /// Streams followed now.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether no stream is followed.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Takes a segment that `side` of a flow sent.
    pub fn push(&mut self, flow: u64, side: Side, segment: &Segment<'_>, sink: Sink<'_>) {
        if segment.time > self.now {
            self.now = segment.time;
            self.pass_time(sink);
        }
        if let Some(stream) = self.all.get_mut(&flow) {
            stream.touched = true;
        } else if !self.begin(flow, sink) {
            self.refused += 1;
            // Time that passed may have delivered something of others.
            self.make_room(sink);
            return;
        }
        if let Some(seen) = self.all.get_mut(&flow).and_then(|s| s.seen.get_mut(side)) {
            *seen = true;
        }
        let peer = 1 - side;
        self.with(flow, side, false, sink, |half, around, sink| {
            half.push(segment, around, sink);
        });
        let flags = segment.flags;
        if flags.ack() && !flags.rst() {
            self.with(flow, peer, false, sink, |half, around, _| {
                half.acknowledge(segment, around);
            });
        }
        for side in [side, peer] {
            self.look(flow, side, sink);
        }
        self.make_room(sink);
    }

    /// Ends a stream: what waits is told, with gaps. Later segments of the flow are refused.
    pub fn end(&mut self, flow: u64, sink: Sink<'_>) {
        for side in [0, 1] {
            self.with(flow, side, true, sink, Half::finish);
        }
        if let Some(stream) = self.all.remove(&flow) {
            for (side, half) in stream.halves.iter().enumerate() {
                self.waiting.remove(&(half.waiting(), flow, side));
                self.pending -= half.waiting();
                self.history -= half.remembered();
            }
            let word = (flow / 64) as usize;
            if self.forgotten.len() <= word {
                self.forgotten.resize(word + 1, 0);
            }
            if let Some(bits) = self.forgotten.get_mut(word) {
                *bits |= 1 << (flow % 64);
            }
        }
    }

    /// Ends all streams, in the order of their flows.
    pub fn finish(&mut self, sink: Sink<'_>) {
        let mut flows: Vec<u64> = self.all.keys().copied().collect();
        flows.sort_unstable();
        for flow in flows {
            self.end(flow, sink);
        }
        self.queue.clear();
        self.deadlines.clear();
    }

    fn begin(&mut self, flow: u64, sink: Sink<'_>) -> bool {
        let bits = self.forgotten.get((flow / 64) as usize);
        if bits.is_some_and(|bits| bits & 1 << (flow % 64) != 0) {
            return false;
        }
        // What an eviction adds to the list of forgotten flows may cost another place.
        while self.all.len() >= self.places() && !self.all.is_empty() {
            self.evict(sink);
        }
        self.all.insert(flow, Box::default());
        self.queue.push_back(flow);
        true
    }

    /// Streams that there is room for: one in any case.
    fn places(&self) -> usize {
        let room = self.policy.streams().saturating_sub(self.forgotten());
        (room / (size_of::<Stream>() + PLACES)).max(1)
    }

    /// Bytes that the list of forgotten flows takes.
    fn forgotten(&self) -> usize {
        self.forgotten.capacity() * size_of::<u64>()
    }

    /// Ends a stream that was not used for a while.
    fn evict(&mut self, sink: Sink<'_>) {
        while let Some(flow) = self.queue.pop_front() {
            let Some(stream) = self.all.get_mut(&flow) else {
                continue;
            };
            if std::mem::take(&mut stream.touched) {
                self.queue.push_back(flow);
            } else {
                return self.end(flow, sink);
            }
        }
    }

    /// Works on one direction, and keeps account of what it holds.
    fn with<T>(
        &mut self,
        flow: u64,
        side: Side,
        ending: bool,
        sink: Sink<'_>,
        work: impl FnOnce(&mut Half, &Surroundings<'_>, &mut dyn FnMut(Event<'_>)) -> T,
    ) -> Option<T> {
        let stream = self.all.get_mut(&flow)?;
        let [zero, one] = &mut stream.halves;
        let (half, peer) = if side == 0 { (zero, one) } else { (one, zero) };
        let around = Surroundings {
            policy: &self.policy,
            side,
            now: self.now,
            ending,
            peer_seen: stream.seen[1 - side],
            peer_ended: peer.ended() && peer.restarts() == half.restarts()
                || peer.restarts() > half.restarts(),
        };
        let (waited, remembered) = (half.waiting(), half.remembered());
        let result = work(half, &around, &mut |event| sink(flow, event));
        let waits = half.waiting();
        if waits != waited {
            self.waiting.remove(&(waited, flow, side));
            if waits > 0 {
                self.waiting.insert((waits, flow, side));
            }
            self.pending = self.pending - waited + waits;
        }
        self.history = self.history - remembered + half.remembered();
        Some(result)
    }

    /// Gives up what need not wait any more, and sets a deadline for the rest.
    fn look(&mut self, flow: u64, side: Side, sink: Sink<'_>) {
        let waits = self.with(flow, side, false, sink, Half::expire);
        let Some(stream) = self.all.get_mut(&flow) else {
            return;
        };
        let Some(half) = stream.halves.get_mut(side) else {
            return;
        };
        if waits == Some(true) && !half.armed {
            half.armed = true;
            let after = self.policy.wait.min(self.policy.start_wait).max(1);
            self.deadlines.push_back((self.now.plus(after), flow, side));
        }
    }

    /// Looks at the directions whose deadline has come.
    fn pass_time(&mut self, sink: Sink<'_>) {
        while let Some(&(deadline, flow, side)) = self.deadlines.front()
            && deadline <= self.now
        {
            self.deadlines.pop_front();
            if let Some(stream) = self.all.get_mut(&flow)
                && let Some(half) = stream.halves.get_mut(side)
            {
                half.armed = false;
                self.look(flow, side, sink);
            }
        }
    }

    /// Keeps the bounds: of one direction, of all that waits, of all that is remembered.
    fn make_room(&mut self, sink: Sink<'_>) {
        while let Some(&(waits, flow, side)) = self.waiting.last()
            && (self.pending > self.policy.waiting() || waits > self.policy.stream_memory)
        {
            self.with(flow, side, false, sink, Half::give_way);
        }
        while self.history > self.policy.history()
            && let Some(flow) = self.queue.pop_front()
        {
            if self.all.contains_key(&flow) {
                for side in [0, 1] {
                    self.with(flow, side, false, sink, |half, _, _| half.forget());
                }
                self.queue.push_back(flow);
            }
        }
    }
}
