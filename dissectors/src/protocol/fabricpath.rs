//! FabricPath: a whole Ethernet frame behind a second MAC header whose addresses are switches.
//!
//! Specification: none is public; the layout is what Cisco's switches send (their name is "DCE").
//! The outer MAC header is read as Ethernet; [`FabricAddress`] takes its addresses apart.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// `EtherType` of the tag.
pub(crate) const ETHER_TYPE: u16 = 0x8903;

/// What follows the `EtherType`, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Forwarding tag (10 bits), time to live (6).
    tag: U16,
}

/// A checked tag and the original frame behind it.
#[derive(Clone, Copy, Debug)]
pub struct FabricPath<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

/// An address of the outer MAC header; a group address of a flooded frame has no such parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FabricAddress(pub [u8; 6]);

impl FabricAddress {
    /// Switch (12 bits).
    pub fn switch_id(self) -> u16 {
        let [_, high, low, ..] = self.0;
        u16::from_be_bytes([high, low]) & 0x0fff
    }

    /// Switch behind a virtual one.
    pub fn sub_switch_id(self) -> u8 {
        let [_, _, _, sub_switch, ..] = self.0;
        sub_switch
    }

    /// Port of the switch.
    pub fn local_id(self) -> u16 {
        let [.., high, low] = self.0;
        u16::from_be_bytes([high, low])
    }
}

impl<'a> FabricPath<'a> {
    /// Reads the tag that follows its `EtherType`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// Forwarding tag, FTAG (10 bits): the topology or the tree that the frame follows.
    pub fn forwarding_tag(&self) -> u16 {
        self.header.tag.get() >> 6
    }

    /// Hops that are left (6 bits).
    pub fn ttl(&self) -> u8 {
        self.header.tag.get() as u8 & 0x3f
    }

    /// The original Ethernet frame; an FCS of the outer one may follow it.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for FabricPath<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    /// The id is the forwarding tag: the one number that both directions of a flow can share.
    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(
            Encapsulation::FabricPath,
            Some(self.forwarding_tag().into()),
            self.payload,
        ))
    }
}

/// Writes what follows the `EtherType`.
pub(crate) fn write(forwarding_tag: u16, ttl: u8, out: &mut Vec<u8>) {
    let header = Header {
        tag: (forwarding_tag << 6 | u16::from(ttl & 0x3f)).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("aaf5 02");
        let fabric = FabricPath::parse(&bytes).unwrap();
        assert_eq!((fabric.forwarding_tag(), fabric.ttl()), (0x2ab, 0x35));
        assert_eq!(fabric.payload(), [2]);
        for len in 0..2 {
            assert_eq!(
                FabricPath::parse(&bytes[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
    }

    #[test]
    fn addresses_are_switches() {
        let address = FabricAddress(hex!("02f456 0a1234"));
        assert_eq!(address.switch_id(), 0x456);
        assert_eq!(address.sub_switch_id(), 0x0a);
        assert_eq!(address.local_id(), 0x1234);
    }
}
