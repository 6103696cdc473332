//! `mirror-loss` on the last inch: this host dropped packets that had reached it. Nobody else is to blame for that.

use super::{Finding, Kind, MAX_GROUPS, Severity, count, distinct, join_and};
use crate::report::SessionReport;
use crate::time::Timestamp;
use crate::verdict::Confidence;

/// Sessions told one by one.
const TOLD: usize = 5;

/// What one interface of this host dropped.
#[derive(Clone, Debug)]
pub(crate) struct DroppedHere {
    /// Its number.
    pub interface: u32,
    /// What people call it.
    pub name: String,
    /// Packets.
    pub packets: u64,
    /// Times apart from each other.
    pub periods: usize,
    /// From when to when.
    pub span: (Timestamp, Timestamp),
}

/// One finding for each interface.
pub(super) fn findings(dropped: &[DroppedHere], sessions: &[SessionReport]) -> Vec<Finding> {
    let told = dropped.iter().take(MAX_GROUPS);
    told.map(|dropped| finding(dropped, sessions)).collect()
}

fn finding(dropped: &DroppedHere, sessions: &[SessionReport]) -> Finding {
    let DroppedHere {
        interface,
        name,
        packets,
        periods,
        span: (first, last),
    } = dropped;
    let by = sessions.iter().filter(|s| s.interfaces.contains(interface));
    let concerned: Vec<&SessionReport> = by.collect();
    let received: u64 = concerned.iter().map(|s| s.packets).sum();
    let share = *packets as f64 * 100.0 / (*packets + received).max(1) as f64;
    let amount = count(*packets, "packet");
    let mut evidence = vec![format!(
        "{name}: {amount} dropped in {}, {received} mirrored ones read",
        count(*periods as u64, "period")
    )];
    let mut names: Vec<String> = concerned
        .iter()
        .take(TOLD)
        .map(|s| s.name.clone())
        .collect();
    if concerned.len() > TOLD {
        names.push(format!("{} more", concerned.len() - TOLD));
    }
    if !names.is_empty() {
        evidence.push(format!("any of them may have been of {}", join_and(&names)));
    }
    Finding {
        kind: Kind::MirrorLoss,
        severity: Severity::Warning,
        confidence: Confidence::High,
        confidence_why: "counted by the kernel, or by this program itself".to_owned(),
        sites: distinct(concerned.iter().map(|s| s.site.clone())),
        points: distinct(concerned.iter().map(|s| s.point.clone())),
        flows: 0,
        examples: Vec::new(),
        packets: *packets,
        first: *first,
        last: *last,
        summary: format!(
            "This host dropped {amount} ({share:.2} %) on {name} from {first} to {last}: they had arrived, and were not read in \
             time. What seems to be missing of the mirrors that come by {name} then says nothing of the network."
        ),
        because: None,
        story: None,
        evidence,
        next: vec![
            "let more packets wait: --buffer (the kernel's ring and the sockets' buffers) where the interface's line says \
             kernel or socket, --queue where it says queue"
                .to_owned(),
            "read them with more threads: --receive-threads 2 or more".to_owned(),
            "let fewer pass the kernel's filter: --capture-filter with the prefixes of the mirrors' sources, and no --all"
                .to_owned(),
        ],
    }
}
