//! Frames as hosts send them, with right lengths and checksums.

use etherparse::{IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, PacketBuilder, TcpHeader};

use super::net::{Address, BROADCAST, Host, Mac, Route};

const TTL: u8 = 64;
/// Ethernet frames are at least this long, without their checksum; a hypervisor pads what it makes itself.
const MINIMUM: usize = 60;

/// The IP packet's own fields.
#[derive(Clone, Copy)]
pub struct Ip {
    pub from: Host,
    pub to: Host,
    pub identification: u16,
}

impl Ip {
    fn headers(self, route: &Route) -> IpHeaders {
        let (source, destination) = (self.from.address, self.to.address);
        let ttl = TTL - route.routers;
        // Length and protocol are the builder's business.
        let mut header = Ipv4Header::new(0, ttl, IpNumber::TCP, source, destination).unwrap();
        header.identification = self.identification;
        header.dont_fragment = true;
        IpHeaders::Ipv4(header, Ipv4Extensions::default())
    }
}

pub fn tcp(route: &Route, ip: Ip, header: TcpHeader, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(route.source, route.destination)
        .ip(ip.headers(route))
        .tcp_header(header);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, payload).unwrap();
    frame
}

pub fn udp(route: &Route, ip: Ip, ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(route.source, route.destination)
        .ip(ip.headers(route))
        .udp(ports.0, ports.1);
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// An echo request, or the reply to it.
pub fn echo(route: &Route, ip: Ip, request: bool, id: u16, number: u16) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2(route.source, route.destination).ip(ip.headers(route));
    let builder = if request {
        builder.icmpv4_echo_request(id, number)
    } else {
        builder.icmpv4_echo_reply(id, number)
    };
    // As ping does, less the time in its first bytes.
    let payload: Vec<u8> = (0x08..0x40).collect();
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, &payload).unwrap();
    frame
}

/// Who asks or answers, and about whom.
pub struct Arp {
    pub sender: (Mac, Address),
    pub target: (Mac, Address),
}

impl Arp {
    /// "Who has the target's address?", to everyone.
    pub fn request(&self) -> Vec<u8> {
        self.frame(BROADCAST, 0x0806, 1, [0; 6])
    }

    /// The same to the one who had it last, to see that it is still there.
    pub fn probe(&self) -> Vec<u8> {
        self.frame(self.target.0, 0x0806, 1, [0; 6])
    }

    /// "The sender's address is at the sender's MAC."
    pub fn reply(&self) -> Vec<u8> {
        self.frame(self.target.0, 0x0806, 2, self.target.0)
    }

    fn frame(&self, to: Mac, ether_type: u16, operation: u16, target: Mac) -> Vec<u8> {
        let mut frame = Vec::with_capacity(MINIMUM);
        frame.extend_from_slice(&to);
        frame.extend_from_slice(&self.sender.0);
        frame.extend_from_slice(&ether_type.to_be_bytes());
        // Ethernet and IPv4, with their address lengths.
        frame.extend_from_slice(&[0, 1, 8, 0, 6, 4]);
        frame.extend_from_slice(&operation.to_be_bytes());
        frame.extend_from_slice(&self.sender.0);
        frame.extend_from_slice(&self.sender.1);
        frame.extend_from_slice(&target);
        frame.extend_from_slice(&self.target.1);
        frame
    }
}

/// What a hypervisor sends for a VM that arrived, so that the switches learn its new place.
pub fn rarp(mac: Mac) -> Vec<u8> {
    let unknown = (mac, [0; 4]);
    let arp = Arp {
        sender: unknown,
        target: unknown,
    };
    let mut frame = arp.frame(BROADCAST, 0x8035, 3, mac);
    frame.resize(MINIMUM, 0);
    frame
}
