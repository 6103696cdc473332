//! Findings: what is worth telling a person, with evidence and the next thing to check. One kind a file.

mod address_conflict;
mod asymmetric_path;
mod attempts;
mod dci_trombone;
mod endpoint_moved;
mod firewall_out_of_state;
mod incomplete_close;
mod incomplete_handshake;
mod inconsistent_sequence;
mod lost_here;
mod mirror_blind_spot;
mod mirror_duplicates;
mod mirror_loop;
mod mirror_loss;
mod mirror_silent;
mod mirror_truncation;
mod mtu_black_hole;
mod one_way;
mod path_moved;
mod scan;
mod symptom;
mod unanswered;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

use crate::correlate::Judgement;
use crate::flow::{Endpoint, Side, protocol};
use crate::inventory::{Change, Conflict};
use crate::names::Names;
use crate::observation::FlowObserved;
use crate::observer::Context;
use crate::point::PointId;
use crate::report::SessionReport;
use crate::table::Set;
use crate::time::Timestamp;
use crate::verdict::Confidence;

pub(crate) use lost_here::DroppedHere;

/// Example flows listed with a finding.
const EXAMPLES: usize = 5;
/// Addresses named in a sentence.
const NAMED: usize = 3;
/// Groups of one kind; flows beyond it are counted only.
const MAX_GROUPS: usize = 1000;

/// What a finding is about. Names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The two directions of flows pass different sites or firewalls.
    AsymmetricPath,
    /// Packets that a stateful firewall cannot match to a connection.
    FirewallOutOfState,
    /// A place saw half of a handshake that exists elsewhere.
    IncompleteHandshake,
    /// A place saw half of a close that exists elsewhere.
    IncompleteClose,
    /// A place saw acknowledgements of data that never passed it.
    InconsistentSequence,
    /// TCP flows of which only one direction exists.
    OneWay,
    /// An address or a MAC now answers at another site or point.
    EndpointMoved,
    /// Flows changed their way while they lived.
    PathMoved,
    /// Packets cross the interconnect and come back.
    DciTrombone,
    /// One address is active at two sites at once.
    AddressConflict,
    /// Large packets vanish between two places, small ones pass.
    MtuBlackHole,
    /// Requests that nobody answered.
    Unanswered,
    /// Many targets were tried.
    Scan,
    /// The mirror lost packets.
    MirrorLoss,
    /// The mirror brings packets more than once.
    MirrorDuplicates,
    /// The mirror cut packets.
    MirrorTruncation,
    /// A mirror session stopped.
    MirrorSilent,
    /// A mirror session carries one direction only.
    MirrorBlindSpot,
    /// The mirror carries its own output.
    MirrorLoop,
}

impl Kind {
    /// The name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AsymmetricPath => "asymmetric-path",
            Self::FirewallOutOfState => "firewall-out-of-state",
            Self::IncompleteHandshake => "incomplete-handshake",
            Self::IncompleteClose => "incomplete-close",
            Self::InconsistentSequence => "inconsistent-sequence",
            Self::OneWay => "one-way",
            Self::EndpointMoved => "endpoint-moved",
            Self::PathMoved => "path-moved",
            Self::DciTrombone => "dci-trombone",
            Self::AddressConflict => "address-conflict",
            Self::MtuBlackHole => "mtu-black-hole",
            Self::Unanswered => "unanswered",
            Self::Scan => "scan",
            Self::MirrorLoss => "mirror-loss",
            Self::MirrorDuplicates => "mirror-duplicates",
            Self::MirrorTruncation => "mirror-truncation",
            Self::MirrorSilent => "mirror-silent",
            Self::MirrorBlindSpot => "mirror-blind-spot",
            Self::MirrorLoop => "mirror-loop",
        }
    }
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Something is wrong, or will be.
    Warning,
    /// Traffic breaks, or will with a strict firewall.
    Error,
}

impl Severity {
    /// The name in output and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// Something worth telling. Flows that share a cause share a finding.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What it is about.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why it is that sure.
    pub confidence_why: String,
    /// Sites concerned.
    pub sites: Vec<String>,
    /// Points where it shows.
    pub points: Vec<String>,
    /// How many flows are affected; 0 for findings about the mirror.
    pub flows: u64,
    /// Ids of some of them.
    pub examples: Vec<String>,
    /// Packets of the flows, each counted once; for the mirror, the packets lost or cut.
    pub packets: u64,
    /// Since when.
    pub first: Timestamp,
    /// Until when.
    pub last: Timestamp,
    /// One or two sentences.
    pub summary: String,
    /// The kind of finding that explains it; what is told there is not repeated here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<Kind>,
    /// The gist of it, for the head of a report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub story: Option<Story>,
    /// What was seen, one fact a line.
    pub evidence: Vec<String>,
    /// What to check next, one step a line.
    pub next: Vec<String>,
}

