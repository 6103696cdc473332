//! `mirror-truncation`: the mirror cut packets.

use super::{Finding, Kind, Severity, count};
use crate::report::SessionReport;
use crate::verdict::Confidence;

/// One finding for each session that brought cut packets.
pub(super) fn findings(sessions: &[SessionReport]) -> Vec<Finding> {
    sessions
        .iter()
        .filter(|s| s.truncated > 0 && s.encapsulation != "plain")
        .map(finding)
        .collect()
}

fn finding(session: &SessionReport) -> Finding {
    let cut = &session.cut;
    let needed = cut.largest + cut.overhead;
    Finding {
        kind: Kind::MirrorTruncation,
        severity: Severity::Info,
        confidence: Confidence::High,
        confidence_why: "inner IP headers claim more than arrived, or the mirror says so itself"
            .to_owned(),
        sites: vec![session.site.clone()],
        points: vec![session.point.clone()],
        flows: 0,
        examples: Vec::new(),
        packets: session.truncated,
        first: session.first,
        last: session.last,
        summary: format!(
            "{} of {} arrived cut, {} bytes at most of up to {}: headers and flows are right, contents are not.",
            count(session.truncated, "packet"),
            session.name,
            cut.to,
            cut.largest
        ),
        evidence: vec![format!(
            "{} of {} packets cut; longest frame {} bytes, {} arrived",
            session.truncated, session.packets, cut.largest, cut.to
        )],
        next: vec![
            format!(
                "for whole packets: let the sender mirror at least {} bytes of each frame (mirrored packet length, truncate, snap length)",
                cut.largest
            ),
            format!(
                "and let the path to the collector carry IP packets of {needed} bytes (mirror adds {} bytes), or allow fragments",
                cut.overhead
            ),
        ],
    }
}
