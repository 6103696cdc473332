//! Follows every flow at every point: one record for each flow, one part for each point that saw it.

mod away;
mod basis;
mod brief;
mod coming;
mod departed;
mod evidence;
mod identity;
mod nat;
mod part;
mod pieces;
mod slab;
mod store;
mod table;
mod unmatched;

use std::hash::BuildHasher;
use std::ops::Range;

use mirrorscope_dissectors::{Ip, Network, Transport};

use crate::flow::{
    FlowKey, Side, icmp_request, icmp6_request, is_icmp_error, is_icmp6_error, protocol,
};
use crate::observation::{FlowObserved, Observation, Opening, QuotedBy, Sum, Visible};
use crate::point::Point;
use crate::receive::{Delivery, Shown};
use crate::site::{Role, Tenant, Tenants, untenanted};
use crate::table::Seed;
use crate::tcp::{Conversation, Phase};
use crate::time::{SECOND, Timestamp};
use away::View;
pub(crate) use basis::Basis;
pub(crate) use brief::Brief;
pub(crate) use coming::{Coming, Outlook};
use departed::Departed;
pub use departed::End;
pub(crate) use departed::Gone;
pub(crate) use identity::SAMPLE;
use identity::{Identity, Look, Recent, is_copy};
use pieces::Pieces;
use table::{AtPoint, Flow, Quotation, Table};
use unmatched::Unmatcheds;

pub(crate) use unmatched::Noted;

pub use evidence::PointEvidence;
pub use identity::Sight;
pub use table::{Evicted, MAX_POINTS};

/// Longer segments are in no frame on any link: the sender's or the receiver's card splits or joins them.
const SUPER_FRAME: u32 = 1500;

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

impl Scope {
    fn of(self, vlan: Option<u16>, segment: Option<u64>) -> u32 {
        match self {
            Self::None => 0,
            Self::Vlan => vlan.map_or(0, |vlan| 1 + u32::from(vlan)),
            Self::Segment => segment.map_or(0, |segment| {
                (segment as u32 ^ (segment >> 32) as u32).wrapping_add(1)
            }),
        }
    }
}

/// Bytes of a flow that two points saw, once it is put away.
const PUT_AWAY: usize = 320;

/// Of fewer bytes none are for flows that are put away: the pieces that memory is taken in for them would outweigh what it saves.
const FEW: usize = 4 << 20;

/// Bounds of the flow table.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most flows held at once.
    pub flows: usize,
    /// Most bytes that they may take.
    pub bytes: usize,
    /// Most of those for what points saw of flows in full. When there is more, flows of which nothing was heard for longest are
    /// put away in few bytes: that takes time, and changes nothing else.
    pub full: usize,
}

impl Limits {
    /// So many flows and bytes. What is left when all of the flows are put away is for some of them in full, but an eighth at least.
    pub fn new(flows: usize, bytes: usize) -> Self {
        let left = bytes.saturating_sub(flows.saturating_mul(PUT_AWAY));
        let full = if bytes < FEW {
            bytes
        } else {
            left.max(bytes / 8)
        };
        Self { flows, bytes, full }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(1_000_000, 4 << 30)
    }
}

/// How long a flow may be silent before what follows is another one, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// TCP with both directions, or in full swing when the capture began.
    pub established: i64,
    /// TCP of which an end has closed or reset.
    pub closing: i64,
    /// TCP that nobody has answered.
    pub half_open: i64,
    /// UDP.
    pub udp: i64,
    /// ICMP and `ICMPv6`.
    pub icmp: i64,
    /// All other protocols.
    pub other: i64,
}

impl Timeouts {
    fn shortest(&self) -> i64 {
        let Self {
            established,
            closing,
            half_open,
            udp,
            icmp,
            other,
        } = *self;
        let rest = closing.min(half_open).min(udp).min(icmp).min(other);
        established.min(rest)
    }
}

impl Default for Timeouts {
    /// An hour for connections, as most firewalls have it; five minutes, as Zeek has it, once an end has closed, because
    /// the other may still speak; two minutes where retransmissions of a SYN may be 64 s apart; RFC 4787 §4.3 asks for
    /// two minutes for UDP.
    fn default() -> Self {
        Self {
            established: 3600 * SECOND,
            closing: 300 * SECOND,
            half_open: 120 * SECOND,
            udp: 120 * SECOND,
            icmp: 60 * SECOND,
            other: 600 * SECOND,
        }
    }
}

