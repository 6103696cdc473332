//! The two-site lab: real routers, firewalls and virtual switches in network namespaces. `tests/lab/run` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

mod capture;
mod firewall;
mod frames;
mod lab;
mod machine;
mod network;
mod run;
mod scenario;
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
    trombone: TROMBONE,
    migration: MIGRATION,
    migration_rerouted: REROUTED,
}
