//! A small stretched network, packet by packet: two sites, each with a firewall, an end of the interconnect and the port
//! of a machine.

use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_dissectors::{Direction, LinkType};

use super::{ConflictOf, EndpointReport, Strength};
use crate::finding::{Finding, Kind};
use crate::receive::Frame;
use crate::site::Sites;
use crate::time::Timestamp;
use crate::{Config, Engine};

const SITES: &str = r#"
    [[site]]
    name = "dc1"
    [[site.point]]
    name = "fw1"
    role = "firewall"
    match = { session = 101 }
    [[site.point]]
    name = "dci1"
    role = "dci"
    match = { session = 102 }
    [[site.point]]
    name = "vm1"
    role = "vnic"
    match = { session = 103 }
    [[site]]
    name = "dc2"
    [[site.point]]
    name = "fw2"
    role = "firewall"
    match = { session = 201 }
    [[site.point]]
    name = "dci2"
    role = "dci"
    match = { session = 202 }
    [[site.point]]
    name = "vm2"
    role = "vnic"
    match = { session = 203 }
"#;

const FW1: u16 = 101;
const DCI1: u16 = 102;
const VM1: u16 = 103;
const FW2: u16 = 201;
const DCI2: u16 = 202;
const VM2: u16 = 203;
const ALL: [u16; 6] = [FW1, DCI1, VM1, FW2, DCI2, VM2];

type Mac = [u8; 6];
const R1: Mac = [2, 0, 0, 0, 1, 0x11];
const R2: Mac = [2, 0, 0, 0, 2, 0x22];
const VM: Mac = [2, 0, 0, 0, 0, 0x50];
const OTHER: Mac = [2, 0, 0, 0, 0, 0x51];
const EVERYBODY: Mac = [0xff; 6];

const USER: [u8; 4] = [10, 9, 0, 10];
const HOST: [u8; 4] = [10, 20, 0, 50];
const GATEWAY: [u8; 4] = [10, 20, 0, 1];

/// Frames on their way into an engine.
struct Network {
    engine: Engine,
    /// Milliseconds since the start.
    now: i64,
    frames: u64,
    source: [u8; 4],
    /// Direction bits, if the mirrors tell them.
    direction: Option<Direction>,
    /// The VLAN of frames.
    vlan: Option<u16>,
}

impl Network {
    fn new() -> Self {
        Self::with(Sites::parse(SITES).unwrap())
    }

    fn with(sites: Sites) -> Self {
        let config = Config {
            sites,
            ..Config::default()
        };
        Self {
            engine: Engine::new(config, crate::session::Registry::default()),
            now: 0,
            frames: 0,
            source: [10, 60, 0, 1],
            direction: None,
            vlan: None,
        }
    }

    /// One frame as these sessions mirror it, one after the other.
    fn seen(&mut self, sessions: &[u16], inner: &[u8]) {
        for session in sessions {
            self.frames += 1;
            let outer = Outer::new(self.source.into(), [10, 60, 0, 9].into());
            let mirror = match self.direction {
                None => Wrap::Erspan2 {
                    session: *session,
                    vlan: 0,
                    cos: 0,
                    en: 0,
                    truncated: false,
                    index: 0,
                    sequence: self.frames as u32,
                },
                Some(direction) => Wrap::Erspan3 {
                    session: *session,
                    vlan: 0,
                    cos: 0,
                    truncated: false,
                    timestamp: 0,
                    sgt: 0,
                    frame_type: 0,
                    hw_id: 0,
                    direction,
                    granularity: 0,
                    sequence: Some(self.frames as u32),
                    platform: None,
                },
            };
            let mut bytes = Vec::new();
            wrap(&outer, &mirror, inner, &mut bytes);
            self.engine.frame(&Frame {
                time: Timestamp(self.now * 1_000_000 + self.frames.cast_signed()),
                wire_len: bytes.len() as u32,
                link: LinkType::Ethernet,
                interface: 0,
                number: self.frames,
                bytes: &bytes,
            });
        }
    }

