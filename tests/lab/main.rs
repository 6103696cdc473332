//! The two-site lab: real routers, firewalls and virtual switches in network namespaces. `tests/lab/run` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

mod capture;
mod conntrack;
mod disk;
mod firewall;
mod frames;
mod host;
mod lab;
mod live;
#[allow(dead_code, reason = "the example writes files, too")]
#[path = "../../examples/generate_load/load.rs"]
mod load;
mod machine;
mod network;
mod page;
mod privilege;
mod ring;
mod run;
mod scenario;
#[path = "../../examples/send_load/sender.rs"]
mod sender;
mod switch;
mod traffic;
mod truth;

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

/// A test for each way in which the kernel's connection tracking can be set.
macro_rules! tracking {
    ($($test:ident: $settings:ident,)+) => {
        $(
            #[test]
            #[ignore = "needs root: tests/lab/run"]
            fn $test() {
                conntrack::compare(stringify!($test), conntrack::$settings);
            }
        )+
    };
}

tracking! {
    conntrack_strict: STRICT,
    conntrack_loose: LOOSE,
    conntrack_liberal: LIBERAL,
    conntrack_loose_liberal: LOOSE_LIBERAL,
    conntrack_impatient: IMPATIENT,
}
