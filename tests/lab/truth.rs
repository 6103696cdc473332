//! What really happened in a scenario, by the firewalls' own counters and the clients' own success, and what a report of
//! its recording must say.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A scenario's truth, as it stands beside its recording.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Truth {
    pub scenario: String,
    /// What happens, in a sentence or two.
    pub says: String,
    /// What recorded it.
    #[serde(default)]
    pub recorder: String,
    /// Options of mirrorscope that the scenario needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// What happened when, in UTC.
    pub events: Vec<Event>,
    /// What clients tried, and whether they succeeded.
    pub attempts: Vec<Attempt>,
    /// Verdicts that each flow may have; there are no other flows.
    pub flows: Vec<Expected>,
    /// Findings that must be there.
    pub findings: Vec<Kind>,
    /// Findings that may be there; no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Kind>,
    /// Sites whose firewall's port is not mirrored, or not both ways: nobody can count there what the firewall counted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blind: Vec<String>,
    /// By site.
    pub firewalls: BTreeMap<String, Firewall>,
    /// Mirrored packets that were lost on the way to the collector, and that arrived.
    pub mirror: Mirror,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    pub time: String,
    pub what: String,
}

/// One try of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    pub proto: String,
    pub src: String,
    pub sport: u16,
    pub dst: String,
    pub dport: u16,
    /// The part of the scenario in which it happened.
    pub phase: String,
    pub ok: bool,
}

/// A flow, and what may be said of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Expected {
    pub proto: String,
    pub src: String,
    pub sport: u16,
    pub dst: String,
    pub dport: u16,
    pub verdicts: Vec<String>,
    /// How many flows have these addresses and ports.
    pub times: usize,
}

/// A kind of finding and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    pub kind: String,
    /// Sites that it names, in order; empty where any will do.
    pub sites: Vec<String>,
}

/// What a real firewall counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    /// `strict` drops what is out of state, `tolerant` lets it pass.
    pub policy: String,
    /// Packets out of state that passed its inside port: those from the inside, and of those from the outside the ones
    /// that it let pass.
    pub out_of_state: u64,
    /// Packets from the inside, by what connection tracking made of them.
    pub inside: BTreeMap<String, u64>,
    /// Packets from the outside.
    pub outside: BTreeMap<String, u64>,
    /// Settings of the kernel's connection tracking (`net.netfilter.nf_conntrack_…`).
    pub settings: BTreeMap<String, u64>,
}

/// What became of mirrored packets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mirror {
    pub lost: u64,
    pub arrived: u64,
}

/// A flow's addresses and ports, whoever opened it.
type Ends = (String, BTreeSet<(String, u64)>);

fn ends(proto: &str, ends: [(&str, u64); 2]) -> Ends {
    // Of ICMP the ports are type, code or id: the addresses are what tells flows apart.
    let icmp = proto.starts_with("icmp");
    let ends = ends.map(|(address, port)| (address.to_owned(), if icmp { 0 } else { port }));
    (proto.to_owned(), ends.into())
}

impl Expected {
    fn ends(&self) -> Ends {
        let Self { src, dst, .. } = self;
        let (sport, dport) = (self.sport.into(), self.dport.into());
        ends(&self.proto, [(src, sport), (dst, dport)])
    }
}

impl Truth {
    /// What differs between this and what mirrorscope said: its report, and its flows.
    pub fn differences(&self, report: &Value, flows: &[Value]) -> Vec<String> {
        let mut differences = self.flow_differences(flows);
        differences.extend(self.finding_differences(report));
        differences.extend(self.firewall_differences(report));
        differences
    }

