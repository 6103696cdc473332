//! The stories that the samples tell.

use super::mirror::{Encapsulation, Mirror};
use super::net::{Host, MILLI, Network, SECOND, Seen, Site};
use super::tcp::{Call, call_in_vain, chat, converse};
use super::traffic::{announce, lookup, page, ping, query, resolve_gateway, resolve_vm};

/// A capture file of this folder.
pub struct Sample {
    /// File name.
    pub name: &'static str,
    traffic: fn() -> Vec<Seen>,
    mirror: Mirror,
}

impl Sample {
    /// The file's content.
    pub fn capture(&self) -> Vec<u8> {
        self.mirror.capture(&(self.traffic)())
    }
}

/// All samples.
pub fn all() -> Vec<Sample> {
    let erspan = Mirror::new(Encapsulation::Erspan2);
    let vxlan = Mirror::new(Encapsulation::Vxlan);
    let sample = |name, traffic, mirror| Sample {
        name,
        traffic,
        mirror,
    };
    vec![
        sample("healthy-erspan.pcap", healthy, erspan),
        sample("healthy-vxlan.pcap", healthy, vxlan),
        sample("asymmetric-erspan.pcap", asymmetric, erspan),
        sample("asymmetric-vxlan.pcap", asymmetric, vxlan),
        sample(
            "mirror-loss-erspan.pcap",
            healthy,
            Mirror { lost: 50, ..erspan },
        ),
        sample("server-down-erspan.pcap", server_down, erspan),
        sample(
            "truncated-erspan.pcap",
            healthy,
            Mirror { cut: 128, ..erspan },
        ),
    ]
}

/// Hosts of all stories.
struct Hosts {
    users: [Host; 4],
    resolver: Host,
    web: Host,
    names: Host,
    database: Host,
    /// Runs at dc2.
    app: Host,
    /// Runs at dc2 too, but keeps to the firewall at dc1.
    archive: Host,
}

const HOSTS: fn() -> Hosts = || Hosts {
    users: [(10, 4_210), (11, 11_640), (12, 7_350), (13, 19_020)]
        .map(|(last, micros)| Host::user(last, micros * 1_000)),
    resolver: Host::user(53, 2_480_000),
    web: Host::vm(50, Site::Dc1),
    names: Host::vm(53, Site::Dc1),
    database: Host::vm(60, Site::Dc1),
    app: Host::vm(70, Site::Dc2),
    archive: Host::vm(80, Site::Dc2).behind_dc1(),
};

/// A call from the next port.
fn call(client: Host, server: Host, server_port: u16, at: i64, ports: &mut u16) -> Call {
    *ports += 1;
    Call {
        client,
        client_port: *ports,
        server,
        server_port,
        at,
        timestamps: client.address[3].is_multiple_of(2),
    }
}

/// Gateways and VMs find each other, and now and then see that the other is still there.
fn neighbours(network: &mut Network, hosts: &[(Host, Site)], end: i64) {
    for (index, (host, firewall)) in (0..).zip(hosts) {
        let at = index * 3 * MILLI;
        resolve_vm(network, host, at, *firewall, true);
        resolve_gateway(network, host, at + 11 * MILLI);
        let mut again = 9 * SECOND + index * 130 * MILLI;
        while again < end {
            resolve_vm(network, host, again, *firewall, false);
            again += 9 * SECOND;
        }
    }
}

fn healthy() -> Vec<Seen> {
    let hosts = HOSTS();
    let mut network = Network::new(1);
    let end = 22 * SECOND;
    let neighbourhood = [
        (hosts.web, Site::Dc1),
        (hosts.names, Site::Dc1),
        (hosts.database, Site::Dc1),
        (hosts.app, Site::Dc2),
        (hosts.archive, Site::Dc1),
    ];
    neighbours(&mut network, &neighbourhood, end);
    let mut ports = 40_000;
    for (round, user) in (0..).zip([0, 1, 0]) {
        let user = hosts.users[user];
        let at = 200 * MILLI + round * 5_700 * MILLI;
        lookup(
            &mut network,
            &user,
            &hosts.names,
            at,
            "shop.example.com",
            hosts.web.address,
        );
        for (after, server, path, len) in [
            (90, hosts.web, "/", 3_100),
            (810, hosts.app, "/orders", 1_700),
            (1_530, hosts.archive, "/archive/2025", 1_500),
        ] {
            let pages = [
                page(&mut network, path, len, 700 * MILLI),
                page(&mut network, "/style.css", 420, 20 * MILLI),
            ];
            let call = call(user, server, 80, at + after * MILLI, &mut ports);
            converse(&mut network, &call, &pages);
        }
    }
    for (user, server, at) in [(0, hosts.web, 2), (1, hosts.app, 5), (0, hosts.archive, 8)] {
        ping(&mut network, &hosts.users[user], &server, at * SECOND, 4);
    }
    // Between VMs of two sites, and from a VM to the world.
    for at in [3, 12] {
        let call = call(hosts.web, hosts.archive, 5432, at * SECOND, &mut ports);
        let queries =
            ["select state from orders", "select 1"].map(|text| query(text, 9, 400 * MILLI));
        converse(&mut network, &call, &queries);
        let (web, resolver) = (&hosts.web, &hosts.resolver);
        let name = "mail.example.net";
        lookup(
            &mut network,
            web,
            resolver,
            at * SECOND,
            name,
            [198, 51, 100, 25],
        );
    }
    let message = call(hosts.users[1], hosts.web, 8443, 400 * MILLI, &mut ports);
    chat(
        &mut network,
        &message,
        20 * SECOND,
        &text(90, "state?"),
        &text(130, "all is well"),
    );
    network.seen()
}

