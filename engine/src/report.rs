//! What views show: totals, sessions, flows and findings as plain owned values, with the names that scripts rely on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::clock::Clock;
use crate::correlate::{Judgement, end_at_ports};
use crate::finding::{Finding, mac, protocol_name};
use crate::firewall::{Explained, Policy};
use crate::flow::community_id;
use crate::fragment::FragmentCounts;
use crate::hint::Hint;
use crate::live::{LiveReport, Recent};
use crate::matrix::Matrix;
use crate::observation::{FlowObserved, QuotedBy, Seen, Sum};
use crate::observer::Context;
use crate::session::SessionId;
use crate::site::Role;
use crate::tcp::Summary;
use crate::time::Timestamp;
use crate::track::Evicted;
use crate::verdict::{Cause, Confidence, Verdict};

/// Everything at once.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The filter that flows were chosen by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Frames and what became of them.
    pub totals: Totals,
    /// Mirror sessions in order of appearance.
    pub sessions: Vec<SessionReport>,
    /// Findings, the gravest first.
    pub findings: Vec<Finding>,
    /// The view by site.
    pub sites_matrix: Matrix,
    /// What to mirror in addition to be sure, one line each; only what matters to flows that were seen.
    pub advice: Vec<String>,
    /// Encapsulations on numbers that nobody told of, and the options that would read them.
    pub hints: Vec<Hint>,
    /// Of a run over live interfaces: how that goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveReport>,
}

/// Frames and what became of them.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Totals {
    /// Frames read.
    pub frames: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Mirrored packets: frames, or datagrams joined from fragments, with an encapsulation.
    pub mirrored: u64,
    /// Frames without encapsulation.
    pub plain: u64,
    /// Frames with a fault at any layer.
    pub malformed: u64,
    /// Faults by layer and reason, such as `erspan2: truncated`.
    pub malformed_reasons: BTreeMap<String, u64>,
    /// The first faults: file, frame, reason.
    pub malformed_examples: Vec<String>,
    /// Known encapsulations that cannot be opened, and nesting that is too deep.
    pub opaque: u64,
    /// Why, by layer and reason, such as `esp: encrypted`.
    pub opaque_reasons: BTreeMap<String, u64>,
    /// Outer IP fragments.
    pub fragments: u64,
    /// What became of the fragments.
    pub reassembly: Reassembly,
    /// Fragments of mirrored packets.
    pub inner_fragments: u64,
    /// What became of those.
    pub inner_reassembly: Reassembly,
    /// Mirrored packets that are the output of a mirror themselves; nothing else counts them.
    pub looped: u64,
    /// Packets whose GRE sequence number had arrived before.
    pub duplicates: u64,
    /// Packets that a point's mirror brought more than once; no flow counts them.
    pub doubled: u64,
    /// Flows, those that gave way to others among them.
    pub flows: u64,
    /// Flows that gave way to others.
    pub evicted: Evicted,
    /// Connections that firewalls may still know, but the model had no room for.
    pub firewall_evicted: u64,
    /// With a filter: those that it wants. Verdicts and causes are theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flows_matching: Option<u64>,
    /// Endpoints: stations that were seen to send, and are known still.
    pub endpoints: u64,
    /// Endpoints that gave way to others.
    pub endpoints_evicted: u64,
    /// Flows by verdict.
    pub verdicts: BTreeMap<&'static str, u64>,
    /// Flows without a verdict, by cause.
    pub causes: BTreeMap<&'static str, u64>,
    /// IP packets that belong to no flow: later fragments, or cut before their ports.
    pub portless: u64,
    /// Packets of points beyond those that are kept of a flow.
    pub refused: u64,
    /// Packets of sessions beyond the bound of the session table.
    pub refused_sessions: u64,
    /// First frame.
    pub first: Option<Timestamp>,
    /// Last frame.
    pub last: Option<Timestamp>,
}

