//! `mirror-loss`: the mirror lost packets on the way to the collector, by its own sequence numbers.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mirrorscope_dissectors::Encapsulation;

use super::{Finding, Kind, MAX_GROUPS, Severity, count, distinct, join_and};
use crate::report::{SequenceReport, SessionReport};
use crate::verdict::Confidence;

/// Share of packets beyond which nothing that is missing may be believed.
const MUCH: f64 = 0.01;
/// Counters told one by one.
const TOLD: usize = 10;

/// One finding for each collector address: what its sessions lose they most often lose at one place.
pub(super) fn findings(sessions: &[SessionReport]) -> Vec<Finding> {
    let mut collectors: BTreeMap<IpAddr, Vec<&SessionReport>> = BTreeMap::new();
    for session in sessions {
        // The numbers of PPTP are those of its two ends, who do not mirror anything.
        let mirrors = session.encapsulation != Encapsulation::Pptp.as_str();
        let sequence = session.sequence.as_ref();
        let lossy = mirrors && sequence.is_some_and(|s| on_the_way(s) > 0);
        if let Some(collector) = session.destination.filter(|_| lossy) {
            collectors.entry(collector).or_default().push(session);
        }
    }
    let told = collectors.into_iter().take(MAX_GROUPS);
    told.filter_map(|(collector, sessions)| finding(&sessions, collector))
        .collect()
}

/// Packets that are missing but for those that this host dropped, which another finding tells of.
fn on_the_way(sequence: &SequenceReport) -> u64 {
    sequence.missing.saturating_sub(sequence.dropped_here)
}

/// A counter that has gaps, and the sessions that it numbers.
struct Lossy<'a> {
    sequence: &'a SequenceReport,
    sessions: Vec<&'a SessionReport>,
}

impl Lossy<'_> {
    fn lost(&self) -> u64 {
        on_the_way(self.sequence)
    }

    fn sent(&self) -> u64 {
        self.sequence.received + self.sequence.missing
    }

    fn fact(&self) -> String {
        let mut names: Vec<String> = self
            .sessions
            .iter()
            .take(TOLD)
            .map(|s| s.name.clone())
            .collect();
        if self.sessions.len() > TOLD {
            names.push(format!("{} more", self.sessions.len() - TOLD));
        }
        let shared = if names.len() > 1 {
            " (one counter for all)"
        } else {
            ""
        };
        format!(
            "{}{shared}: {} received, {} missing ({:.2} %) in {}, {} repeated, {} late",
            join_and(&names),
            self.sequence.received,
            self.lost(),
            percent(self.lost(), self.sent()),
            count(self.sequence.gaps as u64, "gap"),
            self.sequence.duplicate,
            self.sequence.reordered
        )
    }
}

fn finding(sessions: &[&SessionReport], collector: IpAddr) -> Option<Finding> {
    let mut by_counter: BTreeMap<usize, Lossy<'_>> = BTreeMap::new();
    for session in sessions {
        if let (Some(id), Some(sequence)) = (session.counter, &session.sequence) {
            let lossy = by_counter.entry(id).or_insert(Lossy {
                sequence,
                sessions: Vec::new(),
            });
            lossy.sessions.push(session);
        }
    }
    let counters: Vec<Lossy<'_>> = by_counter.into_values().collect();
    let missing: u64 = counters.iter().map(Lossy::lost).sum();
    let here: u64 = counters.iter().map(|c| c.sequence.dropped_here).sum();
    let sent: u64 = counters.iter().map(Lossy::sent).sum();
    let periods = || counters.iter().filter_map(|c| c.sequence.loss_period);
    let (first, last) = (periods().map(|p| p.0).min()?, periods().map(|p| p.1).max()?);
    let members = || counters.iter().flat_map(|c| &c.sessions);
    let much = counters
        .iter()
        .any(|c| percent(c.lost(), c.sent()) > MUCH * 100.0);
    let mut evidence: Vec<String> = counters.iter().take(TOLD).map(Lossy::fact).collect();
    if counters.len() > TOLD {
        evidence.push(format!("and {} more", counters.len() - TOLD));
    }
    evidence.push(format!("GRE sequence numbers; gaps from {first} to {last}"));
    if here > 0 {
        evidence.push(format!(
            "{} more went missing while this host itself dropped packets, and are not counted here",
            count(here, "packet")
        ));
    }
    Some(Finding {
        kind: Kind::MirrorLoss,
        severity: Severity::Warning,
        confidence: Confidence::High,
        confidence_why: "counted by the sender's own sequence numbers".to_owned(),
        sites: distinct(members().map(|s| s.site.clone())),
        points: distinct(members().map(|s| s.point.clone())),
        flows: 0,
        examples: Vec::new(),
        packets: missing,
        first,
        last,
        summary: format!(
            "The mirror lost {missing} of {sent} packets ({:.2} %) of {} before they reached {collector}.{}",
            percent(missing, sent),
            count(members().count() as u64, "session"),
            if much {
                " What seems to be missing there may only be lost by the mirror."
            } else {
                ""
            }
        ),
        because: None,
        story: None,
        evidence,
        next: next_steps(counters.len()),
    })
}

/// Several counters with gaps share most likely only the way's end.
fn next_steps(counters: usize) -> Vec<String> {
    let mut steps = vec![
        "at the collector: ip -s link, ethtool -S, and the receive buffer of whatever recorded this".to_owned(),
        "at the sender: drop counters of the mirror session and of the port that carries it; mirror less, or cut packets"
            .to_owned(),
        "on the way: class of service and queue drops of GRE towards the collector".to_owned(),
    ];
    if counters == 1 {
        steps.rotate_left(1);
    }
    steps
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 * 100.0 / whole as f64
    }
}
