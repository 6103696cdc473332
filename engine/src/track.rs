//! The flow table: one record for each flow, one part for each point that saw it.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use mirrorscope_dissectors::{Ip, Network, Transport};

use crate::flow::{FlowKey, Side, icmp_request, icmp6_request};
use crate::observation::{FlowObserved, Observation, Opening, Seen, Visible};
use crate::point::{Point, PointId};
use crate::receive::Mirrored;
use crate::table::Seed;
use crate::tcp::Conversation;
use crate::time::Timestamp;

/// What keeps flows with equal 5-tuples apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Nothing: all sessions share one address space.
    #[default]
    None,
    /// The VLAN that a packet came with.
    Vlan,
    /// The innermost segment: VNI or GRE key.
    Segment,
}

/// Points that are told apart for one flow; what further ones saw of it is not kept.
const MAX_POINTS: u32 = 64;
/// Parts of all flows together, for each flow that the table may hold.
const PARTS_A_FLOW: usize = 8;
/// End of a list of parts.
const NONE: u32 = u32::MAX;
/// Bytes missing from one direction of one flow count at most this much, so that a stray number proves nothing.
const MAX_HOLE: u64 = 1 << 24;

struct Flow {
    key: FlowKey,
    first: Timestamp,
    last: Timestamp,
    originator: Side,
    opening: Opening,
    conversation: Conversation,
    /// First of its parts.
    head: u32,
}

/// What one point saw of a flow; the flow holds the rest of the [`Observation`].
struct Part {
    next: u32,
    point: PointId,
    sides: [Seen; 2],
    conversation: Conversation,
}

/// How a packet was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Number of its flow in order of appearance, never used again.
    pub flow: u64,
    /// Who sent it.
    pub side: Side,
    /// Whether it was seen before.
    pub sight: Sight,
}

/// Whether a packet was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// First sight of this packet anywhere.
    Fresh,
    /// Another point saw it before.
    Copy,
    /// This point's mirror brought it before.
    Duplicate,
}

/// A flow in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowHandle {
    /// Its key.
    pub key: FlowKey,
    /// Time of its first packet, which its id is made of.
    pub born: Timestamp,
    /// Who opened it, as far as is known by now.
    pub originator: Side,
}

/// What a point's flows tell of its mirror.
#[derive(Clone, Copy, Debug, Default)]
pub struct PointEvidence {
    /// Flows of which both directions were seen.
    pub both_ways: u64,
    /// TCP payload seen.
    pub payload: u64,
    /// TCP payload between bytes that were seen, itself not seen.
    pub holes: u64,
}

/// The flow table of one shard.
pub struct Tracker {
    scope: Scope,
    max_flows: usize,
    hasher: Seed,
    index: HashTable<u32>,
    flows: Vec<Flow>,
    parts: Vec<Part>,
    /// Packets of flows that found no room.
    pub refused: u64,
    /// IP packets that belong to no flow: later fragments, or cut before their ports.
    pub portless: u64,
}

impl Tracker {
    /// An empty table that never holds more than `max_flows`.
    pub fn new(scope: Scope, max_flows: usize) -> Self {
        Self {
            scope,
            max_flows: max_flows.min(NONE as usize - 1),
            hasher: Seed::default(),
            index: HashTable::new(),
            flows: Vec::new(),
            parts: Vec::new(),
            refused: 0,
            portless: 0,
        }
    }

    /// Flows in the table.
    pub fn flow_count(&self) -> usize {
        self.flows.len()
    }

    /// A flow by its number.
    pub fn flow(&self, serial: u64) -> Option<FlowHandle> {
        let flow = self.flows.get(usize::try_from(serial).ok()?)?;
        Some(FlowHandle {
            key: flow.key,
            born: flow.first,
            originator: flow.originator,
        })
    }

