//! The stateful firewalls: nftables in a router, and what it counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::machine::Machine;
use crate::truth::Firewall;

/// What a firewall does with packets that fit no connection it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Counts and drops them.
    Strict,
    /// Counts them and lets them pass.
    Tolerant,
}

impl Policy {
    fn name(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Tolerant => "tolerant",
        }
    }
}

/// Settings of connection tracking that its judgement depends on.
const SETTINGS: &[&str] = &[
    "tcp_loose",
    "tcp_be_liberal",
    "tcp_ignore_invalid_rst",
    "tcp_max_retrans",
    "checksum",
    "tcp_timeout_syn_sent",
    "tcp_timeout_syn_recv",
    "tcp_timeout_established",
    "tcp_timeout_fin_wait",
    "tcp_timeout_close_wait",
    "tcp_timeout_last_ack",
    "tcp_timeout_time_wait",
    "tcp_timeout_close",
    "tcp_timeout_max_retrans",
    "tcp_timeout_unacknowledged",
    "udp_timeout",
    "udp_timeout_stream",
    "icmp_timeout",
    "icmpv6_timeout",
    "generic_timeout",
];

/// Names of what is counted, and what it matches, in order: the first match counts.
const CLASSES: &[(&str, &str)] = &[
    ("established", "ct state established,related"),
    ("invalid_tcp", "ct state invalid meta l4proto tcp"),
    (
        "invalid_icmp",
        "ct state invalid meta l4proto { icmp, ipv6-icmp }",
    ),
    ("invalid_other", "ct state invalid"),
    (
        "new_syn",
        "tcp flags & (fin|syn|rst|ack) == syn ct state new",
    ),
    ("new_tcp_without_syn", "meta l4proto tcp ct state new"),
    ("new_udp", "meta l4proto udp ct state new"),
    ("new_icmp", "meta l4proto { icmp, ipv6-icmp } ct state new"),
];

/// Classes that are out of state.
fn out_of_state(class: &str) -> bool {
    class.starts_with("invalid") || class == "new_tcp_without_syn"
}

/// Makes a router a stateful firewall.
pub fn install(router: &Machine, policy: Policy) {
    router.set("net/netfilter/nf_conntrack_tcp_loose", "0");
    let verdict = match policy {
        Policy::Strict => "drop",
        Policy::Tolerant => "accept",
    };
    let mut counters = String::new();
    let mut chains = String::new();
    let mut forward = " chain forward {\n  type filter hook forward priority 0\n".to_owned();
    for (side, interface) in [("inside", "in"), ("outside", "out")] {
        writeln!(chains, " chain from_{side} {{").unwrap();
        for (class, matches) in CLASSES {
            writeln!(counters, " counter {side}_{class} {{ }}").unwrap();
            let verdict = if out_of_state(class) {
                verdict
            } else {
                "accept"
            };
            writeln!(chains, "  {matches} counter name {side}_{class} {verdict}").unwrap();
        }
        writeln!(chains, " }}").unwrap();
        writeln!(forward, "  iifname \"{interface}\" jump from_{side}").unwrap();
    }
    router.nft(&format!(
        "table inet firewall {{\n{counters}{chains}{forward} }}\n}}\n"
    ));
}

/// The named counters of a table, in packets.
pub fn counters(machine: &Machine, family: &str, table: &str) -> BTreeMap<String, u64> {
    let text = machine.run(&format!("nft -j list counters table {family} {table}"));
    let listed: serde_json::Value = serde_json::from_str(&text).unwrap();
    listed["nftables"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|entry| entry.get("counter"))
        .map(|counter| {
            let name = counter["name"].as_str().unwrap().to_owned();
            (name, counter["packets"].as_u64().unwrap())
        })
        .collect()
}

/// What a firewall counted: its policy, its settings, and its counters by the side that packets came in from.
pub fn read(router: &Machine, policy: Policy) -> Firewall {
    let counters = counters(router, "inet", "firewall");
    let side = |name: &str| {
        let prefix = format!("{name}_");
        counters
            .iter()
            .filter_map(|(counter, packets)| {
                Some((counter.strip_prefix(&prefix)?.to_owned(), *packets))
            })
            .collect::<BTreeMap<String, u64>>()
    };
    let (inside, outside) = (side("inside"), side("outside"));
    let bad = |side: &BTreeMap<String, u64>| -> u64 {
        let bad = side.iter().filter(|(class, _)| out_of_state(class));
        bad.map(|(_, packets)| packets).sum()
    };
    // What it dropped on the way in never shows at its inside port.
    let passed = match policy {
        Policy::Strict => 0,
        Policy::Tolerant => bad(&outside),
    };
    let settings = SETTINGS
        .iter()
        .map(|name| {
            let value = router.get(&format!("net/netfilter/nf_conntrack_{name}"));
            ((*name).to_owned(), value.parse().unwrap())
        })
        .collect();
    Firewall {
        policy: policy.name().to_owned(),
        out_of_state: bad(&inside) + passed,
        inside,
        outside,
        settings,
    }
}
