//! The machine moves while long conversations go on.

use std::time::Duration;

use crate::lab::Scenario;
use crate::network::{Plan, Site, VM};

/// Requests still enter at dc1 after the move.
pub const MIGRATION: Scenario = Scenario {
    name: "migration",
    says: "The machine moves from dc1 to dc2 while three conversations go on. It finds the gateway of dc2 at once; requests \
           still enter at dc1. What is new gets no connection, what was open breaks.",
    plan: Plan::default,
    act: |lab| {
        lab.steady();
        let users = lab.users();
        let chats = lab.chats(&users, (VM, 443), 3);
        assert_eq!(
            lab.tcp(&users, (VM, 80), 3, &[400, 3000], &["symmetric"]),
            3
        );
        std::thread::sleep(Duration::from_secs(1));
        lab.event("the machine moves to dc2");
        lab.network.migrate(|_| ());
        lab.phase("after the move");
        assert_eq!(lab.tcp(&users, (VM, 80), 3, &[400], &["asymmetric"]), 0);
        assert_eq!(lab.end(chats, &["moved"]), 0);
    },
    findings: &[
        ("endpoint-moved", &["dc1", "dc2"]),
        ("path-moved", &["dc1", "dc2"]),
        ("asymmetric-path", &["dc1", "dc2"]),
        ("firewall-out-of-state", &["dc2"]),
        ("incomplete-handshake", &["dc1"]),
        ("incomplete-handshake", &["dc2"]),
    ],
    // Where the machine had something to say before it was asked anew.
    also: &[("inconsistent-sequence", &["dc2"])],
};

/// The WAN follows: what is new works, what was open breaks at a firewall that does not know it.
pub const REROUTED: Scenario = Scenario {
    name: "migration-rerouted",
    says: "The machine moves from dc1 to dc2 while three conversations go on, and the WAN follows: new connections pass fw2 \
           both ways; the open ones break there.",
    plan: Plan::default,
    act: |lab| {
        lab.steady();
        let users = lab.users();
        let chats = lab.chats(&users, (VM, 443), 3);
        assert_eq!(
            lab.tcp(&users, (VM, 80), 3, &[400, 3000], &["symmetric"]),
            3
        );
        std::thread::sleep(Duration::from_secs(1));
        lab.event("the machine moves to dc2, and so does the route to it");
        let route = format!("{VM}/32");
        lab.network
            .migrate(|network| network.route(&route, Site::Dc2));
        lab.phase("after the move");
        assert_eq!(
            lab.tcp(&users, (VM, 80), 3, &[400, 3000], &["symmetric"]),
            3
        );
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(lab.end(chats, &["moved"]), 0);
    },
    findings: &[
        ("endpoint-moved", &["dc1", "dc2"]),
        ("path-moved", &["dc1", "dc2"]),
        ("firewall-out-of-state", &["dc2"]),
    ],
    also: &[("inconsistent-sequence", &["dc2"])],
};