/// How a packet was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Its flow's number in order of appearance, never used again, the same in every run over the same input.
    pub flow: u64,
    /// Where the flow is in the table.
    slot: u32,
    /// Who sent it.
    pub side: Side,
    /// Whether it was seen before.
    pub sight: Sight,
    /// What makes the packet itself: equal at all points that see it.
    pub(crate) identity: u64,
}

impl Tracked {
    /// Equal for all sights of one packet, and for packets that nothing tells apart.
    pub fn identity(&self) -> u64 {
        self.identity
    }
}

/// How a packet was taken: all that the inventory and the firewalls want to know of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Followed {
    /// What keeps its addresses apart from equal ones.
    pub scope: u32,
    /// How it was taken, if it belongs to a flow.
    pub taken: Option<Tracked>,
    /// That flow, if a firewall saw it.
    pub at_firewall: Option<FlowKey>,
}

/// What is known of a flow while it goes on.
#[derive(Clone, Copy, Debug)]
pub struct FlowHandle {
    /// What makes it a flow.
    pub key: FlowKey,
    /// Time of its first packet, part of its id.
    pub born: Timestamp,
    /// The side that opened it, as far as can be told yet.
    pub originator: Side,
}

/// The flows of one shard.
#[derive(Debug)]
pub struct Tracker {
    outlook: Outlook,
    tenants: Tenants,
    table: Table,
    recent: Recent,
    pieces: Pieces,
    /// Packets that found no room.
    pub refused: u64,
    /// IP packets that belong to no flow: later fragments without their first, or cut before their ports.
    pub portless: u64,
}

impl Tracker {
    /// An empty table.
    pub fn new(scope: Scope, limits: Limits, timeouts: Timeouts) -> Self {
        let seed = Seed::default();
        Self {
            tenants: Tenants::default(),
            table: Table::new(limits, timeouts, seed.clone()),
            outlook: Outlook { scope, seed },
            recent: Recent::default(),
            pieces: Pieces::default(),
            refused: 0,
            portless: 0,
        }
    }

    /// The same with tenants, whose packets are kept apart whatever the scope.
    #[must_use]
    pub fn with_tenants(mut self, tenants: Tenants) -> Self {
        self.tenants = tenants;
        self
    }

    /// The tenants.
    pub fn tenants(&self) -> &Tenants {
        &self.tenants
    }

    /// Describes tenants anew.
    pub(crate) fn reload(&mut self, tenants: &[Tenant]) {
        self.tenants.reload(tenants);
    }

    /// What tells where packets will lead.
    pub(crate) fn outlook(&self) -> &Outlook {
        &self.outlook
    }

    /// Flows in the table.
    pub fn flow_count(&self) -> usize {
        self.table.len()
    }

    /// Flows that there ever were.
    pub fn flows_born(&self) -> u64 {
        self.table.born()
    }

    /// Flows that gave way to others.
    pub fn evicted(&self) -> Evicted {
        self.table.evicted
    }

    /// Bytes that the flows take.
    pub fn bytes(&self) -> usize {
        self.table.bytes()
    }

    /// What keeps a packet's addresses apart from equal ones.
    pub(crate) fn scope(&self, packet: &Shown<'_>) -> u32 {
        let tenant = self.tenants.of(packet);
        tenant.unwrap_or_else(|| untenanted(self.outlook.scope.of(packet.vlan, packet.segment)))
    }

    /// The flow of a packet that was just taken.
    pub fn flow(&self, tracked: Tracked) -> Option<FlowHandle> {
        let slot = self.table.still(tracked.slot, tracked.flow)?;
        let flow = self.table.flow(slot)?;
        Some(FlowHandle {
            key: flow.key,
            born: flow.born,
            originator: flow.originator(),
        })
    }

    /// Takes one packet; `None` if it belongs to no flow.
    pub fn track(&mut self, packet: &Shown<'_>) -> Option<Tracked> {
        self.follow(packet, None).taken
    }

