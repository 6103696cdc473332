//! GRE: one packet of any protocol in IP or UDP; carries ERSPAN, plain mirrors and other tunnels.
//!
//! Specification: RFC 2784, RFC 2890 (key and sequence number), RFC 1701 (routing, which is skipped),
//! RFC 2637 §4.1 (version 1), RFC 8086 (in UDP). The reserved bits are ignored on receipt
//! (RFC 2784 §2.3), as are versions in front of ERSPAN, where the bits alone tell the length.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::checksum;
use crate::protocol::ethernet;
use crate::reason::Reason;

pub(crate) mod payload;

/// Protocol type of ERSPAN I and II.
pub(crate) const ERSPAN: u16 = 0x88be;
/// Protocol type of ERSPAN III.
pub(crate) const ERSPAN3: u16 = 0x22eb;

const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
/// Only in version 1.
const ACKNOWLEDGEMENT: u16 = 0x0080;
const VERSION: u16 = 0x0007;

/// Every optional part of four bytes.
const PARTS: u16 = CHECKSUM | KEY | SEQUENCE | ACKNOWLEDGEMENT;

/// Length of the fixed part and of those that the four flags in front announce, for each value of these.
///
/// To count the bits takes 20 instructions where a processor has none for that.
const LEN: [usize; 16] = [4, 8, 8, 12, 4, 8, 8, 12, 8, 12, 12, 16, 8, 12, 12, 16];

/// Source route entries that are skipped in one header.
const MAX_ROUTES: usize = 16;

/// The fixed part as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Checksum, routing, key, sequence present (4 bits), reserved (4), acknowledgement present (1),
    /// reserved (4), version (3).
    flags_version: U16,
    /// `EtherType` of the payload.
    protocol: U16,
}

/// The part that the checksum flag announces, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct ChecksumPart {
    checksum: U16,
    reserved: U16,
}

/// The head of a source route entry as it is on the wire.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct RouteEntry {
    family: U16,
    offset: u8,
    /// Length of the information behind it, in bytes.
    len: u8,
}