/// What an engineer must know of a finding, short enough to be read at a glance.
#[derive(Clone, Debug, Serialize)]
pub struct Story {
    /// One line.
    pub headline: String,
    /// What it is about and what it is: requests, answers, before, breaks, check.
    pub lines: Vec<(String, String)>,
}

/// Gathers findings while the flows pass by, in bounded memory.
#[derive(Default)]
pub(crate) struct Collector {
    address_conflict: address_conflict::AddressConflicts,
    asymmetric_path: asymmetric_path::AsymmetricPaths,
    endpoint_moved: endpoint_moved::EndpointMoves,
    firewall_out_of_state: firewall_out_of_state::OutOfState,
    incomplete_handshake: incomplete_handshake::IncompleteHandshakes,
    incomplete_close: incomplete_close::IncompleteCloses,
    inconsistent_sequence: inconsistent_sequence::InconsistentSequences,
    one_way: one_way::OneWays,
    path_moved: path_moved::PathsMoved,
    dci_trombone: dci_trombone::Trombones,
    mtu_black_hole: mtu_black_hole::BlackHoles,
    attempts: attempts::Attempts,
    mirror_silent: mirror_silent::MirrorsSilent,
    mirror_blind_spot: mirror_blind_spot::BlindSpots,
}

impl Collector {
    /// Tells of endpoints too; only of those whose flows pass by if these are `filtered`.
    pub fn of_endpoints(moves: Vec<Change>, conflicts: Vec<Conflict>, filtered: bool) -> Self {
        Self {
            address_conflict: address_conflict::AddressConflicts::new(conflicts, filtered),
            endpoint_moved: endpoint_moved::EndpointMoves::new(moves, filtered),
            ..Self::default()
        }
    }

    /// Takes one flow and what became of it.
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        self.address_conflict.add(flow);
        self.asymmetric_path.add(context, flow, judgement);
        self.endpoint_moved.add(context, flow);
        self.firewall_out_of_state.add(context, flow, judgement);
        self.incomplete_handshake.add(flow, judgement);
        self.incomplete_close.add(flow, judgement);
        self.inconsistent_sequence.add(context, flow, judgement);
        self.one_way.add(flow, judgement);
        self.path_moved.add(context, flow, judgement);
        self.dci_trombone.add(context, flow, judgement);
        self.mtu_black_hole.add(context, flow, judgement);
        self.attempts.add(flow, judgement);
        self.mirror_silent.add(context, flow, judgement);
        self.mirror_blind_spot.add(context, flow, judgement);
    }

    /// All findings, the gravest first.
    pub fn finish(
        self,
        context: &Context,
        sessions: &[SessionReport],
        dropped: &[DroppedHere],
    ) -> Vec<Finding> {
        let mut findings = self.asymmetric_path.finish(context);
        findings.extend(self.address_conflict.finish(context));
        findings.extend(self.endpoint_moved.finish(context, sessions));
        findings.extend(self.firewall_out_of_state.finish(context));
        findings.extend(self.incomplete_handshake.finish(context));
        findings.extend(self.incomplete_close.finish(context));
        findings.extend(self.inconsistent_sequence.finish(context));
        findings.extend(self.one_way.finish(context));
        findings.extend(self.path_moved.finish(context));
        findings.extend(self.dci_trombone.finish(context));
        findings.extend(self.mtu_black_hole.finish(context));
        findings.extend(self.attempts.finish());
        findings.extend(self.mirror_silent.finish(context));
        findings.extend(self.mirror_blind_spot.finish(context, sessions));
        findings.extend(mirror_loop::findings(sessions));
        findings.extend(lost_here::findings(dropped, sessions));
        findings.extend(mirror_loss::findings(sessions));
        findings.extend(mirror_duplicates::findings(context, sessions));
        findings.extend(mirror_truncation::findings(sessions));
        findings.sort_by_key(|f| {
            (
                std::cmp::Reverse(f.severity),
                f.kind,
                std::cmp::Reverse(f.flows),
                f.first,
            )
        });
        if !context.names.is_empty() {
            for finding in &mut findings {
                finding.name(&context.names);
            }
        }
        findings
    }
}