    /// Takes one packet; `None` if it belongs to no flow, or to one for which there is no room.
    pub fn track(&mut self, packet: &Mirrored<'_>) -> Option<Tracked> {
        let Network::Ip(ip) = &packet.packet.network else {
            return None;
        };
        let scope = match self.scope {
            Scope::None => 0,
            Scope::Vlan => packet.vlan.map_or(0, |vlan| 1 + u32::from(vlan)),
            Scope::Segment => packet.segment.map_or(0, |segment| {
                (segment as u32 ^ (segment >> 32) as u32).wrapping_add(1)
            }),
        };
        let Some((key, side)) = FlowKey::of(ip, scope) else {
            self.portless += 1;
            return None;
        };
        let Some(index) = self.find(key, side, ip, packet.time) else {
            self.refused += 1;
            return None;
        };
        let part = self
            .part(index, packet.point)
            .and_then(|part| self.parts.get_mut(part as usize));
        let (Some(flow), Some(part)) = (self.flows.get_mut(index as usize), part) else {
            self.refused += 1;
            return None;
        };
        flow.first = flow.first.min(packet.time);
        flow.last = flow.last.max(packet.time);
        let seen = &mut part.sides[side];
        if seen.packets == 0 {
            seen.first = packet.time;
            seen.last = packet.time;
        }
        seen.packets += 1;
        seen.bytes += u64::from(ip.claimed_len);
        seen.first = seen.first.min(packet.time);
        seen.last = seen.last.max(packet.time);
        if let Some(macs) = packet.packet.macs {
            seen.macs = Some((macs.source, macs.destination));
        }
        match &ip.transport {
            Transport::Tcp(tcp) => {
                seen.payload += u64::from(tcp.payload_len);
                part.conversation.push(side, tcp);
                flow.conversation.push(side, tcp);
            }
            Transport::Udp(udp) => seen.payload += u64::from(udp.payload_len),
            _ => {}
        }
        let (opener, opening) = opening(ip, side);
        if opening > flow.opening {
            flow.originator = opener;
            flow.opening = opening;
        }
        Some(Tracked {
            flow: index.into(),
            side,
            sight: Sight::Fresh,
        })
    }

    fn find(&mut self, key: FlowKey, side: Side, ip: &Ip<'_>, time: Timestamp) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let flows = &mut self.flows;
        let same = |&index: &u32| {
            flows
                .get(index as usize)
                .is_some_and(|flow| flow.key == key)
        };
        if let Some(&index) = self.index.find(hash, same) {
            return Some(index);
        }
        if flows.len() >= self.max_flows {
            return None;
        }
        let index = flows.len() as u32;
        let (originator, opening) = opening(ip, side);
        flows.push(Flow {
            key,
            first: time,
            last: time,
            originator,
            opening,
            conversation: Conversation::default(),
            head: NONE,
        });
        let hasher = &self.hasher;
        self.index.insert_unique(hash, index, |&index| {
            flows
                .get(index as usize)
                .map_or(0, |flow| hasher.hash_one(flow.key))
        });
        Some(index)
    }

    /// The part of a flow at a point; the list stays in order of appearance. `None` when there are too many.
    fn part(&mut self, flow: u32, point: PointId) -> Option<u32> {
        let flow = self.flows.get_mut(flow as usize)?;
        let mut count = 0;
        let mut last = NONE;
        let mut current = flow.head;
        while let Some(part) = self.parts.get(current as usize) {
            if part.point == point {
                return Some(current);
            }
            count += 1;
            last = current;
            current = part.next;
        }
        if count >= MAX_POINTS || self.parts.len() >= PARTS_A_FLOW.saturating_mul(self.max_flows) {
            return None;
        }
        let fresh = self.parts.len() as u32;
        match self.parts.get_mut(last as usize) {
            Some(part) => part.next = fresh,
            None => flow.head = fresh,
        }
        self.parts.push(Part {
            next: NONE,
            point,
            sides: [Seen::default(); 2],
            conversation: Conversation::default(),
        });
        Some(fresh)
    }

