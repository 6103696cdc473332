//! UDP and ICMP on asymmetric ways.

use crate::lab::Scenario;
use crate::network::{Plan, Site, VM};

/// To a firewall an answer by UDP is as good as a question; an echo reply is not.
pub const DATAGRAMS: Scenario = Scenario {
    name: "asymmetric-udp-icmp",
    says: "The machine runs at dc2 and answers by fw2; requests enter by fw1. Answers by UDP pass fw2 as something new; echo \
           replies do not pass.",
    plan: || Plan {
        vm: Site::Dc2,
        ..Plan::default()
    },
    act: |lab| {
        lab.steady();
        let users = lab.users();
        assert_eq!(lab.udp(&users, VM, 6, &["asymmetric"]), 6);
        assert_eq!(lab.ping(&users, VM, 4, &["asymmetric"]), 0);
    },
    findings: &[
        ("asymmetric-path", &["dc1", "dc2"]),
        ("firewall-out-of-state", &["dc2"]),
    ],
    also: &[],
};
