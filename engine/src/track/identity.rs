//! One packet that several places see is one packet, and one that a mirror brings twice is one as well.
//!
//! A packet is known again by what does not change on its way: addresses, ports, the identification of IPv4, lengths,
//! numbers and flags of TCP, the first bytes of other payloads. Not by TTL, MAC addresses, VLAN, DSCP or checksums.
//! What is equal in all this may still have been sent twice; [`is_copy`] tells a mirror's copy from a retransmission.

use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use mirrorscope_dissectors::{FragmentPosition, Ip, Tcp, Transport};

use super::part::Part;
use crate::flow::{FlowKey, Side};
use crate::point::PointId;
use crate::receive::Shown;
use crate::table::{fetch, word};
use crate::tcp::{Options, TcpOption};
use crate::time::{SECOND, Timestamp};

/// A packet is remembered for this long after it was seen first, if there is room.
const WINDOW: i64 = 2 * SECOND;
/// Packets remembered at once: [`WAYS`] in each set.
const SETS: usize = 1 << 15;
const WAYS: usize = 8;
/// Points that are told apart for one packet; of more, those that saw it last.
const PLACES: usize = FIRST + FURTHER;
/// Points that most packets are seen at, at most.
const FIRST: usize = 2;
const FURTHER: usize = 6;
/// No sender repeats a packet this soon of its own accord: the kernel's shortest timers take two ticks of a
/// millisecond. Only duplicate acknowledgements make it faster.
const SOON: i64 = 2_000_000;
/// No two copies of one packet take ways through a mirror that differ by more, and no retransmission timer is shorter:
/// Linux waits for 200 ms at least.
const LATE: i64 = 100_000_000;
/// Bytes of other payloads than TCP's that tell packets apart.
pub(crate) const SAMPLE: usize = 16;
/// Acknowledgements of one number that make a sender repeat (RFC 5681 §3.2).
const FAST: u8 = 3;

/// How a packet was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// For the first time anywhere.
    Fresh,
    /// Another point saw it before.
    Copy,
    /// The same point saw it before: its mirror brought it twice.
    Duplicate,
    /// The same link carries it again, after a router had it: it went there and came back.
    Again,
}

/// What a packet can be told apart by, besides its identification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// TCP with data, SYN or FIN.
    Segment,
    /// SYN+ACK.
    SynAck,
    /// TCP that only answers: acknowledgements, resets.
    Answer,
    /// Other payload.
    Datagram,
    /// Nothing but its length.
    Faceless,
}

/// What makes a packet itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    pub id: u64,
    pub kind: Kind,
    /// Parts that would have told more were cut off.
    pub cut: bool,
}

impl Identity {
    /// The identity of a packet that a side of a flow sent. `coarse`: only by what packets of this flow keep that were
    /// cut. It is the same in every run, so that what is forgotten for want of room is the same too. Inlined as the key is.
    #[inline(always)]
    pub(super) fn of(flow: &FlowKey, side: Side, ip: &Ip<'_>, coarse: bool) -> Self {
        let mut hash = FixedState::with_seed(0).build_hasher();
        flow.hash(&mut hash);
        let position = ip.fragment.map_or(0, place);
        let length = u64::from(ip.identification) << 32 | u64::from(ip.claimed_len);
        hash.write_u128(u128::from(position) << 64 | u128::from(length));
        let (kind, cut) = if let Transport::Tcp(tcp) = &ip.transport {
            segment(&mut hash, side, tcp, coarse);
            let pure = tcp.payload_len == 0 && !tcp.flags.syn() && !tcp.flags.fin();
            let kind = match pure {
                true => Kind::Answer,
                false if tcp.flags.syn() && tcp.flags.ack() => Kind::SynAck,
                false => Kind::Segment,
            };
            (kind, ip.truncated() && tcp.payload.is_empty())
        } else {
            hash.write_u64(side as u64);
            other(&mut hash, ip, coarse)
        };
        let id = hash.finish();
        Self { id, kind, cut }
    }
}