/// What became of fragments.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Reassembly {
    /// Datagrams joined.
    pub joined: u64,
    /// Datagrams of which a part never arrived.
    pub incomplete: u64,
    /// Datagrams thrown away because parts overlapped.
    pub overlapping: u64,
    /// Fragments that repeated one that was there.
    pub repeated: u64,
    /// Impossible fragments.
    pub refused: u64,
}

impl From<FragmentCounts> for Reassembly {
    fn from(counts: FragmentCounts) -> Self {
        let FragmentCounts {
            fragments: _,
            joined,
            incomplete,
            overlapping,
            repeated,
            refused,
        } = counts;
        Self {
            joined,
            incomplete,
            overlapping,
            repeated,
            refused,
        }
    }
}

/// One mirror session.
#[derive(Clone, Debug, Serialize)]
pub struct SessionReport {
    /// Such as `erspan2-101@10.60.0.1`; for bare frames the file's name.
    pub name: String,
    /// Outermost encapsulation; `plain` for bare frames.
    pub encapsulation: &'static str,
    /// Outer source.
    pub source: Option<IpAddr>,
    /// Outer destination.
    pub destination: Option<IpAddr>,
    /// ERSPAN session id, GRE key or VNI.
    pub id: Option<u64>,
    /// Packets back have another id.
    #[serde(skip)]
    pub one_way_id: bool,
    /// Site of its point.
    pub site: String,
    /// The point that it shows.
    pub point: String,
    /// What stands there.
    pub role: &'static str,
    /// Whether the sites file describes the point.
    pub described: bool,
    /// Mirrored packets.
    pub packets: u64,
    /// Bytes on the wire, outer headers included.
    pub bytes: u64,
    /// First packet.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// Packets that arrived cut.
    pub truncated: u64,
    /// Packets with a fault below the encapsulation.
    pub malformed: u64,
    /// GRE sequence numbers, if it has them.
    pub sequence: Option<SequenceReport>,
    /// Packets that this host dropped on the interfaces that it comes by: any of them may have been its own.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped_here: u64,
    /// What it brought lately, while packets still come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recent: Option<Recent>,
    /// Encapsulations inside its own.
    pub carries: Vec<Carried>,
    /// The device's clock, if its encapsulation tells its time.
    pub clock: Option<ClockReport>,
    /// Packets by their way through the mirrored port, if the encapsulation tells it.
    pub directions: Vec<WayReport>,
    /// Packets by mirrored port, if the encapsulation tells it.
    pub ports: Vec<PortReport>,
    /// Packets that are the output of mirrors themselves, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looped: Option<LoopReport>,
    /// Its place in the order of appearance.
    #[serde(skip)]
    pub number: SessionId,
    /// Capture interfaces that it comes by, the first few.
    #[serde(skip)]
    pub interfaces: Vec<u32>,
    /// Equal for sessions that share a sequence counter.
    #[serde(skip)]
    pub counter: Option<usize>,
    /// Sizes of cut packets.
    #[serde(skip)]
    pub cut: Cut,
}

/// Sizes of packets that arrived cut, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cut {
    /// The longest frame as it was before.
    pub largest: u32,
    /// The most that was left of one.
    pub to: u32,
    /// Outer headers in front of it, from the outer IP header on.
    pub overhead: u32,
}