    /// The same; `coming` is what was told of this very packet before. Inlined, as what comes of it is read at once.
    #[inline(always)]
    fn track_as(&mut self, packet: &Shown<'_>, coming: Option<&Coming>) -> Option<Tracked> {
        let Network::Ip(ip) = &packet.packet.network else {
            return None;
        };
        let scope = self.scope(packet);
        let worked_out;
        let coming = if let Some(coming) = coming.filter(|coming| coming.key.scope == scope) {
            coming
        } else {
            let flow = FlowKey::of(ip, scope).or_else(|| self.of_first(ip, scope));
            let Some((key, side)) = flow else {
                self.portless += 1;
                return None;
            };
            worked_out = Coming::new(&self.outlook.seed, key, side, ip);
            &worked_out
        };
        let side = coming.side;
        let tracked = self.take(packet, ip, coming);
        if tracked.is_none() {
            self.refused += 1;
        }
        if let Some(tracked) = tracked
            && let Some(position) = ip.fragment
            && position.offset == 0
        {
            let place = (tracked.slot, tracked.flow, side);
            self.pieces
                .first(scope, ip, position, place, packet.arrival);
        }
        tracked
    }

    /// A fragment without ports belongs to the flow of the first one.
    fn of_first(&self, ip: &Ip<'_>, scope: u32) -> Option<(FlowKey, Side)> {
        let (slot, serial, side) = self.pieces.find(scope, ip, ip.fragment?)?;
        let slot = self.table.still(slot, serial)?;
        Some((self.table.flow(slot)?.key, side))
    }

    #[inline(always)]
    fn take(&mut self, packet: &Shown<'_>, ip: &Ip<'_>, coming: &Coming) -> Option<Tracked> {
        let Self { table, recent, .. } = self;
        // The key stays where it is: a copy would be read before it is written.
        let key = &coming.key;
        let (side, hash) = (coming.side, coming.hash);
        let mut identity = coming.identity;
        let (now, point) = (packet.arrival, packet.point);
        table.keep_bounds(now);
        let guessed = coming.slot.filter(|slot| table.is_of(*slot, key));
        let live = guessed.or_else(|| table.find(hash, key));
        if let Some(slot) = live
            && table.flow(slot).is_some_and(|flow| flow.coarse)
        {
            identity = Identity::of(key, side, ip, true);
        }
        let known = recent.find(identity.id, now);
        let before = known.as_ref().and_then(|known| {
            let (slot, serial) = known.flow();
            table.still(slot, serial)
        });
        let slot = match before {
            Some(slot) => slot,
            None => place(table, live, hash, key, side, packet, ip),
        };
        let mut at = table.at(slot, point)?;
        let serial = at.flow.serial;
        let held = at.heap_size();
        let look = Look::of(packet, ip);
        // What a router sends back by the port that it came by is mirrored on both ways there; on a link it comes back.
        let link = matches!(packet.place.role, Role::Dci | Role::Uplink);
        let mut routed = false;
        let sight = match known {
            Some(known) if before.is_some() => known.see((point, link), look, now, |earlier| {
                routed = earlier.other_ttl;
                packet.repeated || is_copy(identity.kind, ip, earlier, at.part, side)
            }),
            _ => {
                recent.insert(identity.id, (slot, serial), point, look, now);
                if at.knows(side, ip) {
                    Sight::Copy
                } else {
                    Sight::Fresh
                }
            }
        };
        at.flow.coarse |= identity.cut;
        at.flow.heard = true;
        at.take(packet, ip, side, (sight, routed));
        // What was seen before changes nothing of what all points together saw.
        let may_close = at.flow.is_tcp() && (sight == Sight::Fresh || at.union.is_none());
        let closed = may_close && at.conversation().phase() == Phase::Closed;
        let holds = at.heap_size();
        table.resized(held, holds);
        if closed {
            table.retire(slot);
        }
        let counted = packet.delivery != Delivery::Joined;
        if sight == Sight::Fresh && counted && icmp_error(ip).is_some() {
            self.quote(slot, packet, ip);
        }
        Some(Tracked {
            flow: serial,
            slot,
            side,
            sight,
            identity: identity.id,
        })
    }

