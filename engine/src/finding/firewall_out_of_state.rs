//! `firewall-out-of-state`: packets that a stateful firewall cannot match, because what it would need passed elsewhere,
//! or passed too long ago.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Finding, Group, Groups, Kind, Severity, count, distinct};
use crate::correlate::Judgement;
use crate::firewall::{Explained, Lacks, Policy};
use crate::observation::FlowObserved;
use crate::observer::{Context, PointFacts};
use crate::point::PointId;
use crate::tcp::Half;
use crate::time::{SECOND, Timestamp};
use crate::verdict::{Confidence, Verdict};

/// First packets told with their times.
const TOLD: usize = 3;

/// What flows of one finding share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    /// The firewall.
    point: PointId,
    lacks: Lacks,
    /// Kind of the first packet.
    packet: &'static str,
    /// Where what it lacks passed.
    passed: Option<PointId>,
    /// They came out of the firewall, which let them pass.
    let_pass: bool,
    /// The finding that explains it.
    because: Option<Kind>,
}

/// What the firewall saw of the flows of one finding.
#[derive(Debug, Default)]
struct Seen {
    /// Packets out of state of requests and of answers.
    unmatched: [u64; 2],
    /// First packets: time, and since when what it lacks passed.
    first: Vec<(Timestamp, Option<Timestamp>, String)>,
    /// SYN, SYN-ACK and other packets that passed it.
    syn: u64,
    syn_ack: u64,
    packets: u64,
}

/// Packets out of state by firewall, kind and where the missing part passed.
#[derive(Debug, Default)]
pub(super) struct OutOfState {
    groups: Groups<Cause>,
    seen: BTreeMap<Cause, Seen>,
}

impl OutOfState {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        for explained in &judgement.unmatched {
            if let Some(cause) = cause(context, explained, flow, judgement) {
                self.note(cause, explained, flow);
            }
        }
    }

    fn note(&mut self, cause: Cause, explained: &Explained, flow: &FlowObserved) {
        let first = explained.unmatched.first;
        self.groups
            .add(cause, flow, first.time, explained.confidence);
        if self.seen.len() >= super::MAX_GROUPS && !self.seen.contains_key(&cause) {
            return;
        }
        let seen = self.seen.entry(cause).or_default();
        let sides = [flow.originator, flow.responder()];
        for (total, side) in seen.unmatched.iter_mut().zip(sides) {
            *total += explained.unmatched.packets[side];
        }
        if seen.first.len() < TOLD {
            let since = explained.passed.map(|passed| passed.time);
            seen.first.push((first.time, since, flow.id()));
        }
        let here = flow.at(cause.point);
        if let Some(here) = here {
            let sum = |of: fn(&Half) -> u16| {
                let halves = here.conversation.halves.iter();
                halves.map(|half| u64::from(of(half))).sum::<u64>()
            };
            seen.syn += sum(|half| half.syn);
            seen.syn_ack += sum(|half| half.syn_ack);
            seen.packets += here.sides.iter().map(|s| s.packets).sum::<u64>();
        }
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        let Self { groups, mut seen } = self;
        groups.into_findings(|(cause, group)| {
            let seen = seen.remove(&cause).unwrap_or_default();
            finding(context, &cause, &group, &seen)
        })
    }
}

/// The cause that is told, if the network is proven to be one.
fn cause(
    context: &Context,
    explained: &Explained,
    flow: &FlowObserved,
    judgement: &Judgement,
) -> Option<Cause> {
    let here = flow.at(explained.point)?;
    let mut unmatched = [0, 1]
        .into_iter()
        .filter(|side| explained.unmatched.packets[*side] > 0);
    let lacks = explained.lacks.filter(|_| explained.is_proven())?;
    Some(Cause {
        point: explained.point,
        lacks,
        packet: explained.unmatched.first.what.in_words(),
        passed: explained.passed.map(|passed| passed.point),
        let_pass: unmatched.all(|side| context.handed_over(here, side)),
        because: match judgement.verdict {
            _ if judgement.split(flow).is_some() => Some(Kind::AsymmetricPath),
            Verdict::Moved => Some(Kind::PathMoved),
            _ => None,
        },
    })
}

fn finding(context: &Context, cause: &Cause, group: &Group, seen: &Seen) -> Option<Finding> {
    let firewall = context.point(cause.point)?;
    let settings = firewall.firewall?;
    let place = firewall.place();
    let elsewhere = cause.passed.and_then(|id| context.point(id));
    let drops = settings.policy == Policy::Drop;
    let does = match (cause.let_pass, drops) {
        (true, _) => {
            "They came out of the firewall all the same: it lets them pass, without a connection to match."
        }
        (false, true) => "A firewall that tracks connections drops them.",
        (false, false) => "This firewall lets them pass, without tracking the connection.",
    };
    let packets: u64 = seen.unmatched.iter().sum();
    let summary = format!(
        "At {place}, {} of {} out of state: {}. {does}",
        count(packets, "packet"),
        group.flows_in_words(),
        why(cause, elsewhere),
    );
    let points = [Some(firewall), elsewhere].into_iter().flatten();
    let severity = if drops && !cause.let_pass && group.confidence() > Confidence::Low {
        Severity::Error
    } else {
        Severity::Warning
    };
    let sites = distinct(std::iter::once(firewall.site.clone()));
    Some(Finding {
        sites,
        packets,
        points: points.map(|p| p.name.clone()).collect(),
        summary,
        evidence: evidence(cause, group, seen, &place, elsewhere, context),
        next: next(cause, drops && !cause.let_pass, &place, elsewhere),
        because: cause.because,
        ..group.finding(
            Kind::FirewallOutOfState,
            severity,
            confidence_why(cause, elsewhere),
        )
    })
}

