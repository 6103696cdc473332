//! Suricata's EVE: a JSON object a line, with an `event_type`.
//!
//! Flows are records of type `flow`, as Suricata 7 writes them (src/output-json-flow.c); findings are of type `alert`,
//! because those who read EVE look at these. What Suricata does not know is in an object of our own, `mirrorscope`.

use std::net::IpAddr;

use mirrorscope_engine::finding::{Finding, Kind, Severity};
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::verdict::{Cause, Confidence, Verdict};
use serde::Serialize;

use super::flags::{ACK, FIN, RST, SYN, flags_of};
use crate::export::news::{End, Told};

/// Numbers of signatures from here on are for local use.
const SIGNATURES: u32 = 1_100_000;

/// A flow.
#[derive(Debug, Serialize)]
pub struct FlowEvent<'a> {
    timestamp: String,
    flow_id: u64,
    event_type: &'static str,
    src_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    dest_ip: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    proto: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_code: Option<u16>,
    flow: FlowFields,
    community_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp: Option<TcpFields>,
    mirrorscope: Own<'a>,
}

#[derive(Debug, Serialize)]
struct FlowFields {
    pkts_toserver: u64,
    pkts_toclient: u64,
    bytes_toserver: u64,
    bytes_toclient: u64,
    start: String,
    end: String,
    age: i64,
    state: &'static str,
    reason: &'static str,
    alerted: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[derive(Debug, Serialize)]
struct TcpFields {
    tcp_flags: String,
    tcp_flags_ts: String,
    tcp_flags_tc: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    syn: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    fin: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    rst: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ack: bool,
}

/// What Suricata does not know of a flow.
#[derive(Debug, Serialize)]
struct Own<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_name: Option<&'a str>,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    confidence: Confidence,
    why: &'a str,
    conn_state: &'a str,
    history: &'a str,
    points: Vec<AtPoint<'a>>,
}

#[derive(Debug, Serialize)]
struct AtPoint<'a> {
    point: &'a str,
    site: &'a str,
    role: &'a str,
    pkts_toserver: u64,
    pkts_toclient: u64,
}

impl<'a> FlowEvent<'a> {
    /// The record of a flow.
    pub fn new(flow: &'a FlowReport, end: End) -> Self {
        let icmp = matches!(flow.proto.as_str(), "icmp" | "icmp6");
        let ports = matches!(flow.proto.as_str(), "tcp" | "udp" | "sctp");
        let points = flow.points.iter().map(|at| AtPoint {
            point: &at.point,
            site: &at.site,
            role: at.role,
            pkts_toserver: at.orig.packets,
            pkts_toclient: at.resp.packets,
        });
        Self {
            timestamp: time(flow.last),
            flow_id: flow.number() >> 11,
            event_type: "flow",
            src_ip: flow.src,
            src_port: ports.then_some(flow.sport),
            dest_ip: flow.dst,
            dest_port: ports.then_some(flow.dport),
            proto: match flow.proto.as_str() {
                "icmp6" => "IPv6-ICMP".to_owned(),
                name => name.to_uppercase(),
            },
            icmp_type: icmp.then_some(flow.sport),
            icmp_code: icmp.then_some(flow.dport),
            flow: FlowFields {
                pkts_toserver: flow.orig.packets,
                pkts_toclient: flow.resp.packets,
                bytes_toserver: flow.orig.bytes,
                bytes_toclient: flow.resp.bytes,
                start: time(flow.first),
                end: time(flow.last),
                age: flow.last.since(flow.first) / 1_000_000_000,
                state: state(flow),
                reason: match end {
                    End::Closed | End::Silent => "timeout",
                    End::Evicted | End::UnderWay => "forced",
                    End::Run => "shutdown",
                },
                alerted: false,
            },
            community_id: &flow.community_id,
            tcp: (flow.proto == "tcp").then(|| TcpFields::new(&flow.history)),
            mirrorscope: Own {
                id: &flow.id,
                tenant: flow.tenant.as_deref(),
                src_name: flow.src_name.as_deref(),
                dest_name: flow.dst_name.as_deref(),
                verdict: flow.verdict,
                cause: flow.cause,
                confidence: flow.confidence,
                why: &flow.why,
                conn_state: flow.state,
                history: &flow.history,
                points: points.collect(),
            },
        }
    }
}