    /// What each point's flows tell of its mirror, by point.
    pub fn evidence(&self, points: usize) -> Vec<PointEvidence> {
        let mut evidence = vec![PointEvidence::default(); points];
        for part in &self.parts {
            let Some(point) = evidence.get_mut(part.point.0 as usize) else {
                continue;
            };
            point.both_ways += u64::from(part.sides.iter().all(|s| s.packets > 0));
            for (seen, half) in part.sides.iter().zip(&part.conversation.halves) {
                point.payload += if half.data > 0 { seen.payload } else { 0 };
                // SYN and FIN take a number each.
                point.holes += u64::from(half.span())
                    .saturating_sub(seen.payload + 2)
                    .min(MAX_HOLE);
            }
        }
        evidence
    }

    /// All flows with what was observed of them, in order of their first packet here.
    pub fn flows<'a>(
        &'a self,
        points: &'a [Point],
        evidence: &'a [PointEvidence],
    ) -> impl Iterator<Item = FlowObserved> + 'a {
        self.flows.iter().map(move |flow| {
            let mut observations = Vec::with_capacity(4);
            let mut current = flow.head;
            while let Some(part) = self.parts.get(current as usize) {
                let Part {
                    next,
                    point,
                    sides,
                    conversation,
                } = *part;
                let mut observation = Observation {
                    flow: flow.key,
                    point,
                    sides,
                    visible: [Visible::default(); 2],
                    conversation,
                };
                let index = point.0 as usize;
                if let (Some(point), Some(evidence)) = (points.get(index), evidence.get(index)) {
                    observation.visible = visible(&observation, point, evidence);
                }
                observations.push(observation);
                current = next;
            }
            observations.sort_by_key(Observation::first);
            FlowObserved {
                key: flow.key,
                originator: flow.originator,
                opening: flow.opening,
                first: flow.first,
                last: flow.last,
                conversation: flow.conversation,
                observations,
            }
        })
    }
}

/// Whether a point could see what each side of a flow sends: the station that packets of the other side go to must
/// have been seen to send there itself, in any frame.
fn visible(observation: &Observation, point: &Point, evidence: &PointEvidence) -> [Visible; 2] {
    let both = evidence.both_ways > 0;
    [0, 1].map(|side| {
        if observation.sides[side].packets > 0 {
            return Visible::Seen;
        }
        match observation.sides[1 - side].macs {
            Some((_, station)) if point.senders.contains(station) => Visible::Proven,
            // Bare IP has no stations: other flows seen both ways are all the proof there can be, and enough for a
            // place that somebody described.
            None if both && point.described => Visible::Proven,
            _ if both => Visible::Likely,
            _ => Visible::Unproven,
        }
    })
}

/// Which side opened the flow, as far as one packet tells.
fn opening(ip: &Ip<'_>, side: Side) -> (Side, Opening) {
    let by_ports = |source: u16, destination: u16| {
        // Well-known ports serve; clients take theirs from 32768 up (Linux) or 49152 up (RFC 6335 §6).
        let from_server = [1024, 32_768]
            .iter()
            .any(|&limit| source < limit && destination >= limit);
        (if from_server { 1 - side } else { side }, Opening::Guess)
    };
    let by_type = |kind: u8, request: Option<u8>| match request {
        Some(request) if request == kind => (side, Opening::Request),
        Some(_) => (1 - side, Opening::Answer),
        None => (side, Opening::Guess),
    };
    match &ip.transport {
        Transport::Tcp(tcp) if tcp.flags.syn() && tcp.flags.ack() => (1 - side, Opening::Answer),
        Transport::Tcp(tcp) if tcp.flags.syn() => (side, Opening::Request),
        Transport::Tcp(tcp) => by_ports(tcp.source_port, tcp.destination_port),
        Transport::Udp(udp) => by_ports(udp.source_port, udp.destination_port),
        Transport::Icmp { kind, .. } => by_type(*kind, icmp_request(*kind)),
        Transport::Icmp6 { kind, .. } => by_type(*kind, icmp6_request(*kind)),
        _ => (side, Opening::Guess),
    }
}
