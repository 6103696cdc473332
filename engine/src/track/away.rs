//! Flows of which nothing was heard for a while, kept in a tenth of the memory: what their points saw is put away in few bytes,
//! and brought back by the next packet.
//!
//! That begins once all that is kept in full takes as much as it may ([`Limits::full`](super::Limits::full)). What comes back is
//! what was put away: nobody can tell which flows were, but by the time that it takes.

use super::part::Part;
use super::slab::NONE;
use super::store::Store;
use super::table::{Flow, Table, Union};
use crate::observation::Sum;
use crate::pack::{Pack, Packer, Unpacker};
use crate::tcp::{Conversation, Phase};

/// Parts that are looked at for a packet.
const STEPS: u32 = 64;

/// What the points saw of a flow, on its own.
#[derive(Debug)]
pub(super) struct Held {
    /// In order of appearance.
    pub parts: Vec<Part>,
    pub union: Option<Union>,
}

/// What the points saw of a flow, wherever that is.
#[derive(Clone, Copy, Debug)]
pub(super) enum View<'a> {
    Table(&'a Table, &'a Flow),
    Held(&'a Held),
}

/// What must be known of a flow that is put away, without bringing it back.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark(u8);

impl Mark {
    const AWAY: u8 = 1;
    const UNANSWERED: u8 = 1 << 1;
    const LACKS: u8 = 1 << 2;
    const PHASE: u32 = 3;
    const PHASES: [Phase; 4] = [
        Phase::HalfOpen,
        Phase::Established,
        Phase::Closing,
        Phase::Closed,
    ];

    fn new(phase: Phase, unanswered: bool, lacks: bool) -> Self {
        let phase = Self::PHASES.iter().position(|known| *known == phase);
        let mut bits = Self::AWAY | (phase.unwrap_or_default() as u8) << Self::PHASE;
        bits |= if unanswered { Self::UNANSWERED } else { 0 };
        bits |= if lacks { Self::LACKS } else { 0 };
        Self(bits)
    }

    /// Whether it is put away.
    pub(super) fn is_away(self) -> bool {
        self.0 & Self::AWAY != 0
    }

    fn phase(self) -> Option<Phase> {
        let phase = Self::PHASES.get(usize::from(self.0 >> Self::PHASE));
        phase.copied().filter(|_| self.is_away())
    }
}

/// What is put away.
#[derive(Debug)]
pub(super) struct Away {
    store: Store,
    packer: Packer,
    /// The part that is looked at next for flows to be put away.
    hand: u32,
    /// Bytes that may be kept in full.
    room: usize,
}

impl Away {
    pub(super) fn new(room: usize) -> Self {
        Self {
            store: Store::default(),
            packer: Packer::default(),
            hand: 0,
            room,
        }
    }

    /// Bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.store.bytes()
    }

    /// The record of a flow.
    pub(super) fn record(&self, number: u32) -> &[u8] {
        self.store.get(number).unwrap_or_default()
    }
}

impl Held {
    /// Writes what points saw of a flow.
    fn pack<'a>(
        flow: &Flow,
        parts: impl Iterator<Item = &'a Part> + Clone,
        union: Option<&Union>,
        out: &mut Packer,
    ) {
        (parts.clone().count() as u32).pack(&1, out);
        let usual = Part::usual(flow);
        let mut first = None;
        for part in parts {
            part.pack(first.unwrap_or(&usual), first.is_some(), out);
            first = first.or(Some(part));
        }
        union.is_some().pack(&false, out);
        if let (Some(union), Some(first)) = (union, first) {
            first.pack_union(union, out);
        }
    }

    /// Reads what was written.
    fn unpack(flow: &Flow, record: &[u8]) -> Self {
        let mut from = Unpacker::new(record);
        let count = u32::unpack(&1, &mut from) as usize;
        let count = count.min(super::MAX_POINTS);
        let usual = Part::usual(flow);
        let mut parts: Vec<Part> = Vec::with_capacity(count);
        for _ in 0..count {
            let first = parts.first();
            let part = Part::unpack(first.unwrap_or(&usual), first.is_some(), &mut from);
            parts.push(part);
        }
        let union = bool::unpack(&false, &mut from);
        let first = parts.first().filter(|_| union);
        let union = first.map(|first| first.unpack_union(&mut from));
        Self { parts, union }
    }

    /// Whether it is all that points saw of a flow that is kept in full.
    fn is_of<'a>(&self, parts: impl Iterator<Item = &'a Part>, union: Option<&Union>) -> bool {
        let own: Vec<_> = self.parts.iter().map(Part::told).collect();
        let others: Vec<_> = parts.map(Part::told).collect();
        own == others && format!("{:?}", self.union.as_ref()) == format!("{union:?}")
    }

    /// TCP as all points together saw it.
    pub(super) fn conversation(&self) -> Option<&Conversation> {
        match &self.union {
            Some(union) => Some(&union.conversation),
            None => Some(&self.parts.first()?.conversation),
        }
    }

    /// What each side sent, each packet counted once.
    pub(super) fn sums(&self) -> [Sum; 2] {
        match (&self.union, self.parts.first()) {
            (Some(union), _) => union.sums,
            (None, Some(part)) => part.sums(),
            (None, None) => Default::default(),
        }
    }
}

