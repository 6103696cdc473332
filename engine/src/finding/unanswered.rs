//! `unanswered`: requests that nobody answered. A server that is down, a scan, a filter that drops in silence; it is
//! not asymmetry, because no answer passes anywhere.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{
    Finding, Group, Groups, Kind, MAX_GROUPS, Severity, count, endpoint, join_and, protocol_name,
};
use crate::correlate::Judgement;
use crate::flow::Endpoint;
use crate::observation::FlowObserved;
use crate::table::Set;
use crate::verdict::{Confidence, Verdict};

/// One source that tries this many targets in vain is told once, not once a target.
const MANY: usize = 10;
/// Targets that are counted apart for one source.
const COUNTED: usize = 256;

/// Targets told one by one; the others are told together.
const TOLD: usize = 100;

type Target = (u8, Endpoint);
/// Requests by source; `None` stands for many.
type Sources = Vec<(Option<IpAddr>, Group)>;

/// Unanswered requests: of sources that try few targets by target, of the others by source.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    sources: BTreeMap<IpAddr, Source>,
    /// Where there are too many sources to tell them apart (a flood): by target alone.
    crowd: Groups<Target>,
}

#[derive(Debug, Default)]
struct Source {
    /// Groups by target, until there are many.
    targets: BTreeMap<Target, Group>,
    /// All of the source's requests.
    all: Group,
    tried: Set<Target>,
}

impl Unanswered {
    pub fn add(&mut self, flow: &FlowObserved, judgement: &Judgement) {
        if judgement.verdict != Verdict::Unanswered {
            return;
        }
        let address = flow.key.end(flow.originator).address;
        let target = (flow.key.protocol, target(flow));
        if self.sources.len() >= MAX_GROUPS && !self.sources.contains_key(&address) {
            self.crowd
                .add(target, flow, flow.first, judgement.confidence);
            return;
        }
        let source = self.sources.entry(address).or_default();
        source.all.add(flow, flow.first, judgement.confidence);
        if source.tried.len() < COUNTED {
            source.tried.insert(target);
        }
        if source.tried.len() < MANY {
            source
                .targets
                .entry(target)
                .or_default()
                .add(flow, flow.first, judgement.confidence);
        }
    }

    pub fn finish(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut by_target: BTreeMap<Target, Sources> = BTreeMap::default();
        for (address, source) in self.sources {
            if source.tried.len() >= MANY {
                findings.push(many_targets(address, &source));
            } else {
                for (target, group) in source.targets {
                    by_target
                        .entry(target)
                        .or_default()
                        .push((Some(address), group));
                }
            }
        }
        for (target, group) in self.crowd.groups {
            by_target.entry(target).or_default().push((None, group));
        }
        let mut targets: Vec<_> = by_target.into_iter().collect();
        targets.sort_by_key(|(target, sources)| (Reverse(flows(sources)), *target));
        let rest = targets.split_off(targets.len().min(TOLD));
        findings.extend(
            targets
                .iter()
                .map(|((protocol, target), sources)| one_target(*protocol, *target, sources)),
        );
        if !rest.is_empty() || self.crowd.left_out > 0 {
            findings.extend(more_targets(&rest, self.crowd.left_out));
        }
        findings
    }
}

/// Requests of several groups.
fn flows(sources: &[(Option<IpAddr>, Group)]) -> u64 {
    sources.iter().map(|(_, group)| group.flows).sum()
}

/// The responder; ICMP identifiers are no ports.
fn target(flow: &FlowObserved) -> Endpoint {
    let end = flow.key.end(flow.responder());
    if flow.key.is_icmp() {
        Endpoint { port: 0, ..end }
    } else {
        end
    }
}

fn one_target(protocol: u8, target: Endpoint, sources: &[(Option<IpAddr>, Group)]) -> Finding {
    let known = || sources.iter().filter_map(|(source, _)| *source);
    let named: Vec<String> = known()
        .take(super::NAMED)
        .map(|source| source.to_string())
        .collect();
    let from = match known().count() - named.len() {
        // A source that is not told apart stands for many.
        _ if known().count() < sources.len() => "very many sources".to_owned(),
        0 => join_and(&named),
        1 => format!("{} and one other", named.join(", ")),
        others => format!("{} and {others} others", named.join(", ")),
    };
    let place = endpoint(protocol, target);
    let groups = || sources.iter().map(|(_, group)| group);
    let summary = format!(
        "{place} answers nobody: {} from {from}.",
        count(
            flows(sources),
            &format!("{} request", protocol_name(protocol))
        )
    );
    let next = vec![
        format!(
            "is {} up and does it listen: try from a host in its own network",
            place
        ),
        "if it is up: look for a filter that drops in silence, at the firewall or on the host"
            .to_owned(),
    ];
    finding(groups(), Severity::Warning, summary, next)
}

fn many_targets(address: IpAddr, source: &Source) -> Finding {
    let more = if source.tried.len() >= COUNTED {
        "more than "
    } else {
        ""
    };
    let summary = format!(
        "{address} tried {more}{} targets and none answered ({}, …): a scan, or a network that is gone; not asymmetry.",
        source.tried.len(),
        source.all.target()
    );
    let next = vec![format!(
        "find out what {address} is: a scanner, or a client whose servers are all unreachable"
    )];
    finding(std::iter::once(&source.all), Severity::Info, summary, next)
}

fn more_targets(rest: &[(Target, Sources)], left_out: u64) -> Option<Finding> {
    let groups = || {
        rest.iter()
            .flat_map(|(_, sources)| sources)
            .map(|(_, group)| group)
    };
    groups().next()?;
    let requests = groups().map(|g| g.flows).sum::<u64>() + left_out;
    let summary = format!(
        "{} more targets answer nobody: {}.",
        rest.len(),
        count(requests, "request")
    );
    let next = vec![
        "look at the sources first: a flood with made-up addresses, or a network that is gone"
            .to_owned(),
    ];
    Some(finding(groups(), Severity::Info, summary, next))
}

fn finding<'a>(
    groups: impl Iterator<Item = &'a Group> + Clone,
    severity: Severity,
    summary: String,
    next: Vec<String>,
) -> Finding {
    let confidence = groups
        .clone()
        .map(Group::confidence)
        .max()
        .unwrap_or(Confidence::Low);
    let packets = groups.clone().map(|g| g.packets).sum();
    Finding {
        kind: Kind::Unanswered,
        severity,
        confidence,
        confidence_why: match confidence {
            Confidence::High => {
                "requests are repeated, and places that would see an answer saw none"
            }
            _ => "requests are repeated, or a place that would see an answer saw none",
        }
        .to_owned(),
        sites: Vec::new(),
        points: Vec::new(),
        flows: groups.clone().map(|g| g.flows).sum(),
        examples: groups
            .clone()
            .flat_map(|g| g.examples.iter().cloned())
            .take(super::EXAMPLES)
            .collect(),
        packets,
        first: groups.clone().map(Group::first).min().unwrap_or_default(),
        last: groups.map(Group::last).max().unwrap_or_default(),
        summary,
        evidence: vec![format!(
            "{}, not one answer at any point",
            count(packets, "request packet")
        )],
        next,
    }
}