    fn frame(&self, from: Mac, to: Mac, ether_type: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = [to, from].concat();
        if let Some(vlan) = self.vlan {
            frame.extend([0x81, 0x00]);
            frame.extend(vlan.to_be_bytes());
        }
        frame.extend(ether_type.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// A UDP packet of this TTL; each has an identification of its own.
    fn packet(&mut self, at: &[u16], (from, to): (Mac, Mac), ends: ([u8; 4], [u8; 4]), ttl: u8) {
        let mut ip = vec![0x45, 0, 0, 32];
        ip.extend((self.now as u16 ^ 0x5555).to_be_bytes());
        ip.extend([0, 0, ttl, 17, 0, 0]);
        ip.extend(ends.0);
        ip.extend(ends.1);
        let (user, service) = ([0x9c, 0x40], [0x1f, 0x90]);
        let ports = if ends.0 == USER {
            [user, service]
        } else {
            [service, user]
        };
        ip.extend(ports.concat());
        ip.extend([0, 12, 0, 0]);
        ip.extend((self.now as u32).to_be_bytes());
        let frame = self.frame(from, to, 0x0800, &ip);
        self.seen(at, &frame);
    }

    fn arp(&mut self, at: &[u16], operation: u16, sender: (Mac, [u8; 4]), target: (Mac, [u8; 4])) {
        let mut arp = vec![0, 1, 8, 0, 6, 4];
        arp.extend(operation.to_be_bytes());
        arp.extend(sender.0);
        arp.extend(sender.1);
        arp.extend(target.0);
        arp.extend(target.1);
        let (to, kind) = match operation {
            3 => (EVERYBODY, 0x8035),
            2 => (target.0, 0x0806),
            _ => (EVERYBODY, 0x0806),
        };
        let frame = self.frame(sender.0, to, kind, &arp);
        self.seen(at, &frame);
    }

    fn wait(&mut self, milliseconds: i64) {
        self.now += milliseconds;
    }

    /// The user asks and the machine answers, by the gateway and points of each direction.
    fn talk(&mut self, machine: Mac, times: usize, asks: (Mac, &[u16]), answers: (Mac, &[u16])) {
        for _ in 0..times {
            self.wait(50);
            self.packet(asks.1, (asks.0, machine), (USER, HOST), 62);
            self.packet(answers.1, (machine, answers.0), (HOST, USER), 64);
        }
    }

    fn at_dc1(&mut self, machine: Mac, times: usize) {
        self.talk(machine, times, (R1, &[FW1, VM1]), (R1, &[VM1, FW1]));
    }

    fn at_dc2(&mut self, machine: Mac, times: usize) {
        let asks: &[u16] = &[FW1, DCI1, DCI2, VM2];
        self.talk(machine, times, (R1, asks), (R2, &[VM2, FW2]));
    }

    fn findings(&mut self) -> Vec<Finding> {
        self.engine.finish();
        let mut findings = self.engine.report().findings;
        findings.retain(|f| matches!(f.kind, Kind::EndpointMoved | Kind::AddressConflict));
        findings
    }

    fn kinds(&mut self) -> Vec<Kind> {
        self.findings().iter().map(|f| f.kind).collect()
    }

    fn endpoint(&mut self, mac: Mac) -> EndpointReport {
        self.engine.finish();
        let name = crate::finding::mac(mac);
        let mut endpoints = self.engine.endpoints();
        endpoints.retain(|endpoint| endpoint.mac == name);
        endpoints.remove(0)
    }
}

#[test]
fn a_machine_lives_at_its_own_port_and_not_wherever_its_frames_pass() {
    let mut network = Network::new();
    network.arp(&ALL, 1, (VM, HOST), ([0; 6], GATEWAY));
    network.arp(&[FW1, VM1], 2, (R1, GATEWAY), (VM, HOST));
    network.at_dc1(VM, 6);
    let vm = network.endpoint(VM);
    let place = vm.place.unwrap();
    assert_eq!((place.point.as_str(), place.placed), ("vm1", "port"));
    assert_eq!(vm.places.len(), 1);
    assert_eq!(vm.addresses.len(), 1);
    assert_eq!(vm.addresses[0].known, ["arp", "traffic"]);
    let router = network.endpoint(R1);
    assert_eq!(
        (router.kind, router.place.unwrap().point.as_str()),
        ("router", "fw1")
    );
    assert_eq!(router.addresses.len(), 1, "the user is none of its own");
}

#[test]
fn a_move_is_told_with_its_announcement() {
    let mut network = Network::new();
    network.at_dc1(VM, 10);
    network.wait(300);
    let announced = network.now;
    for _ in 0..3 {
        network.arp(&[VM2, DCI2, FW2, DCI1, FW1], 3, (VM, [0; 4]), (VM, [0; 4]));
        network.wait(50);
    }
    network.at_dc2(VM, 10);
    let findings = network.findings();
    assert_eq!(findings.len(), 1);
    let moved = &findings[0];
    assert_eq!(moved.kind, Kind::EndpointMoved);
    assert_eq!(moved.sites, ["dc1", "dc2"]);
    assert!(
        moved
            .summary
            .contains("10.20.0.50 moved from vm1 (dc1) to vm2 (dc2)")
    );
    assert_eq!(moved.first.0 / 1_000_000, announced);
    assert!(
        moved
            .evidence
            .iter()
            .any(|fact| fact.starts_with("RARP from 02:00:00:00:00:50"))
    );
    assert_eq!(moved.flows, 1, "the conversation goes on another way");
}

#[test]
fn a_stale_neighbour_entry_does_not_hide_the_move() {
    let mut network = Network::new();
    network.at_dc1(VM, 10);
    network.wait(300);
    // Both directions still go by the gateway of dc1, over the interconnect.
    let way: &[u16] = &[VM2, DCI2, DCI1, FW1];
    network.talk(VM, 10, (R1, &[FW1, DCI1, DCI2, VM2]), (R1, way));
    assert_eq!(network.kinds(), [Kind::EndpointMoved]);
}

#[test]
fn a_move_there_and_back_is_two_moves_and_no_conflict() {
    let mut network = Network::new();
    network.at_dc1(VM, 30);
    network.at_dc2(VM, 30);
    network.at_dc1(VM, 30);
    assert_eq!(network.kinds(), [Kind::EndpointMoved, Kind::EndpointMoved]);
}

#[test]
fn without_a_look_at_machines_the_site_is_known_by_what_does_not_cross() {
    let mut network = Network::new();
    let asks = (R1, &[FW1][..]);
    // The interconnect carries broadcasts, or nobody would know that it is mirrored.
    let alive =
        |network: &mut Network| network.arp(&ALL, 1, (OTHER, [10, 20, 0, 51]), ([0; 6], GATEWAY));
    let moves = |network: &mut Network, announced: bool| {
        alive(network);
        network.talk(VM, 10, asks, (R1, &[FW1]));
        alive(network);
        if announced {
            network.arp(&[DCI2, FW2, DCI1, FW1], 3, (VM, [0; 4]), (VM, [0; 4]));
        }
        network.talk(VM, 10, (R1, &[FW1, DCI1, DCI2]), (R2, &[FW2]));
    };
    // A machine that takes the other site's gateway, over a link that is not mirrored, would look the same.
    let mut silent = Network::new();
    moves(&mut silent, false);
    assert_eq!(silent.kinds(), []);
    moves(&mut network, true);
    let findings = network.findings();
    assert_eq!(findings.len(), 1);
    assert!(
        findings[0]
            .summary
            .contains("10.20.0.50 moved from dc1 to dc2"),
        "{}",
        findings[0].summary
    );
    assert_eq!(findings[0].confidence, crate::verdict::Confidence::Medium);
}

#[test]
fn a_machine_of_the_other_site_is_not_here_because_its_packets_pass() {
    let mut network = Network::new();
    network.at_dc1(VM, 10);
    // It now asks the gateway of dc2, over the interconnect; one frame in five is not mirrored at its own port.
    for round in 0..40 {
        let at: &[u16] = if round % 5 == 0 {
            &[DCI1, DCI2, FW2]
        } else {
            &[VM1, DCI1, DCI2, FW2]
        };
        network.talk(VM, 1, (R2, &[FW2, DCI2, DCI1, VM1]), (R2, at));
    }
    assert_eq!(network.kinds(), []);
    assert_eq!(network.endpoint(VM).places.len(), 1);
}

#[test]
fn flooded_frames_show_at_ports_of_others_and_prove_nothing() {
    let mut network = Network::new();
    network.at_dc1(VM, 10);
    // The switches forgot where the gateway is. One copy in ten is lost by the mirror.
    for round in 0..200_usize {
        let mut at = vec![VM1, FW1, DCI1, DCI2, VM2, FW2];
        at.retain(|session| (round * 7 + usize::from(*session)) % 10 != 0);
        network.talk(VM, 1, (R1, &[FW1, VM1]), (R1, &at));
    }
    assert_eq!(network.kinds(), []);
}

#[test]
fn two_machines_with_one_address_are_a_conflict() {
    let mut network = Network::new();
    for _ in 0..20 {
        network.arp(&ALL, 1, (VM, HOST), ([0; 6], GATEWAY));
        network.at_dc1(VM, 3);
        network.arp(&ALL, 1, (OTHER, HOST), ([0; 6], GATEWAY));
        network.at_dc2(OTHER, 3);
    }
    let findings = network.findings();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].kind, Kind::AddressConflict);
    assert_eq!(findings[0].sites, ["dc1", "dc2"]);
    assert!(findings[0].summary.contains("02:00:00:00:00:51"));
    assert!(findings[0].flows > 0);
}