/// Takes what tells a segment from others. Of a SYN's options only the time stamp counts: firewalls change its maximum
/// segment size and leave out what they do not know. Time stamps and selective acknowledgements differ from packet to
/// packet.
#[inline]
fn segment(hash: &mut impl Hasher, side: Side, tcp: &Tcp<'_>, coarse: bool) {
    let numbers = u64::from(tcp.sequence) << 32 | u64::from(tcp.acknowledgement);
    let shape = u64::from(tcp.flags.0) << 48 | u64::from(tcp.window) << 32;
    let shape = shape | u64::from(tcp.payload_len);
    hash.write_u128(u128::from(numbers) << 64 | u128::from(shape));
    hash.write_u64(side as u64);
    if coarse {
        return;
    }
    if tcp.flags.syn() {
        let stamp = |option| match option {
            TcpOption::Timestamps { value, .. } => Some(value),
            _ => None,
        };
        hash.write_u32(Options::new(tcp.options).find_map(stamp).unwrap_or(0));
    } else {
        hash.write(tcp.options);
    }
}

/// Takes what tells packets of other protocols apart, and says what that is and whether it was cut.
fn other(hash: &mut impl Hasher, ip: &Ip<'_>, coarse: bool) -> (Kind, bool) {
    let mut sample = |payload: &[u8], rest: u64| {
        let present = payload.get(..SAMPLE).unwrap_or(payload);
        let cut = ip.truncated() && present.len() < SAMPLE;
        hash.write_u64(rest);
        if coarse {
            return (Kind::Faceless, cut);
        }
        hash.write(present);
        if present.is_empty() && rest == 0 {
            (Kind::Faceless, cut)
        } else {
            (Kind::Datagram, cut)
        }
    };
    match &ip.transport {
        Transport::TcpPorts { sequence, .. } => {
            hash.write_u64(sequence.map_or(0, u64::from));
            (Kind::Faceless, true)
        }
        Transport::Udp(udp) => sample(udp.payload, udp.payload_len.into()),
        Transport::Icmp {
            kind,
            code,
            sequence,
            payload,
            ..
        }
        | Transport::Icmp6 {
            kind,
            code,
            sequence,
            payload,
            ..
        } => {
            let [high, low] = sequence.to_be_bytes();
            sample(
                payload,
                u64::from_be_bytes([*kind, *code, high, low, 0, 0, 0, 1]),
            )
        }
        Transport::Other { payload } | Transport::Sctp { payload, .. } => sample(payload, 0),
        Transport::Tcp(_)
        | Transport::LaterFragment { .. }
        | Transport::Cut
        | Transport::Malformed(_) => (Kind::Faceless, false),
    }
}

fn place(position: FragmentPosition) -> u64 {
    let more = u64::from(position.more);
    u64::from(position.identification) << 32 | u64::from(position.offset) << 1 | more
}

/// A packet that was seen lately, with what most packets need: one line of the cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
struct Known {
    id: u64,
    first: Timestamp,
    serial: u64,
    /// Its flow.
    slot: u32,
    /// Where the views of further points are, once there were any of a packet at this place.
    further: Option<u32>,
    /// How often it was sent: the most that one point saw.
    sends: u8,
    used: u8,
    places: [Place; FIRST],
}

/// One point's view of it.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    point: PointId,
    /// Microseconds from the first sight anywhere to the last one here.
    last: u32,
    sends: u8,
    ttl: u8,
    stations: u16,
}

/// What a packet looks like at one place; all of it changes where it is routed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub ttl: u8,
    /// A hash of its MAC addresses; 0 without any.
    pub stations: u16,
}

impl Look {
    pub(super) fn of(packet: &Shown<'_>, ip: &Ip<'_>) -> Self {
        let macs = packet.packet.macs;
        let stations = macs.map(|m| {
            let words = (word(m.source), word(m.destination));
            FixedState::with_seed(0).hash_one(words)
        });
        Self {
            ttl: ip.ttl,
            stations: stations.map_or(0, |hash| hash as u16 | 1),
        }
    }
}

/// The last time that a point saw an equal packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Earlier {
    /// Nanoseconds since.
    pub ago: i64,
    /// It had another TTL: a router stands between both.
    pub other_ttl: bool,
    /// Its TTL was higher, and its stations were others: it was routed since.
    pub routed: bool,
}

impl Known {
    /// Makes it a packet of a flow (slot and serial) that is seen for the first time.
    fn begin(&mut self, id: u64, flow: (u32, u64), point: PointId, look: Look, now: Timestamp) {
        self.id = id;
        self.first = now;
        (self.slot, self.serial) = flow;
        self.sends = 1;
        // Places that are not used keep what is there.
        self.used = 1;
        self.places[0] = Place {
            point,
            last: 0,
            sends: 1,
            ttl: look.ttl,
            stations: look.stations,
        };
    }
}