    /// Takes one packet, for the inventory and the firewalls to be taken there; `coming` is what was told of this very packet before.
    #[inline(always)]
    pub(crate) fn follow(&mut self, packet: &Shown<'_>, coming: Option<&Coming>) -> Followed {
        let taken = self.track_as(packet, coming);
        let judged = taken.filter(|_| packet.place.firewall.is_some());
        Followed {
            scope: self.scope(packet),
            taken,
            at_firewall: judged.and_then(|taken| Some(self.flow(taken)?.key)),
        }
    }

    /// Ties an ICMP error to the flow that it quotes.
    fn quote(&mut self, slot: u32, packet: &Shown<'_>, ip: &Ip<'_>) -> Option<()> {
        let error = icmp_error(ip)?;
        let quoted = Ip::quoted(error.quoted)?;
        let (key, _) = FlowKey::of(&quoted, self.scope(packet))?;
        let about = self.table.find(self.outlook.seed.hash_one(key), &key)?;
        let mut grown = 0;
        let flow = self.table.flow_mut(about)?;
        let id = flow.key.id(flow.born);
        flow.quotation(&mut grown).note_error(QuotedBy {
            from: ip.source,
            v6: ip.protocol == protocol::ICMP6,
            kind: error.kind,
            code: error.code,
            packets: 1,
            first: packet.time,
        });
        let flow = self.table.flow_mut(slot)?;
        flow.quotation(&mut grown).note_quoted(id);
        self.table.grown(grown);
        Some(())
    }

    /// Notes a packet that the firewall at a point could not match. If its flow has left the table, that is told with the flow.
    pub(crate) fn note_unmatched(&mut self, noted: &Noted) {
        let Tracked { slot, flow, .. } = noted.packet;
        if self.table.still(slot, flow).is_some() {
            self.table.unmatched.note(noted);
        } else {
            self.table.departed.note(noted);
        }
    }

    /// What all flows tell together, of which nothing is gathered yet.
    pub(crate) fn basis(&self) -> Basis {
        Basis::new(&self.table)
    }

    /// Gathers what so many more places of the table tell; whether there are others.
    pub(crate) fn gather(&self, basis: &mut Basis, places: u32) -> bool {
        basis.gather(&self.table, places)
    }

    /// Places of the table, those that are free among them.
    pub(crate) fn places(&self) -> u32 {
        self.table.places()
    }

    /// Whether a place still has the flow with that number.
    pub(crate) fn is_still(&self, place: u32, serial: u64) -> bool {
        self.table.still(place, serial).is_some()
    }

    /// The flows at some places in brief.
    pub(crate) fn briefs(&self, places: Range<u32>) -> impl Iterator<Item = (u32, Brief<'_>)> {
        let flows = self.table.some(places);
        flows.map(|(place, flow)| (place, Brief::new(&self.table, flow)))
    }

