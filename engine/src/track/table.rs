//! The table of flows: bounded in flows and in bytes, and what gives way when it is full.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::HashTable;
use serde::Serialize;

use super::away::{Away, Mark};
use super::departed::{Departed, Gone};
use super::evidence::Evidence;
use super::part::Part;
use super::slab::{NONE, Slab};
use super::unmatched::Unmatcheds;
use super::{Limits, Timeouts};
use crate::flow::{FLOW_ID_LEN, FlowKey, Side, protocol};
use crate::observation::{Opening, QuotedBy, Sum};
use crate::point::PointId;
use crate::receive::Shown;
use crate::table::{Seed, fetch_bytes};
use crate::tcp::{Conversation, Phase};
use crate::time::{SECOND, Timestamp};
use mirrorscope_dissectors::Tcp;

/// Points that are told apart for one flow; what further ones saw of it is not kept.
pub const MAX_POINTS: usize = 64;
/// A flow may take this long to be answered before it gives way to a new one.
const GRACE: i64 = 5 * SECOND;
/// One of so many flows may be unanswered before they give way at once.
const UNANSWERED: usize = 8;
/// A SYN passes a firewall within this time.
const REWRITTEN: i64 = SECOND / 2;
/// Kinds of ICMP errors that are kept of a flow, and flows that are kept of ICMP errors.
const QUOTED: usize = 4;
/// Bytes that the queues and the index take for a flow.
const ENTRIES: usize = 40;

/// A flow in the table.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing")]
pub(super) struct Flow {
    pub key: FlowKey,
    pub serial: u64,
    pub born: Timestamp,
    pub first: Timestamp,
    pub last: Timestamp,
    /// Arrival of its last packet.
    pub touched: Timestamp,
    originator: u8,
    pub opening: Opening,
    /// Packets are known again only by what those that were cut keep.
    pub coarse: bool,
    /// It has segments longer than any link takes, that other points may see in parts.
    pub super_frames: bool,
    /// It was told that it is over.
    pub told: bool,
    /// A packet came since it was looked at for being put away.
    pub heard: bool,
    /// Whether it is put away, and what is known of it then.
    pub mark: Mark,
    life: Life,
    /// First of its parts; if it is put away, the number of the record.
    pub head: u32,
    /// Second of its parts.
    pub second: u32,
    /// What all its points together saw, if there are several and it is not put away.
    pub union: u32,
    pub quotation: Option<Box<Quotation>>,
}

/// How far a flow has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    Alive,
    /// Closed: among those that give way first, though packets may still come.
    Over,
    /// Further packets with its key are another flow's.
    Ended,
}

/// What all points together saw, where there are several.
#[derive(Clone, Debug)]
pub(super) struct Union {
    pub sums: [Sum; 2],
    pub conversation: Conversation,
}

/// A flow, what a point saw of it, and what all points together saw if there are several.
#[derive(Debug)]
pub(super) struct AtPoint<'a> {
    pub flow: &'a mut Flow,
    pub part: &'a mut Part,
    pub union: Option<&'a mut Union>,
}

/// What ICMP has to say of a flow, or a flow of ICMP errors of others.
#[derive(Debug)]
pub(super) struct Quotation {
    pub errors: Vec<QuotedBy>,
    pub quotes: Vec<String>,
}

/// Flows that gave way to others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evicted {
    /// Flows that nobody had answered.
    pub unanswered: u64,
    /// Flows that were over: closed, reset, or silent for longer than their timeout.
    pub over: u64,
    /// Flows that were alive.
    pub alive: u64,
    /// Packets of all of them, each counted once.
    pub packets: u64,
}

impl Evicted {
    /// All of them.
    pub fn flows(self) -> u64 {
        self.unanswered + self.over + self.alive
    }
}

/// Where a flow is. A part of its key's hash stands beside, so that it is found without a look at other flows, and guessed
/// without one at itself.
#[derive(Clone, Copy, Debug)]
struct Entry {
    tag: u32,
    slot: u32,
}

/// The part of a key's hash that stands in an [`Entry`].
fn tag(hash: u64) -> u32 {
    (hash >> 24) as u32
}

