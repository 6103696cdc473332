//! What one point saw of one flow.

use std::mem::offset_of;

use arrayvec::ArrayVec;
use mirrorscope_dissectors::{Ip, Transport};

use super::slab::NONE;
use super::table::{Flow, Union};
use crate::firewall::Unmatched;
use crate::flow::Side;
use crate::observation::{Observation, Seen, Sum, Visible};
use crate::pack::{Pack, Packer, Unpacker, packed};
use crate::point::PointId;
use crate::receive::Shown;
use crate::session::SessionId;
use crate::tcp::{Conversation, Known, Sent};

/// Sessions, VLANs and segments that are kept of one flow at one point.
const KEPT: usize = 4;

/// What one point saw of a flow; the flow holds the rest of the [`Observation`].
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct Part {
    pub next: u32,
    pub point: PointId,
    /// The place of its flow.
    pub owner: u32,
    pub sides: [Seen; 2],
    pub trails: [Trail; 2],
    more: Option<Box<More>>,
    sessions: ArrayVec<SessionId, KEPT>,
    vlans: ArrayVec<u16, KEPT>,
    /// The first; further ones are few, and in `more`.
    segment: Option<u64>,
    pub conversation: Conversation,
}

/// What few flows have at a point.
#[derive(Clone, Copy, Debug, Default)]
struct More {
    /// The mirror brought them twice.
    doubled: [Sum; 2],
    /// They came back after a router had them.
    again: [Sum; 2],
    /// Of those that the mirror brought twice: a router stands between both.
    routed: u64,
    /// Those of them that came with a number of their own, or without any.
    renumbered: [u64; 2],
    /// Segments besides the first.
    segments: [Option<u64>; KEPT - 1],
}

/// What tells a sender's next packet from a copy of its last one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trail {
    /// Identification of the last packet that had one.
    identification: u16,
    /// The sender gives its packets different ones.
    pub identified: bool,
    /// Acknowledgements in a row that repeated the last one.
    pub repeated_acks: u8,
    ack: u32,
    window: u16,
}

packed!(Trail {
    identification,
    identified,
    repeated_acks,
    ack,
    window,
});

packed!(More {
    doubled,
    again,
    routed,
    renumbered,
    segments,
});

impl Part {
    /// What is expected of the first point that saw a flow.
    pub(super) fn usual(flow: &Flow) -> Self {
        let mut part = Self::new(NONE, PointId::default(), NONE);
        for seen in &mut part.sides {
            seen.first = flow.first;
            seen.last = flow.last;
            seen.ttl = (64, 64);
            seen.dscp = 1;
        }
        if flow.is_tcp() {
            part.conversation = Conversation::usual(flow.originator());
        }
        part.sessions.push(SessionId::default());
        part
    }

    /// What is known of its conversation, beside that of a point that saw the same.
    fn known(sides: &[Seen; 2], like: Option<&Self>) -> Known {
        let sent = |seen: &Seen| Sent {
            first: seen.first,
            last: seen.last,
            payload: seen.payload,
        };
        Known {
            own: sides.each_ref().map(sent),
            like: like.map(|part| part.sides.each_ref().map(sent)),
        }
    }

    /// What is expected of what tells packets from copies: what another point saw, or what follows from the conversation.
    fn trails_of(&self, conversation: &Conversation, seen: bool) -> [Trail; 2] {
        if seen {
            return self.trails;
        }
        [0, 1].map(|side| {
            let (ack, window) = conversation.last_of(side);
            Trail {
                ack,
                window,
                identified: true,
                ..Trail::default()
            }
        })
    }

