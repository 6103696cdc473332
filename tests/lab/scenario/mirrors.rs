//! The network is well, or not; what the mirror shows of it is not all.

use super::healthy::{ALL, talk};
use crate::firewall::Policy;
use crate::lab::Scenario;
use crate::network::{APP, Carries, DB, Plan, Site, VM};

/// Nobody looks where the answers leave.
pub const OFF: Scenario = Scenario {
    name: "mirror-off",
    says: "As asymmetric-tolerant, with no mirror at dc2: where the answers go can only be guessed.",
    plan: || Plan {
        vm: Site::Dc2,
        policy: Policy::Tolerant,
        mirrored: &[Site::Dc1],
        ..Plan::default()
    },
    act: |lab| {
        lab.blind(&["dc2"]);
        lab.talk_to(DB, &["symmetric"]);
        let users = lab.users();
        let unsure = ["asymmetric", "unknown"];
        assert_eq!(lab.tcp(&users, (VM, 80), 4, &[400, 3000], &unsure), 4);
        assert_eq!(lab.tcp(&users, (VM, 443), 2, &[12_000], &unsure), 2);
        assert_eq!(lab.udp(&users, VM, 2, &unsure), 2);
        assert_eq!(lab.ping(&users, VM, 1, &unsure), 1);
    },
    findings: &[
        ("asymmetric-path", &[]),
        ("firewall-out-of-state", &["dc1"]),
    ],
    also: &[
        ("mirror-blind-spot", &[]),
        ("incomplete-handshake", &["dc1"]),
        ("incomplete-close", &["dc1"]),
        ("inconsistent-sequence", &["dc1"]),
    ],
};

/// A session that carries one direction only.
pub const ONE_DIRECTION: Scenario = Scenario {
    name: "one-direction",
    says: "All is well, but the mirror of fw1's port carries only what goes towards the firewall.",
    plan: || Plan {
        fw1_carries: Carries::TowardsFirewall,
        ..Plan::default()
    },
    act: |lab| {
        lab.blind(&["dc1"]);
        lab.talk_to(DB, &["symmetric", "unknown"]);
        lab.talk_to(APP, &["symmetric"]);
        assert_eq!(talk(lab, &["symmetric", "unknown"]), ALL);
    },
    findings: &[("mirror-blind-spot", &["dc1"])],
    also: &[],
};

/// One of a hundred mirrored packets is lost.
pub const LOSS_1: Scenario = Scenario {
    name: "mirror-loss-1",
    says: "All is well, but one of a hundred mirrored packets never reaches the collector.",
    plan: || Plan {
        loss_per_mille: 10,
        ..Plan::default()
    },
    act: |lab| lossy(lab, 8),
    findings: &[("mirror-loss", &[])],
    also: &[],
};

/// One of ten is lost.
pub const LOSS_10: Scenario = Scenario {
    name: "mirror-loss-10",
    says: "All is well, but one of ten mirrored packets never reaches the collector.",
    plan: || Plan {
        loss_per_mille: 100,
        ..Plan::default()
    },
    act: |lab| lossy(lab, 4),
    findings: &[("mirror-loss", &[])],
    also: &[],
};

/// Enough packets that some are lost for certain.
fn lossy(lab: &mut crate::lab::Lab, times: usize) {
    let verdicts = ["symmetric", "unknown"];
    lab.talk_to(DB, &verdicts);
    lab.talk_to(APP, &verdicts);
    assert_eq!(talk(lab, &verdicts), ALL);
    let users = lab.users();
    let answered = lab.tcp(&users, (VM, 443), times, &[100; 60], &verdicts);
    assert_eq!(answered, times);
}

/// Mirrors that overlap.
pub const TWICE: Scenario = Scenario {
    name: "mirrored-twice",
    says: "All is well, but every packet is mirrored twice: by two mirrors of one session at the switches, and at both ports \
           that it passes in the hypervisors.",
    plan: || Plan {
        twice: true,
        ..Plan::default()
    },
    act: |lab| {
        lab.steady();
        assert_eq!(talk(lab, &["symmetric"]), ALL);
    },
    findings: &[("mirror-duplicates", &[])],
    also: &[],
};

/// Switches that cut what they mirror.
pub const TRUNCATED: Scenario = Scenario {
    name: "truncated",
    says: "All is well; the switches mirror the first 128 bytes of each packet.",
    plan: || Plan {
        mirrored_length: 128,
        ..Plan::default()
    },
    act: |lab| {
        lab.steady();
        assert_eq!(talk(lab, &["symmetric"]), ALL);
    },
    findings: &[("mirror-truncation", &[])],
    also: &[],
};