/// A checked header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Gre<'a> {
    header: &'a Header,
    /// Header and payload.
    bytes: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Gre<'a> {
    /// Reads the header at the start of an IP or UDP payload.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let gre = Self {
            header,
            bytes,
            payload: &[],
        };
        if gre.version() > 1 && !gre.carries_erspan() {
            return Err(Reason::BadVersion);
        }
        let rest = bytes.get(gre.len_of(PARTS)..).ok_or(Reason::Truncated)?;
        let payload = if header.flags_version.get() & ROUTING == 0 {
            rest
        } else {
            skip_routing(rest)?
        };
        Ok(Self { payload, ..gre })
    }

    /// Version (3 bits): 0, or 1 for PPTP and EoIP.
    #[inline(always)]
    pub fn version(&self) -> u8 {
        (self.header.flags_version.get() & VERSION) as u8
    }

    /// `EtherType` of the payload.
    #[inline(always)]
    pub fn protocol(&self) -> u16 {
        self.header.protocol.get()
    }

    /// Checksum as it was sent, if present.
    pub fn checksum(&self) -> Option<u16> {
        if self.header.flags_version.get() & CHECKSUM == 0 {
            return None;
        }
        let [high, low, ..] = self.part(CHECKSUM, 0)?;
        Some(u16::from_be_bytes([high, low]))
    }

    /// The checksum is right; `None` without one. Says nothing about a packet that was cut.
    pub fn checksum_ok(&self) -> Option<bool> {
        self.checksum().map(|_| checksum(self.bytes) == 0)
    }

    /// Key (32 bits), if present: names the tunnel, or the mirror session.
    #[inline(always)]
    pub fn key(&self) -> Option<u32> {
        self.part(KEY, CHECKSUM).map(u32::from_be_bytes)
    }

    /// Sequence number, if present: counts packets and wraps.
    #[inline(always)]
    pub fn sequence(&self) -> Option<u32> {
        self.part(SEQUENCE, CHECKSUM | KEY).map(u32::from_be_bytes)
    }

    /// Highest sequence number that the sender of a version 1 packet received, if present.
    pub fn acknowledgement(&self) -> Option<u32> {
        self.part(ACKNOWLEDGEMENT, CHECKSUM | KEY | SEQUENCE)
            .map(u32::from_be_bytes)
    }

    /// The packet behind the header, as long as a key of version 1 says it is.
    #[inline(always)]
    pub fn payload(&self) -> &'a [u8] {
        match self.call() {
            // A length that does not even hold the frame's own header is wrong.
            Some((1..ethernet::HEADER_LEN, _)) if self.tunnel_id().is_some() => self.payload,
            Some((len, _)) => self.payload.get(..len.into()).unwrap_or(self.payload),
            None => self.payload,
        }
    }

    /// The optional part that `flag` announces, which stands behind those of `before`.
    #[inline(always)]
    fn part(&self, flag: u16, before: u16) -> Option<[u8; 4]> {
        if self.present() & flag == 0 {
            return None;
        }
        self.bytes
            .get(self.len_of(before)..)?
            .first_chunk()
            .copied()
    }

    /// Flags of the optional parts that are present.
    #[inline(always)]
    fn present(&self) -> u16 {
        let flags = self.header.flags_version.get();
        // Routing comes with the field of the checksum, where the offset into the route stands.
        let checksum = (flags & ROUTING) << 1;
        let in_version = if self.version() == 1 {
            PARTS
        } else {
            PARTS & !ACKNOWLEDGEMENT
        };
        (flags | checksum) & in_version
    }

    /// Length of the fixed part and of those optional parts of `flags` that are present.
    #[inline(always)]
    fn len_of(&self, flags: u16) -> usize {
        let present = self.present() & flags;
        // Not by count_ones(): it takes 20 instructions on processors of the oldest kind.
        let acknowledgement = usize::from(present & ACKNOWLEDGEMENT != 0) << 2;
        let front = LEN.get(usize::from(present >> 12)).copied();
        acknowledgement.saturating_add(front.unwrap_or_default())
    }

    /// The payload is an ERSPAN header, which names the session in place of this one.
    #[inline(always)]
    fn carries_erspan(&self) -> bool {
        matches!(self.protocol(), ERSPAN | ERSPAN3)
    }
}

/// What a header numbers its packets and its tunnel with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// [`Gre::key`].
    pub(crate) key: Option<u32>,
    /// [`Gre::sequence`].
    pub(crate) sequence: Option<u32>,
}

impl Numbers {
    /// Reads them in a header that was checked before, as every one is that was taken off: nothing is judged again.
    #[inline(always)]
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let (header, mut rest) = Header::ref_from_prefix(bytes).ok()?;
        let flags = header.flags_version.get();
        let mut numbers = Self::default();
        // Routing comes with the field of the checksum.
        if flags & (CHECKSUM | ROUTING) != 0 {
            rest = rest.get(size_of::<ChecksumPart>()..)?;
        }
        if flags & KEY != 0 {
            let (key, behind) = rest.split_first_chunk()?;
            numbers.key = Some(u32::from_be_bytes(*key));
            rest = behind;
        }
        if flags & SEQUENCE != 0 {
            numbers.sequence = Some(u32::from_be_bytes(*rest.first_chunk()?));
        }
        Some(numbers)
    }
}

/// What follows the source route that starts with the first of `bytes`.
fn skip_routing(mut bytes: &[u8]) -> Result<&[u8], Reason> {
    // The entry that ends the route is none of those that count.
    for _ in 0..=MAX_ROUTES {
        let (entry, rest) = RouteEntry::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if entry.family.get() == 0 && entry.len == 0 {
            return Ok(rest);
        }
        bytes = rest.get(entry.len.into()..).ok_or(Reason::Truncated)?;
    }
    Err(Reason::TooManyHeaders)
}

