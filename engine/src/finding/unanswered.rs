//! `unanswered`: requests that nobody answered. A server that is down, a scan, a filter that drops in silence; it is
//! not asymmetry, because no answer passes anywhere.

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

type Target = (u8, Endpoint);

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
        let mut by_target: BTreeMap<Target, Vec<(IpAddr, Group)>> = BTreeMap::default();
        for (address, source) in self.sources {
            if source.tried.len() >= MANY {
                findings.push(many_targets(address, &source));
            } else {
                for (target, group) in source.targets {
                    by_target.entry(target).or_default().push((address, group));
                }
            }
        }
        findings.extend(
            by_target
                .into_iter()
                .map(|((protocol, target), sources)| one_target(protocol, target, &sources)),
        );
        findings
            .extend(self.crowd.into_findings(|((protocol, target), group)| {
                Some(crowd(protocol, target, &group))
            }));
        findings
    }
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

fn one_target(protocol: u8, target: Endpoint, sources: &[(IpAddr, Group)]) -> Finding {
    let named: Vec<String> = sources
        .iter()
        .take(super::NAMED)
        .map(|(source, _)| source.to_string())
        .collect();
    let from = match sources.len() - named.len() {
        0 => join_and(&named),
        1 => format!("{} and one other", named.join(", ")),
        others => format!("{} and {others} others", named.join(", ")),
    };
    let place = endpoint(protocol, target);
    let groups = || sources.iter().map(|(_, group)| group);
    let summary = format!(
        "{place} answers nobody: {} from {from}.",
        count(
            groups().map(|g| g.flows).sum(),
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

fn crowd(protocol: u8, target: Endpoint, group: &Group) -> Finding {
    let summary = format!(
        "{} answers nobody: {} from very many sources: a flood, or a service that is down.",
        endpoint(protocol, target),
        count(group.flows, &format!("{} request", protocol_name(protocol)))
    );
    let next =
        vec!["see whether the sources are real (do they repeat their SYN) or made up".to_owned()];
    finding(std::iter::once(group), Severity::Warning, summary, next)
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
