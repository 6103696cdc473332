//! All is well.

use crate::lab::{Client, Lab, Scenario};
use crate::network::{DB, Plan, USERS, VM};

/// The network as it should be.
pub const HEALTHY: Scenario = Scenario {
    name: "healthy",
    says: "All is well: the machine at dc1 is reached through fw1, both ways.",
    plan: Plan::default,
    act: |lab| {
        lab.steady();
        assert_eq!(talk(lab, &["symmetric"]), ALL);
    },
    findings: &[],
    also: &[],
};

/// Conversations that [`talk`] holds with the machine.
pub const ALL: usize = 14;

/// All sorts of conversations with the machine and from it; gives how many succeeded.
pub fn talk(lab: &mut Lab, verdicts: &[&str]) -> usize {
    let users = lab.users();
    let machine = Client::new(&lab.network.vm, VM);
    let outside = lab.network.user.clone();
    crate::traffic::serve(&outside, USERS[0].parse().unwrap(), 80, &lab.stop);
    lab.tcp(&users, (VM, 80), 4, &[400, 3000], verdicts)
        + lab.tcp(&users, (VM, 443), 2, &[12_000], verdicts)
        + lab.tcp(&machine, (USERS[0], 80), 2, &[900], verdicts)
        + lab.tcp(&machine, (DB, 80), 1, &[900], &["symmetric", "unknown"])
        + lab.udp(&users, VM, 3, verdicts)
        + lab.ping(&users, VM, 2, verdicts)
}