impl Finding {
    /// Tells the names of machines where their addresses stand. Next steps are left alone: they hold commands.
    fn name(&mut self, names: &Names) {
        let story = self.story.iter_mut();
        let story = story.flat_map(|story| {
            let lines = story.lines.iter_mut().filter(|(label, _)| label != "check");
            std::iter::once(&mut story.headline).chain(lines.map(|(_, text)| text))
        });
        let sentences = self
            .evidence
            .iter_mut()
            .chain(std::iter::once(&mut self.summary));
        for sentence in sentences.chain(story) {
            *sentence = names.tell_in(sentence);
        }
    }
}

/// Flows that share a cause.
#[derive(Debug, Default)]
struct Group {
    flows: u64,
    packets: u64,
    period: Option<(Timestamp, Timestamp)>,
    examples: Vec<String>,
    originators: Named<IpAddr>,
    targets: Named<IpAddr>,
    services: Named<(u8, u16)>,
    /// Packets of requests and of answers, and when each began, by point.
    points: BTreeMap<PointId, [Passed; 2]>,
    confidence: Option<Confidence>,
}

/// Packets of one direction that passed a point.
#[derive(Clone, Copy, Debug, Default)]
struct Passed {
    packets: u64,
    first: Option<(Timestamp, u16)>,
}

/// Some distinct values, and whether there were more.
#[derive(Debug)]
struct Named<T> {
    values: Vec<T>,
    more: bool,
}

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self {
            values: Vec::new(),
            more: false,
        }
    }
}

impl<T: PartialEq> Named<T> {
    fn add(&mut self, value: T) {
        if self.values.contains(&value) {
            return;
        }
        if self.values.len() < NAMED {
            self.values.push(value);
        } else {
            self.more = true;
        }
    }

    fn list(&self, name: impl Fn(&T) -> String) -> String {
        let mut names: Vec<String> = self.values.iter().map(name).collect();
        if self.more {
            names.push("others".to_owned());
        }
        join_and(&names)
    }
}

impl Group {
    /// Adds a flow; of one that had lived before `since`, what had passed a point until then is left out, as far as
    /// that is known apart.
    fn add(&mut self, flow: &FlowObserved, since: Timestamp, confidence: Confidence) {
        let directions = [flow.originator, flow.responder()];
        self.add_directed(flow, since, confidence, directions);
    }

    /// The same, with the sides in another order than requests and answers.
    fn add_directed(
        &mut self,
        flow: &FlowObserved,
        since: Timestamp,
        confidence: Confidence,
        directions: [Side; 2],
    ) {
        self.flows += 1;
        self.packets += flow.sums[0].packets + flow.sums[1].packets;
        let period = self.period.get_or_insert((since, flow.last));
        *period = (period.0.min(since), period.1.max(flow.last));
        if self.examples.len() < EXAMPLES {
            self.examples.push(flow.id());
        }
        self.originators.add(flow.key.end(flow.originator).address);
        let target = flow.key.end(flow.responder());
        self.targets.add(target.address);
        self.services.add((
            flow.key.protocol,
            if flow.key.is_icmp() { 0 } else { target.port },
        ));
        self.confidence = self.confidence.max(Some(confidence));
        for observation in &flow.observations {
            let passed = self.points.entry(observation.point).or_default();
            for (direction, side) in directions.into_iter().enumerate() {
                let seen = observation.sides[side];
                if seen.packets == 0 || seen.last < since {
                    continue;
                }
                let passed = &mut passed[direction];
                passed.packets += seen.packets;
                if seen.first >= since && passed.first.is_none_or(|(first, _)| seen.first < first) {
                    passed.first = Some((
                        seen.first,
                        observation.conversation.halves[side].first_flags,
                    ));
                }
            }
        }
    }

    /// Adds the flows of another group.
    fn absorb(&mut self, other: Self) {
        self.flows += other.flows;
        self.packets += other.packets;
        if let Some((first, last)) = other.period {
            let period = self.period.get_or_insert((first, last));
            *period = (period.0.min(first), period.1.max(last));
        }
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
        for service in other.services.values {
            self.services.add(service);
        }
        self.confidence = self.confidence.max(other.confidence);
        for (id, passed) in other.points {
            for (sum, more) in self.points.entry(id).or_default().iter_mut().zip(passed) {
                sum.packets += more.packets;
                sum.first = [sum.first, more.first].into_iter().flatten().min();
            }
        }
    }

    fn first(&self) -> Timestamp {
        self.period.unwrap_or_default().0
    }

    fn last(&self) -> Timestamp {
        self.period.unwrap_or_default().1
    }

    fn confidence(&self) -> Confidence {
        self.confidence.unwrap_or(Confidence::Low)
    }

