//! VLAN tags: 802.1Q, 802.1ad and the TPIDs of older Q-in-Q, in any order.
//!
//! Specification: IEEE 802.1Q §9.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::protocol::ethernet::check_type;
use crate::reason::Reason;

/// Tags that are followed in one frame.
pub(crate) const MAX_TAGS: usize = 8;

/// What follows the TPID, which stands in the type field of the header before.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Priority (3 bits), drop eligible (1), VLAN (12).
    control: U16,
    /// `EtherType` of what follows, or its length.
    ether_type: U16,
}

/// A checked tag and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Vlan<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Vlan<'a> {
    /// Whether the `EtherType` announces a tag.
    pub fn is_tag(ether_type: u16) -> bool {
        matches!(ether_type, 0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300)
    }

    /// Reads the tag that follows such an `EtherType`.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        check_type(header.ether_type.get())?;
        Ok(Self { header, payload })
    }

    /// VLAN id (12 bits); 0 is a priority tag without a VLAN.
    pub fn id(&self) -> u16 {
        self.header.control.get() & 0x0fff
    }

    /// Priority code point (3 bits).
    pub fn priority(&self) -> u8 {
        (self.header.control.get() >> 13) as u8
    }

    /// Drop eligible indicator.
    pub fn drop_eligible(&self) -> bool {
        self.header.control.get() & 0x1000 != 0
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

impl<'a> Dissect<'a> for Vlan<'a> {
    #[inline]
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        behind_ether_type(self.ether_type(), self.payload, place.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("bfed 0800 45");
        let tag = Vlan::parse(&bytes).unwrap();
        assert_eq!(tag.priority(), 5);
        assert!(tag.drop_eligible());
        assert_eq!(tag.id(), 0xfed);
        assert_eq!(tag.ether_type(), 0x0800);
        assert_eq!(tag.payload(), [0x45]);
        let other = Vlan::parse(&hex!("4012 86dd")).map(|tag| (tag.priority(), tag.id()));
        assert_eq!(other, Ok((2, 0x012)));
        for len in 0..4 {
            assert_eq!(Vlan::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
    }
}
