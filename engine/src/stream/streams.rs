//! All streams of a run, within one bound of memory.

use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};

use super::event::{Event, Segment};
use super::half::{Half, Surroundings};
use super::history::History;
use super::policy::Policy;
use crate::flow::Side;
use crate::table::{Map, fetch};
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
    all: Map<u64, Box<Stream>>,
    /// The streams in the order in which they are looked at when room is needed.
    queue: VecDeque<u64>,
    /// Flows whose place was given to others: one bit for each number.
    forgotten: Vec<u64>,
    books: Books,
    /// Segments of flows whose place was given to others.
    pub refused: u64,
}

/// What all streams together wait for, and hold.
#[derive(Debug)]
struct Books {
    policy: Policy,
    now: Timestamp,
    /// Directions by what waits in them.
    waiting: BTreeSet<(usize, u64, Side)>,
    /// Directions that something is to be done about, as time goes on.
    deadlines: VecDeque<(Timestamp, u64, Side)>,
    /// Bytes in all that waits.
    pending: usize,
    /// Bytes that it takes to know what was given up.
    missed: usize,
    /// What was delivered.
    history: RefCell<History>,
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
            all: Map::default(),
            queue: VecDeque::new(),
            forgotten: Vec::new(),
            books: Books {
                policy,
                now: Timestamp(i64::MIN),
                waiting: BTreeSet::new(),
                deadlines: VecDeque::new(),
                pending: 0,
                missed: 0,
                history: RefCell::new(History::new(policy.history())),
            },
            refused: 0,
        }
    }

    /// Bytes held, with everything that they cost.
    pub fn memory(&self) -> usize {
        self.books.pending
            + self.books.missed
            + self.books.history.borrow().memory()
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

    /// Has the streams brought near that segments will come of soon.
    pub fn ahead(&self, flows: &[(u64, Side)]) {
        for stream in flows.iter().filter_map(|(flow, _)| self.all.get(flow)) {
            stream.fetch();
        }
    }

    /// Takes a segment that `side` of a flow sent.
    pub fn push(&mut self, flow: u64, side: Side, segment: &Segment<'_>, sink: Sink<'_>) {
        if segment.time > self.books.now {
            self.books.now = segment.time;
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
        let Self { all, books, .. } = self;
        let Some(stream) = all.get_mut(&flow) else {
            return;
        };
        if let Some(seen) = stream.seen.get_mut(side) {
            *seen = true;
        }
        let peer = 1 - side;
        books.with(stream, (flow, side), false, sink, |half, around, sink| {
            half.push(segment, around, sink);
        });
        let flags = segment.flags;
        if flags.ack() && !flags.rst() {
            books.with(stream, (flow, peer), false, sink, |half, around, _| {
                half.acknowledge(segment, around);
            });
        }
        for side in [side, peer] {
            books.look(stream, (flow, side), sink);
        }
        self.make_room(sink);
    }

    /// Ends a stream: what waits is told, with gaps. Later segments of the flow are refused.
    pub fn end(&mut self, flow: u64, sink: Sink<'_>) {
        let Some(mut stream) = self.all.remove(&flow) else {
            return;
        };
        let books = &mut self.books;
        for side in [0, 1] {
            books.with(&mut stream, (flow, side), true, sink, Half::finish);
        }
        for (side, half) in stream.halves.iter().enumerate() {
            books.waiting.remove(&(half.waiting(), flow, side));
            books.pending -= half.waiting();
            books.missed -= half.missed();
        }
        let word = (flow / 64) as usize;
        if self.forgotten.len() <= word {
            self.forgotten.resize(word + 1, 0);
        }
        if let Some(bits) = self.forgotten.get_mut(word) {
            *bits |= 1 << (flow % 64);
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
        self.books.deadlines.clear();
        self.books.history.get_mut().clear();
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
        let room = self.books.policy.streams().saturating_sub(self.forgotten());
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

    /// Looks at the directions whose deadline has come.
    fn pass_time(&mut self, sink: Sink<'_>) {
        let Self { all, books, .. } = self;
        while let Some(&(deadline, flow, side)) = books.deadlines.front()
            && deadline <= books.now
        {
            books.deadlines.pop_front();
            if let Some(stream) = all.get_mut(&flow)
                && let Some(half) = stream.halves.get_mut(side)
            {
                half.armed = false;
                books.look(stream, (flow, side), sink);
            }
        }
    }

    /// Keeps the bounds: of one direction, of all that waits, of what is known to be given up.
    fn make_room(&mut self, sink: Sink<'_>) {
        let Self {
            all, books, queue, ..
        } = self;
        while let Some(&(waits, flow, side)) = books.waiting.last()
            && (books.pending > books.policy.waiting() || waits > books.policy.stream_memory)
        {
            if let Some(stream) = all.get_mut(&flow) {
                books.with(stream, (flow, side), false, sink, Half::give_way);
            }
        }
        while books.missed > books.policy.missed()
            && let Some(flow) = queue.pop_front()
        {
            if let Some(stream) = all.get_mut(&flow) {
                for half in &mut stream.halves {
                    books.missed -= half.missed();
                    half.forget();
                }
                queue.push_back(flow);
            }
        }
    }
}

impl Books {
    /// Works on one direction, and keeps account of what it holds.
    fn with<T>(
        &mut self,
        stream: &mut Stream,
        (flow, side): (u64, Side),
        ending: bool,
        sink: Sink<'_>,
        work: impl FnOnce(&mut Half, &Surroundings<'_>, &mut dyn FnMut(Event<'_>)) -> T,
    ) -> T {
        let [zero, one] = &mut stream.halves;
        let (half, peer) = if side == 0 { (zero, one) } else { (one, zero) };
        let around = Surroundings {
            policy: &self.policy,
            history: &self.history,
            side,
            now: self.now,
            ending,
            peer_seen: stream.seen[1 - side],
            peer_ended: peer.ended() && peer.restarts() == half.restarts()
                || peer.restarts() > half.restarts(),
        };
        let (waited, missed) = (half.waiting(), half.missed());
        let result = work(half, &around, &mut |event| sink(flow, event));
        let waits = half.waiting();
        if waits != waited {
            self.waiting.remove(&(waited, flow, side));
            if waits > 0 {
                self.waiting.insert((waits, flow, side));
            }
            self.pending = self.pending - waited + waits;
        }
        self.missed = self.missed - missed + half.missed();
        result
    }

    /// Gives up what need not wait any more, and sets a deadline for the rest.
    fn look(&mut self, stream: &mut Stream, (flow, side): (u64, Side), sink: Sink<'_>) {
        if stream.halves.get(side).is_none_or(Half::is_at_rest) {
            return;
        }
        let waits = self.with(stream, (flow, side), false, sink, Half::expire);
        let Some(half) = stream.halves.get_mut(side) else {
            return;
        };
        if waits && !half.armed {
            half.armed = true;
            let after = self.policy.wait.min(self.policy.start_wait).max(1);
            self.deadlines.push_back((self.now.plus(after), flow, side));
        }
    }
}

impl Stream {
    /// Has it brought near.
    fn fetch(&self) {
        fetch(&self.touched);
        self.halves.iter().for_each(Half::fetch);
    }
}
