//! IPv4: carries GRE and UDP tunnels, and is carried by them.
//!
//! Specification: RFC 791 §3.1. Options are kept but not read.

use std::net::{IpAddr, Ipv4Addr};

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::checksum::checksum;
use crate::dissect::{Dissect, IPV4_IN_IP, IPV6_IN_IP, Next, Opened, Place, behind_ip};
use crate::fragment::Fragment;
use crate::protocol::Encapsulation;
use crate::protocol::extension::skip_authentication;
use crate::reason::Reason;

/// Flag of the fragment field: must not be fragmented.
pub(crate) const DONT_FRAGMENT: u16 = 0x4000;
/// Flag of the fragment field: further fragments follow.
pub(crate) const MORE_FRAGMENTS: u16 = 0x2000;
/// The rest of the fragment field: where a fragment belongs, in units of 8 bytes.
pub(crate) const FRAGMENT_OFFSET: u16 = 0x1fff;

/// Version and length of a header without options.
const WITHOUT_OPTIONS: u8 = 0x45;

/// The header as it is on the wire, without options.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Header {
    /// Version (4 bits), header length in units of 4 bytes (4).
    pub(crate) version_len: u8,
    /// DSCP (6 bits), ECN (2).
    pub(crate) service: u8,
    pub(crate) total_len: U16,
    pub(crate) identification: U16,
    /// Reserved (1 bit), don't fragment (1), more fragments (1), offset in units of 8 bytes (13).
    pub(crate) fragment: U16,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) checksum: U16,
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
}

impl Header {
    /// Length with options, as the header has it.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.version_len & 0x0f) << 2
    }

    /// What is present of the packet that the header starts; `bytes` start with it.
    #[inline(always)]
    fn packet<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match usize::from(self.total_len.get()) {
            // A frame larger than 64 KiB that the sending host's network card was to split.
            0 => bytes,
            len => bytes.get(..len).unwrap_or(bytes),
        }
    }
}

/// A checked header and what is present of its payload.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4<'a> {
    header: &'a Header,
    /// What is present of the packet: the whole header, and payload.
    packet: &'a [u8],
}

impl<'a> Ipv4<'a> {
    /// Reads the header at the start of `bytes`; what lies beyond its total length is cut off.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.version_len >> 4 != 4 {
            return Err(Reason::BadVersion);
        }
        let header_len = header.len();
        if header_len < size_of::<Header>() {
            return Err(Reason::BadHeaderLength);
        }
        let packet = header.packet(bytes);
        if packet.len() < header_len {
            return Err(if usize::from(header.total_len.get()) < header_len {
                Reason::BadLength
            } else {
                Reason::Truncated
            });
        }
        Ok(Self { header, packet })
    }

    /// Reads a header without options, of a packet that is no fragment; `None` if there is no such one.
    #[inline(always)]
    pub(crate) fn whole_without_options(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = Header::ref_from_prefix(bytes).ok()?;
        if header.version_len != WITHOUT_OPTIONS
            || header.fragment.get() & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0
        {
            return None;
        }
        let packet = header.packet(bytes);
        (packet.len() >= size_of::<Header>()).then_some(Self { header, packet })
    }

    /// Differentiated services code point (6 bits).
    pub fn dscp(&self) -> u8 {
        self.header.service >> 2
    }

    /// Explicit congestion notification (2 bits).
    pub fn ecn(&self) -> u8 {
        self.header.service & 3
    }

    /// Total length as the header has it, in bytes; 0 if it was left to the network card.
    pub fn total_len(&self) -> u16 {
        self.header.total_len.get()
    }

    /// Identification, which the fragments of one datagram share.
    pub fn identification(&self) -> u16 {
        self.header.identification.get()
    }

    /// The packet must not be fragmented.
    pub fn dont_fragment(&self) -> bool {
        self.header.fragment.get() & DONT_FRAGMENT != 0
    }

    /// Further fragments follow.
    pub fn more_fragments(&self) -> bool {
        self.header.fragment.get() & MORE_FRAGMENTS != 0
    }

    /// Place of the payload in the datagram, in bytes.
    pub fn fragment_offset(&self) -> u32 {
        u32::from(self.header.fragment.get() & FRAGMENT_OFFSET) << 3
    }

    /// The packet is a part of a larger datagram.
    pub fn is_fragment(&self) -> bool {
        self.header.fragment.get() & (MORE_FRAGMENTS | FRAGMENT_OFFSET) != 0
    }

    /// Time to live, in hops.
    pub fn ttl(&self) -> u8 {
        self.header.ttl
    }

    /// Protocol number of the payload.
    pub fn protocol(&self) -> u8 {
        self.header.protocol
    }

    /// Header checksum as it was sent.
    pub fn checksum(&self) -> u16 {
        self.header.checksum.get()
    }

    /// The header checksum is right. Mirrors of locally made packets have unfinished ones.
    pub fn checksum_ok(&self) -> bool {
        checksum(self.header_bytes()) == 0
    }

    /// Sender.
    pub fn source(&self) -> Ipv4Addr {
        self.header.source.into()
    }

    /// Receiver.
    pub fn destination(&self) -> Ipv4Addr {
        self.header.destination.into()
    }

    /// Sender and receiver.
    pub(crate) fn addresses(&self) -> (IpAddr, IpAddr) {
        (self.source().into(), self.destination().into())
    }

    /// The header with its options.
    pub fn header_bytes(&self) -> &'a [u8] {
        self.packet.get(..self.header.len()).unwrap_or_default()
    }

    /// Options, padding included.
    pub fn options(&self) -> &'a [u8] {
        self.header_bytes()
            .get(size_of::<Header>()..)
            .unwrap_or_default()
    }

    /// What is present of the payload.
    pub fn payload(&self) -> &'a [u8] {
        self.packet.get(self.header.len()..).unwrap_or_default()
    }

    /// Length of the payload by the total length, in bytes; more than is present if it was cut.
    pub fn claimed_payload(&self) -> usize {
        let total_len = match usize::from(self.total_len()) {
            0 => self.packet.len(),
            total_len => total_len,
        };
        total_len.saturating_sub(self.header.len())
    }

    /// The capture or the mirror cut the packet.
    pub fn truncated(&self) -> bool {
        usize::from(self.total_len()) > self.packet.len()
    }

    /// Protocol and bytes behind an authentication header, if there is one.
    pub(crate) fn transport(&self) -> (u8, &'a [u8]) {
        skip_authentication(self.header.protocol, self.payload())
    }
}

