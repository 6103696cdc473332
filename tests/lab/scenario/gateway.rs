//! A gateway fails, and the other one takes over.

use std::time::Duration;

use crate::lab::Scenario;
use crate::network::{Plan, VM};

pub const FAILOVER: Scenario = Scenario {
    name: "gateway-failover",
    says: "The machine stays at dc1; r1 fails while three conversations go on, and r2 takes over its address and its \
           traffic. What is new passes fw2 and the interconnect, both ways; what was open breaks at fw2, which does not know it.",
    plan: Plan::default,
    act: |lab| {
        lab.steady();
        let users = lab.users();
        let chats = lab.chats(&users, (VM, 443), 3);
        assert_eq!(
            lab.tcp(&users, (VM, 80), 3, &[400, 3000], &["symmetric"]),
            3
        );
        std::thread::sleep(Duration::from_millis(1500));
        lab.event("r1 fails, r2 takes over");
        lab.network.fail_over();
        lab.phase("after the failover");
        assert_eq!(
            lab.tcp(&users, (VM, 80), 3, &[400, 3000], &["symmetric"]),
            3
        );
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(lab.end(chats, &["moved"]), 0);
    },
    findings: &[
        ("path-moved", &["dc1", "dc2"]),
        ("firewall-out-of-state", &["dc2"]),
    ],
    // The gateway's address is another machine's now; and what is open goes on in the middle at fw2.
    also: &[
        ("endpoint-moved", &["dc1", "dc2"]),
        ("inconsistent-sequence", &["dc2"]),
    ],
};
