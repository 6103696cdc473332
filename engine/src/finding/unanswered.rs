//! `unanswered`: requests that nobody answered. A server that is down, a scan, a filter that drops in silence; it is
//! not asymmetry, because no answer passes anywhere.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Finding, Group, Kind, Severity, count, endpoint, join_and, protocol_name};
use crate::flow::Endpoint;
use crate::verdict::Confidence;

/// Targets told one by one; the others are told together.
const TOLD: usize = 100;

/// A protocol and where requests of it go; ICMP identifiers are no ports.
pub(super) type Target = (u8, Endpoint);
/// Requests by source; `None` stands for many.
type Sources = Vec<(Option<IpAddr>, Group)>;

/// Unanswered requests by target, as one source tried them.
#[derive(Debug, Default)]
pub(super) struct Unanswered {
    by_target: BTreeMap<Target, Sources>,
}

impl Unanswered {
    /// Takes what sources tried that are no scanners.
    pub fn add(&mut self, source: Option<IpAddr>, target: Target, group: Group) {
        self.by_target
            .entry(target)
            .or_default()
            .push((source, group));
    }

    /// `left_out`: requests beyond all that is told apart.
    pub fn finish(self, left_out: u64) -> Vec<Finding> {
        let mut targets: Vec<_> = self.by_target.into_iter().collect();
        targets.sort_by_key(|(target, sources)| (Reverse(flows(sources)), *target));
        let rest = targets.split_off(targets.len().min(TOLD));
        let mut findings: Vec<Finding> = targets
            .iter()
            .map(|((protocol, target), sources)| one_target(*protocol, *target, sources))
            .collect();
        if !rest.is_empty() || left_out > 0 {
            findings.extend(more_targets(&rest, left_out));
        }
        findings
    }
}

/// Requests of several groups.
fn flows(sources: &[(Option<IpAddr>, Group)]) -> u64 {
    sources.iter().map(|(_, group)| group.flows).sum()
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
        because: None,
        story: None,
        evidence: vec![format!(
            "{}, not one answer at any point",
            count(packets, "request packet")
        )],
        next,
    }
}
