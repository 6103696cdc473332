//! AYIYA: one IP packet of a tunnel broker's customer behind an identity and a signature, in UDP.
//!
//! Specification: draft-massar-v6ops-ayiya-02 §3. Identity and signature are skipped.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, IPV4_IN_IP, IPV6_IN_IP, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// Operation: forward the packet.
const FORWARD: u8 = 1;

/// The fixed part as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Length of the identity as a power of two (4 bits), its kind (4).
    identity: u8,
    /// Length of the signature in units of 4 bytes (4 bits), hash (4).
    signature: u8,
    /// Authentication (4 bits), operation (4).
    operation: u8,
    next: u8,
    /// Seconds since 1970.
    time: U32,
}

/// A checked header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Ayiya<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Ayiya<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let identity = 1_usize << (header.identity >> 4);
        let signature = usize::from(header.signature >> 4) << 2;
        let payload = rest
            .get(identity.saturating_add(signature)..)
            .ok_or(Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// Operation (4 bits): 1 forwards a packet.
    pub fn operation(&self) -> u8 {
        self.header.operation & 0x0f
    }

    /// IP protocol number of the payload.
    pub fn next_header(&self) -> u8 {
        self.header.next
    }

    /// When the packet was sent, in seconds since 1970.
    pub fn time(&self) -> u32 {
        self.header.time.get()
    }

    /// What follows the signature.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Ayiya<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        match (self.operation(), self.next_header()) {
            (FORWARD, IPV4_IN_IP | IPV6_IN_IP) => Next::Frame(LinkType::RawIp, self.payload),
            (FORWARD, _) => Next::Opaque(Reason::UnsupportedType),
            _ => Next::Opaque(Reason::ControlMessage),
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        (self.operation() == FORWARD).then(|| Opened::new(Encapsulation::Ayiya, None, self.payload))
    }
}

/// Writes the header in front of an IP packet with this protocol number, with an identity of zeros
/// and without a signature.
pub(crate) fn write(next_header: u8, out: &mut Vec<u8>) {
    let header = Header {
        // 16 bytes, an integer.
        identity: 0x41,
        signature: 0,
        operation: FORWARD,
        next: next_header,
        time: 0.into(),
    };
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(&[0; 16]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("21 12 e1 29 fedcba98 01020304 aabbccdd 60");
        let ayiya = Ayiya::parse(&bytes).unwrap();
        assert_eq!((ayiya.operation(), ayiya.next_header()), (1, 41));
        assert_eq!(ayiya.time(), 0xfedc_ba98);
        assert_eq!(ayiya.payload(), [0x60]);
        for len in 0..16 {
            assert_eq!(Ayiya::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn only_forwarded_packets_open_the_tunnel() {
        let with = |operation: u8| {
            let mut bytes = hex!("01 00 10 29 00000000 ff 60");
            bytes[2] |= operation;
            Ayiya::parse(&bytes).unwrap().opened(None).is_some()
        };
        assert!(with(1));
        assert!(!with(0) && !with(2));
    }
}
