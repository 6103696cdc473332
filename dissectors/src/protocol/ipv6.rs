//! IPv6 with its extension headers: carries GRE and UDP tunnels, and is carried by them.
//!
//! Specification: RFC 8200 §3 and §4. Options inside the extension headers are not read, so the
//! length of a jumbogram is that of what is present.

use std::net::{IpAddr, Ipv6Addr};

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, IPV4_IN_IP, IPV6_IN_IP, Next, Opened, Place, behind_ip};
use crate::fragment::Fragment;
use crate::protocol::Encapsulation;
use crate::protocol::extension::{self, Chain, FragmentHeader, walk};
use crate::reason::Reason;

/// The fixed header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Header {
    /// Version (4 bits), traffic class (8), flow label (20).
    pub(crate) version_class_flow: U32,
    pub(crate) payload_len: U16,
    pub(crate) next: u8,
    pub(crate) hop_limit: u8,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
}

impl Header {
    /// What is present of the packet that the header starts; `bytes` start with it.
    #[inline(always)]
    fn packet<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        match usize::from(self.payload_len.get()) {
            // A jumbogram, or a frame that the sending host's network card was to split.
            0 => bytes,
            len => bytes.get(..len.saturating_add(HEADER_LEN)).unwrap_or(bytes),
        }
    }
}

/// Length of the fixed header.
pub(crate) const HEADER_LEN: usize = size_of::<Header>();

/// A checked header, its extension headers and what is present of its payload.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6<'a> {
    header: &'a Header,
    /// What is present of the packet, from the fixed header on.
    packet: &'a [u8],
    /// Length of the fixed header and the extension headers.
    header_len: u32,
    protocol: u8,
    /// The last of the extension headers makes the packet a fragment.
    is_fragment: bool,
}

impl<'a> Ipv6<'a> {
    /// Reads the headers at the start of `bytes`; what lies beyond the payload length is cut off.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.version_class_flow.get() >> 28 != 6 {
            return Err(Reason::BadVersion);
        }
        let packet = header.packet(bytes);
        let body = packet.get(HEADER_LEN..).unwrap_or_default();
        let Chain {
            protocol,
            payload,
            fragment,
            cut,
        } = walk(header.next, body)?;
        let ip = Self {
            header,
            packet,
            header_len: packet.len().saturating_sub(payload.len()) as u32,
            protocol,
            is_fragment: fragment.is_some(),
        };
        // A chain that the capture cut still has the addresses; one that its own length cuts is bad.
        if cut && !ip.truncated() {
            return Err(Reason::Truncated);
        }
        Ok(ip)
    }

    /// Reads a header that no extension header follows; `None` if there is no such one.
    #[inline(always)]
    pub(crate) fn without_extensions(bytes: &'a [u8]) -> Option<Self> {
        let (header, _) = Header::ref_from_prefix(bytes).ok()?;
        if header.version_class_flow.get() >> 28 != 6 || extension::len(header.next, 0).is_some() {
            return None;
        }
        Some(Self {
            header,
            packet: header.packet(bytes),
            header_len: HEADER_LEN as u32,
            protocol: header.next,
            is_fragment: false,
        })
    }

    /// Differentiated services code point (6 bits).
    pub fn dscp(&self) -> u8 {
        (self.header.version_class_flow.get() >> 22) as u8 & 0x3f
    }

    /// Explicit congestion notification (2 bits).
    pub fn ecn(&self) -> u8 {
        (self.header.version_class_flow.get() >> 20) as u8 & 3
    }

    /// Flow label (20 bits).
    pub fn flow_label(&self) -> u32 {
        self.header.version_class_flow.get() & 0x000f_ffff
    }

    /// Payload length as the header has it, extension headers included, in bytes.
    pub fn payload_len(&self) -> u16 {
        self.header.payload_len.get()
    }

    /// Number of the header behind the fixed one.
    pub fn next_header(&self) -> u8 {
        self.header.next
    }

    /// Hops the packet may still take.
    pub fn hop_limit(&self) -> u8 {
        self.header.hop_limit
    }

    /// Sender.
    pub fn source(&self) -> Ipv6Addr {
        self.header.source.into()
    }

    /// Receiver.
    pub fn destination(&self) -> Ipv6Addr {
        self.header.destination.into()
    }

    /// Sender and receiver.
    pub(crate) fn addresses(&self) -> (IpAddr, IpAddr) {
        (self.source().into(), self.destination().into())
    }

    /// Protocol number of the payload, behind the extension headers.
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The packet is a part of a larger datagram; an atomic fragment (RFC 6946) is not.
    pub fn is_fragment(&self) -> bool {
        self.is_fragment
    }

    /// The fixed header and the extension headers, the fragment header included.
    pub fn header_bytes(&self) -> &'a [u8] {
        let len = self.header_len as usize;
        self.packet.get(..len).unwrap_or_default()
    }

    /// Extension headers, the fragment header included.
    pub fn extensions(&self) -> &'a [u8] {
        self.header_bytes().get(HEADER_LEN..).unwrap_or_default()
    }

    /// What is present of the payload, behind the extension headers.
    pub fn payload(&self) -> &'a [u8] {
        let len = self.header_len as usize;
        self.packet.get(len..).unwrap_or_default()
    }

    /// Length of the payload behind the extension headers by the payload length, in bytes.
    pub fn claimed_payload(&self) -> usize {
        match usize::from(self.payload_len()) {
            0 => self.payload().len(),
            len => len.saturating_sub(self.extensions().len()),
        }
    }

    /// The capture or the mirror cut the packet.
    pub fn truncated(&self) -> bool {
        usize::from(self.payload_len()).saturating_add(HEADER_LEN) > self.packet.len()
    }

    pub(crate) fn fragment_header(&self) -> Option<&'a FragmentHeader> {
        let (_, fragment) = FragmentHeader::ref_from_suffix(self.header_bytes()).ok()?;
        self.is_fragment.then_some(fragment)
    }
}