/// What sequence numbers tell of the mirror.
#[derive(Clone, Debug, Serialize)]
pub struct SequenceReport {
    /// Packets with a number.
    pub received: u64,
    /// Numbers that never arrived.
    pub missing: u64,
    /// Of those, the ones that went missing while this host dropped packets of the interface: most likely its doing.
    #[serde(skip_serializing_if = "is_zero")]
    pub dropped_here: u64,
    /// Packets whose number had arrived before.
    pub duplicate: u64,
    /// Packets that came after a later number.
    pub reordered: u64,
    /// Times the counter was started anew.
    pub restarts: u64,
    /// Sessions that share the counter, this one included; the figures are of all of them.
    pub shared: usize,
    /// First and last gap.
    #[serde(skip)]
    pub loss_period: Option<(Timestamp, Timestamp)>,
    /// Separate gaps.
    #[serde(skip)]
    pub gaps: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Mirrored packets that are the output of mirrors themselves.
#[derive(Clone, Debug, Serialize)]
pub struct LoopReport {
    /// All of them.
    pub packets: u64,
    /// Those that this very session had mirrored before.
    pub own: u64,
    /// How often one was mirrored again, at most.
    pub depth: u8,
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// Names of the sessions whose output they are, the first few.
    pub of: Vec<String>,
}

/// The clock of a mirroring device.
#[derive(Clone, Debug, Serialize)]
pub struct ClockReport {
    /// Length of a tick, such as `100us` or `0.1ns`; `None` if none fits.
    pub unit: Option<String>,
    /// The unit that the device declares, if it declares one.
    pub declared: Option<String>,
    /// `unix`, `device` or `unknown`.
    pub epoch: &'static str,
    /// Bits of the counter, or of the seconds where nanoseconds are apart.
    pub bits: u8,
    /// Times it started again at 0.
    pub wraps: u64,
    /// Times the device set it anew.
    pub restarts: u64,
    /// Arrival less mirror time of the fastest packet lately, for a clock on Unix time.
    pub offset_ns: Option<i64>,
}

impl ClockReport {
    /// What there is to tell of a clock.
    pub fn new(clock: &Clock) -> Self {
        Self {
            unit: clock.unit().map(|tick| tick.to_string()),
            declared: clock.declared().map(|tick| tick.to_string()),
            epoch: clock.epoch().as_str(),
            bits: clock.bits(),
            wraps: clock.wraps,
            restarts: clock.restarts,
            offset_ns: clock.offset(),
        }
    }
}

/// Packets that went one way through the mirrored ports.
#[derive(Clone, Debug, Serialize)]
pub struct WayReport {
    /// In words, by what stands there: `towards the firewall`.
    pub way: String,
    /// Packets.
    pub packets: u64,
}

/// Packets of a mirrored port.
#[derive(Clone, Debug, Serialize)]
pub struct PortReport {
    /// The device's number of the port; `None` for all ports beyond those that are told apart.
    pub index: Option<u32>,
    /// The way through it, in words, if the encapsulation tells it.
    pub way: Option<String>,
    /// Packets.
    pub packets: u64,
}

/// An encapsulation inside a session's own.
#[derive(Clone, Debug, Serialize)]
pub struct Carried {
    /// Its kind.
    pub encapsulation: &'static str,
    /// Its id.
    pub id: Option<u64>,
    /// Packets.
    pub packets: u64,
}

/// One flow.
#[derive(Clone, Debug, Serialize)]
pub struct FlowReport {
    /// Its place in the order of appearance, the same in every run over the same input.
    #[serde(skip)]
    pub serial: u64,
    /// Short id, the same in every run over the same traffic.
    pub id: String,
    /// Community ID v1.
    pub community_id: String,
    /// The tenant that it belongs to, if the sites file tells one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// `tcp`, `udp`, `icmp`, `icmp6`, `sctp`, or the protocol's number.
    pub proto: String,
    /// The originator.
    pub src: IpAddr,
    /// Its port; for ICMP the type.
    pub sport: u16,
    /// The responder.
    pub dst: IpAddr,
    /// Its port; for ICMP the code.
    pub dport: u16,
    /// What the originator is called, if anybody told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub src_name: Option<Arc<str>>,
    /// What the responder is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dst_name: Option<Arc<str>>,
    /// ICMP queries: the identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icmp_id: Option<u16>,
    /// Zeek's `conn_state`, from all points.
    pub state: &'static str,
    /// Zeek's history, from all points.
    pub history: String,
    /// How it went.
    pub verdict: Verdict,
    /// Why, in a sentence; for `unknown` it begins with the cause's name.
    pub why: String,
    /// For `unknown`: what keeps the verdict from being reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// How sure that is.
    pub confidence: Confidence,
    /// First packet at any point.
    pub first: Timestamp,
    /// Last packet at any point.
    pub last: Timestamp,
    /// What the originator sent, each packet counted once.
    pub orig: Sum,
    /// What the responder sent.
    pub resp: Sum,
    /// TCP in figures, from all points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Summary>,
    /// What each point saw.
    pub points: Vec<AtPoint>,
    /// ICMP errors that quote its packets, the first few kinds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub icmp_errors: Vec<IcmpErrorReport>,
    /// For ICMP errors: ids of flows that they quote, the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotes: Vec<String>,
}

/// Packets of one direction at one point.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DirectionAtPoint {
    /// Packets, each counted once.
    pub packets: u64,
    /// Bytes by the inner IP header, which is part of them.
    pub bytes: u64,
    /// Bytes behind the transport header.
    pub payload: u64,
    /// What the mirror brought once more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doubled: Option<Sum>,
    /// What came past again after a router had had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub again: Option<Sum>,
    /// First and last packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub period: Option<(Timestamp, Timestamp)>,
    /// Lowest and highest TTL or hop limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<(u8, u8)>,
    /// DSCP values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dscp: Vec<u8>,
    /// Source and destination MAC address of the last packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub macs: Option<(String, String)>,
}

