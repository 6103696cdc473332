//! Outer headers put together again: a socket delivers a payload and says from whom it came, a frame begins with IP.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::socket::{Datagram, ROOM};

const IPV4: usize = 20;
const IPV6: usize = 40;
const UDP: usize = 8;
const UDP_PROTOCOL: u8 = 17;
/// Where the kernel did not say.
const TTL: u8 = 64;

/// Writes IP and UDP headers in front of the payload of a slot; gives where the packet begins. The UDP checksum says
/// "none": the kernel has checked the one that came.
pub fn udp(slot: &mut [u8], datagram: &Datagram, port: u16) -> usize {
    let start = ROOM - UDP;
    let length = (UDP + datagram.len) as u16;
    if let Some(header) = slot.get_mut(start..ROOM) {
        header[0..2].copy_from_slice(&datagram.source_port.to_be_bytes());
        header[2..4].copy_from_slice(&port.to_be_bytes());
        header[4..6].copy_from_slice(&length.to_be_bytes());
        header[6..8].fill(0);
    }
    match datagram.source {
        Some(IpAddr::V4(source)) => ipv4(slot, start, datagram, source),
        Some(IpAddr::V6(source)) => ipv6(slot, start, datagram, source, UDP_PROTOCOL),
        None => start,
    }
}

/// The same for an IP protocol: IPv6 sockets deliver no header, IPv4 ones do.
pub fn ip(slot: &mut [u8], datagram: &Datagram, protocol: u8) -> usize {
    match datagram.source {
        Some(IpAddr::V6(source)) => ipv6(slot, ROOM, datagram, source, protocol),
        _ => ROOM,
    }
}

/// An IPv4 header whose payload begins at `end`. Only UDP needs one.
fn ipv4(slot: &mut [u8], end: usize, datagram: &Datagram, source: Ipv4Addr) -> usize {
    let destination = match datagram.destination {
        Some(IpAddr::V4(destination)) => destination,
        _ => Ipv4Addr::UNSPECIFIED,
    };
    let start = end - IPV4;
    let length = (ROOM + datagram.len - start) as u16;
    let Some(header) = slot.get_mut(start..end) else {
        return start;
    };
    header[0] = 0x45;
    header[1] = datagram.class.unwrap_or_default();
    header[2..4].copy_from_slice(&length.to_be_bytes());
    // No identification, "do not fragment": whatever fragments there were, the kernel has joined.
    header[4..8].copy_from_slice(&[0, 0, 0x40, 0]);
    header[8] = datagram.ttl.unwrap_or(TTL);
    header[9] = UDP_PROTOCOL;
    header[10..12].fill(0);
    header[12..16].copy_from_slice(&source.octets());
    header[16..20].copy_from_slice(&destination.octets());
    let words = header
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let mut sum: u32 = words.sum();
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    start
}

/// An IPv6 header whose payload begins at `end`.
fn ipv6(
    slot: &mut [u8],
    end: usize,
    datagram: &Datagram,
    source: Ipv6Addr,
    next_header: u8,
) -> usize {
    let destination = match datagram.destination {
        Some(IpAddr::V6(destination)) => destination,
        _ => Ipv6Addr::UNSPECIFIED,
    };
    let start = end - IPV6;
    let length = (ROOM + datagram.len - end) as u16;
    let Some(header) = slot.get_mut(start..end) else {
        return start;
    };
    let class = u32::from(datagram.class.unwrap_or_default());
    header[0..4].copy_from_slice(&(0x6000_0000 | class << 20).to_be_bytes());
    header[4..6].copy_from_slice(&length.to_be_bytes());
    header[6] = next_header;
    header[7] = datagram.ttl.unwrap_or(TTL);
    header[8..24].copy_from_slice(&source.octets());
    header[24..40].copy_from_slice(&destination.octets());
    start
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    fn slot(payload: &[u8]) -> Vec<u8> {
        [&[0xaa; ROOM][..], payload].concat()
    }

    #[test]
    fn an_ipv4_udp_packet_is_whole_again() {
        let mut slot = slot(b"mirror");
        let datagram = Datagram {
            len: 6,
            source: Some("10.60.0.1".parse().unwrap()),
            source_port: 49_152,
            destination: Some("10.60.0.100".parse().unwrap()),
            ttl: Some(61),
            class: Some(0xb8),
            ..Datagram::default()
        };
        let start = udp(&mut slot, &datagram, 4789);
        // The words but the checksum sum to d7c8.
        let expected = hex!(
            "45b8 0022 0000 4000 3d11 2837 0a3c0001 0a3c0064 c000 12b5 000e 0000 6d6972726f72"
        );
        assert_eq!(slot[start..], expected);
    }

    #[test]
    fn an_ipv6_udp_packet_is_whole_again() {
        let mut slot = slot(b"mirror");
        let datagram = Datagram {
            len: 6,
            source: Some("2001:db8::1".parse().unwrap()),
            source_port: 49_152,
            destination: Some("2001:db8::64".parse().unwrap()),
            ttl: Some(61),
            class: Some(0xb8),
            ..Datagram::default()
        };
        let start = udp(&mut slot, &datagram, 6081);
        let expected = hex!(
            "6b800000 000e 11 3d 20010db8000000000000000000000001 20010db8000000000000000000000064"
            "c000 17c1 000e 0000 6d6972726f72"
        );
        assert_eq!(slot[start..], expected);
    }

    #[test]
    fn a_raw_ipv6_payload_gets_its_header_and_a_raw_ipv4_packet_keeps_its_own() {
        let mut bytes = slot(&hex!("0000 88be"));
        let v6 = Datagram {
            len: 4,
            source: Some("fe80::1".parse().unwrap()),
            destination: Some("fe80::2".parse().unwrap()),
            ..Datagram::default()
        };
        let start = ip(&mut bytes, &v6, 47);
        assert_eq!(
            bytes[start..],
            hex!(
                "60000000 0004 2f 40 fe800000000000000000000000000001 fe800000000000000000000000000002 0000 88be"
            )
        );
        let v4 = Datagram {
            source: Some("10.0.0.1".parse().unwrap()),
            ..v6
        };
        assert_eq!(ip(&mut bytes, &v4, 47), ROOM);
    }

    #[test]
    fn the_longest_datagrams_fit() {
        let mut slot = vec![0; super::super::socket::SLOT];
        let source = Some("10.60.0.1".parse().unwrap());
        let datagram = Datagram {
            len: 65_507,
            source,
            ..Datagram::default()
        };
        let start = udp(&mut slot, &datagram, 4789);
        assert_eq!(slot[start + 2..start + 4], [0xff, 0xff]);
    }
}