/// Where the index has entries with a tag. It follows from the tag alone: an index that grows needs no look at the flows, which
/// are all over the memory, while packets wait.
fn place_of(tag: u32) -> u64 {
    // Fibonacci hashing: the index wants the lowest bits and the highest.
    u64::from(tag).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A place in a queue: where a flow is, and the lower half of its number. A flow that left the table leaves it behind.
type Ticket = (u32, u32);

/// The flows of one shard.
#[derive(Debug)]
pub(super) struct Table {
    limits: Limits,
    timeouts: Timeouts,
    /// The least of them.
    shortest: i64,
    seed: Seed,
    /// Flows that are not over, by key.
    index: HashTable<Entry>,
    pub(super) flows: Slab<Flow>,
    /// Those of flows that are not put away.
    pub(super) parts: Slab<Part>,
    /// Those of flows that several points saw.
    pub(super) unions: Slab<Union>,
    /// Bytes of what flows and parts hold elsewhere.
    pub(super) heap: usize,
    pub(super) away: Away,
    /// What flows that are put away tell of the points' mirrors.
    pub(super) away_evidence: Evidence,
    /// What firewalls could not match of the flows.
    pub unmatched: Unmatcheds,
    serial: u64,
    /// Flows that nobody had answered when they were queued, oldest first.
    unanswered: VecDeque<Ticket>,
    /// Other flows, the one first that had been silent longest when it was looked at.
    alive: BinaryHeap<Reverse<(Timestamp, Ticket)>>,
    /// Flows that are over.
    over: VecDeque<Ticket>,
    pub evicted: Evicted,
    /// What the flows that gave way told of the points' mirrors.
    pub left: Evidence,
    /// Those of them that are to be told.
    pub departed: Departed,
}

impl Table {
    pub(super) fn new(limits: Limits, timeouts: Timeouts, seed: Seed) -> Self {
        Self {
            limits: Limits {
                flows: limits.flows.clamp(1, NONE as usize - 1),
                ..limits
            },
            timeouts,
            shortest: timeouts.shortest(),
            seed,
            index: HashTable::new(),
            flows: Slab::new(),
            parts: Slab::new(),
            unions: Slab::new(),
            heap: 0,
            away: Away::new(limits.full),
            away_evidence: Evidence::default(),
            unmatched: Unmatcheds::default(),
            serial: 0,
            unanswered: VecDeque::new(),
            alive: BinaryHeap::new(),
            over: VecDeque::new(),
            evicted: Evicted::default(),
            left: Evidence::default(),
            departed: Departed::default(),
        }
    }

    /// Flows in the table.
    pub(super) fn len(&self) -> usize {
        self.flows.len()
    }

    /// Flows that there ever were.
    pub(super) fn born(&self) -> u64 {
        self.serial
    }

    /// Bytes that the flows take.
    pub(super) fn bytes(&self) -> usize {
        self.flows.len() * (Slab::<Flow>::SIZE + ENTRIES) + self.full_bytes() + self.away.bytes()
    }

    /// Bytes of what is kept in full of what points saw.
    pub(super) fn full_bytes(&self) -> usize {
        let unions = self.unions.len() * Slab::<Union>::SIZE;
        self.parts.len() * Slab::<Part>::SIZE + unions + self.heap
    }

    pub(super) fn flow(&self, slot: u32) -> Option<&Flow> {
        self.flows.get(slot)
    }

    pub(super) fn flow_mut(&mut self, slot: u32) -> Option<&mut Flow> {
        self.flows.get_mut(slot)
    }

    /// The slot, if it still holds that flow.
    pub(super) fn still(&self, slot: u32, serial: u64) -> Option<u32> {
        (self.flow(slot)?.serial == serial).then_some(slot)
    }

    /// The flow with a key that is not over.
    pub(super) fn find(&self, hash: u64, key: &FlowKey) -> Option<u32> {
        let tag = tag(hash);
        let same = |entry: &Entry| entry.tag == tag && self.is_of(entry.slot, key);
        let entry = self.index.find(place_of(tag), same)?;
        Some(entry.slot)
    }

    /// Whether a slot holds the flow with a key that is not over.
    #[inline]
    pub(super) fn is_of(&self, slot: u32, key: &FlowKey) -> bool {
        let flow = self.flow(slot);
        flow.is_some_and(|flow| flow.life < Life::Ended && flow.key == *key)
    }

    /// The flow that a key with this hash most probably leads to.
    pub(super) fn guess(&self, hash: u64) -> Option<u32> {
        let tag = tag(hash);
        let entry = self.index.find(place_of(tag), |entry| entry.tag == tag)?;
        Some(entry.slot)
    }

    /// Has a flow brought near.
    pub(super) fn fetch(&self, slot: u32) {
        self.flows.fetch(slot);
    }

    /// Has the begin of the first parts brought near of a flow that is near.
    pub(super) fn fetch_heads(&self, slot: u32) {
        if let Some(flow) = self.flow(slot) {
            if flow.mark.is_away() {
                return fetch_bytes(self.away.record(flow.head));
            }
            self.parts.fetch_begin(flow.head, 1);
            self.parts.fetch_begin(flow.second, 1);
        }
    }

    /// The part that a packet at a point most probably goes to, if the begins of a flow's parts are near.
    pub(super) fn guess_part(&self, slot: u32, point: Option<PointId>) -> Option<u32> {
        let flow = self.flow(slot).filter(|flow| !flow.mark.is_away())?;
        let second = self.part(flow.second);
        let at_second = second.is_some_and(|part| Some(part.point) == point);
        Some(if at_second { flow.second } else { flow.head })
    }

    /// Has a part brought near, and what all parts of its flow saw if `union` says so.
    pub(super) fn fetch_part(&self, slot: u32, part: u32, union: bool) {
        let Some(flow) = self.flow(slot) else {
            return;
        };
        if flow.is_tcp() {
            self.parts.fetch(part);
        } else {
            self.parts.fetch_begin(part, Part::BEFORE_TCP);
        }
        if union {
            self.unions.fetch(flow.union);
        }
    }

    /// Has all of the flows at some places brought near, but for their parts behind the second.
    pub(super) fn fetch_some(&self, places: Range<u32>) {
        let near = || {
            let flows = self.some(places.clone());
            flows.filter(|(_, flow)| !flow.mark.is_away())
        };
        for (slot, flow) in near() {
            self.fetch_part(slot, flow.head, true);
            self.fetch_part(slot, flow.second, false);
        }
    }

    /// Puts flows away, and lets them give way, while there are too many bytes.
    pub(super) fn keep_bounds(&mut self, now: Timestamp) {
        self.keep_room();
        while self.bytes() > self.limits.bytes {
            if !self.evict(now) {
                break;
            }
        }
    }

    /// Opens a flow, and gives its slot; another gives way if there is no room.
    pub(super) fn open(
        &mut self,
        hash: u64,
        key: FlowKey,
        (originator, opening): (Side, Opening),
        born: Timestamp,
        packet: &Shown<'_>,
    ) -> u32 {
        let (time, now) = (packet.time, packet.arrival);
        while self.len() >= self.limits.flows {
            if !self.evict(now) {
                break;
            }
        }
        let serial = self.serial;
        self.serial += 1;
        let flow = Flow {
            key,
            serial,
            born,
            first: time,
            last: time,
            touched: now,
            originator: originator as u8,
            opening,
            coarse: false,
            super_frames: false,
            told: false,
            heard: false,
            mark: Mark::default(),
            life: Life::Alive,
            head: NONE,
            second: NONE,
            union: NONE,
            quotation: None,
        };
        let slot = self.flows.insert(flow);
        let tag = tag(hash);
        let entry = Entry { tag, slot };
        self.index
            .insert_unique(place_of(tag), entry, |entry| place_of(entry.tag));
        self.unanswered.push_back((slot, serial as u32));
        slot
    }

    /// Whether a segment that a point sees opens another connection with the key of a flow.
    ///
    /// Some firewalls change initial sequence numbers: a SYN at a point that saw none before is the same one if the
    /// flow began just now.
    pub(super) fn starts_anew(
        &self,
        slot: u32,
        point: PointId,
        side: Side,
        tcp: &Tcp<'_>,
        now: Timestamp,
    ) -> bool {
        let Some((flow, conversation)) = self
            .flow(slot)
            .and_then(|flow| Some((flow, self.conversation(flow)?)))
        else {
            return false;
        };
        if !conversation.starts_anew(side, tcp) {
            return false;
        }
        let here = self.parts(flow).find(|part| part.point == point);
        let asked = |part: &Part| {
            let half = &part.conversation.halves[side];
            half.syn > 0 || half.syn_ack > 0
        };
        let young = now.since(flow.touched) < REWRITTEN && conversation.phase() == Phase::HalfOpen;
        here.is_some_and(asked) || !young
    }

    /// Whether a flow has been silent for longer than its kind may be.
    pub(super) fn timed_out(&self, slot: u32, now: Timestamp) -> bool {
        self.flow(slot).is_some_and(|flow| {
            let silent = now.since(flow.touched);
            // How far a flow has come stands in other places of memory.
            silent > self.shortest && silent > self.timeout(flow)
        })
    }

    /// How long a flow may be silent.
    pub(super) fn timeout(&self, flow: &Flow) -> i64 {
        let timeouts = &self.timeouts;
        match flow.key.protocol {
            protocol::TCP => match self.phase(flow) {
                Some(Phase::Established) => timeouts.established,
                Some(Phase::Closing | Phase::Closed) => timeouts.closing,
                Some(Phase::HalfOpen) | None => timeouts.half_open,
            },
            protocol::UDP => timeouts.udp,
            protocol::ICMP | protocol::ICMP6 => timeouts.icmp,
            _ => timeouts.other,
        }
    }

    /// Ends a flow: what comes with its key from now on is another's.
    pub(super) fn end(&mut self, slot: u32) {
        self.retire(slot);
        self.unlist(slot);
    }

    /// Takes a flow out of the index.
    fn unlist(&mut self, slot: u32) {
        let Some(flow) = self.flows.get_mut(slot) else {
            return;
        };
        if std::mem::replace(&mut flow.life, Life::Ended) < Life::Ended {
            let place = place_of(tag(self.seed.hash_one(flow.key)));
            if let Ok(entry) = self.index.find_entry(place, |entry| entry.slot == slot) {
                entry.remove();
            }
        }
    }

    /// Puts a flow among those that give way first; packets that belong to it still find it.
    pub(super) fn retire(&mut self, slot: u32) {
        if let Some(flow) = self.flows.get_mut(slot)
            && flow.life == Life::Alive
        {
            flow.life = Life::Over;
            self.over.push_back((slot, flow.serial as u32));
        }
    }

    /// Notes that what a flow or its parts hold elsewhere has grown.
    pub(super) fn grown(&mut self, bytes: usize) {
        self.heap += bytes;
    }

    /// Notes how many bytes a flow and its parts held elsewhere, and hold now.
    pub(super) fn resized(&mut self, before: usize, now: usize) {
        self.heap = (self.heap + now).saturating_sub(before);
    }

    /// TCP as all points together saw it.
    pub(super) fn conversation<'a>(&'a self, flow: &'a Flow) -> Option<&'a Conversation> {
        match self.unions.get(flow.union) {
            Some(union) => Some(&union.conversation),
            None => Some(&self.part(flow.head)?.conversation),
        }
    }

    /// What each side sent, each packet counted once.
    pub(super) fn sums(&self, flow: &Flow) -> [Sum; 2] {
        match self.unions.get(flow.union) {
            Some(union) => union.sums,
            None => self.part(flow.head).map_or([Sum::default(); 2], Part::sums),
        }
    }

    fn part(&self, index: u32) -> Option<&Part> {
        self.parts.get(index)
    }

    /// The parts of a flow, in order of appearance.
    pub(super) fn parts<'a>(&'a self, flow: &Flow) -> impl Iterator<Item = &'a Part> {
        let first = self.part(flow.head);
        std::iter::successors(first, |part| self.part(part.next))
    }

    /// So many places of parts from one on.
    pub(super) fn parts_from(&self, first: u32, places: u32) -> impl Iterator<Item = &Part> {
        let some = self.parts.some(first..first.saturating_add(places));
        some.map(|(_, part)| part)
    }

    /// Places of parts.
    pub(super) fn part_places(&self) -> u32 {
        self.parts.places()
    }

    /// Places of flows.
    pub(super) fn places(&self) -> u32 {
        self.flows.places()
    }

    /// Notes that a flow was told.
    pub(super) fn note_told(&mut self, place: u32) {
        if let Some(flow) = self.flows.get_mut(place) {
            flow.told = true;
        }
    }

    /// The flows at some places.
    pub(super) fn some(&self, places: Range<u32>) -> impl Iterator<Item = (u32, &Flow)> {
        self.flows.some(places)
    }

    /// All flows in order of appearance.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Flow> {
        let mut flows: Vec<&Flow> = self.flows.iter().collect();
        // Where slots are used again, their order says nothing.
        if self.evicted != Evicted::default() {
            flows.sort_unstable_by_key(|flow| flow.serial);
        }
        flows.into_iter()
    }

    /// A flow at a point. `None` when there are too many points.
    pub(super) fn at(&mut self, slot: u32, point: PointId) -> Option<AtPoint<'_>> {
        self.bring_back(slot);
        let index = match self.seek(slot, point)? {
            Ok(known) => known,
            Err(last) => self.join(slot, last, point)?,
        };
        let flow = self.flows.get_mut(slot)?;
        Some(AtPoint {
            part: self.parts.get_mut(index)?,
            union: self.unions.get_mut(flow.union),
            flow,
        })
    }

    /// The part of a flow at a point, or the last of its parts.
    fn seek(&self, slot: u32, point: PointId) -> Option<Result<u32, u32>> {
        let mut last = NONE;
        let mut current = self.flow(slot)?.head;
        let mut count = 0;
        while let Some(part) = self.part(current) {
            if part.point == point {
                return Some(Ok(current));
            }
            count += 1;
            last = current;
            current = part.next;
        }
        (count < MAX_POINTS).then_some(Err(last))
    }

    fn join(&mut self, slot: u32, last: u32, point: PointId) -> Option<u32> {
        let fresh = self.parts.insert(Part::new(NONE, point, slot));
        let flow = self.flows.get_mut(slot)?;
        match self.parts.get_mut(last) {
            None => flow.head = fresh,
            Some(part) => {
                part.next = fresh;
                if last == flow.head {
                    flow.second = fresh;
                }
                if flow.union == NONE {
                    let union = Union::of(part);
                    self.heap += union.heap_size();
                    flow.union = self.unions.insert(union);
                }
            }
        }
        Some(fresh)
    }

    /// Makes room; false if there is nothing to take.
    fn evict(&mut self, now: Timestamp) -> bool {
        self.sort_out();
        let crowd = self.unanswered.len() > self.len() / UNANSWERED;
        if let Some(slot) = self.oldest_unanswered(|flow| crowd || now.since(flow.touched) > GRACE)
        {
            self.evicted.unanswered += 1;
            self.remove(slot);
        } else if let Some(slot) = self.oldest_over() {
            self.evicted.over += 1;
            self.remove(slot);
        } else if let Some(slot) = self.longest_silent() {
            let over = self.timed_out(slot, now);
            self.evicted.over += u64::from(over);
            self.evicted.alive += u64::from(!over);
            self.remove(slot);
        } else if let Some(slot) = self.oldest_unanswered(|_| true) {
            self.evicted.unanswered += 1;
            self.remove(slot);
        } else {
            return false;
        }
        true
    }

    /// Takes flows that were answered out of the queue of those that were not, up to the first that still waits.
    fn sort_out(&mut self) {
        while let Some(&(slot, serial)) = self.unanswered.front() {
            let flow = self.flow(slot);
            let flow = flow.filter(|f| f.holds(serial) && f.life == Life::Alive);
            if flow.is_some_and(|flow| self.is_unanswered(flow)) {
                return;
            }
            let answered = flow.map(|flow| flow.touched);
            self.unanswered.pop_front();
            if let Some(touched) = answered {
                self.alive.push(Reverse((touched, (slot, serial))));
            }
        }
    }

    /// The flow that has waited longest for an answer, if it may go. The queue is sorted out.
    fn oldest_unanswered(&mut self, may: impl Fn(&Flow) -> bool) -> Option<u32> {
        let &(slot, _) = self.unanswered.front()?;
        if !self.flow(slot).is_some_and(may) {
            return None;
        }
        self.unanswered.pop_front();
        Some(slot)
    }

    fn oldest_over(&mut self) -> Option<u32> {
        while let Some((slot, serial)) = self.over.pop_front() {
            if self.flow(slot).is_some_and(|flow| flow.holds(serial)) {
                return Some(slot);
            }
        }
        None
    }

    /// The flow that has been silent longest. Its place may be out of date, but none is silent for longer than it says.
    fn longest_silent(&mut self) -> Option<u32> {
        while let Some(Reverse((looked, (slot, serial)))) = self.alive.pop() {
            let flow = self
                .flow(slot)
                .filter(|f| f.holds(serial) && f.life == Life::Alive);
            match flow.map(|flow| flow.touched) {
                Some(touched) if touched == looked => return Some(slot),
                Some(touched) => self.alive.push(Reverse((touched, (slot, serial)))),
                None => {}
            }
        }
        None
    }

    /// Takes a flow out of the table. What its parts tell of their points' mirrors is kept.
    fn remove(&mut self, slot: u32) {
        self.unlist(slot);
        let held = self.take_parts(slot);
        let (Some(flow), Some(held)) = (self.flows.remove(slot), held) else {
            return;
        };
        self.evicted.packets += held.sums().iter().map(|sum| sum.packets).sum::<u64>();
        self.heap -= flow.heap_size();
        for part in &held.parts {
            self.left.note(part);
        }
        let points = held.parts.iter().map(|part| part.point);
        let unmatched = self.unmatched.take(flow.serial, points);
        if self.departed.wants(&flow) {
            self.departed.keep(Gone {
                flow,
                held,
                unmatched,
            });
        }
        // Flows that gave way while they were over leave their tickets here.
        if self.alive.len() > 2 * self.len() + 1024 {
            let flows = &self.flows;
            self.alive.retain(|Reverse((_, (slot, serial)))| {
                let flow = flows.get(*slot);
                flow.is_some_and(|flow| flow.holds(*serial) && flow.life == Life::Alive)
            });
        }
    }
}