impl DirectionAtPoint {
    fn new(seen: &Seen, doubled: Sum, again: Sum) -> Self {
        let any = seen.packets > 0;
        Self {
            packets: seen.packets,
            bytes: seen.bytes,
            payload: seen.payload,
            doubled: (doubled.packets > 0).then_some(doubled),
            again: (again.packets > 0).then_some(again),
            period: any.then_some((seen.first, seen.last)),
            ttl: any.then_some(seen.ttl),
            dscp: seen.dscp_values().collect(),
            macs: seen.macs.map(|(from, to)| (mac(from), mac(to))),
        }
    }
}

/// ICMP errors of one kind about a flow.
#[derive(Clone, Debug, Serialize)]
pub struct IcmpErrorReport {
    /// Who says so.
    pub from: IpAddr,
    /// `icmp` or `icmp6`.
    pub proto: &'static str,
    /// Type of the message.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Code within the type.
    pub code: u8,
    /// Messages.
    pub packets: u64,
    /// The first one.
    pub first: Timestamp,
}

impl From<&QuotedBy> for IcmpErrorReport {
    fn from(error: &QuotedBy) -> Self {
        Self {
            from: error.from,
            proto: if error.v6 { "icmp6" } else { "icmp" },
            kind: error.kind,
            code: error.code,
            packets: error.packets,
            first: error.first,
        }
    }
}

/// What one point saw of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct AtPoint {
    /// The point's name.
    pub point: String,
    /// Its site.
    pub site: String,
    /// What stands there.
    pub role: &'static str,
    /// Zeek's history of what it saw.
    pub history: String,
    /// Zeek's `conn_state` of what it saw.
    pub state: &'static str,
    /// First packet there.
    pub first: Timestamp,
    /// Last packet there.
    pub last: Timestamp,
    /// What the originator sent past it.
    pub orig: DirectionAtPoint,
    /// What the responder sent past it.
    pub resp: DirectionAtPoint,
    /// Names of the sessions that brought it, the first few.
    pub sessions: Vec<String>,
    /// VLANs that it was seen in, the first few.
    pub vlans: Vec<u16>,
    /// Segments (VNI, GRE key) that it was seen in, the first few.
    pub segments: Vec<u64>,
    /// What the firewall there can match to no connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall: Option<FirewallReport>,
    /// TCP in figures, as it passed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Summary>,
}

