//! GRE version 0: one packet of any protocol in IP; carries ERSPAN and plain mirrors.
//!
//! Specification: RFC 2784, RFC 2890 (key and sequence number). RFC 1701 source routing is refused,
//! as is version 1 (PPTP, `EoIP`). The reserved bits are ignored on receipt (RFC 2784 §2.3).

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::checksum;
use crate::dissect::{Dissect, Next, Opened, Place, carried};
use crate::link::LinkType;
use crate::options::Selector;
use crate::protocol::ethernet::{Plausibility, plausibility};
use crate::protocol::{Encapsulation, Protocol, erspan2, erspan3};
use crate::reason::Reason;

/// Protocol type of ERSPAN I and II.
pub(crate) const ERSPAN: u16 = 0x88be;
/// Protocol type of ERSPAN III.
pub(crate) const ERSPAN3: u16 = 0x22eb;

pub(crate) const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
pub(crate) const KEY: u16 = 0x2000;
pub(crate) const SEQUENCE: u16 = 0x1000;
const VERSION: u16 = 0x0007;

/// The fixed part as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
pub(crate) struct Header {
    /// Checksum, routing, key, sequence present (4 bits), reserved (9), version (3).
    pub(crate) flags_version: U16,
    /// `EtherType` of the payload.
    pub(crate) protocol: U16,
}

/// The part that the checksum flag announces, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
pub(crate) struct ChecksumPart {
    pub(crate) checksum: U16,
    pub(crate) reserved: U16,
}

/// A checked header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Gre<'a> {
    header: &'a Header,
    /// Header and payload.
    bytes: &'a [u8],
}

impl<'a> Gre<'a> {
    /// Reads the header at the start of an IP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let flags = header.flags_version.get();
        if flags & VERSION != 0 {
            return Err(Reason::BadVersion);
        }
        if flags & ROUTING != 0 {
            return Err(Reason::RoutingBit);
        }
        let gre = Self { header, bytes };
        if bytes.len() < gre.len_of(CHECKSUM | KEY | SEQUENCE) {
            return Err(Reason::Truncated);
        }
        Ok(gre)
    }

    /// `EtherType` of the payload.
    pub fn protocol(&self) -> u16 {
        self.header.protocol.get()
    }

    /// Checksum as it was sent, if present.
    pub fn checksum(&self) -> Option<u16> {
        self.part(CHECKSUM, 0)
            .map(|[high, low, ..]| u16::from_be_bytes([high, low]))
    }

    /// The checksum is right; `None` without one. Says nothing about a packet that was cut.
    pub fn checksum_ok(&self) -> Option<bool> {
        self.checksum().map(|_| checksum(self.bytes) == 0)
    }

    /// Key (32 bits), if present: names the tunnel, or the mirror session.
    pub fn key(&self) -> Option<u32> {
        self.part(KEY, CHECKSUM).map(u32::from_be_bytes)
    }

    /// Sequence number, if present: counts packets and wraps.
    pub fn sequence(&self) -> Option<u32> {
        self.part(SEQUENCE, CHECKSUM | KEY).map(u32::from_be_bytes)
    }

    /// The packet behind the header.
    pub fn payload(&self) -> &'a [u8] {
        let len = self.len_of(CHECKSUM | KEY | SEQUENCE);
        self.bytes.get(len..).unwrap_or_default()
    }

    /// The optional part that `flag` announces, which stands behind those of `before`.
    fn part(&self, flag: u16, before: u16) -> Option<[u8; 4]> {
        if self.header.flags_version.get() & flag == 0 {
            return None;
        }
        self.bytes
            .get(self.len_of(before)..)?
            .first_chunk()
            .copied()
    }

    /// Length of the fixed part and of those optional parts of `flags` that are present.
    fn len_of(&self, flags: u16) -> usize {
        let parts = (self.header.flags_version.get() & flags).count_ones() as usize;
        parts.saturating_add(1) << 2
    }

    /// The payload is an ERSPAN header, which names the session in place of this one.
    pub(crate) fn carries_erspan(&self) -> bool {
        matches!(self.protocol(), ERSPAN | ERSPAN3)
    }
}