impl Flow {
    /// The side that opened it, as far as can be told.
    pub(super) fn originator(&self) -> Side {
        self.originator.into()
    }

    /// Whether a ticket with that half of a number is its own.
    fn holds(&self, serial: u32) -> bool {
        self.serial as u32 == serial
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.key.protocol == protocol::TCP
    }

    /// Further packets with its key are another flow's.
    pub(super) fn has_ended(&self) -> bool {
        self.life == Life::Ended
    }

    pub(super) fn set_originator(&mut self, side: Side) {
        self.originator = side as u8;
    }

    /// Bytes that it holds elsewhere, its parts and their union left out.
    fn heap_size(&self) -> usize {
        self.quotation.as_ref().map_or(0, |_| Quotation::SIZE)
    }
}

impl AtPoint<'_> {
    /// TCP as all points together saw it.
    pub(super) fn conversation(&self) -> &Conversation {
        let union = self.union.as_ref();
        union.map_or(&self.part.conversation, |union| &union.conversation)
    }

    /// Bytes that all of it holds elsewhere.
    pub(super) fn heap_size(&self) -> usize {
        let beside_tcp = self.flow.heap_size() + self.part.beside_tcp();
        // The memory of other conversations is far away.
        if !self.flow.is_tcp() {
            return beside_tcp;
        }
        let union = self.union.as_ref().map_or(0, |union| union.heap_size());
        beside_tcp + self.part.conversation.heap_size() + union
    }
}