/// What a firewall can match to no connection.
#[derive(Clone, Debug, Serialize)]
pub struct FirewallReport {
    /// Kind of firewall that it was judged as.
    pub preset: &'static str,
    /// What it does with such packets: `drop` or `accept`.
    pub policy: Policy,
    /// Packets of each side.
    pub out_of_state: OutOfState,
    /// The first one.
    pub first: FirstOutOfState,
    /// Why it is out of state, with what other points saw.
    pub why: String,
    /// What else explains it, so that it does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Point that what the firewall lacks passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub passed: Option<String>,
}

/// Packets out of state.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OutOfState {
    /// Of the originator.
    pub orig: u64,
    /// Of the responder.
    pub resp: u64,
}

/// The first packet out of state.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct FirstOutOfState {
    /// When it passed.
    pub time: Timestamp,
    /// Who sent it: `orig` or `resp`.
    pub from: &'static str,
    /// What it is: `SYN-ACK`, `echo reply`.
    pub packet: &'static str,
    /// Why the firewall matches it to nothing, by name.
    pub reason: &'static str,
}

impl FirewallReport {
    fn new(context: &Context, flow: &FlowObserved, explained: &Explained) -> Option<Self> {
        let settings = context.point(explained.point)?.firewall?;
        let unmatched = &explained.unmatched;
        let first = unmatched.first;
        let passed = explained.passed.and_then(|p| context.point(p.point));
        Some(Self {
            preset: settings.preset.as_str(),
            policy: settings.policy,
            out_of_state: OutOfState {
                orig: unmatched.packets[flow.originator],
                resp: unmatched.packets[flow.responder()],
            },
            first: FirstOutOfState {
                time: first.time,
                from: if first.side == flow.originator {
                    "orig"
                } else {
                    "resp"
                },
                packet: first.what.in_words(),
                reason: first.reason.as_str(),
            },
            why: explained.why(context),
            cause: explained.cause,
            passed: passed.map(|point| point.name.clone()),
        })
    }

    /// Packets of both sides.
    pub fn packets(&self) -> u64 {
        self.out_of_state.orig + self.out_of_state.resp
    }
}

impl FlowReport {
    /// A number made of its id, for those who know flows by numbers: equal ones are as unlikely as with 64 bits.
    pub fn number(&self) -> u64 {
        // FNV-1a, mixed once more so that all bits are of use.
        let bytes = self.id.bytes();
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    }

    /// The points that packets of one direction passed, in the order of their first packet there: indices of
    /// [`Self::points`].
    pub fn way(&self, from_originator: bool) -> Vec<usize> {
        let of = |at: &AtPoint| {
            let way = if from_originator { &at.orig } else { &at.resp };
            way.period.map(|(first, _)| first)
        };
        let passed = self.points.iter().enumerate();
        let mut passed: Vec<(Timestamp, usize)> = passed
            .filter_map(|(index, at)| Some((of(at)?, index)))
            .collect();
        passed.sort_unstable();
        let mut way: Vec<usize> = passed.into_iter().map(|(_, index)| index).collect();
        end_at_ports(&mut way, |index| {
            let at = self.points.get(*index);
            at.is_some_and(|at| at.role == Role::Vnic.as_str())
        });
        way
    }

