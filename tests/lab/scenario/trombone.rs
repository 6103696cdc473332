//! The same packets cross the interconnect twice.

use crate::lab::{Client, Scenario};
use crate::network::{Plan, SHOP, Site, VM};

/// The machine is at dc2 and keeps the gateway of dc1, also for its neighbour in another network.
pub const TROMBONE: Scenario = Scenario {
    name: "trombone",
    says: "The machine runs at dc2 and keeps the gateway of dc1, as does the shop, a neighbour in another network: what they say to each other crosses the \
           interconnect to r1 and comes back.",
    plan: || Plan {
        vm: Site::Dc2,
        stale_gateway: true,
        ..Plan::default()
    },
    act: |lab| {
        lab.steady();
        let users = lab.users();
        let machine = Client::new(&lab.network.vm, VM);
        assert_eq!(
            lab.tcp(&users, (VM, 80), 4, &[400, 3000], &["symmetric"]),
            4
        );
        assert_eq!(lab.udp(&users, VM, 2, &["symmetric"]), 2);
        assert_eq!(
            lab.tcp(&machine, (SHOP, 80), 4, &[400, 3000], &["symmetric"]),
            4
        );
        assert_eq!(lab.ping(&machine, SHOP, 1, &["symmetric"]), 1);
    },
    findings: &[("dci-trombone", &["dc1", "dc2"])],
    also: &[],
};