/// Writes the header; a checksum stays 0 until what follows is known.
pub(crate) fn write(
    protocol: u16,
    checksum: bool,
    key: Option<u32>,
    sequence: Option<u32>,
    out: &mut Vec<u8>,
) {
    let flags = [
        (checksum, CHECKSUM),
        (key.is_some(), KEY),
        (sequence.is_some(), SEQUENCE),
    ];
    let header = Header {
        flags_version: flags
            .into_iter()
            .filter(|(present, _)| *present)
            .fold(0, |flags, (_, flag)| flags | flag)
            .into(),
        protocol: protocol.into(),
    };
    out.extend_from_slice(header.as_bytes());
    if checksum {
        let part = ChecksumPart {
            checksum: 0.into(),
            reserved: 0.into(),
        };
        out.extend_from_slice(part.as_bytes());
    }
    for part in [key, sequence].into_iter().flatten() {
        out.extend_from_slice(&part.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn numbers_are_those_of_the_checked_header() {
        for flags in 0..=u16::MAX {
            let mut bytes = hex!("0000 88be 00000001 00000002 00000003 00000004 0000000000");
            bytes[..2].copy_from_slice(&flags.to_be_bytes());
            if let Ok(gre) = Gre::parse(&bytes) {
                let numbers = Numbers::read(&bytes).unwrap();
                assert_eq!((numbers.key, numbers.sequence), (gre.key(), gre.sequence()));
            }
        }
    }

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
    fn versions_are_checked_where_they_mean_something_and_reserved_bits_are_not() {
        let parse = |bytes: [u8; 4]| Gre::parse(&bytes).map(|gre| gre.version());
        assert_eq!(parse(hex!("00020800")), Err(Reason::BadVersion));
        assert_eq!(parse(hex!("00010800")), Ok(1));
        assert_eq!(parse(hex!("000788be")), Ok(7));
        assert_eq!(parse(hex!("000222eb")), Ok(2));
        assert_eq!(parse(hex!("0ff80800")), Ok(0));
    }

    #[test]
    fn version_1_has_an_acknowledgement_and_a_length() {
        let bytes = hex!("3081880b 00021234 fffefdfc 04030201 c021 aaaa");
        let gre = Gre::parse(&bytes).unwrap();
        assert_eq!(gre.sequence(), Some(0xfffe_fdfc));
        assert_eq!(gre.acknowledgement(), Some(0x0403_0201));
        assert_eq!(gre.payload(), hex!("c021"));
        for len in 0..16 {
            assert_eq!(Gre::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        assert_eq!(Gre::parse(&bytes[..17]).unwrap().payload(), [0xc0]);
        // A provider's key in front of IPv4 is no length, whatever the version.
        let keyed = Gre::parse(&hex!("20010800 00010285 4500"))
            .unwrap()
            .payload();
        assert_eq!(keyed, hex!("4500"));
        let version_0 = hex!("20806558 00000001 02");
        let gre = Gre::parse(&version_0).unwrap();
        assert_eq!((gre.acknowledgement(), gre.payload()), (None, &[2][..]));
    }

    #[test]
    fn a_source_route_is_skipped_as_far_as_it_is_allowed() {
        let bytes = hex!("c0000800 1227 0000 0800 00 04 0a3c0005 00000000 45");
        let gre = Gre::parse(&bytes).unwrap();
        assert_eq!(gre.checksum(), Some(0x1227));
        assert_eq!(gre.payload(), [0x45]);
        for len in 0..20 {
            assert_eq!(Gre::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let bytes = hex!("60000800 1227 0000 01020304 00000000 45");
        let gre = Gre::parse(&bytes).unwrap();
        assert_eq!((gre.checksum(), gre.key()), (None, Some(0x0102_0304)));
        assert_eq!(gre.payload(), [0x45]);

        let route = |entries: usize| {
            let entries = hex!("0800 00 00").repeat(entries);
            [&hex!("40000800 00000000")[..], &entries, &[0; 4]].concat()
        };
        assert!(Gre::parse(&route(16)).is_ok());
        let too_long = route(17);
        assert_eq!(Gre::parse(&too_long).unwrap_err(), Reason::TooManyHeaders);
    }
}
