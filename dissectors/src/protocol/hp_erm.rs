//! HP ERM (encapsulated remote mirroring): one mirrored Ethernet frame behind 12 bytes, in UDP; of
//! HP `ProCurve` and Aruba switches.
//!
//! Specification: none; the layout is what tshark's authors found by trying. 8 bytes and 15 bits are
//! of unknown meaning and not read. The port is the user's choice; 7932 is the one in the manuals.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::mirror::Facts;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// UDP port.
pub(crate) const PORT: u16 = 7932;

const TAGGED: u32 = 0x80;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    unknown: [u8; 8],
    /// Unknown (8 bits), priority (3), canonical format (1), VLAN (12), tagged (1), unknown (7).
    tag: U32,
}

/// A checked header and the frame behind it.
#[derive(Clone, Copy, Debug)]
pub struct HpErm<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> HpErm<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// Priority (3 bits) by the switch's own numbers: 0 background, 2 best effort, 7 control.
    pub fn priority(&self) -> u8 {
        (self.header.tag.get() >> 21) as u8 & 7
    }

    /// VLAN of the original frame (12 bits).
    pub fn vlan(&self) -> u16 {
        (self.header.tag.get() >> 8) as u16 & 0x0fff
    }

    /// The original frame had a tag.
    pub fn was_tagged(&self) -> bool {
        self.header.tag.get() & TAGGED != 0
    }

    /// The mirrored frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Writes a header.
pub(crate) fn write(vlan: Option<u16>, priority: u8, out: &mut Vec<u8>) {
    let tag = vlan.map_or(0, |vlan| u32::from(vlan & 0x0fff) << 8 | TAGGED);
    let header = Header {
        unknown: [0; 8],
        tag: (u32::from(priority & 7) << 21 | tag).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

impl<'a> Dissect<'a> for HpErm<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened {
            facts: Facts {
                vlan: self.was_tagged().then(|| self.vlan()),
                ..Facts::default()
            },
            ..Opened::new(Encapsulation::HpErm, None, self.payload)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("0102030405060708 ff b9a5 7f 02");
        let erm = HpErm::parse(&bytes).unwrap();
        assert_eq!((erm.priority(), erm.vlan()), (5, 0x9a5));
        assert!(!erm.was_tagged());
        assert_eq!(erm.payload(), [2]);
        for len in 0..12 {
            assert_eq!(HpErm::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let bytes = hex!("0000000000000000 00 6064 80");
        let erm = HpErm::parse(&bytes).unwrap();
        assert_eq!((erm.priority(), erm.vlan()), (3, 100));
        assert!(erm.was_tagged());
    }
}
