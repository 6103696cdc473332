//! Nobody answers, or says no: that is no asymmetry.

use std::time::Duration;

use crate::lab::{Client, Scenario};
use crate::network::{Plan, USERS, VM};

/// Many ports are tried.
pub const SCAN: Scenario = Scenario {
    name: "port-scan",
    says: "A user tries 140 ports of the machine: a hundred do not answer, forty refuse.",
    plan: Plan::default,
    act: |lab| {
        lab.steady();
        drop_at_machine(lab, "1000-1099");
        let users = lab.users();
        assert_eq!(lab.tcp(&users, (VM, 80), 2, &[400], &["symmetric"]), 2);
        let scanner = Client::new(&lab.network.user, USERS[3]);
        assert_eq!(lab.knock(&scanner, VM, 1000..1100, &["unanswered"]), 0);
        assert_eq!(lab.knock(&scanner, VM, 1100..1140, &["symmetric"]), 0);
        // Time for an answer, and something that shows that the time has passed.
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(lab.tcp(&users, (VM, 80), 2, &[400], &["symmetric"]), 2);
    },
    findings: &[("scan", &[])],
    also: &[],
};

/// A service that is silent.
pub const DOWN: Scenario = Scenario {
    name: "server-down",
    says: "Port 8080 of the machine answers nobody; its other ports do.",
    plan: Plan::default,
    act: |lab| {
        lab.steady();
        drop_at_machine(lab, "8080");
        let users = lab.users();
        assert_eq!(
            lab.tcp(&users, (VM, 80), 2, &[400, 3000], &["symmetric"]),
            2
        );
        assert_eq!(lab.tcp(&users, (VM, 8080), 8, &[400], &["unanswered"]), 0);
    },
    findings: &[("unanswered", &[])],
    also: &[],
};

/// The machine's own firewall is silent about some ports.
fn drop_at_machine(lab: &crate::lab::Lab, ports: &str) {
    lab.network.vm.nft(&format!(
        "table ip quiet {{\n chain input {{\n  type filter hook input priority 0\n  tcp dport {ports} drop\n }}\n}}\n"
    ));
}

/// A firewall that says no.
pub const REJECTED: Scenario = Scenario {
    name: "reject-rst",
    says: "The machine wants to send mail; fw1 rejects each try with a RST.",
    plan: || Plan {
        reject: "table inet refused {
 chain forward {
  type filter hook forward priority -10
  iifname \"in\" tcp dport 25 reject with tcp reset
 }
}
",
        ..Plan::default()
    },
    act: |lab| {
        lab.steady();
        let machine = Client::new(&lab.network.vm, VM);
        for user in USERS {
            assert_eq!(lab.tcp(&machine, (user, 25), 1, &[1], &["symmetric"]), 0);
        }
    },
    findings: &[],
    also: &[],
};