impl Union {
    /// All that one point saw.
    pub(super) fn of(part: &Part) -> Self {
        Self {
            sums: part.sums(),
            conversation: part.conversation.clone(),
        }
    }

    /// Bytes that it holds elsewhere.
    pub(super) fn heap_size(&self) -> usize {
        self.conversation.heap_size()
    }
}

impl Quotation {
    /// Nothing yet, with room for all that is kept.
    pub(super) fn new() -> Self {
        Self {
            errors: Vec::with_capacity(QUOTED),
            quotes: Vec::with_capacity(QUOTED),
        }
    }

    /// Bytes that it takes.
    pub(super) const SIZE: usize =
        size_of::<Self>() + QUOTED * (size_of::<QuotedBy>() + size_of::<String>() + FLOW_ID_LEN);

    /// Counts an error that quotes the flow.
    pub(super) fn note_error(&mut self, error: QuotedBy) {
        let same = |known: &&mut QuotedBy| {
            (known.from, known.kind, known.code) == (error.from, error.kind, error.code)
        };
        if let Some(known) = self.errors.iter_mut().find(same) {
            known.packets += 1;
        } else if self.errors.len() < QUOTED {
            self.errors.push(error);
        }
    }

    /// Keeps the id of a flow that the errors quote.
    pub(super) fn note_quoted(&mut self, id: String) {
        if self.quotes.len() < QUOTED && !self.quotes.contains(&id) {
            self.quotes.push(id);
        }
    }
}