/// A packet that was seen lately, for a point to see it.
pub(super) struct Found<'a> {
    known: &'a mut Known,
    further: &'a mut Vec<[Place; FURTHER]>,
}

impl Found<'_> {
    /// Its flow (slot and serial).
    pub(super) fn flow(&self) -> (u32, u64) {
        (self.known.slot, self.known.serial)
    }

    /// How a point sees it now; `link` if what passes it is on its way, not at a router's port.
    pub(super) fn see(
        self,
        (point, link): (PointId, bool),
        look: Look,
        now: Timestamp,
        is_copy: impl FnOnce(Earlier) -> bool,
    ) -> Sight {
        let Known {
            first,
            further,
            sends,
            used,
            places,
            ..
        } = self.known;
        let since = now.since(*first).max(0) / 1000;
        let last = u32::try_from(since).unwrap_or(u32::MAX);
        let seen = usize::from(*used);
        let mut all = places
            .iter_mut()
            .chain(at(self.further, *further))
            .take(seen);
        if let Some(place) = all.find(|place| place.point == point) {
            let stations = [place.stations, look.stations];
            let earlier = Earlier {
                ago: (i64::from(last) - i64::from(place.last)).max(0) * 1000,
                other_ttl: place.ttl != look.ttl,
                routed: look.ttl < place.ttl
                    && stations[0] != stations[1]
                    && !stations.contains(&0),
            };
            place.last = last;
            if link && earlier.routed {
                place.ttl = look.ttl;
                place.stations = look.stations;
                return Sight::Again;
            }
            if is_copy(earlier) {
                return Sight::Duplicate;
            }
            place.ttl = look.ttl;
            place.stations = look.stations;
            place.sends = place.sends.saturating_add(1);
            if place.sends <= *sends {
                return Sight::Copy;
            }
            *sends = place.sends;
            return Sight::Fresh;
        }
        if seen == FIRST && further.is_none() {
            *further = Some(self.further.len() as u32);
            self.further.push(Default::default());
        }
        let mut all = places.iter_mut().chain(at(self.further, *further));
        let free = if seen < PLACES {
            *used += 1;
            all.nth(seen)
        } else {
            all.min_by_key(|place| place.last)
        };
        if let Some(place) = free {
            *place = Place {
                point,
                last,
                sends: 1,
                ttl: look.ttl,
                stations: look.stations,
            };
        }
        Sight::Copy
    }
}

/// What further points saw.
fn at(further: &mut [[Place; FURTHER]], place: Option<u32>) -> &mut [Place] {
    let at = place.and_then(|place| further.get_mut(place as usize));
    at.map_or(&mut [], |at| at)
}

/// Whether a packet equal to one that the point saw before is the mirror's copy of it, not sent again.
///
/// Another TTL says so, or an identification that the sender changes with each packet: unless the second one comes so
/// [`LATE`] that it may be a retransmission, for which some senders use the same packet once more. Where nothing tells
/// (IPv6, or a constant), nothing is sent twice within [`SOON`]. Duplicate acknowledgements, and what they bring about,
/// are faster than all this.
pub(super) fn is_copy(kind: Kind, ip: &Ip<'_>, earlier: Earlier, part: &Part, side: Side) -> bool {
    // A fragment's identification is its datagram's own.
    let identified =
        ip.fragment.is_some() || (ip.identification != 0 && part.trails[side].identified);
    let marked = earlier.other_ttl || identified;
    let peer = &part.sides[1 - side];
    earlier.ago < if marked { LATE } else { SOON }
        && match kind {
            Kind::Segment => earlier.other_ttl || part.trails[1 - side].repeated_acks < FAST,
            // A receiver answers each segment: alike, if it waits for an earlier one. If its mirror doubled the
            // answers, it doubles the segments too.
            Kind::Answer => {
                marked || peer.packets < 4 || part.doubled(1 - side).packets * 4 >= peer.packets
            }
            // It is sent again by a timer, and whenever the SYN comes again: two timers that often run out together.
            // A mirror that doubles did so from the first one on.
            Kind::SynAck => marked || part.doubles(side),
            Kind::Datagram => true,
            Kind::Faceless => marked,
        }
}