impl<'a> Dissect<'a> for Ipv6<'a> {
    #[inline]
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        if self.is_fragment() {
            return Next::Fragment;
        }
        behind_ip(self.protocol, self.payload(), place.options)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let encapsulation = match self.protocol {
            _ if self.is_fragment() => return None,
            IPV4_IN_IP => Encapsulation::FourInSix,
            IPV6_IN_IP => Encapsulation::SixInSix,
            _ => return None,
        };
        Some(Opened::new(encapsulation, None, self.payload()))
    }

    fn fragment(&self, place: &Place<'a, '_>) -> Option<Fragment<'a>> {
        Fragment::from_ipv6(self, place.encapsulated())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// With hop-by-hop options, five bytes of payload and three of padding.
    const PACKET: [u8; 56] = hex!(
        "6b912345 000d 00 3f 20010db8006000000000000000000001 20010db8006000000000000000000009"
        "2f00010400000000 0102030405 aaaaaa"
    );

    #[test]
    fn every_field_is_read() {
        let ip = Ipv6::parse(&PACKET).unwrap();
        assert_eq!((ip.dscp(), ip.ecn()), (0x2e, 1));
        assert_eq!(ip.flow_label(), 0x12345);
        assert_eq!(ip.payload_len(), 13);
        assert_eq!((ip.next_header(), ip.protocol()), (0, 47));
        assert_eq!(ip.hop_limit(), 63);
        assert_eq!(ip.source().to_string(), "2001:db8:60::1");
        assert_eq!(ip.destination().to_string(), "2001:db8:60::9");
        assert_eq!(ip.extensions(), hex!("2f00010400000000"));
        assert_eq!(ip.header_bytes(), &PACKET[..48]);
        assert_eq!(ip.payload(), hex!("0102030405"));
        assert_eq!(ip.claimed_payload(), 5);
        assert!(!ip.truncated() && !ip.is_fragment());
    }

    #[test]
    fn a_cut_packet_keeps_its_claim() {
        for len in 0..40 {
            assert_eq!(Ipv6::parse(&PACKET[..len]).unwrap_err(), Reason::Truncated);
        }
        for len in 40..53 {
            let ip = Ipv6::parse(&PACKET[..len]).unwrap();
            assert!(ip.truncated());
            assert_eq!(ip.extensions().len() + ip.claimed_payload(), 13);
        }
    }

    #[test]
    fn a_chain_beyond_the_payload_length_is_refused() {
        let mut bytes = PACKET;
        bytes[5] = 4;
        assert_eq!(Ipv6::parse(&bytes).unwrap_err(), Reason::Truncated);
        bytes[5] = 0;
        assert_eq!(Ipv6::parse(&bytes).unwrap().claimed_payload(), 8);
        bytes[0] = 0x4b;
        assert_eq!(Ipv6::parse(&bytes).unwrap_err(), Reason::BadVersion);
    }
}
