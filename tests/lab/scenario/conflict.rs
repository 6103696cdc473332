//! Two machines with one address.

use std::time::Duration;

use crate::frames;
use crate::lab::{Client, Scenario};
use crate::network::{DB, DB_MAC, Plan, Site, VM};

/// The address of the other machine that believes to be the database.
const DOUBLE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x66];

pub const CONFLICT: Scenario = Scenario {
    name: "address-conflict",
    says: "Two machines, one at each site, have the address 10.20.0.60, and both announce it and use it.",
    plan: Plan::default,
    act: |lab| {
        lab.steady();
        let double = lab.guest("double", Site::Dc2, None, DOUBLE_MAC, DB);
        let address = DB.parse().unwrap();
        let any = ["symmetric", "unknown"];
        let users = lab.users();
        let first = Client::new(&lab.network.db, DB);
        let second = Client::new(&double, DB);
        for _ in 0..3 {
            for (client, mac) in [(&first, DB_MAC), (&second, DOUBLE_MAC)] {
                let announcement = frames::gratuitous(mac, address);
                // A machine changes its mind about an address once a second at most.
                std::thread::sleep(Duration::from_millis(1100));
                frames::send(&client.machine, "eth0", &announcement, 1);
                lab.ping(client, VM, 1, &any);
                lab.tcp(client, (VM, 80), 1, &[400], &any);
            }
        }
        lab.tcp(&users, (DB, 80), 2, &[400], &any);
    },
    findings: &[("address-conflict", &["dc1", "dc2"])],
    also: &[],
};
