//! The two-site lab: real routers, firewalls and virtual switches in network namespaces. `tests/lab/run` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

mod capture;
mod conntrack;
mod firewall;
mod frames;
mod lab;
mod machine;
mod network;
mod page;
mod run;
mod scenario;
mod switch;
mod traffic;
mod truth;

use std::time::Duration;

/// A test for each scenario.
macro_rules! scenarios {
    ($($test:ident: $scenario:ident,)+) => {
        $(
            #[test]
            #[ignore = "needs root: tests/lab/run"]
            fn $test() {
                lab::run(&scenario::$scenario);
            }
        )+
    };
}

scenarios! {
    healthy: HEALTHY,
    asymmetric_strict: STRICT,
    asymmetric_tolerant: TOLERANT,
    asymmetric_udp_icmp: DATAGRAMS,
    trombone: TROMBONE,
    migration: MIGRATION,
    migration_rerouted: REROUTED,
    gateway_failover: FAILOVER,
    mirror_off: OFF,
    one_direction: ONE_DIRECTION,
    mirror_loss_1: LOSS_1,
    mirror_loss_10: LOSS_10,
    mirrored_twice: TWICE,
    truncated: TRUNCATED,
    port_scan: SCAN,
    server_down: DOWN,
    reject_rst: REJECTED,
    nat: NAT,
    two_tenants: TENANTS,
    address_conflict: CONFLICT,
    mtu: MTU,
    ipv6_healthy: HEALTHY6,
    ipv6_asymmetric: ASYMMETRIC6,
}

/// Writes what the kernel's connection tracking makes of a few thousand sequences of packets, under several settings, into
/// the folder that this names.
const DUMP: &str = "MIRRORSCOPE_CONNTRACK_DUMP";

/// Settings of connection tracking to compare under.
const TRACKING: [(&str, conntrack::Settings); 4] = [
    ("strict", &[("tcp_loose", 0)]),
    ("loose", &[("tcp_loose", 1)]),
    ("liberal", &[("tcp_loose", 0), ("tcp_be_liberal", 1)]),
    ("loose-liberal", &[("tcp_loose", 1), ("tcp_be_liberal", 1)]),
];

/// Timeouts that differ by state, and are short enough to wait for.
const IMPATIENT: conntrack::Settings = &[
    ("tcp_loose", 0),
    ("tcp_timeout_syn_sent", 1),
    ("tcp_timeout_syn_recv", 2),
    ("tcp_timeout_established", 5),
    ("tcp_timeout_fin_wait", 3),
    ("tcp_timeout_close_wait", 2),
    ("tcp_timeout_last_ack", 1),
    ("tcp_timeout_time_wait", 2),
    ("tcp_timeout_close", 1),
    ("tcp_timeout_max_retrans", 2),
    ("tcp_timeout_unacknowledged", 3),
    ("udp_timeout", 1),
    ("udp_timeout_stream", 3),
    ("icmp_timeout", 1),
];

/// Silences, most of them short, whose sums keep away from whole seconds.
const PAUSES: [Duration; 8] = {
    let short = Duration::from_millis(10);
    let [some, more, most] = [
        Duration::from_millis(300),
        Duration::from_millis(1150),
        Duration::from_millis(2250),
    ];
    [short, short, short, short, short, some, more, most]
};

#[test]
#[ignore = "needs root: tests/lab/run"]
fn conntrack_dump() {
    let Some(folder) = std::env::var_os(DUMP).map(std::path::PathBuf::from) else {
        return;
    };
    let packets = conntrack::sequences(1, 4000, &[]);
    for (name, settings) in TRACKING {
        let judged = conntrack::judge(settings, &packets);
        conntrack::dump(&folder.join(format!("{name}.jsonl")), &judged);
    }
    let packets = conntrack::sequences(2, 500, &PAUSES);
    let judged = conntrack::judge(IMPATIENT, &packets);
    conntrack::dump(&folder.join("impatient.jsonl"), &judged);
}