    /// Writes it beside what is usual, or if `seen` beside what another point saw of the flow.
    pub(super) fn pack(&self, like: &Self, seen: bool, out: &mut Packer) {
        self.point.pack(&like.point, out);
        let [low, high] = &self.sides;
        low.pack(&like.sides[0], out);
        high.pack(&like.sides[1].turned(low), out);
        let known = Self::known(&self.sides, seen.then_some(like));
        self.conversation.pack(&like.conversation, &known, out);
        let trails = like.trails_of(&self.conversation, seen);
        self.trails.pack(&trails, out);
        self.more.pack(&like.more, out);
        self.sessions.pack(&like.sessions, out);
        self.vlans.pack(&like.vlans, out);
        self.segment.pack(&like.segment, out);
    }

    /// Reads what was written beside the same.
    pub(super) fn unpack(like: &Self, seen: bool, from: &mut Unpacker<'_>) -> Self {
        let point = Pack::unpack(&like.point, from);
        let low = Pack::unpack(&like.sides[0], from);
        let high = Pack::unpack(&like.sides[1].turned(&low), from);
        let sides = [low, high];
        let known = Self::known(&sides, seen.then_some(like));
        let conversation = Conversation::unpack(&like.conversation, &known, from);
        let trails = like.trails_of(&conversation, seen);
        Self {
            next: like.next,
            owner: like.owner,
            point,
            sides,
            conversation,
            trails: Pack::unpack(&trails, from),
            more: Pack::unpack(&like.more, from),
            sessions: Pack::unpack(&like.sessions, from),
            vlans: Pack::unpack(&like.vlans, from),
            segment: Pack::unpack(&like.segment, from),
        }
    }

    /// Writes what all points together saw, of which this is the first.
    pub(super) fn pack_union(&self, union: &Union, out: &mut Packer) {
        union.sums.pack(&self.sums(), out);
        let known = Self::known(&self.sides, Some(self));
        union.conversation.pack(&self.conversation, &known, out);
    }

    /// Reads what was written.
    pub(super) fn unpack_union(&self, from: &mut Unpacker<'_>) -> Union {
        let known = Self::known(&self.sides, Some(self));
        Union {
            sums: Pack::unpack(&self.sums(), from),
            conversation: Conversation::unpack(&self.conversation, &known, from),
        }
    }
}

impl Part {
    /// Bytes of its place in front of TCP.
    pub(super) const BEFORE_TCP: usize = offset_of!(Self, conversation) + align_of::<Self>();

    pub(super) fn new(next: u32, point: PointId, owner: u32) -> Self {
        Self {
            next,
            point,
            owner,
            sides: [Seen::default(); 2],
            trails: [Trail::default(); 2],
            conversation: Conversation::default(),
            more: None,
            sessions: ArrayVec::new(),
            vlans: ArrayVec::new(),
            segment: None,
        }
    }

    /// What each side sent past the point.
    pub(super) fn sums(&self) -> [Sum; 2] {
        self.sides.map(Sum::from)
    }

    /// Counts a packet that the mirror did not bring before.
    ///
    /// Inlined, so that the sum stays in registers: read from memory in pieces other than those it was written in, it would wait
    /// for all that was written before.
    #[inline(always)]
    pub(super) fn count(&mut self, side: Side, packet: &Shown<'_>, ip: &Ip<'_>, sum: Sum) {
        let seen = &mut self.sides[side];
        if seen.packets == 0 {
            seen.first = packet.time;
            seen.last = packet.time;
            seen.ttl = (ip.ttl, ip.ttl);
        }
        seen.packets += sum.packets;
        seen.bytes += sum.bytes;
        seen.payload += sum.payload;
        seen.first = seen.first.min(packet.time);
        seen.last = seen.last.max(packet.time);
        seen.ttl = (seen.ttl.0.min(ip.ttl), seen.ttl.1.max(ip.ttl));
        seen.largest = seen.largest.max(ip.claimed_len);
        seen.dscp |= 1_u64.unbounded_shl(ip.dscp.into());
        if let Some(macs) = &packet.packet.macs
            && !matches!(&seen.macs, Some((source, destination))
                if *source == macs.source && *destination == macs.destination)
        {
            seen.macs = Some((macs.source, macs.destination));
        }
        note(&mut self.sessions, packet.session);
        if let Some(vlan) = packet.vlan {
            note(&mut self.vlans, vlan);
        }
        if let Some(segment) = packet.segment
            && *self.segment.get_or_insert(segment) != segment
        {
            self.note_further(segment);
        }
        let trail = &mut self.trails[side];
        if ip.identification != 0 {
            let last = std::mem::replace(&mut trail.identification, ip.identification);
            trail.identified |= last != 0 && last != ip.identification;
        }
        if let Transport::Tcp(tcp) = &ip.transport
            && tcp.flags.ack()
        {
            let pure = tcp.payload_len == 0 && !tcp.flags.syn() && !tcp.flags.fin();
            let repeated = (tcp.acknowledgement, tcp.window) == (trail.ack, trail.window) && pure;
            trail.repeated_acks = if repeated {
                trail.repeated_acks.saturating_add(1)
            } else {
                0
            };
            trail.ack = tcp.acknowledgement;
            trail.window = tcp.window;
        }
    }