impl TcpFields {
    fn new(history: &str) -> Self {
        let [server, client] = flags_of(history);
        let all = server | client;
        let hex = |flags: u8| format!("{flags:02x}");
        let has = |flag: u8| all & flag != 0;
        Self {
            tcp_flags: hex(all),
            tcp_flags_ts: hex(server),
            tcp_flags_tc: hex(client),
            syn: has(SYN),
            fin: has(FIN),
            rst: has(RST),
            ack: has(ACK),
        }
    }
}

/// How far Suricata takes a flow to have come.
fn state(flow: &FlowReport) -> &'static str {
    let both = flow.orig.packets > 0 && flow.resp.packets > 0;
    match (flow.proto.as_str(), flow.state) {
        ("tcp", "S0" | "SH" | "SHR") => "new",
        ("tcp", "SF" | "REJ" | "RSTO" | "RSTR" | "RSTOS0" | "RSTRH") => "closed",
        _ if both => "established",
        _ => "new",
    }
}

/// A finding.
#[derive(Debug, Serialize)]
pub struct AlertEvent<'a> {
    timestamp: String,
    event_type: &'static str,
    alert: Alert,
    mirrorscope: Found<'a>,
}

#[derive(Debug, Serialize)]
struct Alert {
    action: &'static str,
    gid: u32,
    signature_id: u32,
    rev: u32,
    signature: String,
    category: &'static str,
    severity: u8,
}

#[derive(Debug, Serialize)]
struct Found<'a> {
    /// How often it was told, this time included.
    told: u32,
    #[serde(flatten)]
    finding: &'a Finding,
}

impl<'a> AlertEvent<'a> {
    /// The record of a finding.
    pub fn new(told: &'a Told) -> Self {
        let finding = &told.finding;
        Self {
            timestamp: time(told.at),
            event_type: "alert",
            alert: Alert {
                action: "allowed",
                gid: 1,
                signature_id: SIGNATURES + number(finding.kind),
                rev: 1,
                signature: format!("mirrorscope {}", finding.kind.as_str()),
                category: "Network path",
                severity: match finding.severity {
                    Severity::Error => 1,
                    Severity::Warning => 2,
                    Severity::Info => 3,
                },
            },
            mirrorscope: Found {
                told: told.before + 1,
                finding,
            },
        }
    }
}

/// The number of a kind of finding. Others know findings by it: no number is ever given to another kind.
fn number(kind: Kind) -> u32 {
    match kind {
        Kind::AsymmetricPath => 1,
        Kind::FirewallOutOfState => 2,
        Kind::IncompleteHandshake => 3,
        Kind::IncompleteClose => 4,
        Kind::InconsistentSequence => 5,
        Kind::OneWay => 6,
        Kind::EndpointMoved => 7,
        Kind::PathMoved => 8,
        Kind::DciTrombone => 9,
        Kind::AddressConflict => 10,
        Kind::MtuBlackHole => 11,
        Kind::Unanswered => 12,
        Kind::Scan => 13,
        Kind::MirrorLoss => 14,
        Kind::MirrorDuplicates => 15,
        Kind::MirrorTruncation => 16,
        Kind::MirrorSilent => 17,
        Kind::MirrorBlindSpot => 18,
        Kind::MirrorLoop => 19,
    }
}

/// As Suricata writes it: microseconds, and UTC as an offset.
fn time(time: Timestamp) -> String {
    let mut text: String = time.to_string().chars().take(26).collect();
    text.push_str("+0000");
    text
}