impl<'a> View<'a> {
    /// The parts, in order of appearance.
    pub(super) fn parts(self) -> impl Iterator<Item = &'a Part> {
        let (near, held): (_, &[Part]) = match self {
            Self::Table(table, flow) => (Some(table.parts(flow)), &[]),
            Self::Held(held) => (None, &held.parts),
        };
        near.into_iter().flatten().chain(held)
    }

    /// TCP as all points together saw it.
    pub(super) fn conversation(self) -> Option<&'a Conversation> {
        match self {
            Self::Table(table, flow) => table.conversation(flow),
            Self::Held(held) => held.conversation(),
        }
    }

    /// What each side sent, each packet counted once.
    pub(super) fn sums(self) -> [Sum; 2] {
        match self {
            Self::Table(table, flow) => table.sums(flow),
            Self::Held(held) => held.sums(),
        }
    }
}

impl Table {
    /// What the points saw of a flow that is put away.
    pub(super) fn held(&self, flow: &Flow) -> Option<Held> {
        let away = flow.mark.is_away();
        away.then(|| Held::unpack(flow, self.away.record(flow.head)))
    }

    /// What the points saw of a flow, [`Self::held`] being what is put away of it.
    pub(super) fn view<'a>(&'a self, flow: &'a Flow, held: Option<&'a Held>) -> View<'a> {
        held.map_or(View::Table(self, flow), View::Held)
    }

    /// How far TCP has come, as all points together saw it.
    pub(super) fn phase(&self, flow: &Flow) -> Option<Phase> {
        let near = || Some(self.conversation(flow)?.phase());
        flow.mark.phase().or_else(near)
    }

    /// Whether nobody has answered a flow's packets.
    pub(super) fn is_unanswered(&self, flow: &Flow) -> bool {
        if flow.mark.is_away() {
            return flow.mark.0 & Mark::UNANSWERED != 0;
        }
        let [low, high] = self.sums(flow).map(|sum| sum.packets);
        flow.is_tcp() && self.phase(flow) == Some(Phase::HalfOpen)
            || low.min(high) == 0 && low.max(high) < 3
    }

    /// Whether some point saw one direction of a flow only.
    pub(super) fn lacks(&self, flow: &Flow) -> bool {
        if flow.mark.is_away() {
            return flow.mark.0 & Mark::LACKS != 0;
        }
        let mut parts = self.parts(flow);
        parts.any(|part| part.sides.iter().any(|seen| seen.packets == 0))
    }

    /// Puts flows away while those that are kept in full take too much.
    #[inline]
    pub(super) fn keep_room(&mut self) {
        let mut steps = STEPS;
        while self.full_bytes() > self.away.room && steps > 0 {
            steps -= 1;
            self.step();
        }
    }

    /// Looks at the next part, and puts its flow away if nothing was heard of it since the last time.
    #[cold]
    fn step(&mut self) {
        let places = self.parts.places();
        if places == 0 {
            return;
        }
        let hand = (self.away.hand + 1) % places;
        self.away.hand = hand;
        self.fetch_ahead(hand, places);
        let Some(owner) = self.parts.get(hand).map(|part| part.owner) else {
            return;
        };
        let Some(flow) = self.flows.get_mut(owner) else {
            return;
        };
        if flow.head != hand || std::mem::take(&mut flow.heard) {
            return;
        }
        self.put_away(owner);
        if self.away.store.is_untidy() {
            self.tidy();
        }
    }

    /// Moves some records together, and tells their flows where they are.
    fn tidy(&mut self) {
        let Self { flows, away, .. } = self;
        away.store.tidy(|owner, record| match record {
            None => flows.fetch(owner),
            Some(record) => {
                if let Some(flow) = flows.get_mut(owner) {
                    flow.head = record;
                }
            }
        });
    }

    /// Has what the hand will look at brought near: the part, its flow, and all parts of that, each in time for the next.
    fn fetch_ahead(&self, hand: u32, places: u32) {
        let at = |steps: u32| {
            let place = (hand + steps) % places;
            Some((place, self.parts.get(place)?.owner))
        };
        let first_of = |steps: u32| {
            let (place, owner) = at(steps)?;
            let flow = self.flow(owner).filter(|flow| flow.head == place)?;
            (!flow.heard).then_some((owner, flow))
        };
        self.parts.fetch((hand + 16) % places);
        if let Some((_, owner)) = at(12) {
            self.flows.fetch(owner);
        }
        if let Some((owner, flow)) = first_of(8) {
            self.fetch_part(owner, flow.head, true);
            self.fetch_part(owner, flow.second, false);
        }
    }

    /// Puts a flow away that is kept in full, unless that takes too many bytes.
    fn put_away(&mut self, slot: u32) -> Option<()> {
        let flow = self.flows.get(slot)?;
        let first = self.parts.get(flow.head);
        let parts = std::iter::successors(first, |part| self.parts.get(part.next));
        let packer = &mut self.away.packer;
        packer.clear();
        let union = self.unions.get(flow.union);
        Held::pack(flow, parts.clone(), union, packer);
        let bytes = packer.finish();
        debug_assert!(
            Held::unpack(flow, bytes).is_of(parts, union),
            "what comes back is what was put away"
        );
        let record = self.away.store.insert(slot, bytes)?;
        let phase = self.conversation(flow)?.phase();
        let mark = Mark::new(phase, self.is_unanswered(flow), self.lacks(flow));
        let flow = self.flows.get_mut(slot)?;
        flow.mark = mark;
        flow.second = NONE;
        let mut current = std::mem::replace(&mut flow.head, record);
        self.take_union(slot);
        while let Some(part) = self.parts.remove(current) {
            self.away_evidence.add(part.point, part.evidence());
            self.heap -= part.heap_size();
            current = part.next;
        }
        Some(())
    }

    /// Brings a flow back if it is put away.
    #[inline]
    pub(super) fn bring_back(&mut self, slot: u32) {
        if self.flow(slot).is_some_and(|flow| flow.mark.is_away()) {
            self.unpack(slot);
        }
    }

    #[cold]
    fn unpack(&mut self, slot: u32) -> Option<()> {
        let held = self.take_away(slot)?;
        let mut next = NONE;
        let mut second = NONE;
        for mut part in held.parts.into_iter().rev() {
            self.heap += part.heap_size();
            part.next = next;
            part.owner = slot;
            second = next;
            next = self.parts.insert(part);
        }
        let flow = self.flows.get_mut(slot)?;
        flow.head = next;
        flow.second = second;
        if let Some(union) = held.union {
            self.heap += union.heap_size();
            flow.union = self.unions.insert(union);
        }
        Some(())
    }

    /// Takes out what was put away of a flow.
    fn take_away(&mut self, slot: u32) -> Option<Held> {
        let flow = self.flows.get_mut(slot)?;
        let held = Held::unpack(flow, self.away.record(flow.head));
        flow.mark = Mark::default();
        self.away
            .store
            .remove(std::mem::replace(&mut flow.head, NONE));
        for part in &held.parts {
            self.away_evidence.take(part.point, part.evidence());
        }
        Some(held)
    }

    /// Takes out what all points together saw of a flow that is kept in full.
    fn take_union(&mut self, slot: u32) -> Option<Union> {
        let flow = self.flows.get_mut(slot)?;
        let union = self
            .unions
            .remove(std::mem::replace(&mut flow.union, NONE))?;
        self.heap -= union.heap_size();
        Some(union)
    }

    /// Takes out all that points saw of a flow, wherever that is.
    pub(super) fn take_parts(&mut self, slot: u32) -> Option<Held> {
        if self.flow(slot)?.mark.is_away() {
            return self.take_away(slot);
        }
        let flow = self.flows.get_mut(slot)?;
        let mut parts = Vec::new();
        let mut current = std::mem::replace(&mut flow.head, NONE);
        let union = self.take_union(slot);
        while let Some(part) = self.parts.remove(current) {
            self.heap -= part.heap_size();
            current = part.next;
            parts.push(part);
        }
        Some(Held { parts, union })
    }
}

impl Part {
    /// All that the point saw.
    fn told(&self) -> String {
        let mut alone = self.clone();
        (alone.next, alone.owner) = (NONE, NONE);
        format!("{alone:?}")
    }
}