#[test]
fn machines_without_mirrored_ports_are_known_by_whom_they_speak_to() {
    let mut network = Network::new();
    // Both have one address, and ask a third machine at dc1 for something. Only that one's port is mirrored.
    let third = ([2, 0, 0, 0, 0, 0x70], [10, 20, 0, 70]);
    let local = (VM, [10, 20, 0, 60]);
    let far = (OTHER, [10, 20, 0, 60]);
    for round in 0..8 {
        for (machine, at) in [(local, &[VM1][..]), (far, &[DCI2, DCI1, VM1])] {
            let back: Vec<u16> = at.iter().rev().copied().collect();
            network.arp(&[at, &[DCI2]].concat(), 1, machine, ([0; 6], third.1));
            for _ in 0..3 {
                network.wait(50);
                network.packet(at, (machine.0, third.0), (machine.1, third.1), 64);
                network.packet(&back, (third.0, machine.0), (third.1, machine.1), 64);
            }
        }
        network.wait(300 + round);
    }
    let findings = network.findings();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].kind, Kind::AddressConflict);
    assert_eq!(findings[0].sites, ["dc1", "dc2"]);
    assert_eq!(network.endpoint(OTHER).place.unwrap().site, "dc2");
    assert_eq!(network.endpoint(third.0).place.unwrap().site, "dc1");
}

