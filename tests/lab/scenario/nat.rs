//! Addresses differ on both sides of a firewall.

use crate::lab::{Client, Scenario};
use crate::network::{Plan, Site, USERS, VM};
use crate::traffic;
use crate::truth::Attempt;

/// What users call the machine.
const PUBLIC: &str = "198.51.100.80";
/// What the machine is called when it calls.
const HIDDEN: &str = "198.51.100.50";

pub const NAT: Scenario = Scenario {
    name: "nat",
    says: "fw1 translates: users call 198.51.100.80 and reach the machine, which calls as 198.51.100.50. Mirrored on both \
           sides of fw1.",
    plan: || Plan {
        uplink: true,
        nat: "table ip nat {
 chain prerouting {
  type nat hook prerouting priority -100
  ip daddr 198.51.100.80 dnat to 10.20.0.50
 }
 chain postrouting {
  type nat hook postrouting priority 100
  oifname \"out\" ip saddr 10.20.0.50 snat to 198.51.100.50
 }
}
",
        ..Plan::default()
    },
    act: |lab| {
        lab.steady();
        lab.network.route("198.51.100.0/24", Site::Dc1);
        let fine = ["symmetric", "unknown"];
        let users = lab.users();
        let machine = Client::new(&lab.network.vm, VM);
        traffic::serve(&users.machine, users.addresses[0], 80, &lab.stop);
        assert_eq!(lab.tcp(&users, (PUBLIC, 80), 4, &[400, 3000], &fine), 4);
        assert_eq!(lab.udp(&users, PUBLIC, 2, &fine), 2);
        assert_eq!(lab.tcp(&machine, (USERS[0], 80), 3, &[900], &fine), 3);
        // Each of them has other addresses on the other side.
        for attempt in lab.truth.attempts.clone() {
            if attempt.dst == PUBLIC {
                lab.expect(
                    &Attempt {
                        dst: VM.to_owned(),
                        ..attempt
                    },
                    &fine,
                );
            } else if attempt.src == VM {
                lab.expect(
                    &Attempt {
                        src: HIDDEN.to_owned(),
                        ..attempt
                    },
                    &fine,
                );
            }
        }
    },
    findings: &[],
    also: &[],
};