    /// Puts a flow and its judgement into words.
    /// `sessions`: their names, by id.
    pub fn new(
        context: &Context,
        sessions: &[String],
        flow: &FlowObserved,
        judgement: &Judgement,
    ) -> Self {
        let (orig, resp) = (flow.originator, flow.responder());
        let (src, dst) = (flow.key.end(orig), flow.key.end(resp));
        let icmp = flow.key.is_icmp();
        let query = flow.key.is_icmp_query();
        let state = |conversation: &crate::tcp::Conversation, sides: &[Seen; 2]| {
            let seen = [0, 1].map(|side| sides[side].packets > 0);
            state_of(flow.key.protocol, orig, conversation, seen)
        };
        let history = |conversation: &crate::tcp::Conversation, sides: &[Seen; 2]| {
            let letters = match flow.key.protocol {
                crate::flow::protocol::UDP => {
                    let letters = [(orig, 'D'), (resp, 'd')]
                        .into_iter()
                        .filter(|(side, _)| sides[*side].payload > 0);
                    letters.map(|(_, letter)| letter).collect()
                }
                crate::flow::protocol::TCP => conversation.history(orig),
                _ => return String::new(),
            };
            // Zeek's mark for an originator that it did not see to begin.
            let asked = conversation.halves[orig].syn > 0;
            let answered_first = sides[resp].packets > 0
                && (sides[orig].packets == 0 || sides[resp].first < sides[orig].first);
            let mark = if answered_first && !asked { "^" } else { "" };
            format!("{mark}{letters}")
        };
        let tcp = |conversation: &crate::tcp::Conversation| {
            (flow.key.protocol == crate::flow::protocol::TCP)
                .then(|| Summary::new(conversation, orig))
        };
        let totals = [flow.total(0), flow.total(1)];
        let name = |address| context.names.machine(address).map(|m| Arc::clone(&m.name));
        let points = flow.observations.iter().filter_map(|o| {
            let point = context.points.get(o.point.0 as usize)?;
            Some(AtPoint {
                point: point.name.clone(),
                site: point.site.clone(),
                role: point.role.as_str(),
                history: history(&o.conversation, &o.sides),
                state: state(&o.conversation, &o.sides),
                first: o.first(),
                last: o.last(),
                orig: DirectionAtPoint::new(&o.sides[orig], o.doubled[orig], o.again[orig]),
                resp: DirectionAtPoint::new(&o.sides[resp], o.doubled[resp], o.again[resp]),
                sessions: o
                    .sessions
                    .iter()
                    .filter_map(|id| sessions.get(id.0 as usize).cloned())
                    .collect(),
                vlans: o.vlans.clone(),
                segments: o.segments.clone(),
                firewall: judgement
                    .unmatched
                    .iter()
                    .find(|explained| explained.point == o.point)
                    .and_then(|explained| FirewallReport::new(context, flow, explained)),
                tcp: tcp(&o.conversation),
            })
        });
        Self {
            serial: flow.serial,
            id: flow.id(),
            community_id: community_id(&flow.key, orig),
            tenant: context.tenant(flow).map(str::to_owned),
            proto: proto(flow.key.protocol),
            src: src.address,
            sport: if icmp {
                u16::from(flow.key.icmp_type)
            } else {
                src.port
            },
            dst: dst.address,
            dport: match (icmp, query) {
                (true, true) => 0,
                _ => dst.port,
            },
            src_name: name(src.address),
            dst_name: name(dst.address),
            icmp_id: query.then_some(src.port),
            state: state(&flow.conversation, &totals),
            history: history(&flow.conversation, &totals),
            verdict: judgement.verdict,
            why: context.why(flow, judgement),
            cause: judgement.cause,
            confidence: judgement.confidence,
            first: flow.first,
            last: flow.last,
            orig: flow.sums[orig],
            resp: flow.sums[resp],
            tcp: tcp(&flow.conversation),
            points: points.collect(),
            icmp_errors: flow.errors.iter().map(IcmpErrorReport::from).collect(),
            quotes: flow.quotes.clone(),
        }
    }
}

/// Zeek's `conn_state`, from what was seen of each side.
pub(crate) fn state_of(
    protocol: u8,
    originator: crate::flow::Side,
    conversation: &crate::tcp::Conversation,
    seen: [bool; 2],
) -> &'static str {
    match protocol {
        crate::flow::protocol::TCP => conversation.conn_state(originator),
        crate::flow::protocol::UDP => match (seen[originator], seen[1 - originator]) {
            (true, true) => "SF",
            (true, false) => "S0",
            (false, true) => "SHR",
            (false, false) => "OTH",
        },
        _ => "OTH",
    }
}

fn proto(number: u8) -> String {
    match protocol_name(number) {
        "IP" => number.to_string(),
        "ICMPv6" => "icmp6".to_owned(),
        name => name.to_ascii_lowercase(),
    }
}
