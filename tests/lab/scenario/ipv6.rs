//! The same by IPv6.

use crate::lab::{Client, Lab, Scenario};
use crate::network::{Plan, Site, USER6, VM6};
use crate::traffic;

/// A user with IPv6, and the machine's servers.
fn prepare(lab: &mut Lab) -> Client {
    lab.steady();
    let machine = lab.network.vm.clone();
    let address = VM6.parse().unwrap();
    for port in [80, 443] {
        traffic::serve(&machine, address, port, &lab.stop);
    }
    traffic::echo(&machine, address, 53, &lab.stop);
    Client::new(&lab.network.user, USER6)
}

pub const HEALTHY6: Scenario = Scenario {
    name: "ipv6-healthy",
    says: "All is well: the machine at dc1 is reached by IPv6 through fw1, both ways.",
    plan: || Plan {
        ipv6: true,
        ..Plan::default()
    },
    act: |lab| {
        let user = prepare(lab);
        assert_eq!(
            lab.tcp(&user, (VM6, 80), 4, &[400, 3000], &["symmetric"]),
            4
        );
        assert_eq!(lab.udp(&user, VM6, 2, &["symmetric"]), 2);
        assert_eq!(lab.ping(&user, VM6, 1, &["symmetric"]), 1);
    },
    findings: &[],
    also: &[],
};

pub const ASYMMETRIC6: Scenario = Scenario {
    name: "ipv6-asymmetric",
    says: "As asymmetric-strict, by IPv6.",
    plan: || Plan {
        vm: Site::Dc2,
        ipv6: true,
        ..Plan::default()
    },
    act: |lab| {
        let user = prepare(lab);
        assert_eq!(lab.tcp(&user, (VM6, 80), 4, &[400], &["asymmetric"]), 0);
        assert_eq!(lab.udp(&user, VM6, 2, &["asymmetric"]), 2);
        assert_eq!(lab.ping(&user, VM6, 1, &["asymmetric"]), 0);
    },
    findings: &[
        ("asymmetric-path", &["dc1", "dc2"]),
        ("firewall-out-of-state", &["dc2"]),
        ("incomplete-handshake", &["dc1"]),
        ("incomplete-handshake", &["dc2"]),
    ],
    also: &[],
};
