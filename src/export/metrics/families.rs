//! The families of metrics: what Prometheus gets to know of a run. docs/metrics.md has the list for people.

use std::collections::{BTreeMap, BTreeSet};

use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::matrix::Matrix;
use mirrorscope_engine::report::{Report, SequenceReport, SessionReport, Totals};
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::verdict::Verdict;

use super::text::{Exposition, Kind};
use super::{Picture, Way};

/// Sites of a finding in its label; a finding of all sites of a large network would be a series of its own each time.
const SITES: usize = 4;

/// A number of something.
type Count<T> = fn(&T) -> u64;

/// All of them.
pub fn page(picture: &Picture) -> String {
    let mut text = Exposition::default();
    let mut family = text.family("mirrorscope_build", Kind::Info, "The program.");
    family.add(&[("version", env!("CARGO_PKG_VERSION"))], 1_u64);
    own(&mut text, picture);
    outlets(&mut text, &picture.outlets);
    if let Some(live) = &picture.live {
        interfaces(&mut text, live);
    }
    if let Some((made, report)) = &picture.report {
        text.one(
            "mirrorscope_verdicts_timestamp_seconds",
            Kind::Gauge,
            "When all flows were looked at last: what is told of sessions, flows and findings is of that moment.",
            seconds(*made),
        );
        frames(&mut text, &report.totals);
        sessions(&mut text, &report.sessions);
        flows(&mut text, &report.totals);
        sites(&mut text, &report.sites_matrix);
        findings(&mut text, report);
    }
    text.finish()
}

fn seconds(time: Timestamp) -> f64 {
    time.0 as f64 / SECOND as f64
}

/// What the program itself takes.
fn own(text: &mut Exposition, picture: &Picture) {
    text.one(
        "mirrorscope_flow_table_flows",
        Kind::Gauge,
        "Flows in the table.",
        picture.flows,
    );
    text.one(
        "mirrorscope_flow_table_bytes",
        Kind::Gauge,
        "Memory that flows take.",
        picture.flow_bytes,
    );
    text.one(
        "mirrorscope_flow_table_max_flows",
        Kind::Gauge,
        "Flows that the table has room for.",
        picture.max_flows,
    );
    if let Some(resident) = picture.resident {
        text.one(
            "process_resident_memory_bytes",
            Kind::Gauge,
            "Memory of the process.",
            resident,
        );
    }
    text.one(
        "process_cpu_seconds",
        Kind::Counter,
        "Processor time of the process.",
        picture.processor,
    );
}

