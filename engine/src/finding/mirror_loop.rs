//! `mirror-loop`: mirrored packets that are the output of a mirror themselves. A session that copies its own copies makes
//! more of them with every one.

use super::{Finding, Kind, Severity, count, distinct, join_and};
use crate::report::{LoopReport, SessionReport};
use crate::verdict::Confidence;

/// One finding for each session that carries what mirrors send.
pub(super) fn findings(sessions: &[SessionReport]) -> Vec<Finding> {
    let looped = |session: &SessionReport| Some(finding(session, session.looped.as_ref()?));
    sessions.iter().filter_map(looped).collect()
}

fn finding(session: &SessionReport, looped: &LoopReport) -> Finding {
    let collector = session
        .destination
        .map_or_else(|| "the collector".to_owned(), |address| address.to_string());
    let device = session
        .source
        .map_or_else(|| "the device".to_owned(), |address| address.to_string());
    let share = 100.0 * looped.packets as f64 / session.packets.max(1) as f64;
    let copies = format!(
        "{} of {} packets ({share:.1} %)",
        looped.packets, session.packets
    );
    let own = looped.own > 0;
    let summary = if own {
        format!(
            "{} mirrors its own output: {copies} are mirrored packets on their way to {collector}, copied {} more at \
             most. Every packet makes more of them, until the link is full.",
            session.name,
            count(looped.depth.into(), "time")
        )
    } else {
        format!(
            "{} mirrors the output of {}: {copies} are mirrored packets on their way to {collector}.",
            session.name,
            join_and(&looped.of)
        )
    };
    let mut evidence = vec![format!(
        "{copies} hold a mirrored packet to {collector} once more, {} deep at most; none of them counts in a flow",
        looped.depth
    )];
    evidence.push(format!(
        "they are the output of {}; {} of this very session",
        join_and(&looped.of),
        looped.own
    ));
    Finding {
        kind: Kind::MirrorLoop,
        severity: if own {
            Severity::Error
        } else {
            Severity::Warning
        },
        confidence: Confidence::High,
        confidence_why: "the mirrored packets are themselves addressed to the collector, in an encapsulation of a mirror"
            .to_owned(),
        sites: distinct(std::iter::once(session.site.clone())),
        points: vec![session.point.clone()],
        flows: 0,
        because: None,
        story: None,
        examples: Vec::new(),
        packets: looped.packets,
        first: looped.first,
        last: looped.last,
        summary,
        evidence,
        next: vec![
            format!(
                "on {device}: take the port towards {collector} (the uplink that the mirror itself leaves by) out of the \
                 sources of {}",
                session.name
            ),
            format!(
                "if that port must be mirrored: leave out what goes to {collector} with a filter or an access list of the \
                 session (not dst host {collector})"
            ),
        ],
    }
}
