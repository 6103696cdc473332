//! What one point knows of one flow: the only thing that the correlator ever sees of packets.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::firewall::Unmatched;
use crate::flow::{FlowKey, Side};
use crate::pack::{Pack, Packer, Unpacker, packed};
use crate::point::PointId;
use crate::session::SessionId;
use crate::table::word;
use crate::tcp::Conversation;
use crate::time::Timestamp;

/// Packets of one direction at one point, named after their sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Packets.
    pub packets: u64,
    /// Bytes by the inner IP header, which is part of them.
    pub bytes: u64,
    /// Bytes behind the transport header, as the headers claim.
    pub payload: u64,
    /// First packet; meaningless without packets.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// Source and destination MAC of the last packet that had them.
    pub macs: Option<([u8; 6], [u8; 6])>,
    /// Lowest and highest TTL or hop limit; meaningless without packets.
    pub ttl: (u8, u8),
    /// DSCP values that were seen, one bit each.
    pub dscp: u64,
    /// Length of the largest IP packet, by its header.
    pub largest: u32,
}

impl Pack for Seen {
    fn pack(&self, like: &Self, out: &mut Packer) {
        packed_words(self.macs).pack(&packed_words(like.macs), out);
        self.packets.pack(&like.packets, out);
        self.bytes.pack(&like.bytes, out);
        self.payload.pack(&like.payload, out);
        self.first.pack(&like.first, out);
        self.last.pack(&self.last_like(like), out);
        self.ttl.0.pack(&like.ttl.0, out);
        self.ttl.1.pack(&self.ttl_like(like), out);
        self.dscp.pack(&like.dscp, out);
        self.largest.pack(&like.largest, out);
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        let macs = Option::unpack(&packed_words(like.macs), from);
        let mut seen = Self {
            macs: macs.map(|(source, destination)| (mac(source), mac(destination))),
            packets: Pack::unpack(&like.packets, from),
            bytes: Pack::unpack(&like.bytes, from),
            payload: Pack::unpack(&like.payload, from),
            first: Pack::unpack(&like.first, from),
            ..Self::default()
        };
        seen.last = Pack::unpack(&seen.last_like(like), from);
        seen.ttl.0 = Pack::unpack(&like.ttl.0, from);
        seen.ttl.1 = Pack::unpack(&seen.ttl_like(like), from);
        seen.dscp = Pack::unpack(&like.dscp, from);
        seen.largest = Pack::unpack(&like.largest, from);
        seen
    }
}

/// MAC addresses as numbers.
fn packed_words(macs: Option<([u8; 6], [u8; 6])>) -> Option<(u64, u64)> {
    macs.map(|(source, destination)| (word(source), word(destination)))
}

/// A MAC address of its number.
fn mac(word: u64) -> [u8; 6] {
    let [_, _, mac @ ..] = word.to_be_bytes();
    mac
}

/// Packets, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Packets.
    pub packets: u64,
    /// Bytes by the inner IP header, which is part of them.
    pub bytes: u64,
    /// Bytes behind the transport header, as the headers claim.
    pub payload: u64,
}

packed!(Sum {
    packets,
    bytes,
    payload
});

impl Sum {
    /// Adds others.
    pub fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.payload += other.payload;
    }
}

impl From<Seen> for Sum {
    fn from(seen: Seen) -> Self {
        Self {
            packets: seen.packets,
            bytes: seen.bytes,
            payload: seen.payload,
        }
    }
}

impl Seen {
    /// What is expected of one side of a point, the other being known, beside something alike: stations are the same.
    pub(crate) fn turned(&self, other: &Self) -> Self {
        let macs = other
            .macs
            .map(|(source, destination)| (destination, source));
        Self {
            macs: macs.or(self.macs),
            ..*self
        }
    }

    /// What the highest TTL is expected to be, the lowest being known.
    fn ttl_like(&self, like: &Self) -> u8 {
        let above = like.ttl.1.wrapping_sub(like.ttl.0);
        self.ttl.0.wrapping_add(above)
    }

    /// When the last packet is expected, the first being known, beside something alike.
    fn last_like(&self, like: &Self) -> Timestamp {
        if self.packets == 1 {
            self.first
        } else {
            like.last.plus(self.first.since(like.first))
        }
    }

    /// The DSCP values that were seen, 0 to 63.
    pub fn dscp_values(&self) -> impl Iterator<Item = u8> + use<> {
        let seen = self.dscp;
        (0..64).filter(move |value| seen >> value & 1 == 1)
    }
}

/// Whether a point could see what a side sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Visible {
    /// No sign of it: the session may carry one direction only.
    #[default]
    Unproven,
    /// The point sees both directions of other flows.
    Likely,
    /// The very station whose packets are missing was seen to send here.
    Proven,
    /// Its packets of this flow were seen.
    Seen,
}