#[test]
fn the_same_in_two_vlans_is_none() {
    let mut network = Network::new();
    for _ in 0..20 {
        network.vlan = Some(12);
        network.arp(&ALL, 1, (VM, HOST), ([0; 6], GATEWAY));
        network.at_dc1(VM, 3);
        network.vlan = Some(13);
        network.arp(&ALL, 1, (OTHER, HOST), ([0; 6], GATEWAY));
        network.at_dc2(OTHER, 3);
    }
    assert_eq!(network.kinds(), []);
}

#[test]
fn one_machine_that_sends_at_two_sites_is_a_conflict_of_its_mac() {
    let mut network = Network::new();
    for _ in 0..20 {
        network.at_dc1(VM, 3);
        network.at_dc2(VM, 3);
    }
    let conflicts = {
        network.engine.finish();
        network.engine.inventory().conflicts()
    };
    assert_eq!(conflicts.len(), 1);
    assert_eq!(conflicts[0].of, ConflictOf::Mac(VM));
    assert_eq!(conflicts[0].places[0].strength, Strength::Port);
    assert_eq!(network.kinds(), [Kind::AddressConflict]);
}

/// A service whose address is at one machine, and then at another, so many milliseconds later.
fn handed_over(after: i64) -> Network {
    let mut network = Network::new();
    network.arp(&ALL, 1, (VM, HOST), ([0; 6], GATEWAY));
    network.at_dc1(VM, 10);
    network.wait(after);
    network.arp(&ALL, 1, (OTHER, HOST), ([0; 6], HOST));
    network.at_dc2(OTHER, 10);
    network
}

#[test]
fn an_address_that_another_machine_takes_over_has_moved() {
    let findings = handed_over(500).findings();
    assert_eq!(findings.len(), 1);
    let moved = &findings[0];
    assert_eq!(moved.kind, Kind::EndpointMoved);
    assert!(
        moved
            .summary
            .contains("10.20.0.50 moved to another machine, from vm1 (dc1) to vm2 (dc2)"),
        "{}",
        moved.summary
    );
    let announced = "gratuitous ARP for 10.20.0.50 from 02:00:00:00:00:51";
    assert!(
        moved
            .evidence
            .iter()
            .any(|fact| fact.starts_with(announced))
    );
}

#[test]
fn an_address_that_was_free_for_long_was_given_to_another_machine() {
    assert_eq!(handed_over(600_000).kinds(), []);
}

#[test]
fn the_address_of_a_group_of_routers_moves_without_a_word() {
    let virtual_router = [0, 0, 0x5e, 0, 1, 7];
    let mut network = Network::new();
    for points in [&[FW1, VM1, DCI1][..], &[FW2, VM1, DCI2]] {
        for _ in 0..10 {
            network.arp(points, 1, (virtual_router, GATEWAY), ([0; 6], GATEWAY));
            network.wait(50);
            network.packet(points, (virtual_router, VM), (GATEWAY, HOST), 64);
            network.packet(points, (VM, virtual_router), (HOST, GATEWAY), 64);
        }
    }
    assert_eq!(network.kinds(), []);
    assert_eq!(network.endpoint(virtual_router).kind, "group");
}

