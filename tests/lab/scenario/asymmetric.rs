//! The machine is at dc2 and answers by its own gateway; what is sent to it enters at dc1.

use super::healthy::{ALL, talk};
use crate::firewall::Policy;
use crate::lab::Scenario;
use crate::network::{Plan, Site, VM};

/// The firewalls drop what they cannot match: nothing works.
pub const STRICT: Scenario = Scenario {
    name: "asymmetric-strict",
    says: "The machine runs at dc2 and answers by fw2; requests still enter by fw1. Both firewalls drop what is out of \
           state: no connection comes about.",
    plan: || Plan {
        vm: Site::Dc2,
        ..Plan::default()
    },
    act: |lab| {
        lab.steady();
        let users = lab.users();
        assert_eq!(lab.tcp(&users, (VM, 80), 4, &[400], &["asymmetric"]), 0);
        assert_eq!(lab.tcp(&users, (VM, 443), 2, &[400], &["asymmetric"]), 0);
    },
    findings: &[
        ("asymmetric-path", &["dc1", "dc2"]),
        ("firewall-out-of-state", &["dc2"]),
        ("incomplete-handshake", &["dc1"]),
        ("incomplete-handshake", &["dc2"]),
    ],
    also: &[],
};

/// The firewalls count and let pass: all works, and nobody notices.
pub const TOLERANT: Scenario = Scenario {
    name: "asymmetric-tolerant",
    says: "As asymmetric-strict, but the firewalls let pass what is out of state: every connection works.",
    plan: || Plan {
        vm: Site::Dc2,
        policy: Policy::Tolerant,
        ..Plan::default()
    },
    act: |lab| {
        lab.steady();
        assert_eq!(talk(lab, &["asymmetric"]), ALL);
    },
    findings: &[
        ("asymmetric-path", &["dc1", "dc2"]),
        ("firewall-out-of-state", &["dc1"]),
        ("firewall-out-of-state", &["dc2"]),
        ("incomplete-handshake", &["dc1"]),
        ("incomplete-handshake", &["dc2"]),
    ],
    also: &[
        ("incomplete-close", &["dc1"]),
        ("incomplete-close", &["dc2"]),
        ("inconsistent-sequence", &["dc1"]),
        ("inconsistent-sequence", &["dc2"]),
    ],
};
