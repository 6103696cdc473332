//! VN-Tag: which virtual interface a frame comes from and goes to, between a switch and an adapter or
//! fabric extender.
//!
//! Specification: none is public; the layout is the one that Cisco proposed for IEEE 802.1Qbh.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::protocol::ethernet::check_type;
use crate::reason::Reason;

/// `EtherType` of the tag.
pub(crate) const ETHER_TYPE: u16 = 0x8926;

/// What follows the `EtherType`, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Direction (1 bit), pointer (1), destination (14), looped (1), reserved (1), version (2), source
    /// (12).
    tag: U32,
    /// `EtherType` of what follows, or its length.
    ether_type: U16,
}

/// A checked tag and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct VnTag<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> VnTag<'a> {
    /// Reads the tag that follows its `EtherType`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.tag.get() & 0x3000 != 0 {
            return Err(Reason::BadVersion);
        }
        check_type(header.ether_type.get())?;
        Ok(Self { header, payload })
    }

    /// The frame goes from the switch towards the interface (D bit).
    pub fn towards_interface(&self) -> bool {
        self.header.tag.get() & 0x8000_0000 != 0
    }

    /// The destination is a list of interfaces (P bit).
    pub fn to_list(&self) -> bool {
        self.header.tag.get() & 0x4000_0000 != 0
    }

    /// Virtual interface of the receiver, or a list of them (14 bits).
    pub fn destination(&self) -> u16 {
        (self.header.tag.get() >> 16) as u16 & 0x3fff
    }

    /// The frame comes back to where its sender is (L bit).
    pub fn looped(&self) -> bool {
        self.header.tag.get() & 0x8000 != 0
    }

    /// Virtual interface of the sender (12 bits).
    pub fn source(&self) -> u16 {
        self.header.tag.get() as u16 & 0x0fff
    }

    /// `EtherType` of the payload, or its length if at most 1500.
    pub fn ether_type(&self) -> u16 {
        self.header.ether_type.get()
    }

    /// What follows the tag.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for VnTag<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        behind_ether_type(self.ether_type(), self.payload, place.options)
    }
}

/// Writes what follows the tag's `EtherType`, with that of what follows.
pub(crate) fn write(source: u16, destination: u16, ether_type: u16, out: &mut Vec<u8>) {
    let header = Header {
        tag: (u32::from(destination & 0x3fff) << 16 | u32::from(source & 0x0fff)).into(),
        ether_type: ether_type.into(),
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("aabc4def 0800 45");
        let tag = VnTag::parse(&bytes).unwrap();
        assert!(tag.towards_interface() && !tag.to_list() && !tag.looped());
        assert_eq!((tag.destination(), tag.source()), (0x2abc, 0xdef));
        assert_eq!((tag.ether_type(), tag.payload()), (0x0800, &[0x45][..]));
        for len in 0..6 {
            assert_eq!(VnTag::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let bytes = hex!("55438210 86dd");
        let tag = VnTag::parse(&bytes).unwrap();
        assert!(!tag.towards_interface() && tag.to_list() && tag.looped());
        assert_eq!((tag.destination(), tag.source()), (0x1543, 0x210));
    }

    #[test]
    fn another_version_is_refused() {
        for version in [0x10, 0x20] {
            let bytes = [0, 1, version, 1, 8, 0];
            assert_eq!(VnTag::parse(&bytes).unwrap_err(), Reason::BadVersion);
        }
    }
}
