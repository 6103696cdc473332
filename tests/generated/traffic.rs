//! What hosts say beside TCP's own: web pages, database queries, names, pings, and ARP.

use std::fmt::Write as _;

use super::net::{
    Address, Host, Kind, MICRO, MILLI, Network, Route, SECOND, SHARED_GATEWAY, Site, Vm,
};
use super::packet::{self, Arp, Ip};
use super::tcp::Exchange;

const WORDS: [&str; 16] = [
    "order", "part", "store", "north", "south", "ready", "sent", "open", "blue", "steel", "box",
    "item", "late", "new", "line", "hall",
];

/// A page of `len` bytes, fetched by GET.
pub fn page(network: &mut Network, path: &str, len: usize, pause: i64) -> Exchange {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: shop.example.com\r\nUser-Agent: sample/1.0\r\nAccept: text/html\r\n\r\n"
    );
    let mut body = String::from("<!doctype html>\n<title>Orders</title>\n<ul>\n");
    while body.len() < len {
        let word = |network: &mut Network| WORDS[network.random.below(16) as usize];
        let (first, second) = (word(network), word(network));
        let number = network.random.below(1000);
        let _ = writeln!(body, "<li>{first} {second} {number}</li>");
    }
    body += "</ul>\n";
    let head = format!(
        "HTTP/1.1 200 OK\r\nServer: sample\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    Exchange {
        request: request.into_bytes(),
        response: [head.into_bytes(), body.into_bytes()].concat(),
        pause,
    }
}

/// A simple query of the `PostgreSQL` protocol, and rows of one column.
pub fn query(text: &str, rows: u16, pause: i64) -> Exchange {
    fn message(kind: u8, body: &[u8], out: &mut Vec<u8>) {
        out.push(kind);
        out.extend_from_slice(&(body.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(body);
    }
    let mut request = Vec::new();
    message(b'Q', &[text.as_bytes(), b"\0"].concat(), &mut request);
    let mut response = Vec::new();
    for row in 0..rows {
        let value = format!(
            "order {:05} is on its way to hall {}",
            50_000 + row,
            row % 7
        );
        let len = (value.len() as u32).to_be_bytes();
        let body = [&[0, 1], &len[..], value.as_bytes()].concat();
        message(b'D', &body, &mut response);
    }
    message(b'C', format!("SELECT {rows}\0").as_bytes(), &mut response);
    message(b'Z', b"I", &mut response);
    Exchange {
        request,
        response,
        pause,
    }
}

/// A question for an address by name, and its answer.
pub fn lookup(
    network: &mut Network,
    client: &Host,
    server: &Host,
    at: i64,
    name: &str,
    is: Address,
) {
    let random = &mut network.random;
    let port = 32_768 + random.below(28_000) as u16;
    let id = random.next() as u16;
    let mut question = Vec::new();
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend_from_slice(label.as_bytes());
    }
    // The root, then type A, class IN.
    question.extend_from_slice(&[0, 0, 1, 0, 1]);
    let message = |flags: u16, answers: u16| {
        let mut message = id.to_be_bytes().to_vec();
        for word in [flags, 1, answers, 0, 0] {
            message.extend_from_slice(&word.to_be_bytes());
        }
        message.extend_from_slice(&question);
        message
    };
    let asked = message(0x0100, 0);
    let mut answer = message(0x8180, 1);
    // The name as in the question, type A, class IN, 300 s, 4 bytes.
    answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4]);
    answer.extend_from_slice(&is);
    if let Some(heard) = udp(network, at, (client, port), (server, 53), &asked) {
        udp(
            network,
            heard + 120 * MICRO,
            (server, 53),
            (client, port),
            &answer,
        );
    }
}