fn asymmetric() -> Vec<Seen> {
    let hosts = HOSTS();
    let moved = 12 * SECOND;
    let web = hosts.web.moving(moved);
    let mut network = Network::new(2);
    let end = 36 * SECOND;
    let neighbourhood = [
        (hosts.names, Site::Dc1),
        (hosts.database, Site::Dc1),
        (web, Site::Dc1),
        (hosts.app, Site::Dc2),
    ];
    neighbours(&mut network, &neighbourhood, end);
    let mut ports = 50_000;
    let clients = [
        hosts.users[0],
        hosts.users[1],
        hosts.users[2],
        hosts.users[3],
    ];
    for (index, user) in (0..).zip(clients) {
        // Before the move all is well.
        let at = 300 * MILLI + index * 2_300 * MILLI;
        lookup(
            &mut network,
            &user,
            &hosts.names,
            at,
            "shop.example.com",
            web.address,
        );
        let pages = [page(&mut network, "/", 3_300, 30 * MILLI)];
        let before = call(user, web, 80, at + 70 * MILLI, &mut ports);
        converse(&mut network, &before, &pages);
        // After it none gets through.
        let again = moved + 900 * MILLI + index * 1_700 * MILLI;
        lookup(
            &mut network,
            &user,
            &hosts.names,
            again,
            "shop.example.com",
            web.address,
        );
        for (after, port) in [(70, 80), (5_070, 443)] {
            let late = call(user, web, port, again + after * MILLI, &mut ports);
            converse(&mut network, &late, &[]);
        }
    }
    ping(&mut network, &hosts.users[0], &web, 6 * SECOND, 3);
    ping(&mut network, &hosts.users[1], &web, moved + 4 * SECOND, 4);
    // What stays where it is keeps working, the moved VM's own calls over the interconnect too.
    for (user, server, at) in [
        (0, hosts.database, 2),
        (1, hosts.database, 14),
        (2, hosts.database, 22),
        (3, hosts.app, 5),
        (0, hosts.app, 19),
    ] {
        let queries = [query(
            "select state from orders where id = 50004",
            12,
            300 * MILLI,
        )];
        let steady = call(hosts.users[user], server, 5432, at * SECOND, &mut ports);
        converse(&mut network, &steady, &queries);
    }
    for at in [15, 25] {
        let call = call(web, hosts.database, 5432, at * SECOND, &mut ports);
        converse(&mut network, &call, &[query("select 1", 1, 50 * MILLI)]);
    }
    // Open since before the move, it breaks.
    let open = call(hosts.users[2], web, 8443, 700 * MILLI, &mut ports);
    chat(
        &mut network,
        &open,
        end,
        &text(90, "state?"),
        &text(130, "all is well"),
    );
    announce(&mut network, &web, moved);
    // Its port was down for a moment, so it looks for its gateway anew, before it sends anything else.
    resolve_gateway(&mut network, &web, moved + 6 * MILLI);
    network.seen()
}

fn server_down() -> Vec<Seen> {
    let hosts = HOSTS();
    let mut network = Network::new(3);
    let neighbourhood = [
        (hosts.web, Site::Dc1),
        (hosts.database, Site::Dc1),
        (hosts.app, Site::Dc2),
    ];
    neighbours(&mut network, &neighbourhood, 30 * SECOND);
    let mut ports = 45_000;
    for (index, user) in (0..).zip(hosts.users) {
        for round in [0, 8] {
            let at = SECOND + (round + index) * SECOND + 40 * MILLI;
            let vain = call(user, hosts.web, 80, at, &mut ports);
            call_in_vain(&mut network, &vain);
        }
        let works = call(
            user,
            hosts.database,
            5432,
            (2 + 5 * index) * SECOND,
            &mut ports,
        );
        let queries = [query("select state from orders", 30, 200 * MILLI)];
        converse(&mut network, &works, &queries);
        let works = call(user, hosts.app, 80, (3 + 5 * index) * SECOND, &mut ports);
        let pages = [page(&mut network, "/orders", 2_500, 100 * MILLI)];
        converse(&mut network, &works, &pages);
    }
    // The machine itself is alive: it looks up names.
    for at in [4, 17, 26] {
        let (web, resolver) = (&hosts.web, &hosts.resolver);
        let name = "mail.example.net";
        lookup(
            &mut network,
            web,
            resolver,
            at * SECOND,
            name,
            [198, 51, 100, 25],
        );
    }
    network.seen()
}

/// A message of `len` bytes.
fn text(len: usize, words: &str) -> Vec<u8> {
    let line = format!("{words}\n");
    line.bytes().cycle().take(len).collect()
}