impl<'a> Dissect<'a> for Gre<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        let payload = self.payload();
        match place.options.protocol(Selector::GreType(self.protocol())) {
            Some(Protocol::Erspan2) => Next::Header(self.erspan(), payload),
            Some(Protocol::Ethernet) => Next::Frame(LinkType::Ethernet, payload),
            Some(protocol) => Next::Header(protocol, payload),
            None => match carried(self.protocol(), payload, place.options) {
                // Some switches let their operator choose the type of a mirror.
                Next::Opaque(_) if plausibility(payload) == Plausibility::Confirmed => {
                    Next::Frame(LinkType::Ethernet, payload)
                }
                next => next,
            },
        }
    }

    fn opened(&self, key: Option<u32>) -> Option<Opened<'a>> {
        let id = key.map(u64::from);
        (!self.carries_erspan()).then(|| Opened::new(Encapsulation::Gre, id, self.payload()))
    }
}

impl Gre<'_> {
    /// The type of ERSPAN behind the protocol type that I and II share.
    fn erspan(&self) -> Protocol {
        if self.sequence().is_none() {
            return Protocol::Erspan1;
        }
        let payload = self.payload();
        match payload.first().map(|byte| byte >> 4) {
            // Some devices send Type III content under the type of Type II.
            Some(erspan3::VERSION) => Protocol::Erspan3,
            // Others number the frames of Type I.
            Some(version)
                if version != erspan2::VERSION
                    && plausibility(payload) == Plausibility::Confirmed =>
            {
                Protocol::Erspan1
            }
            _ => Protocol::Erspan2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_mix_of_optional_parts_is_read() {
        for mix in 0_u16..8 {
            let flags = mix << 13 & (CHECKSUM | KEY) | (mix & 2) << 11;
            let mut bytes = [flags.to_be_bytes(), [0x65, 0x58]].concat();
            if flags & CHECKSUM != 0 {
                bytes.extend(hex!("c6ef 0000"));
            }
            if flags & KEY != 0 {
                bytes.extend(hex!("01020304"));
            }
            if flags & SEQUENCE != 0 {
                bytes.extend(hex!("fffefdfc"));
            }
            let header_len = bytes.len();
            bytes.push(0xee);
            let gre = Gre::parse(&bytes).unwrap();
            assert_eq!(gre.protocol(), 0x6558);
            assert_eq!(gre.checksum(), (flags & CHECKSUM != 0).then_some(0xc6ef));
            assert_eq!(gre.key(), (flags & KEY != 0).then_some(0x0102_0304));
            assert_eq!(
                gre.sequence(),
                (flags & SEQUENCE != 0).then_some(0xfffe_fdfc)
            );
            assert_eq!(gre.payload(), [0xee]);
            for len in 0..header_len {
                assert_eq!(Gre::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
            }
        }
    }

    #[test]
    fn the_checksum_is_verified() {
        let mut bytes = hex!(
            "b0006558c6ef0000010203040000000902000000000b02000000000a0800450000280a0a4000"
            "40064474c000020ac63364149c4001bb11223344000000005002faf0e63d0000"
        );
        assert_eq!(Gre::parse(&bytes).unwrap().checksum_ok(), Some(true));
        bytes[40] ^= 1;
        assert_eq!(Gre::parse(&bytes).unwrap().checksum_ok(), Some(false));
        assert_eq!(Gre::parse(&hex!("00006558")).unwrap().checksum_ok(), None);
    }

    #[test]
    fn other_versions_and_routing_are_refused_and_reserved_bits_are_not() {
        let parse = |bytes: [u8; 4]| Gre::parse(&bytes).map(|gre| gre.protocol());
        assert_eq!(parse(hex!("00010800")), Err(Reason::BadVersion));
        assert_eq!(parse(hex!("40000800")), Err(Reason::RoutingBit));
        assert_eq!(parse(hex!("0ff80800")), Ok(0x0800));
    }
}
