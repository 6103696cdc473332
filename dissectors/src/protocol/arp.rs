//! ARP and RARP for IPv4 over Ethernet: which machine has which address.
//!
//! Specification: RFC 826, RFC 903.

use std::net::Ipv4Addr;

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::protocol::ethernet::IPV4;
use crate::reason::Reason;

/// The packet as it is on the wire, with addresses of the usual sizes.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Header {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    sender_mac: [u8; 6],
    sender_ip: [u8; 4],
    target_mac: [u8; 6],
    target_ip: [u8; 4],
}

/// An ARP or RARP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 request, 2 reply, 3 reverse request, 4 reverse reply.
    pub operation: u16,
    /// MAC address of the sender.
    pub sender_mac: [u8; 6],
    /// Address of the sender; unspecified in probes and in the announcement of a moved VM.
    pub sender_ip: Ipv4Addr,
    /// MAC address asked for or answered.
    pub target_mac: [u8; 6],
    /// Address asked for or answered.
    pub target_ip: Ipv4Addr,
}

impl Arp {
    /// Reads the packet; `None` if it maps other address types than IPv4 to Ethernet.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Reason> {
        let (packet, _padding) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let kinds = (packet.hardware_type.get(), packet.protocol_type.get());
        if kinds != (1, IPV4) || (packet.hardware_len, packet.protocol_len) != (6, 4) {
            return Ok(None);
        }
        Ok(Some(Self {
            operation: packet.operation.get(),
            sender_mac: packet.sender_mac,
            sender_ip: packet.sender_ip.into(),
            target_mac: packet.target_mac,
            target_ip: packet.target_ip.into(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    const REPLY: [u8; 30] =
        hex!("0001 0800 06 04 0002 525400123456 c0000232 525400654321 c0000233 0000");

    #[test]
    fn every_field_is_read() {
        let arp = Arp::parse(&REPLY).unwrap().unwrap();
        assert_eq!(arp.operation, 2);
        assert_eq!(arp.sender_mac, hex!("525400123456"));
        assert_eq!(arp.sender_ip, Ipv4Addr::new(192, 0, 2, 50));
        assert_eq!(arp.target_mac, hex!("525400654321"));
        assert_eq!(arp.target_ip, Ipv4Addr::new(192, 0, 2, 51));
        for len in 0..28 {
            assert_eq!(Arp::parse(&REPLY[..len]), Err(Reason::Truncated));
        }
    }

    #[test]
    fn other_address_types_are_not_read() {
        for changed in [1, 3, 4, 5] {
            let mut bytes = REPLY;
            bytes[changed] ^= 0x40;
            assert_eq!(Arp::parse(&bytes), Ok(None));
        }
    }
}
