//! Two tenants on one stretched network, with the same addresses.

use std::net::SocketAddr;

use crate::lab::Scenario;
use crate::network::{Plan, Site};
use crate::traffic;

const CLIENT: &str = "10.20.0.10";
const SERVER: &str = "10.20.0.90";

pub const TENANTS: Scenario = Scenario {
    name: "two-tenants",
    says: "Two tenants, VLAN 12 and VLAN 13, have a client at dc1 and a server at dc2 with the same addresses and ports: one \
           server answers, the other refuses.",
    plan: || Plan {
        options: &["--scope", "vlan"],
        ..Plan::default()
    },
    act: |lab| {
        for (vlan, answers) in [(12, true), (13, false)] {
            let mac = |last| [2, 0, 0, 0, vlan as u8, last];
            let client = lab.guest(&format!("c{vlan}"), Site::Dc1, Some(vlan), mac(1), CLIENT);
            let server = lab.guest(&format!("s{vlan}"), Site::Dc2, Some(vlan), mac(2), SERVER);
            if answers {
                traffic::serve(&server, SERVER.parse().unwrap(), 80, &lab.stop);
            }
            lab.phase(&format!("VLAN {vlan}"));
            for port in 50_001..50_005 {
                let from = SocketAddr::new(CLIENT.parse().unwrap(), port);
                let to = SocketAddr::new(SERVER.parse().unwrap(), 80);
                let mut attempt = lab.attempt("tcp", from, to);
                attempt.ok = client.inside(|| traffic::converse(from, to, &[400, 3000]));
                assert_eq!(attempt.ok, answers);
                lab.expect(&attempt, &["symmetric"]);
                lab.truth.attempts.push(attempt);
            }
        }
    },
    findings: &[],
    also: &[],
};
