//! `mirror-truncation`: the mirror cut packets.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::{Finding, Kind, MAX_GROUPS, Severity, count, distinct};
use crate::report::SessionReport;
use crate::verdict::Confidence;

/// Sessions told one by one.
const TOLD: usize = 10;

/// One finding for each sender: the length that it cuts to is most often its own setting.
pub(super) fn findings(sessions: &[SessionReport]) -> Vec<Finding> {
    let mut senders: BTreeMap<IpAddr, Vec<&SessionReport>> = BTreeMap::new();
    for session in sessions.iter().filter(|s| s.truncated > 0) {
        if let Some(sender) = session.source {
            senders.entry(sender).or_default().push(session);
        }
    }
    let told = senders.into_iter().take(MAX_GROUPS);
    told.filter_map(|(sender, sessions)| finding(sender, &sessions))
        .collect()
}

fn finding(sender: IpAddr, sessions: &[&SessionReport]) -> Option<Finding> {
    let largest = sessions.iter().map(|s| s.cut.largest).max()?;
    let to = sessions.iter().map(|s| s.cut.to).max()?;
    let overhead = sessions.iter().map(|s| s.cut.overhead).max()?;
    let truncated = sessions.iter().map(|s| s.truncated).sum();
    let told = sessions.iter().take(TOLD);
    let mut evidence: Vec<String> = told
        .map(|s| {
            format!(
                "{}: {} of {} packets cut, frames of up to {} bytes to {} at most",
                s.name, s.truncated, s.packets, s.cut.largest, s.cut.to
            )
        })
        .collect();
    if sessions.len() > TOLD {
        evidence.push(format!(
            "and {} more",
            count((sessions.len() - TOLD) as u64, "session")
        ));
    }
    Some(Finding {
        kind: Kind::MirrorTruncation,
        severity: Severity::Info,
        confidence: Confidence::High,
        confidence_why: "inner IP headers claim more than arrived, or the mirror says so itself"
            .to_owned(),
        sites: distinct(sessions.iter().map(|s| s.site.clone())),
        points: distinct(sessions.iter().map(|s| s.point.clone())),
        flows: 0,
        examples: Vec::new(),
        packets: truncated,
        first: sessions.iter().map(|s| s.first).min()?,
        last: sessions.iter().map(|s| s.last).max()?,
        summary: format!(
            "{} from {sender} arrived cut: of frames of up to {largest} bytes {to} at most. Flows and verdicts are right, \
             contents are not whole.",
            count(truncated, "packet")
        ),
        because: None,
        story: None,
        evidence,
        next: vec![
            format!(
                "for whole packets: let {sender} mirror at least {largest} bytes of each frame (mirrored packet length, truncate, snap length)"
            ),
            format!(
                "and let the path to the collector carry IP packets of {} bytes (the mirror adds {overhead}), or allow fragments",
                largest + overhead
            ),
        ],
    })
}
