//! BSD loopback headers, NULL and LOOP: an address family in front of an IP packet.
//!
//! Specification: `LINKTYPE_NULL` and `LINKTYPE_LOOP` of pcap. The header of a NULL capture is in the
//! byte order of the machine that wrote it, which the frame does not tell; families are small, so
//! at most one of the two readings is one. LOOP is the big-endian reading of the same four bytes.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::protocol::ethernet::{IPV4, IPV6};
use crate::reason::Reason;

/// Upper bound of what is an address family and not one in the other byte order.
const MAX_FAMILY: u32 = 0xffff;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    family: U32,
}

/// A checked loopback header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Loopback<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Loopback<'a> {
    /// Reads the header at the start of a frame.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// Address family, in the numbering of the system that captured.
    pub fn family(&self) -> u32 {
        let family = self.header.family.get();
        if family > MAX_FAMILY {
            family.swap_bytes()
        } else {
            family
        }
    }

    /// `EtherType` that the family stands for; 0 for families other than IPv4 and IPv6.
    pub fn ether_type(&self) -> u16 {
        match self.family() {
            2 => IPV4,
            // Linux, NetBSD and OpenBSD, FreeBSD, Darwin.
            10 | 24 | 28 | 30 => IPV6,
            _ => 0,
        }
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Loopback<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        behind_ether_type(self.ether_type(), self.payload, place.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn families_are_read_in_both_byte_orders() {
        for (bytes, family, ether_type) in [
            (hex!("02000000"), 2, IPV4),
            (hex!("00000002"), 2, IPV4),
            (hex!("1e000000"), 30, IPV6),
            (hex!("0000001c"), 28, IPV6),
            (hex!("18000000"), 24, IPV6),
            (hex!("0000000a"), 10, IPV6),
            (hex!("07000000"), 7, 0),
        ] {
            let loopback = Loopback::parse(&bytes).unwrap();
            assert_eq!(loopback.family(), family);
            assert_eq!(loopback.ether_type(), ether_type);
        }
        assert_eq!(Loopback::parse(&[2, 0, 0]).unwrap_err(), Reason::Truncated);
    }
}