/// The packets of the last two seconds, as many as there is room for, in order of appearance: a packet and its copies come
/// one soon after the other, so what is looked for was mostly written a moment ago. A set-associative index finds them.
#[derive(Debug)]
pub(super) struct Recent {
    index: Vec<Set>,
    known: Vec<Known>,
    /// What further points saw, apart: few packets pass so many.
    further: Vec<[Place; FURTHER]>,
    /// The packet that gives way next, once there is no more room.
    oldest: usize,
}

/// Packets whose identities lead to the same place of the index, the latest first: one line of the cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Set {
    /// Parts of the identities, 0 where nothing is.
    tags: [u32; WAYS],
    /// Where the packets are.
    places: [u32; WAYS],
}

impl Set {
    fn way(&self, tag: u32) -> Option<usize> {
        self.tags.iter().position(|other| *other == tag)
    }

    /// Where a packet may be.
    fn place(&self, tag: u32) -> Option<usize> {
        let place = self.places.get(self.way(tag)?)?;
        Some(*place as usize)
    }

    /// Notes where a packet is: where an equal tag stands, else before all others.
    fn note(&mut self, tag: u32, place: u32) {
        let way = self.way(tag).unwrap_or_else(|| {
            self.tags.copy_within(..WAYS - 1, 1);
            self.places.copy_within(..WAYS - 1, 1);
            0
        });
        self.tags[way] = tag;
        self.places[way] = place;
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self {
            index: vec![Set::default(); SETS],
            // Nothing is touched before it is used; and it never has to move while packets wait.
            known: Vec::with_capacity(SETS * WAYS),
            further: Vec::with_capacity(SETS * WAYS),
            oldest: 0,
        }
    }
}

impl Recent {
    /// Has the way to a packet brought near.
    pub(super) fn fetch(&self, id: u64) {
        if let Some(set) = self.index.get(place_of(id).0) {
            fetch(set);
        }
    }

    /// Has a packet brought near that was seen lately, if the way to it is near.
    pub(super) fn fetch_known(&self, id: u64) {
        let (set, tag) = place_of(id);
        if let Some(set) = self.index.get(set)
            && let Some(known) = set.place(tag).and_then(|place| self.known.get(place))
        {
            fetch(known);
        }
    }

    /// Has the places brought near that so many new packets will be written to.
    pub(super) fn fetch_oldest(&self, packets: usize) {
        let next = self.known.iter().skip(self.oldest);
        for known in next.take(packets) {
            fetch(known);
        }
    }

    /// Whether a packet was seen lately, as far as is told without looking further than at what is near.
    pub(super) fn knows(&self, id: u64) -> bool {
        let (set, tag) = place_of(id);
        let set = self.index.get(set);
        set.is_some_and(|set| set.tags.contains(&tag))
    }

    /// A packet equal to one that was seen lately.
    pub(super) fn find(&mut self, id: u64, now: Timestamp) -> Option<Found<'_>> {
        let (set, tag) = place_of(id);
        let place = self.index.get(set)?.place(tag)?;
        // Another packet may have its place by now.
        let known = self.known.get_mut(place)?;
        let age = now.since(known.first);
        let further = &mut self.further;
        (known.id == id && age.abs() <= WINDOW).then_some(Found { known, further })
    }

    /// Remembers a packet of a flow (slot and serial) that was not found; one that is too old to be found gives way, else the
    /// oldest if there is no more room.
    pub(super) fn insert(
        &mut self,
        id: u64,
        flow: (u32, u64),
        point: PointId,
        look: Look,
        now: Timestamp,
    ) {
        let (set, tag) = place_of(id);
        let Some(set) = self.index.get_mut(set) else {
            return;
        };
        let all = self.known.len();
        let full = all >= SETS * WAYS;
        let oldest = self.known.get(self.oldest);
        let place = if oldest.is_some_and(|oldest| full || now.since(oldest.first) > WINDOW) {
            let place = self.oldest;
            self.oldest = if place + 1 < all { place + 1 } else { 0 };
            place
        } else {
            self.known.push(Known::default());
            all
        };
        if let Some(known) = self.known.get_mut(place) {
            known.begin(id, flow, point, look, now);
        }
        set.note(tag, place as u32);
    }
}

/// The set of an identity, and its tag there.
fn place_of(id: u64) -> (usize, u32) {
    (id as usize % SETS, (id >> 32) as u32 | 1)
}
