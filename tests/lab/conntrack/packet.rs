//! Packets, byte by byte: some of them shall be wrong.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// Flags of TCP.
pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const RST: u8 = 0x04;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

/// A TCP segment.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    pub sport: u16,
    pub dport: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub options: Vec<u8>,
    pub payload: usize,
}

impl Segment {
    /// Its bytes between two addresses.
    pub fn bytes(&self, src: Ipv4Addr, dst: Ipv4Addr) -> Vec<u8> {
        let mut options = self.options.clone();
        options.resize(options.len().next_multiple_of(4), 0);
        let mut tcp = Vec::new();
        tcp.extend(self.sport.to_be_bytes());
        tcp.extend(self.dport.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.push((5 + options.len() as u8 / 4) << 4);
        tcp.push(self.flags);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(&options);
        tcp.resize(tcp.len() + self.payload, b'x');
        let checksum = transport_checksum(src, dst, 6, &tcp);
        tcp[16..18].copy_from_slice(&checksum.to_be_bytes());
        ipv4(src, dst, 6, &tcp)
    }
}

/// A UDP datagram.
pub fn udp(src: (Ipv4Addr, u16), dst: (Ipv4Addr, u16), payload: usize, checksum: bool) -> Vec<u8> {
    let mut udp = Vec::new();
    udp.extend(src.1.to_be_bytes());
    udp.extend(dst.1.to_be_bytes());
    udp.extend((8 + payload as u16).to_be_bytes());
    udp.extend([0; 2]);
    udp.resize(8 + payload, b'x');
    if checksum {
        let checksum = transport_checksum(src.0, dst.0, 17, &udp);
        udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    }
    ipv4(src.0, dst.0, 17, &udp)
}

/// An ICMP message: type, code, the four bytes behind its checksum, and what follows.
pub fn icmp(src: Ipv4Addr, dst: Ipv4Addr, kind: (u8, u8), rest: [u8; 4], body: &[u8]) -> Vec<u8> {
    let mut icmp = [&[kind.0, kind.1, 0, 0], &rest[..], body].concat();
    let checksum = sum(&[&icmp]);
    icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
    ipv4(src, dst, 1, &icmp)
}

/// An IPv4 packet around something.
pub fn ipv4(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = 20 + payload.len() as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    // Not fragmented, and not to be.
    packet.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(src.octets());
    packet.extend(dst.octets());
    packet.extend(payload);
    identified(&packet, 0)
}

/// The packet with another identification.
pub fn identified(packet: &[u8], identification: u16) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[4..6].copy_from_slice(&identification.to_be_bytes());
    packet[10..12].fill(0);
    let checksum = sum(&[&packet[..20]]);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet
}

fn transport_checksum(src: Ipv4Addr, dst: Ipv4Addr, protocol: u8, bytes: &[u8]) -> u16 {
    let length = (bytes.len() as u16).to_be_bytes();
    let pseudo = [&src.octets()[..], &dst.octets(), &[0, protocol], &length].concat();
    sum(&[&pseudo, bytes])
}

/// The Internet checksum (RFC 1071); each part but the last has an even length.
fn sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(word.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Writes bytes in hexadecimal where they are serialised.
pub fn as_hex<S: serde::Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(bytes))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}
