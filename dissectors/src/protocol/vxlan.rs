//! VXLAN: one Ethernet frame of an overlay network behind 8 bytes, in UDP.
//!
//! Specification: RFC 7348 §5. Flags other than I are ignored, so that the group policy extension
//! and the fabric variants with the same shape are read too.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// Flag of the first byte: the network identifier is valid.
pub(crate) const VALID_VNI: u8 = 0x08;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) flags: u8,
    pub(crate) policy_flags: u8,
    /// Group policy id if the G flag is set.
    pub(crate) group: U16,
    /// VXLAN network identifier (24 bits), reserved (8).
    pub(crate) vni: U32,
}

/// A checked header and the frame behind it.
#[derive(Clone, Copy, Debug)]
pub struct Vxlan<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Vxlan<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.flags & VALID_VNI == 0 {
            return Err(Reason::NoVni);
        }
        Ok(Self { header, payload })
    }

    /// Flags (8 bits); only 0x08 is assigned by the RFC.
    pub fn flags(&self) -> u8 {
        self.header.flags
    }

    /// VXLAN network identifier (24 bits).
    pub fn vni(&self) -> u32 {
        self.header.vni.get() >> 8
    }

    /// Group of the sender, if the group policy extension (draft-smith-vxlan-group-policy) is used.
    pub fn group_policy(&self) -> Option<u16> {
        (self.header.flags & 0x80 != 0).then(|| self.header.group.get())
    }

    /// The overlay's Ethernet frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Vxlan<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(
            Encapsulation::Vxlan,
            Some(self.vni().into()),
            self.payload,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("88 48 0042 fedcba ff 02");
        let vxlan = Vxlan::parse(&bytes).unwrap();
        assert_eq!(vxlan.flags(), 0x88);
        assert_eq!(vxlan.group_policy(), Some(0x42));
        assert_eq!(vxlan.vni(), 0xfe_dcba);
        assert_eq!(vxlan.payload(), [2]);
        for len in 0..8 {
            assert_eq!(Vxlan::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let plain = hex!("08ffffff00138800");
        let vxlan = Vxlan::parse(&plain).unwrap();
        assert_eq!((vxlan.vni(), vxlan.group_policy()), (5000, None));
    }

    #[test]
    fn only_the_flag_of_the_identifier_is_required() {
        assert_eq!(
            Vxlan::parse(&hex!("f7ffffff00138800")).unwrap_err(),
            Reason::NoVni
        );
        assert!(Vxlan::parse(&hex!("ffffffff00138800")).is_ok());
    }
}