    /// "4 TCP flows to 10.20.0.50:8080", "9 flows to 10.20.0.50 (TCP 80, TCP 443 and ICMP)".
    fn flows_in_words(&self) -> String {
        match self.services.values.as_slice() {
            [(protocol, _)] if !self.services.more => {
                format!(
                    "{} to {}",
                    count(self.flows, &format!("{} flow", protocol_name(*protocol))),
                    self.target()
                )
            }
            _ => format!("{} to {}", count(self.flows, "flow"), self.target()),
        }
    }

    /// What the flows go to: address and port of one service, else the addresses, with the services of a single one.
    fn target(&self) -> String {
        let hosts = self.hosts();
        match (
            self.targets.values.as_slice(),
            self.services.values.as_slice(),
        ) {
            ([address], [(protocol, port)]) if !self.services.more => endpoint(
                *protocol,
                Endpoint {
                    address: *address,
                    port: *port,
                },
            ),
            ([_], _) => format!(
                "{hosts} ({})",
                self.services
                    .list(|(protocol, port)| service(*protocol, *port))
            ),
            _ => hosts,
        }
    }

    /// The addresses that the flows go to.
    fn hosts(&self) -> String {
        self.targets.list(ToString::to_string)
    }

    /// A finding about the group, its words still to come.
    fn finding(&self, kind: Kind, severity: Severity, confidence_why: &str) -> Finding {
        Finding {
            kind,
            severity,
            confidence: self.confidence(),
            confidence_why: confidence_why.to_owned(),
            sites: Vec::new(),
            points: Vec::new(),
            flows: self.flows,
            examples: self.examples.clone(),
            packets: self.packets,
            first: self.first(),
            last: self.last(),
            summary: String::new(),
            because: None,
            story: None,
            evidence: Vec::new(),
            next: Vec::new(),
        }
    }

    fn has_tcp(&self) -> bool {
        self.services
            .values
            .iter()
            .any(|(protocol, _)| *protocol == protocol::TCP)
    }
}

/// Groups by what their flows share, bounded in number.
#[derive(Debug)]
struct Groups<K> {
    groups: BTreeMap<K, Group>,
    left_out: u64,
}

impl<K> Default for Groups<K> {
    fn default() -> Self {
        Self {
            groups: BTreeMap::new(),
            left_out: 0,
        }
    }
}

impl<K: Ord> Groups<K> {
    fn add(&mut self, key: K, flow: &FlowObserved, since: Timestamp, confidence: Confidence) {
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&key) {
            self.left_out += 1;
        } else {
            self.groups
                .entry(key)
                .or_default()
                .add(flow, since, confidence);
        }
    }

    /// One finding a group; the last one tells of flows that found no group.
    fn into_findings(self, finding: impl FnMut((K, Group)) -> Option<Finding>) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.groups.into_iter().filter_map(finding).collect();
        if self.left_out > 0
            && let Some(last) = findings.last_mut()
        {
            last.evidence.push(format!(
                "{} more flows have causes beyond the {MAX_GROUPS} that are told apart",
                self.left_out
            ));
        }
        findings
    }
}

/// A protocol's usual name.
pub fn protocol_name(number: u8) -> &'static str {
    match number {
        protocol::TCP => "TCP",
        protocol::UDP => "UDP",
        protocol::ICMP => "ICMP",
        protocol::ICMP6 => "ICMPv6",
        protocol::SCTP => "SCTP",
        _ => "IP",
    }
}

/// Address and port; the address alone where there are no ports.
fn endpoint(protocol: u8, end: Endpoint) -> String {
    match protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP => {
            SocketAddr::new(end.address, end.port).to_string()
        }
        _ => end.address.to_string(),
    }
}

/// "TCP 443", "ICMP".
fn service(protocol: u8, port: u16) -> String {
    match protocol {
        protocol::TCP | protocol::UDP | protocol::SCTP => {
            format!("{} {port}", protocol_name(protocol))
        }
        _ => protocol_name(protocol).to_owned(),
    }
}

/// "one flow", "4 flows".
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 {
        format!("one {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// "a", "a and b", "a, b and c".
fn join_and(names: &[String]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A MAC address as people write it.
pub(crate) fn mac(octets: [u8; 6]) -> String {
    let mut text = String::with_capacity(17);
    for (index, octet) in octets.iter().enumerate() {
        let colon = if index == 0 { "" } else { ":" };
        let _ = write!(text, "{colon}{octet:02x}");
    }
    text
}

/// Distinct names in order of appearance.
fn distinct(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Set::default();
    names.filter(|name| seen.insert(name.clone())).collect()
}