impl<'a> Dissect<'a> for Ipv4<'a> {
    #[inline(always)]
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        if self.is_fragment() {
            return Next::Fragment;
        }
        let (protocol, payload) = self.transport();
        behind_ip(protocol, payload, place.options)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let (protocol, payload) = self.transport();
        let encapsulation = match protocol {
            _ if self.is_fragment() => return None,
            IPV4_IN_IP => Encapsulation::Ipip,
            IPV6_IN_IP => Encapsulation::SixInFour,
            _ => return None,
        };
        Some(Opened::new(encapsulation, None, payload))
    }

    fn fragment(&self, place: &Place<'a, '_>) -> Option<Fragment<'a>> {
        Fragment::from_ipv4(self, place.encapsulated())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// With four bytes of options, five of payload and three of padding.
    const PACKET: [u8; 32] =
        hex!("46 b9 001d 1234 4000 3f 2f ace7 0a3c0001 c0000209 94040000 0102030405 aaaaaa");

    #[test]
    fn every_field_is_read() {
        let ip = Ipv4::parse(&PACKET).unwrap();
        assert_eq!((ip.dscp(), ip.ecn()), (0x2e, 1));
        assert_eq!(ip.total_len(), 29);
        assert_eq!(ip.identification(), 0x1234);
        assert!(ip.dont_fragment());
        assert!(!ip.more_fragments() && !ip.is_fragment());
        assert_eq!((ip.ttl(), ip.protocol()), (63, 47));
        assert_eq!(ip.checksum(), 0xace7);
        assert_eq!(ip.source(), Ipv4Addr::new(10, 60, 0, 1));
        assert_eq!(ip.destination(), Ipv4Addr::new(192, 0, 2, 9));
        assert_eq!(ip.options(), hex!("94040000"));
        assert_eq!(ip.payload(), hex!("0102030405"));
        assert_eq!(ip.claimed_payload(), 5);
        assert!(!ip.truncated());
    }

    #[test]
    fn the_checksum_is_verified() {
        let mut bytes = PACKET;
        let sum = {
            bytes[10..12].fill(0);
            checksum(&bytes[..24])
        };
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        assert!(Ipv4::parse(&bytes).unwrap().checksum_ok());
        bytes[8] ^= 1;
        assert!(!Ipv4::parse(&bytes).unwrap().checksum_ok());
    }

    #[test]
    fn fragment_fields_are_read() {
        for (field, more, offset) in [
            (0x2000_u16, true, 0),
            (0x2001, true, 8),
            (0x1fff, false, 65528),
        ] {
            let mut bytes = PACKET;
            bytes[6..8].copy_from_slice(&field.to_be_bytes());
            let ip = Ipv4::parse(&bytes).unwrap();
            assert!(ip.is_fragment() && !ip.dont_fragment());
            assert_eq!((ip.more_fragments(), ip.fragment_offset()), (more, offset));
        }
    }

    #[test]
    fn a_cut_packet_keeps_its_claim() {
        for len in 0..24 {
            assert_eq!(Ipv4::parse(&PACKET[..len]).unwrap_err(), Reason::Truncated);
        }
        for len in 24..29 {
            let ip = Ipv4::parse(&PACKET[..len]).unwrap();
            assert_eq!(ip.payload().len(), len - 24);
            assert_eq!(ip.claimed_payload(), 5);
            assert!(ip.truncated());
        }
    }

    #[test]
    fn lengths_that_contradict_the_header_are_told() {
        let parse = |at: usize, value: u8| {
            let mut bytes = PACKET;
            bytes[at] = value;
            Ipv4::parse(&bytes).map(|ip| (ip.payload().len(), ip.claimed_payload()))
        };
        assert_eq!(parse(0, 0x66), Err(Reason::BadVersion));
        assert_eq!(parse(0, 0x44), Err(Reason::BadHeaderLength));
        assert_eq!(parse(3, 23), Err(Reason::BadLength));
        assert_eq!(parse(3, 24), Ok((0, 0)));
        // Left to the network card: everything present belongs to the packet.
        assert_eq!(parse(3, 0), Ok((8, 8)));
    }

    #[test]
    fn an_authentication_header_is_skipped() {
        let bytes = hex!(
            "45000026000100004033 0000 0a3c0001 0a3c0009"
            "06 02 0000 00000001 00000002 aabbccdd 0102"
        );
        let ip = Ipv4::parse(&bytes).unwrap();
        assert_eq!(ip.transport(), (6, &[1, 2][..]));
    }
}