/// How sure it is which side opened a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Opening {
    /// It sent the first packet that was seen, or uses the port that clients use.
    Guess,
    /// The other side answered it: SYN+ACK, echo reply.
    Answer,
    /// It asked: SYN, echo request.
    Request,
}

/// What one point saw of one flow. Sides are the flow key's: 0 is `low`, 1 is `high`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// The flow.
    pub flow: FlowKey,
    /// The point.
    pub point: PointId,
    /// What each side sent past the point, each packet counted once.
    pub sides: [Seen; 2],
    /// What the point's mirror brought once more.
    pub doubled: [Sum; 2],
    /// What came past again after a router had had it: it went over a link and came back.
    pub again: [Sum; 2],
    /// For a firewall: packets that it can match to no connection.
    pub unmatched: Option<Unmatched>,
    /// Whether the point could see what each side sends.
    pub visible: [Visible; 2],
    /// TCP as the point saw it; empty for other protocols.
    pub conversation: Conversation,
    /// Sessions that brought it, the first few.
    pub sessions: Vec<SessionId>,
    /// VLANs that it was seen in, the first few.
    pub vlans: Vec<u16>,
    /// Segments (VNI, GRE key) that it was seen in, the first few.
    pub segments: Vec<u64>,
}

impl Observation {
    /// First packet of either direction.
    pub fn first(&self) -> Timestamp {
        self.seen().map(|s| s.first).min().unwrap_or_default()
    }

    /// Last packet of either direction.
    pub fn last(&self) -> Timestamp {
        self.seen().map(|s| s.last).max().unwrap_or_default()
    }

    fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.sides.iter().filter(|s| s.packets > 0)
    }
}

/// ICMP errors of one kind that quote packets of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotedBy {
    /// Who says so.
    pub from: IpAddr,
    /// Whether it is `ICMPv6`.
    pub v6: bool,
    /// Type of the message.
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// Messages, each counted once.
    pub packets: u64,
    /// The first one.
    pub first: Timestamp,
}

/// A flow with all that was observed of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlowObserved {
    /// The flow.
    pub key: FlowKey,
    /// Its number in order of appearance, never used again.
    pub serial: u64,
    /// Time of the packet that made it a flow: part of its id.
    pub born: Timestamp,
    /// The side that opened it.
    pub originator: Side,
    /// How sure that is.
    pub opening: Opening,
    /// First packet at any point.
    pub first: Timestamp,
    /// Last packet at any point.
    pub last: Timestamp,
    /// TCP as all points together saw it.
    pub conversation: Conversation,
    /// What each side sent, each packet counted once however many points saw it.
    pub sums: [Sum; 2],
    /// ICMP errors that quote its packets.
    pub errors: Vec<QuotedBy>,
    /// For ICMP errors: ids of flows whose packets they quote, the first few.
    pub quotes: Vec<String>,
    /// One for each point that saw it, in order of their first packet.
    pub observations: Vec<Observation>,
}

impl FlowObserved {
    /// What a point saw of it.
    pub fn at(&self, point: PointId) -> Option<&Observation> {
        self.observations.iter().find(|o| o.point == point)
    }

    /// What some points saw of it.
    pub(crate) fn seen_at(&self, points: &[PointId]) -> impl Iterator<Item = &Observation> {
        let observations = self.observations.iter();
        observations.filter(|o| points.contains(&o.point))
    }

    /// The side that answers.
    pub fn responder(&self) -> Side {
        1 - self.originator
    }

    /// Packets of a side, each counted once, with first and last time over all points.
    pub fn total(&self, side: Side) -> Seen {
        let Sum {
            packets,
            bytes,
            payload,
        } = self.sums[side];
        let there = || {
            let sides = self.observations.iter().map(|o| o.sides[side]);
            sides.filter(|seen| seen.packets > 0)
        };
        Seen {
            packets,
            bytes,
            payload,
            first: there().map(|seen| seen.first).min().unwrap_or_default(),
            last: there().map(|seen| seen.last).max().unwrap_or_default(),
            ..Seen::default()
        }
    }

    /// The same, with what each point saw so many nanoseconds later.
    #[must_use]
    pub fn later(&self, by: impl Fn(PointId) -> i64) -> Self {
        let mut flow = self.clone();
        for observation in &mut flow.observations {
            let by = by(observation.point);
            for seen in &mut observation.sides {
                seen.first = seen.first.plus(by);
                seen.last = seen.last.plus(by);
            }
            if let Some(unmatched) = &mut observation.unmatched {
                unmatched.first.time = unmatched.first.time.plus(by);
            }
        }
        flow.observations.sort_by_key(Observation::first);
        let (first, last) = (Observation::first, Observation::last);
        flow.first = flow
            .observations
            .iter()
            .map(first)
            .min()
            .unwrap_or(self.first);
        flow.last = flow
            .observations
            .iter()
            .map(last)
            .max()
            .unwrap_or(self.last);
        flow
    }

    /// The flow's id.
    pub fn id(&self) -> String {
        self.key.id(self.born)
    }
}
