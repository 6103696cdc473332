//! 802.1ah MAC-in-MAC: a customer's Ethernet frame behind the service tag of a provider backbone.
//!
//! Specification: IEEE 802.1Q §9.7 (I-TAG). The backbone's own tag in front of it is a VLAN tag.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// `EtherType` of the tag.
pub(crate) const ETHER_TYPE: u16 = 0x88e7;

/// What follows the `EtherType`, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Priority (3 bits), drop eligible (1), use customer addresses (1), reserved (3), service (24).
    tag: U32,
}

/// A checked tag and the customer's frame behind it.
#[derive(Clone, Copy, Debug)]
pub struct Pbb<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Pbb<'a> {
    /// Reads the tag that follows its `EtherType`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// Priority code point (3 bits).
    pub fn priority(&self) -> u8 {
        (self.header.tag.get() >> 29) as u8
    }

    /// Drop eligible indicator.
    pub fn drop_eligible(&self) -> bool {
        self.header.tag.get() & 0x1000_0000 != 0
    }

    /// The backbone's addresses are those of the customer's frame.
    pub fn uses_customer_addresses(&self) -> bool {
        self.header.tag.get() & 0x0800_0000 != 0
    }

    /// Backbone service instance identifier, I-SID (24 bits).
    pub fn service(&self) -> u32 {
        self.header.tag.get() & 0x00ff_ffff
    }

    /// The customer's Ethernet frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Pbb<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(
            Encapsulation::Pbb,
            Some(self.service().into()),
            self.payload,
        ))
    }
}

/// Writes what follows the `EtherType`.
pub(crate) fn write(service: u32, priority: u8, out: &mut Vec<u8>) {
    let header = Header {
        tag: (u32::from(priority & 7) << 29 | service & 0x00ff_ffff).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("aafedcba 02");
        let pbb = Pbb::parse(&bytes).unwrap();
        assert_eq!(pbb.priority(), 5);
        assert!(!pbb.drop_eligible() && pbb.uses_customer_addresses());
        assert_eq!(pbb.service(), 0xfe_dcba);
        assert_eq!(pbb.payload(), [2]);
        let other = Pbb::parse(&hex!("57000001")).map(|pbb| {
            (
                pbb.priority(),
                pbb.drop_eligible(),
                pbb.uses_customer_addresses(),
                pbb.service(),
            )
        });
        assert_eq!(other, Ok((2, true, false, 1)));
        for len in 0..4 {
            assert_eq!(Pbb::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
    }
}
