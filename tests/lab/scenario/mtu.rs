//! A path that large packets do not survive.

use crate::lab::Scenario;
use crate::network::{Plan, Site, VM};

pub const MTU: Scenario = Scenario {
    name: "mtu",
    says: "The machine runs at dc2 and is reached through fw1 and the interconnect, both ways. Packets above 1300 bytes do \
           not pass the interconnect, and nobody says so.",
    plan: || Plan {
        vm: Site::Dc2,
        stale_gateway: true,
        dci_mtu: 1300,
        ..Plan::default()
    },
    act: |lab| {
        lab.steady();
        let users = lab.users();
        assert_eq!(lab.tcp(&users, (VM, 80), 4, &[400, 900], &["symmetric"]), 4);
        assert_eq!(
            lab.tcp(&users, (VM, 443), 3, &[400, 4000], &["symmetric"]),
            0
        );
    },
    findings: &[("mtu-black-hole", &["dc1", "dc2"])],
    also: &[],
};
