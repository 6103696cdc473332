//! `scan`: one source tried many targets, and nobody answered, or they refused. Not asymmetry, whatever it looks like at
//! a firewall.

use std::net::IpAddr;

use super::attempts::{COUNTED, Source};
use super::{Finding, Group, Kind, Severity, count};
use crate::table::Set;

/// Tells of a source that tried many targets in vain; `successes` is how many of its other flows were answered.
pub(super) fn finding(address: IpAddr, source: &Source, successes: u32) -> Option<Finding> {
    let groups: Vec<&Group> = [&source.unanswered, &source.refused, &source.doubtful]
        .into_iter()
        .filter(|group| group.flows > 0)
        .collect();
    let first = *groups.first()?;
    let more = if source.tried.len() >= COUNTED {
        "more than "
    } else {
        ""
    };
    let hosts: Set<IpAddr> = source.tried.iter().map(|(_, end)| end.address).collect();
    let ports: Set<u16> = source.tried.iter().map(|(_, end)| end.port).collect();
    let what = match (hosts.len(), ports.len()) {
        (1, ports) => format!("{more}{ports} ports of {}", first.hosts()),
        (hosts, 1) => format!("{more}{hosts} hosts"),
        (hosts, _) => format!("{more}{} targets at {hosts} hosts", source.tried.len()),
    };
    let silent = source.unanswered.flows + source.doubtful.flows;
    let outcome = match (silent, source.refused.flows) {
        (_, 0) => "none answered".to_owned(),
        (0, _) => "all refused (RST)".to_owned(),
        (silent, refused) => format!("{refused} refused (RST), {silent} did not answer"),
    };
    let mut evidence = vec![format!(
        "{}, {}",
        count(groups.iter().map(|g| g.flows).sum(), "attempt"),
        count(groups.iter().map(|g| g.packets).sum(), "packet")
    )];
    if source.doubtful.flows > 0 {
        evidence.push(format!(
            "of {} the mirror may have lost the answer",
            count(source.doubtful.flows, "attempt")
        ));
    }
    if successes > 0 {
        evidence.push(format!(
            "{} of the same source were answered",
            count(successes.into(), "flow")
        ));
    }
    Some(Finding {
        flows: groups.iter().map(|g| g.flows).sum(),
        packets: groups.iter().map(|g| g.packets).sum(),
        examples: groups
            .iter()
            .flat_map(|g| g.examples.iter().cloned())
            .take(super::EXAMPLES)
            .collect(),
        first: groups.iter().map(|g| g.first()).min()?,
        last: groups.iter().map(|g| g.last()).max()?,
        summary: format!(
            "{address} tried {what}, and {outcome}: a scan, or a network that is gone; not asymmetry."
        ),
        evidence,
        next: vec![format!(
            "find out what {address} is: a scanner, or a client whose servers are all unreachable"
        )],
        ..first.finding(
            Kind::Scan,
            Severity::Info,
            "many targets of one source, and places that would see an answer saw none or a reset",
        )
    })
}