fn udp(
    network: &mut Network,
    at: i64,
    from: (&Host, u16),
    to: (&Host, u16),
    payload: &[u8],
) -> Option<i64> {
    let route = Route::between(from.0, to.0, at);
    let ip = Ip {
        from: *from.0,
        to: *to.0,
        identification: network.random.next() as u16,
    };
    let frame = packet::udp(&route, ip, (from.1, to.1), payload);
    network.send(at, &route, &frame)
}

/// One echo request a second, each answered at once.
pub fn ping(network: &mut Network, client: &Host, server: &Host, at: i64, count: u16) {
    let id = network.random.next() as u16;
    for number in 1..=count {
        let sent = at + SECOND * i64::from(number - 1);
        let mut one = |at, from: &Host, to: &Host, request| {
            let route = Route::between(from, to, at);
            let ip = Ip {
                from: *from,
                to: *to,
                identification: network.random.next() as u16,
            };
            let frame = packet::echo(&route, ip, request, id, number);
            network.send(at, &route, &frame)
        };
        if let Some(heard) = one(sent, client, server, true) {
            one(heard + 30 * MICRO, server, client, false);
        }
    }
}

/// A VM asks for its gateway's MAC and is answered.
///
/// Questions for the shared gateway end at the interconnect, where the other site drops what comes in, so that each
/// firewall answers the VMs of its own site.
pub fn resolve_gateway(network: &mut Network, host: &Host, at: i64) {
    let Kind::Vm(vm) = &host.kind else { return };
    let (here, gateway) = (vm.site_at(at), vm.gateway_at(at));
    let mut arp = Arp {
        sender: (host.mac(), host.address),
        target: ([0; 6], vm.gateway),
    };
    let mut flood = Route::flood(here.vms());
    if vm.gateway == SHARED_GATEWAY {
        flood
            .passes
            .retain(|(point, _)| point.site() == here || *point == here.other().dci());
    }
    network.send(at, &flood, &arp.request());
    let user = Host::user(1, 0);
    let mut back = Route::between(&user, host, at);
    if gateway != vm.entry {
        // The way from its own firewall, not from the one that the WAN uses.
        back = Route::between(&user, &Host::vm(host.address[3], gateway), at);
    }
    arp.target = arp.sender;
    arp.sender = (gateway.gateway_mac(), vm.gateway);
    network.send(at + MILLI, &back, &arp.reply());
}

/// A firewall asks for a VM's MAC: everyone at first, later the VM itself. The VM answers.
///
/// A firewall does not ask a VM that left its site, so that the VM does not take it for its gateway again.
pub fn resolve_vm(network: &mut Network, host: &Host, at: i64, firewall: Site, first: bool) {
    let Kind::Vm(vm) = &host.kind else { return };
    if vm.gateway_at(at) != firewall {
        return;
    }
    let gateway = (firewall.gateway_mac(), vm.gateway);
    let arp = Arp {
        sender: gateway,
        target: (host.mac(), host.address),
    };
    if first {
        network.send(at, &Route::flood(firewall.firewall()), &arp.request());
    } else {
        let way = Route::between(&Host::user(1, 0), host, at);
        network.send(at, &way, &arp.probe());
    }
    let back = Arp {
        sender: (host.mac(), host.address),
        target: gateway,
    };
    let there = Host {
        kind: Kind::Vm(Vm {
            entry: firewall,
            ..*vm
        }),
        ..*host
    };
    // The answer goes where the question came from, whatever the VM's own gateway is.
    let mut way = Route::between(&Host::user(1, 0), &there, at);
    way.passes.reverse();
    let last = way.takes;
    for (_, after) in &mut way.passes {
        *after = last - *after;
    }
    network.send(at + 2 * MILLI, &way, &back.reply());
}

/// The hypervisor tells the switches where a VM is now.
pub fn announce(network: &mut Network, host: &Host, at: i64) {
    let Kind::Vm(vm) = &host.kind else { return };
    let flood = Route::flood(vm.site_at(at).vms());
    for number in 0..3 {
        network.send(at + number * 50 * MILLI, &flood, &packet::rarp(host.mac()));
    }
}