    /// What was observed of the flows at some places: few, since all of them are brought near before the first is looked at.
    pub(crate) fn observed<'a>(
        &'a self,
        places: Range<u32>,
        points: &'a [Point],
        evidence: &'a [PointEvidence],
    ) -> impl Iterator<Item = (u32, FlowObserved)> + 'a {
        self.table.fetch_some(places.clone());
        let flows = self.table.some(places);
        flows.map(move |(place, flow)| (place, self.observe(flow, points, evidence)))
    }

    /// All flows with what was observed of them, in order of their first packet here.
    pub fn flows<'a>(
        &'a self,
        points: &'a [Point],
        evidence: &'a [PointEvidence],
    ) -> impl Iterator<Item = FlowObserved> + 'a {
        let flows = self.table.iter();
        flows.map(move |flow| self.observe(flow, points, evidence))
    }

    fn observe(&self, flow: &Flow, points: &[Point], evidence: &[PointEvidence]) -> FlowObserved {
        let held = self.table.held(flow);
        let view = self.table.view(flow, held.as_ref());
        observed(flow, view, &self.table.unmatched, points, evidence)
    }

    /// From now on flows that give way before they were told are kept: so many at most.
    pub(crate) fn keep_departed(&mut self, room: usize) {
        self.table.departed = Departed::new(room);
    }

    /// How many were kept.
    pub(crate) fn departed_waiting(&self) -> usize {
        self.table.departed.waiting()
    }

    /// Those that were kept, and the number of those for which there was no room.
    pub(crate) fn take_departed(&mut self) -> (Vec<Gone>, u64) {
        self.table.departed.take()
    }

    /// What was observed of a flow that left the table.
    pub(crate) fn observe_gone(
        gone: &Gone,
        points: &[Point],
        evidence: &[PointEvidence],
    ) -> FlowObserved {
        let view = View::Held(&gone.held);
        observed(&gone.flow, view, &gone.unmatched, points, evidence)
    }

    /// Flows at some places that are over at a time, and those that go on as `goes_on` says of when they began and had their last
    /// packet, each with its place: so many at most.
    pub(crate) fn to_tell(
        &self,
        places: Range<u32>,
        most: usize,
        now: Timestamp,
        goes_on: impl Fn(Timestamp, Timestamp) -> bool,
    ) -> Vec<(u32, End)> {
        let flows = self.table.some(places).filter(|(_, flow)| !flow.told);
        let due = flows.filter_map(|(place, flow)| {
            let end = self.table.end_of(flow, now);
            let end = end.or_else(|| goes_on(flow.born, flow.touched).then_some(End::UnderWay));
            Some((place, end?))
        });
        due.take(most).collect()
    }

    /// Notes that the flow at a place was told to be over.
    pub(crate) fn note_told(&mut self, place: u32) {
        self.table.note_told(place);
    }

    /// Flows that were not told to be over, with what was observed of them, in order of their first packet here.
    pub(crate) fn untold<'a>(
        &'a self,
        points: &'a [Point],
        evidence: &'a [PointEvidence],
    ) -> impl Iterator<Item = FlowObserved> + 'a {
        let flows = self.table.iter().filter(|flow| !flow.told);
        flows.map(move |flow| self.observe(flow, points, evidence))
    }
}

/// What was observed of a flow: its parts, and what all points together saw.
fn observed(
    flow: &Flow,
    view: View<'_>,
    unmatched: &Unmatcheds,
    points: &[Point],
    evidence: &[PointEvidence],
) -> FlowObserved {
    let parts = view.parts().map(|part| {
        let unmatched = unmatched.get(flow.serial, part.point);
        let mut observation = part.observation(flow.key, unmatched);
        let index = part.point.0 as usize;
        if let (Some(point), Some(evidence)) = (points.get(index), evidence.get(index)) {
            observation.visible = visible(&observation, point, evidence);
        }
        observation
    });
    let mut observations: Vec<Observation> = parts.collect();
    observations.sort_by_key(Observation::first);
    let quotation = flow.quotation.as_deref();
    FlowObserved {
        key: flow.key,
        serial: flow.serial,
        born: flow.born,
        originator: flow.originator(),
        opening: flow.opening,
        first: flow.first,
        last: flow.last,
        conversation: view.conversation().cloned().unwrap_or_default(),
        sums: view.sums(),
        errors: quotation.map_or_else(Vec::new, |q| q.errors.clone()),
        quotes: quotation.map_or_else(Vec::new, |q| q.quotes.clone()),
        observations,
    }
}

/// The flow that a packet belongs to which was not seen before: a new one if the old one is over.
fn place(
    table: &mut Table,
    live: Option<u32>,
    hash: u64,
    key: &FlowKey,
    side: Side,
    packet: &Shown<'_>,
    ip: &Ip<'_>,
) -> u32 {
    let mut born = packet.time;
    if let Some(slot) = live {
        let anew = table.timed_out(slot, packet.arrival) || {
            table.bring_back(slot);
            matches!(&ip.transport, Transport::Tcp(tcp)
                if table.starts_anew(slot, packet.point, side, tcp, packet.arrival))
        };
        if !anew {
            return slot;
        }
        table.end(slot);
        // The time is part of the id, and two flows are two.
        let before = table.flow(slot).map_or(born, |flow| flow.born.plus(1));
        born = born.max(before);
    }
    let (originator, opening) = opening(ip, side);
    table.open(hash, *key, (originator, opening), born, packet)
}