#[test]
fn a_crowd_of_stations_is_bounded_and_what_is_seen_of_it_is_right() {
    let mut network = Network::new();
    network.at_dc1(VM, 5);
    // Ten thousand packets in a second, from stations beyond the interconnect.
    for round in 0..10_000_u32 {
        let [_, _, high, low] = (round % 500).to_be_bytes();
        let station = [2, 0, 0, 1, high, low];
        let address = [10, 20, 1 + high, low];
        if round % 10 == 0 {
            network.wait(1);
        }
        network.packet(&[DCI2, DCI1, FW1], (station, R1), (address, USER), 64);
    }
    assert_eq!(network.kinds(), []);
    let endpoints = network.engine.endpoints();
    assert!(endpoints.len() > 400);
    let placed = endpoints.iter().filter(|e| {
        let place = e.place.as_ref();
        place.is_some_and(|place| place.placed != "seen" && place.site == "dc1")
    });
    assert_eq!(placed.count(), 1, "the machine alone");
}

#[test]
fn one_gateway_at_each_site_is_no_conflict() {
    let mut network = Network::new();
    for _ in 0..20 {
        network.arp(&[FW1, VM1], 2, (R1, GATEWAY), (VM, HOST));
        network.at_dc1(VM, 2);
        network.arp(&[FW2, VM2], 2, (R2, GATEWAY), (OTHER, [10, 20, 0, 51]));
        for _ in 0..2 {
            network.wait(50);
            let ends = (USER, [10, 20, 0, 51]);
            network.packet(&[FW2, VM2], (R2, OTHER), ends, 62);
            network.packet(&[VM2, FW2], (OTHER, R2), (ends.1, ends.0), 64);
        }
    }
    assert_eq!(network.kinds(), []);
}

#[test]
fn one_anycast_mac_at_each_site_is_no_conflict() {
    let mut network = Network::new();
    for _ in 0..20 {
        network.arp(&[FW1, VM1], 2, (R1, GATEWAY), (VM, HOST));
        network.at_dc1(VM, 2);
        network.arp(&[FW2, VM2], 2, (R1, GATEWAY), (OTHER, [10, 20, 0, 51]));
        for _ in 0..2 {
            network.wait(50);
            let ends = (USER, [10, 20, 0, 51]);
            network.packet(&[FW2, VM2], (R1, OTHER), ends, 62);
            network.packet(&[VM2, FW2], (OTHER, R1), (ends.1, ends.0), 64);
        }
    }
    assert_eq!(network.kinds(), []);
    assert_eq!(network.endpoint(R1).kind, "router");
}

#[test]
fn the_word_of_the_mirror_is_enough_where_it_tells_the_direction() {
    let mut network = Network::new();
    let broadcast = (VM, HOST);
    // What goes out of a port to a machine did not come from it. Who always says the same says nothing.
    let other = (OTHER, [10, 20, 0, 51]);
    for (direction, here) in [(Direction::Egress, other), (Direction::Ingress, broadcast)] {
        network.direction = Some(direction);
        network.arp(&[VM2], 1, here, ([0; 6], GATEWAY));
    }
    for (direction, here) in [(Direction::Ingress, other), (Direction::Egress, broadcast)] {
        network.direction = Some(direction);
        network.arp(&[VM1], 1, here, ([0; 6], GATEWAY));
    }
    let vm = network.endpoint(VM);
    let place = vm.place.unwrap();
    assert_eq!((place.point.as_str(), place.placed), ("vm2", "port"));
}

#[test]
fn a_session_that_comes_from_another_host_is_a_machine_that_moved() {
    let mut network = Network::with(Sites::default());
    network.source = [10, 60, 0, 11];
    network.talk(VM, 10, (R1, &[7]), (R1, &[7]));
    network.source = [10, 60, 0, 12];
    network.talk(VM, 10, (R1, &[7]), (R1, &[7]));
    let findings = network.findings();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].confidence, crate::verdict::Confidence::Low);
    assert!(
        findings[0]
            .evidence
            .iter()
            .any(|fact| fact.contains("not a new network")),
        "{:?}",
        findings[0].evidence
    );
}

#[test]
fn two_switches_that_number_their_sessions_alike_are_no_move() {
    let mut network = Network::with(Sites::default());
    for _ in 0..20 {
        network.wait(50);
        for source in [[10, 60, 0, 11], [10, 60, 0, 12]] {
            network.source = source;
            network.packet(&[7], (R1, VM), (USER, HOST), 62);
            network.packet(&[7], (VM, R1), (HOST, USER), 64);
        }
    }
    assert_eq!(network.kinds(), []);
}
