//! TRILL: an Ethernet frame on its way between two RBridges.
//!
//! Specification: RFC 6325 §3, RFC 7780 §10 (options). Options are skipped.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// `EtherType` of TRILL data.
pub(crate) const ETHER_TYPE: u16 = 0x22f3;

/// What follows the `EtherType`, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Version (2 bits), reserved (2), multi-destination (1), length of options in units of 4 bytes
    /// (5), hop count (6).
    control: U16,
    egress: U16,
    ingress: U16,
}

/// A checked header and the frame behind its options.
#[derive(Clone, Copy, Debug)]
pub struct Trill<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Trill<'a> {
    /// Reads the header that follows its `EtherType`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let control = header.control.get();
        if control >> 14 != 0 {
            return Err(Reason::BadVersion);
        }
        let options_len = usize::from(control >> 6 & 0x1f) << 2;
        let payload = rest.get(options_len..).ok_or(Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// The frame goes down a tree to several RBridges, and the egress names the tree.
    pub fn multi_destination(&self) -> bool {
        self.header.control.get() & 0x0800 != 0
    }

    /// Hops that are left (6 bits).
    pub fn hop_count(&self) -> u8 {
        self.header.control.get() as u8 & 0x3f
    }

    /// Nickname of the RBridge that takes the header off, or of a tree.
    pub fn egress(&self) -> u16 {
        self.header.egress.get()
    }

    /// Nickname of the RBridge that put the header on.
    pub fn ingress(&self) -> u16 {
        self.header.ingress.get()
    }

    /// The Ethernet frame, normally with a tag.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Trill<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    /// The id is the way through the campus, read from left to right: ingress, then egress.
    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let id = u64::from(self.ingress()) << 16 | u64::from(self.egress());
        Some(Opened {
            one_way_id: true,
            ..Opened::new(Encapsulation::Trill, Some(id), self.payload)
        })
    }
}

/// Writes what follows the `EtherType`.
pub(crate) fn write(ingress: u16, egress: u16, hop_count: u8, out: &mut Vec<u8>) {
    let header = Header {
        control: u16::from(hop_count & 0x3f).into(),
        egress: egress.into(),
        ingress: ingress.into(),
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("386a 0b0b 0a0c 11111111 02");
        let trill = Trill::parse(&bytes).unwrap();
        assert!(trill.multi_destination());
        assert_eq!(trill.hop_count(), 0x2a);
        assert_eq!((trill.egress(), trill.ingress()), (0x0b0b, 0x0a0c));
        assert_eq!(trill.payload(), [2]);
        let opened = trill.opened(None).unwrap();
        assert_eq!((opened.id, opened.one_way_id), (Some(0x0a0c_0b0b), true));
        for len in 0..10 {
            assert_eq!(Trill::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let plain = hex!("0015 0000 0000 02");
        let trill = Trill::parse(&plain).unwrap();
        assert!(!trill.multi_destination());
        assert_eq!((trill.hop_count(), trill.payload()), (0x15, &[2][..]));
    }

    #[test]
    fn another_version_is_refused() {
        for version in [0x40, 0x80] {
            let bytes = [version, 0x20, 0, 0, 0, 0];
            assert_eq!(Trill::parse(&bytes).unwrap_err(), Reason::BadVersion);
        }
    }
}