    /// Keeps a segment that is not the first.
    #[cold]
    fn note_further(&mut self, segment: u64) {
        let more = self.more.get_or_insert_default();
        let mut places = more.segments.iter_mut();
        if let Some(place) = places.find(|place| place.is_none_or(|known| known == segment)) {
            *place = Some(segment);
        }
    }

    /// Counts a packet that the mirror brought before; `routed` if a router stands between both, `repeated` if it has the
    /// number that it had before.
    pub(super) fn count_double(&mut self, side: Side, sum: Sum, routed: bool, repeated: bool) {
        let more = self.more.get_or_insert_default();
        more.doubled[side].add(sum);
        more.routed += u64::from(routed);
        more.renumbered[side] += u64::from(!repeated);
    }

    /// Counts a packet that passes again.
    pub(super) fn count_again(&mut self, side: Side, sum: Sum) {
        self.more.get_or_insert_default().again[side].add(sum);
    }

    fn more(&self) -> More {
        self.more.as_deref().copied().unwrap_or_default()
    }

    /// Packets of a side that the mirror brought before.
    pub(super) fn doubled(&self, side: Side) -> Sum {
        self.more().doubled[side]
    }

    /// Packets that the mirror brought before, and that a router had in between.
    pub(super) fn routed(&self) -> u64 {
        self.more().routed
    }

    /// Whether the mirror brought most of a side's packets more than once, the last one left out. What the network
    /// between doubles has one number.
    pub(super) fn doubles(&self, side: Side) -> bool {
        self.more().renumbered[side] * 2 >= self.sides[side].packets.saturating_sub(1)
    }

    /// Bytes that it holds elsewhere.
    pub(super) fn heap_size(&self) -> usize {
        self.beside_tcp() + self.conversation.heap_size()
    }

    /// The same without its conversation.
    pub(super) fn beside_tcp(&self) -> usize {
        self.more.as_deref().map_or(0, size_of_val)
    }

    /// It as the correlator sees it, with what the firewall at the point could not match.
    pub(super) fn observation(
        &self,
        flow: crate::flow::FlowKey,
        unmatched: Option<Unmatched>,
    ) -> Observation {
        let more = self.more();
        Observation {
            flow,
            point: self.point,
            sides: self.sides,
            doubled: more.doubled,
            again: more.again,
            unmatched,
            visible: [Visible::default(); 2],
            conversation: self.conversation.clone(),
            sessions: self.sessions.to_vec(),
            vlans: self.vlans.to_vec(),
            segments: self
                .segment
                .into_iter()
                .chain(more.segments.into_iter().flatten())
                .collect(),
        }
    }
}

/// Keeps a value if it is new and there is room.
fn note<T: PartialEq, const N: usize>(kept: &mut ArrayVec<T, N>, value: T) {
    if !kept.contains(&value) && !kept.is_full() {
        kept.push(value);
    }
}
