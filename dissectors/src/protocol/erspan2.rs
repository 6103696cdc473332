//! ERSPAN Type II: one mirrored Ethernet frame behind 8 bytes, in GRE (0x88BE, sequence present).
//!
//! Specification: draft-foschiano-erspan-03, Type II header.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::mirror::Facts;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// The version in a Type II header.
pub(crate) const VERSION: u8 = 1;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
pub(crate) struct Header {
    /// Version (4 bits), VLAN of the original frame (12).
    pub(crate) version_vlan: U16,
    /// Class of service (3 bits), encapsulation (2), truncated (1), session id (10).
    pub(crate) session: U16,
    /// Reserved (12 bits), index (20).
    pub(crate) index: U32,
}

/// A checked header and the frame behind it.
#[derive(Clone, Copy, Debug)]
pub struct Erspan2<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Erspan2<'a> {
    /// Reads the header at the start of a GRE payload.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if (header.version_vlan.get() >> 12) as u8 != VERSION {
            return Err(Reason::BadVersion);
        }
        Ok(Self { header, payload })
    }

    /// VLAN field (12 bits); what it means depends on [`Self::encapsulation`].
    pub fn vlan(&self) -> u16 {
        self.header.version_vlan.get() & 0x0fff
    }

    /// Class of service (3 bits), as the device chose to fill it.
    pub fn class_of_service(&self) -> u8 {
        (self.header.session.get() >> 13) as u8
    }

    /// How the original frame was tagged: 0 not at all, 1 ISL, 2 802.1Q, 3 its tag was kept.
    pub fn encapsulation(&self) -> u8 {
        (self.header.session.get() >> 11) as u8 & 3
    }

    /// VLAN of the original frame whose tag the switch took off.
    ///
    /// 1 is read like 2: devices send it for plain 802.1Q. With 0 the field is the VLAN of the
    /// port, with 3 the tag is still in the frame.
    pub fn removed_vlan(&self) -> Option<u16> {
        matches!(self.encapsulation(), 1 | 2).then(|| self.vlan())
    }

    /// The switch cut the frame to its mirror MTU.
    pub fn truncated(&self) -> bool {
        self.header.session.get() & 0x0400 != 0
    }

    /// Session id (10 bits), unique for one source only; 0 is legal.
    pub fn session_id(&self) -> u16 {
        self.header.session.get() & 0x03ff
    }

    /// Index (20 bits): port and direction of the mirror source, platform specific.
    pub fn index(&self) -> u32 {
        self.header.index.get() & 0x000f_ffff
    }

    /// The mirrored Ethernet frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Erspan2<'a> {
    #[inline(always)]
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    #[inline(always)]
    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened {
            encapsulation: Encapsulation::Erspan2,
            id: Some(self.session_id().into()),
            one_way_id: false,
            facts: Facts {
                truncated: self.truncated(),
                port_index: Some(self.index()),
                vlan: self.removed_vlan(),
                ..Facts::default()
            },
            payload: self.payload,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        // The widest values in every second field, so that a shifted mask meets a wrong bit.
        let bytes = hex!("1fff 1401 000abcd5 02");
        let erspan = Erspan2::parse(&bytes).unwrap();
        assert_eq!(erspan.vlan(), 0xfff);
        assert_eq!((erspan.class_of_service(), erspan.encapsulation()), (0, 2));
        assert!(erspan.truncated());
        assert_eq!(erspan.session_id(), 1);
        assert_eq!(erspan.index(), 0xabcd5);
        assert_eq!(erspan.removed_vlan(), Some(0xfff));
        assert_eq!(erspan.payload(), [2]);

        let bytes = hex!("1064 abff fff00001");
        let erspan = Erspan2::parse(&bytes).unwrap();
        assert_eq!(erspan.vlan(), 100);
        assert_eq!((erspan.class_of_service(), erspan.encapsulation()), (5, 1));
        assert!(!erspan.truncated());
        assert_eq!(erspan.session_id(), 1023);
        assert_eq!(erspan.index(), 1);
        for len in 0..8 {
            assert_eq!(
                Erspan2::parse(&bytes[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
    }

    #[test]
    fn a_vlan_was_removed_only_with_encapsulation_1_and_2() {
        for (session, vlan) in [
            (0x00, None),
            (0x08, Some(100)),
            (0x10, Some(100)),
            (0x18, None),
        ] {
            let bytes = [0x10, 100, session, 0, 0, 0, 0, 0];
            assert_eq!(Erspan2::parse(&bytes).unwrap().removed_vlan(), vlan);
        }
    }

    #[test]
    fn other_versions_are_refused() {
        for version in [0, 2, 3, 15] {
            let bytes = [version << 4, 0, 0, 0, 0, 0, 0, 0];
            assert_eq!(Erspan2::parse(&bytes).unwrap_err(), Reason::BadVersion);
        }
    }
}
