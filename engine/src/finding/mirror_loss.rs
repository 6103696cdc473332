//! `mirror-loss`: the mirror lost packets on the way to the collector, by its own sequence numbers.

use super::{Finding, Kind, Severity, count, distinct, join_and};
use crate::report::SessionReport;
use crate::verdict::Confidence;

/// Share of packets beyond which nothing that is missing may be believed.
const MUCH: f64 = 0.01;

/// One finding for each sequence counter with gaps; sessions that share a counter share it.
pub(super) fn findings(sessions: &[SessionReport]) -> Vec<Finding> {
    let mut counters: Vec<usize> = sessions.iter().filter_map(|s| s.counter).collect();
    counters.sort_unstable();
    counters.dedup();
    counters
        .into_iter()
        .filter_map(|counter| finding(sessions, counter))
        .collect()
}

fn finding(sessions: &[SessionReport], counter: usize) -> Option<Finding> {
    let members: Vec<&SessionReport> = sessions
        .iter()
        .filter(|s| s.counter == Some(counter))
        .collect();
    let sequence = members
        .first()?
        .sequence
        .as_ref()
        .filter(|s| s.missing > 0)?;
    let (first, last) = sequence.loss_period?;
    let sent = sequence.received + sequence.missing;
    let rate = sequence.missing as f64 / sent as f64;
    let names: Vec<String> = members.iter().map(|s| s.name.clone()).collect();
    let shared = if members.len() > 1 {
        ", which share one counter,"
    } else {
        ""
    };
    let mut evidence = vec![format!(
        "GRE sequence numbers: {} received, {} missing in {}, {} repeated, {} late",
        sequence.received,
        sequence.missing,
        count(sequence.gaps as u64, "gap"),
        sequence.duplicate,
        sequence.reordered
    )];
    evidence.push(format!("gaps from {first} to {last}"));
    Some(Finding {
        kind: Kind::MirrorLoss,
        severity: Severity::Warning,
        confidence: Confidence::High,
        confidence_why: "counted by the sender's own sequence numbers".to_owned(),
        sites: distinct(members.iter().map(|s| s.site.clone())),
        points: distinct(members.iter().map(|s| s.point.clone())),
        flows: 0,
        examples: Vec::new(),
        packets: sequence.missing,
        first,
        last,
        summary: format!(
            "The mirror lost {} of {sent} packets ({:.2} %) of {}{shared} before they reached the collector.{}",
            sequence.missing,
            rate * 100.0,
            join_and(&names),
            if rate > MUCH { " What seems to be missing there may only be lost by the mirror." } else { "" }
        ),
        evidence,
        next: vec![
            "at the sender: drop counters of the mirror session and of the port that carries it; mirror less, or cut packets".to_owned(),
            "on the way: class of service and queue drops of GRE towards the collector".to_owned(),
            "at the collector: ip -s link, ethtool -S, and the receive buffer of whatever recorded this".to_owned(),
        ],
    })
}