/// Others who are fed.
fn outlets(text: &mut Exposition, outlets: &[Way]) {
    let families: [(&'static str, Kind, Count<Way>, &str); 3] = [
        (
            "mirrorscope_export_delivered_records",
            Kind::Counter,
            |way| way.delivered,
            "Records that went out.",
        ),
        (
            "mirrorscope_export_lost_records",
            Kind::Counter,
            |way| way.lost,
            "Records that nobody took in time.",
        ),
        (
            "mirrorscope_export_up",
            Kind::Gauge,
            |way| way.reached.into(),
            "Whether the last records went out.",
        ),
    ];
    for (name, kind, told, help) in families {
        let mut family = text.family(name, kind, help);
        for way in outlets {
            family.add(&[("target", &way.name)], told(way));
        }
    }
}

fn interfaces(text: &mut Exposition, live: &LiveReport) {
    text.one(
        "process_start_time_seconds",
        Kind::Gauge,
        "When it began to receive.",
        seconds(live.started),
    );
    let interfaces = &live.interfaces;
    let mut family = text.family(
        "mirrorscope_interface_up",
        Kind::Gauge,
        "Whether an interface is there.",
    );
    for interface in interfaces {
        let labels = [
            ("interface", interface.name.as_str()),
            ("via", &interface.via),
        ];
        family.add(&labels, interface.present);
    }
    let mut family = text.family(
        "mirrorscope_interface_frames",
        Kind::Counter,
        "Frames that were read.",
    );
    for interface in interfaces {
        family.add(&[("interface", &interface.name)], interface.frames);
    }
    let mut family = text.family(
        "mirrorscope_interface_dropped_frames",
        Kind::Counter,
        "Frames that reached this host and were not read, by what was full.",
    );
    for interface in interfaces {
        let dropped = interface.dropped;
        for (full, number) in [
            ("kernel", dropped.kernel),
            ("socket", dropped.socket),
            ("queue", dropped.queue),
        ] {
            family.add(&[("interface", &interface.name), ("full", full)], number);
        }
    }
}

fn frames(text: &mut Exposition, totals: &Totals) {
    let counters = [
        ("mirrorscope_frames", totals.frames, "Frames."),
        (
            "mirrorscope_frames_bytes",
            totals.bytes,
            "Bytes of the frames on the wire.",
        ),
        (
            "mirrorscope_mirrored_packets",
            totals.mirrored,
            "Packets that came in an encapsulation.",
        ),
        (
            "mirrorscope_plain_frames",
            totals.plain,
            "Frames without encapsulation.",
        ),
        (
            "mirrorscope_fragments",
            totals.fragments,
            "Outer IP fragments.",
        ),
        (
            "mirrorscope_looped_packets",
            totals.looped,
            "Mirrored packets that are the output of a mirror.",
        ),
        (
            "mirrorscope_refused_packets",
            totals.refused.saturating_add(totals.refused_sessions),
            "Packets of sessions or points beyond those that are kept.",
        ),
    ];
    for (name, number, help) in counters {
        text.one(name, Kind::Counter, help, number);
    }
    let reasons = [
        (
            "mirrorscope_malformed_frames",
            &totals.malformed_reasons,
            "Frames with a fault, by layer and reason.",
        ),
        (
            "mirrorscope_opaque_frames",
            &totals.opaque_reasons,
            "Frames in encapsulations that cannot be opened, by layer and reason.",
        ),
    ];
    for (name, counts, help) in reasons {
        let mut family = text.family(name, Kind::Counter, help);
        for (reason, number) in counts {
            family.add(&[("reason", reason)], *number);
        }
    }
}

fn sessions(text: &mut Exposition, sessions: &[SessionReport]) {
    text.one(
        "mirrorscope_sessions",
        Kind::Gauge,
        "Mirror sessions.",
        sessions.len(),
    );
    // The name and its place are enough to know a session; what else it is stands once.
    let mut family = text.family(
        "mirrorscope_session",
        Kind::Info,
        "What a mirror session is.",
    );
    for session in sessions {
        let address = |address: Option<std::net::IpAddr>| {
            address.map_or_else(String::new, |address| address.to_string())
        };
        let labels = [
            ("session", session.name.as_str()),
            ("site", &session.site),
            ("point", &session.point),
            ("role", session.role),
            ("encapsulation", session.encapsulation),
            ("source", &address(session.source)),
            ("destination", &address(session.destination)),
        ];
        family.add(&labels, 1_u64);
    }
    let counters: [(&'static str, Count<SessionReport>, &str); 4] = [
        (
            "mirrorscope_session_packets",
            |session| session.packets,
            "Mirrored packets.",
        ),
        (
            "mirrorscope_session_bytes",
            |session| session.bytes,
            "Bytes on the wire, outer headers included.",
        ),
        (
            "mirrorscope_session_truncated_packets",
            |session| session.truncated,
            "Packets that arrived cut.",
        ),
        (
            "mirrorscope_session_malformed_packets",
            |session| session.malformed,
            "Packets with a fault below the encapsulation.",
        ),
    ];
    for (name, count, help) in counters {
        let mut family = text.family(name, Kind::Counter, help);
        for session in sessions {
            family.add(&labels(session), count(session));
        }
    }
    let mut family = text.family(
        "mirrorscope_session_last_packet_timestamp_seconds",
        Kind::Gauge,
        "When its last packet came.",
    );
    for session in sessions {
        family.add(&labels(session), seconds(session.last));
    }
    sequences(text, sessions);
}

fn labels(session: &SessionReport) -> [(&'static str, &str); 3] {
    [
        ("session", &session.name),
        ("site", &session.site),
        ("point", &session.point),
    ]
}

/// A counter that several sessions share is told with the first of them: sums over all are right.
fn sequences(text: &mut Exposition, sessions: &[SessionReport]) {
    let mut told = BTreeSet::new();
    let counters: Vec<(&SessionReport, &SequenceReport)> = sessions
        .iter()
        .filter(|session| session.counter.is_some_and(|counter| told.insert(counter)))
        .filter_map(|session| Some((session, session.sequence.as_ref()?)))
        .collect();
    let families: [(&'static str, Kind, Count<SequenceReport>, &str); 5] = [
        (
            "mirrorscope_sequence_received_packets",
            Kind::Counter,
            |sequence| sequence.received,
            "Packets with a sequence number.",
        ),
        // A number that comes late is no longer missing.
        (
            "mirrorscope_sequence_missing_packets",
            Kind::Gauge,
            |sequence| sequence.missing,
            "Sequence numbers that never arrived.",
        ),
        (
            "mirrorscope_sequence_missing_dropped_here_packets",
            Kind::Gauge,
            |sequence| sequence.dropped_here,
            "Of those, the ones that went missing while this host dropped packets.",
        ),
        (
            "mirrorscope_sequence_duplicate_packets",
            Kind::Counter,
            |sequence| sequence.duplicate,
            "Packets whose number had arrived before.",
        ),
        (
            "mirrorscope_sequence_reordered_packets",
            Kind::Counter,
            |sequence| sequence.reordered,
            "Packets that came after a later number.",
        ),
    ];
    for (name, kind, count, help) in families {
        let mut family = text.family(name, kind, help);
        for (session, sequence) in &counters {
            family.add(&labels(session), count(sequence));
        }
    }
}

fn flows(text: &mut Exposition, totals: &Totals) {
    text.one(
        "mirrorscope_flows_seen",
        Kind::Counter,
        "Flows, those that are no longer in the table among them.",
        totals.flows,
    );
    let mut family = text.family(
        "mirrorscope_flows",
        Kind::Gauge,
        "Flows in the table, by verdict.",
    );
    for verdict in Verdict::ALL.map(Verdict::as_str) {
        let number = totals.verdicts.get(verdict).copied().unwrap_or_default();
        family.add(&[("verdict", verdict)], number);
    }
    let mut family = text.family(
        "mirrorscope_unknown_flows",
        Kind::Gauge,
        "Flows in the table without a verdict, by cause.",
    );
    for (cause, number) in &totals.causes {
        family.add(&[("cause", cause)], *number);
    }
    let evicted = totals.evicted;
    let mut family = text.family(
        "mirrorscope_flows_evicted",
        Kind::Counter,
        "Flows that gave way to others because the table was full.",
    );
    for (state, number) in [
        ("unanswered", evicted.unanswered),
        ("over", evicted.over),
        ("alive", evicted.alive),
    ] {
        family.add(&[("state", state)], number);
    }
}

fn sites(text: &mut Exposition, matrix: &Matrix) {
    let mut family = text.family(
        "mirrorscope_site_flows",
        Kind::Gauge,
        "Flows in the table, by the site that requests enter by and the one that answers leave by.",
    );
    for row in &matrix.ways {
        let [requests, answers] =
            [&row.requests, &row.answers].map(|site| site.as_deref().unwrap_or_default());
        family.add(&[("requests", requests), ("answers", answers)], row.flows);
    }
    let mut family = text.family(
        "mirrorscope_site_symmetry_ratio",
        Kind::Gauge,
        "Share of the flows of two sites that keep to one of them.",
    );
    for pair in &matrix.pairs {
        let [a, b] = &pair.sites;
        family.add(&[("site", a), ("other_site", b)], pair.score);
    }
}

/// Findings of one kind at the same sites are one sample: when more come, its number grows.
fn findings(text: &mut Exposition, report: &Report) {
    let mut groups: BTreeMap<(&str, &str, String), [u64; 3]> = BTreeMap::new();
    for finding in &report.findings {
        let mut sites = finding
            .sites
            .iter()
            .take(SITES)
            .cloned()
            .collect::<Vec<_>>();
        sites.sort_unstable();
        if finding.sites.len() > SITES {
            sites.push("…".to_owned());
        }
        let key = (
            finding.kind.as_str(),
            finding.severity.as_str(),
            sites.join(","),
        );
        let sums = groups.entry(key).or_default();
        for (sum, number) in sums.iter_mut().zip([1, finding.flows, finding.packets]) {
            *sum = sum.saturating_add(number);
        }
    }
    let families = [
        ("mirrorscope_findings", "Findings."),
        (
            "mirrorscope_finding_flows",
            "Flows that findings are about.",
        ),
        (
            "mirrorscope_finding_packets",
            "Packets that findings are about.",
        ),
    ];
    for (index, (name, help)) in families.into_iter().enumerate() {
        let mut family = text.family(name, Kind::Gauge, help);
        for ((kind, severity, sites), sums) in &groups {
            let labels = [("kind", *kind), ("severity", severity), ("sites", sites)];
            family.add(&labels, sums[index]);
        }
    }
}
