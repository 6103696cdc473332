//! Real senders – Open vSwitch with ERSPAN II and III, the kernel with VXLAN – count what they send.

use std::time::Duration;

use super::listener::Listener;
use crate::capture::written;
use crate::lab::{received, since};
use crate::network::{DB, Network, Plan, VM};
use crate::run::Run;

/// How long Open vSwitch keeps its counters to itself, and a little.
const COUNTERS: Duration = Duration::from_millis(5500);

#[test]
#[ignore = "needs root: tests/lab/run"]
fn every_packet_that_they_counted_is_reported_and_stripped() {
    let run = Run::new();
    let network = Network::build(&Plan::default(), &run.folder(), &mut |name| {
        run.machine(name)
    });
    std::thread::sleep(COUNTERS);
    let before = network.sent();
    let report = "report --format json --interval 1s -i eth0";
    let report = Listener::start(&network.collector, report);
    let file = run.folder().join("inner.pcapng");
    let decap = format!("decap -i eth0 -w {}", file.display());
    let decap = Listener::start(&network.collector, &decap);
    for address in [VM, DB] {
        let ping = format!("ping -n -q -c 100 -i 0.01 -s 1400 {address}");
        network.user.run(&ping);
    }
    network.freeze();
    std::thread::sleep(COUNTERS);
    let sent = since(&before, network.sent());
    let report = report.interrupt().last();
    // Both directions of each ping, at the firewall's port and at the machine's own.
    assert!(sent["101"] >= 400 && sent["5103"] >= 200, "{sent:?}");
    assert_eq!(received(&report), sent);
    assert_eq!(written(&decap.interrupt()), sent.values().sum::<u64>());
}