    fn flow_differences(&self, flows: &[Value]) -> Vec<String> {
        let mut differences = Vec::new();
        let mut found: BTreeMap<Ends, Vec<&Value>> = BTreeMap::new();
        for flow in flows {
            let text = |name: &str| flow[name].as_str().unwrap_or_default();
            let port = |name: &str| flow[name].as_u64().unwrap_or_default();
            // A neighbour's hello ends at the next router: no path to judge.
            let local =
                |address: &str| address.starts_with("fe80:") || address.starts_with("ff02:");
            // An ICMP error belongs to the flow that it quotes.
            let quotes = flow["quotes"]
                .as_array()
                .is_some_and(|quotes| !quotes.is_empty());
            let neighbours = ["src", "dst"].iter().any(|end| local(text(end)));
            if neighbours || quotes || is_neighbour_discovery(flow) {
                continue;
            }
            let key = ends(
                text("proto"),
                [(text("src"), port("sport")), (text("dst"), port("dport"))],
            );
            found.entry(key).or_default().push(flow);
        }
        for expected in &self.flows {
            let flows = found.remove(&expected.ends()).unwrap_or_default();
            let Expected {
                proto,
                src,
                sport,
                dst,
                dport,
                ..
            } = expected;
            let name = format!("{proto} {src}:{sport} -> {dst}:{dport}");
            let times = expected.times;
            // What the mirror lost as a whole cannot be judged.
            let enough = flows.len() == times || (self.lossy() && flows.len() < times);
            if !enough {
                differences.push(format!("{name}: {} flows, not {times}", flows.len()));
            }
            for flow in flows {
                let verdict = flow["verdict"].as_str().unwrap_or_default();
                if !expected.verdicts.iter().any(|allowed| allowed == verdict) {
                    let allowed = expected.verdicts.join(" or ");
                    differences.push(format!(
                        "{name}: {verdict}, not {allowed} ({})",
                        flow["why"].as_str().unwrap_or_default()
                    ));
                }
            }
        }
        for ((proto, ends), flows) in found {
            differences.push(format!("{proto} {ends:?}: {} flows of nobody", flows.len()));
        }
        differences
    }

    fn finding_differences(&self, report: &Value) -> Vec<String> {
        let mut differences = Vec::new();
        let findings = findings(report);
        let fits = |wanted: &Kind, found: &Kind| {
            wanted.kind == found.kind && (wanted.sites.is_empty() || wanted.sites == found.sites)
        };
        for wanted in &self.findings {
            if !findings.iter().any(|(found, _)| fits(wanted, found)) {
                differences.push(format!("no finding {} {:?}", wanted.kind, wanted.sites));
            }
        }
        for (found, summary) in &findings {
            let known = self.findings.iter().chain(&self.also);
            if !known.into_iter().any(|wanted| fits(wanted, found)) {
                let Kind { kind, sites } = found;
                differences.push(format!("false finding {kind} {sites:?}: {summary}"));
            }
        }
        differences
    }

    /// The packets that mirrorscope's model of each firewall calls out of state are those that the real one counted.
    fn firewall_differences(&self, report: &Value) -> Vec<String> {
        let mut differences = Vec::new();
        for (site, firewall) in &self.firewalls {
            let said: u64 = report["findings"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|finding| finding["kind"] == "firewall-out-of-state")
                .filter(|finding| finding["sites"] == serde_json::json!([site]))
                .filter_map(|finding| finding["packets"].as_u64())
                .sum();
            let counted = firewall.out_of_state;
            if said != counted && !self.lossy() && self.sees_firewall(site) {
                differences.push(format!(
                    "{site}: {said} packets out of state, the firewall counted {counted}"
                ));
            }
        }
        differences
    }

    /// Whether packets are missing, so that nobody can count what a firewall counted.
    fn lossy(&self) -> bool {
        self.mirror.lost > 0
    }

    fn sees_firewall(&self, site: &str) -> bool {
        !self.blind.iter().any(|blind| blind == site)
    }
}

/// Kinds and sites of a report's findings, each with its summary.
fn findings(report: &Value) -> Vec<(Kind, String)> {
    let mut findings = Vec::new();
    for finding in report["findings"].as_array().into_iter().flatten() {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut sites: Vec<String> = finding["sites"]
            .as_array()
            .into_iter()
            .flatten()
            .map(text)
            .collect();
        sites.sort();
        sites.dedup();
        let kind = text(&finding["kind"]);
        findings.push((Kind { kind, sites }, text(&finding["summary"])));
    }
    findings
}

/// `ICMPv6` that never leaves a link: types 133 to 137, and 143 of multicast listeners.
fn is_neighbour_discovery(flow: &Value) -> bool {
    let kind = flow["sport"].as_u64().unwrap_or_default();
    flow["proto"] == "icmp6" && ((133..=137).contains(&kind) || kind == 143)
}