impl AtPoint<'_> {
    /// Takes a packet that was seen as `sight` says; `routed` if it looked otherwise when it was seen before.
    fn take(
        &mut self,
        packet: &Shown<'_>,
        ip: &Ip<'_>,
        side: Side,
        (sight, routed): (Sight, bool),
    ) {
        let Self { flow, part, union } = self;
        flow.first = flow.first.min(packet.time);
        flow.last = flow.last.max(packet.time);
        flow.touched = flow.touched.max(packet.arrival);
        let sum = match packet.delivery {
            // Counted when its fragments came.
            Delivery::Joined => Sum::default(),
            Delivery::Whole | Delivery::Inside => sum(ip),
        };
        match sight {
            Sight::Duplicate => return part.count_double(side, sum, routed, packet.repeated),
            Sight::Again => return part.count_again(side, sum),
            Sight::Fresh | Sight::Copy => {}
        }
        part.count(side, packet, ip, sum);
        let tcp = match &ip.transport {
            // Where a segment ends, only the whole datagram tells.
            Transport::Tcp(tcp) if ip.fragment.is_none() => Some(tcp),
            _ => None,
        };
        if let Some(tcp) = tcp {
            part.conversation.push(side, tcp, packet.time);
            flow.super_frames |= tcp.payload_len > SUPER_FRAME;
        }
        if let Some(union) = union
            && sight == Sight::Fresh
        {
            union.sums[side].add(sum);
            if let Some(tcp) = tcp {
                union.conversation.push(side, tcp, packet.time);
            }
        }
        let (opener, opening) = opening(ip, side);
        if opening > flow.opening {
            flow.set_originator(opener);
            flow.opening = opening;
        }
    }

    /// Whether other points saw all data of a segment, in other segments: cards split and join them on the way.
    fn knows(&self, side: Side, ip: &Ip<'_>) -> bool {
        let (Some(union), Transport::Tcp(tcp)) = (&self.union, &ip.transport) else {
            return false;
        };
        let large = self.flow.super_frames || tcp.payload_len > SUPER_FRAME;
        if !large || tcp.payload_len == 0 {
            return false;
        }
        let end = tcp.sequence.wrapping_add(tcp.payload_len);
        let ahead = |conversation: &Conversation| {
            let reached = conversation.halves[side].reached();
            reached.is_none_or(|reached| end.wrapping_sub(reached).cast_signed() > 0)
        };
        ahead(&self.part.conversation) && !ahead(&union.conversation)
    }
}

impl Flow {
    /// What ICMP has to say of it. `grown` tells the bytes that it takes.
    fn quotation(&mut self, grown: &mut usize) -> &mut Quotation {
        self.quotation.get_or_insert_with(|| {
            *grown += Quotation::SIZE;
            Box::new(Quotation::new())
        })
    }
}

/// What a packet adds to the sums.
fn sum(ip: &Ip<'_>) -> Sum {
    Sum {
        packets: 1,
        bytes: ip.claimed_len.into(),
        payload: ip.payload_len().into(),
    }
}

/// An ICMP error.
struct IcmpError<'a> {
    kind: u8,
    code: u8,
    quoted: &'a [u8],
}

fn icmp_error<'a>(ip: &Ip<'a>) -> Option<IcmpError<'a>> {
    let (kind, code, quoted, is_error) = match ip.transport {
        Transport::Icmp {
            kind,
            code,
            payload,
            ..
        } => (kind, code, payload, is_icmp_error(kind)),
        Transport::Icmp6 {
            kind,
            code,
            payload,
            ..
        } => (kind, code, payload, is_icmp6_error(kind)),
        _ => return None,
    };
    is_error.then_some(IcmpError { kind, code, quoted })
}

/// Whether a point could see what each side of a flow sends: the station that packets of the other side go to must
/// have been seen to send there itself, in any frame.
fn visible(observation: &Observation, point: &Point, evidence: &PointEvidence) -> [Visible; 2] {
    let both = evidence.both_ways > 0;
    // A firewall's port is one port: where its mirror shows both directions of others, it shows them of all.
    let port = point.described && point.role == Role::Firewall && evidence.both_ways > 1;
    [0, 1].map(|side| {
        if observation.sides[side].packets > 0 {
            return Visible::Seen;
        }
        match observation.sides[1 - side].macs {
            Some((_, station)) if point.senders.contains(station) => Visible::Proven,
            // Bare IP has no stations: other flows seen both ways are all the proof there can be, and enough for a
            // place that somebody described.
            None if both && point.described => Visible::Proven,
            _ if port => Visible::Proven,
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