/// What the firewall lacks, and where that passed.
fn why(cause: &Cause, elsewhere: Option<&PointFacts>) -> String {
    let packet = cause.packet;
    let passed = |what: &str| match elsewhere {
        Some(point) => format!("the {what} passed {}", point.place()),
        None => format!("the {what} passed no mirrored place"),
    };
    match cause.lacks {
        Lacks::Request if packet.starts_with("echo") => {
            format!("{packet} without a request, {}", passed("request"))
        }
        Lacks::Request => format!("{packet} without a SYN, {}", passed("request")),
        Lacks::Answer => format!("{packet} without a SYN-ACK, {}", passed("answer")),
        Lacks::Data => format!("{packet} outside the window, {}", passed("missing part")),
        Lacks::Time => format!("{packet} of connections that were silent for too long"),
    }
}

fn confidence_why(cause: &Cause, elsewhere: Option<&PointFacts>) -> &'static str {
    match (cause.lacks, elsewhere) {
        (Lacks::Time, _) => {
            "all packets of the connections passed the firewall, and its mirror lost none meanwhile"
        }
        (_, Some(point)) if point.role.on_path() => {
            "what the firewall lacks was seen elsewhere, and its own mirror lost too little to explain that"
        }
        (_, Some(_)) => {
            "what the firewall lacks was seen at the machine, and the firewall's mirror lost too little to explain that"
        }
        (_, None) => {
            "the firewall's mirror is known to see both directions; where the rest passed is not mirrored"
        }
    }
}

fn evidence(
    cause: &Cause,
    group: &Group,
    seen: &Seen,
    place: &str,
    elsewhere: Option<&PointFacts>,
    context: &Context,
) -> Vec<String> {
    let [requests, answers] = seen.unmatched;
    let mut facts = vec![format!(
        "{place}: {} of requests and {} of answers match no connection",
        count(requests, "packet"),
        count(answers, "packet"),
    )];
    if group.has_tcp() {
        facts.push(format!(
            "of these flows it saw {}, {} and {}",
            count(seen.syn, "SYN"),
            count(seen.syn_ack, "SYN-ACK"),
            count(
                seen.packets.saturating_sub(seen.syn + seen.syn_ack),
                "other packet"
            ),
        ));
    }
    for (time, since, id) in &seen.first {
        let mut fact = format!("flow {id}: first {} there at {time}", cause.packet);
        if let (Some(point), Some(since)) = (elsewhere, since) {
            let _ = write!(
                fact,
                ", {} passed {} {}",
                match cause.lacks {
                    Lacks::Request => "its request",
                    Lacks::Answer => "its answer",
                    Lacks::Data | Lacks::Time => "what it lacks",
                },
                point.place(),
                apart(time.since(*since)),
            );
        }
        facts.push(fact);
    }
    if let Some(settings) = context.point(cause.point).and_then(|point| point.firewall) {
        facts.push(format!(
            "judged as {}: mid-stream pickup {}, window checks {}",
            settings.preset.as_str(),
            if settings.loose { "on" } else { "off" },
            if settings.liberal { "off" } else { "on" },
        ));
    }
    facts
}

/// A span of time between two places, in words.
fn apart(nanoseconds: i64) -> String {
    let milliseconds = nanoseconds.unsigned_abs() / 1_000_000;
    let span = match milliseconds {
        0 => "in the same millisecond".to_owned(),
        1..10_000 => format!("{milliseconds} ms "),
        _ => format!("{} s ", nanoseconds.unsigned_abs() / SECOND.unsigned_abs()),
    };
    match (milliseconds, nanoseconds < 0) {
        (0, _) => span,
        (_, false) => format!("{span}before"),
        (_, true) => format!("{span}after"),
    }
}

fn next(cause: &Cause, drops: bool, place: &str, elsewhere: Option<&PointFacts>) -> Vec<String> {
    let mut steps = Vec::new();
    steps.push(if drops {
        format!(
            "on the firewall at {place}: compare with its drops of packets without a connection (Linux: nft list ruleset, \
             conntrack -S)"
        )
    } else {
        format!("on the firewall at {place}: these packets pass unchecked; find out whether that is meant (asymmetric routing allowed, state \
             bypass), and what inspects them instead")
    });
    match (cause.lacks, elsewhere) {
        (Lacks::Time, _) => steps.push(
            "let the machines send keep-alives more often than the firewall forgets, or raise its idle timeout".to_owned(),
        ),
        (_, Some(point)) if point.role.on_path() => steps.push(format!(
            "let both directions pass {} or both {place}; else the two firewalls must share their state",
            point.place()
        )),
        _ => steps.push(
            "mirror the other places that these flows may pass, to see where the rest goes".to_owned(),
        ),
    }
    steps
}
