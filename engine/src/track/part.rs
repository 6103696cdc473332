//! What one point saw of one flow.

use arrayvec::ArrayVec;
use mirrorscope_dissectors::{Ip, Transport};

use crate::firewall::{FirstUnmatched, Unmatched};
use crate::flow::Side;
use crate::observation::{Observation, Seen, Sum, Visible};
use crate::point::PointId;
use crate::receive::Mirrored;
use crate::session::SessionId;
use crate::tcp::Conversation;

/// Sessions, VLANs and segments that are kept of one flow at one point.
const KEPT: usize = 4;

/// What one point saw of a flow; the flow holds the rest of the [`Observation`].
#[derive(Debug)]
pub(super) struct Part {
    pub next: u32,
    pub point: PointId,
    pub sides: [Seen; 2],
    pub trails: [Trail; 2],
    pub conversation: Conversation,
    rare: Option<Box<Rare>>,
    sessions: ArrayVec<SessionId, KEPT>,
    vlans: ArrayVec<u16, KEPT>,
    segments: ArrayVec<u64, KEPT>,
}

/// What few flows have.
#[derive(Debug, Default)]
struct Rare {
    doubled: [Sum; 2],
    /// Those of them that came with a number of their own, or without any.
    renumbered: [u64; 2],
    unmatched: Option<Unmatched>,
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

impl Part {
    pub(super) fn new(next: u32, point: PointId) -> Self {
        Self {
            next,
            point,
            sides: [Seen::default(); 2],
            trails: [Trail::default(); 2],
            conversation: Conversation::default(),
            rare: None,
            sessions: ArrayVec::new(),
            vlans: ArrayVec::new(),
            segments: ArrayVec::new(),
        }
    }

    /// Counts a packet that the mirror did not bring before.
    pub(super) fn count(&mut self, side: Side, packet: &Mirrored<'_>, ip: &Ip<'_>, sum: Sum) {
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
        seen.dscp |= 1_u64.unbounded_shl(ip.dscp.into());
        if let Some(macs) = packet.packet.macs {
            seen.macs = Some((macs.source, macs.destination));
        }
        note(&mut self.sessions, packet.session);
        if let Some(vlan) = packet.vlan {
            note(&mut self.vlans, vlan);
        }
        if let Some(segment) = packet.segment {
            note(&mut self.segments, segment);
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

    /// Counts a packet that the mirror brought before.
    pub(super) fn count_double(&mut self, side: Side, sum: Sum, repeated: bool) {
        let rare = self.rare.get_or_insert_default();
        rare.doubled[side].add(sum);
        rare.renumbered[side] += u64::from(!repeated);
    }

    /// Packets of a side that the mirror brought before.
    pub(super) fn doubled(&self, side: Side) -> Sum {
        self.rare
            .as_ref()
            .map_or(Sum::default(), |rare| rare.doubled[side])
    }

    /// What the firewall at the point could not match; `first` is such a packet.
    pub(super) fn unmatched(&mut self, first: FirstUnmatched) -> &mut Unmatched {
        let rare = self.rare.get_or_insert_default();
        rare.unmatched.get_or_insert_with(|| Unmatched::new(first))
    }

    /// Whether the mirror brought most of a side's packets more than once, the last one left out. What the network
    /// between doubles has one number.
    pub(super) fn doubles(&self, side: Side) -> bool {
        let renumbered = self.rare.as_ref().map_or(0, |rare| rare.renumbered[side]);
        renumbered * 2 >= self.sides[side].packets.saturating_sub(1)
    }

    /// Bytes that it holds elsewhere.
    pub(super) fn heap_size(&self) -> usize {
        let rare = self.rare.as_ref().map_or(0, |rare| size_of_val(&**rare));
        rare + self.conversation.heap_size()
    }

    /// It as the correlator sees it.
    pub(super) fn observation(&self, flow: crate::flow::FlowKey) -> Observation {
        Observation {
            flow,
            point: self.point,
            sides: self.sides,
            doubled: [self.doubled(0), self.doubled(1)],
            unmatched: self.rare.as_ref().and_then(|rare| rare.unmatched),
            visible: [Visible::default(); 2],
            conversation: self.conversation.clone(),
            sessions: self.sessions.to_vec(),
            vlans: self.vlans.to_vec(),
            segments: self.segments.to_vec(),
        }
    }
}

/// Keeps a value if it is new and there is room.
fn note<T: PartialEq, const N: usize>(kept: &mut ArrayVec<T, N>, value: T) {
    if !kept.contains(&value) && !kept.is_full() {
        kept.push(value);
    }
}
