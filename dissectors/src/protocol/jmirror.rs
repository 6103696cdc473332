//! jmirror: mirrored IP packets of Juniper's subscriber routers behind 8 bytes, in UDP.
//!
//! Specification: none; the layout is tshark's. Subscribers' PPP frames are read where they carry IP.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// UDP port.
pub(crate) const PORT: u16 = 30030;

/// Length of a PPP header in HDLC framing: address, control, protocol.
const PPP_LEN: usize = 4;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    mirror: U32,
    session: U32,
}

/// A checked header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Jmirror<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Jmirror<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if payload.first() == Some(&0xff) && payload.len() < PPP_LEN {
            return Err(Reason::Truncated);
        }
        Ok(Self { header, payload })
    }

    /// Names the mirror, or the interception.
    pub fn mirror_id(&self) -> u32 {
        self.header.mirror.get()
    }

    /// Names the mirrored subscriber's session.
    pub fn session_id(&self) -> u32 {
        self.header.session.get()
    }

    /// What follows the header: an IP packet, or a PPP frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The IP packet, if the payload is one or a PPP frame around one.
    pub fn ip_packet(&self) -> Option<&'a [u8]> {
        match self.payload {
            [0xff, 0x03, 0x00, 0x21 | 0x57, packet @ ..] => Some(packet),
            [] | [0x40..=0x4f | 0x60..=0x6f, ..] => Some(self.payload),
            _ => None,
        }
    }
}

/// Writes a header.
pub(crate) fn write(mirror: u32, session: u32, out: &mut Vec<u8>) {
    let header = Header {
        mirror: mirror.into(),
        session: session.into(),
    };
    out.extend_from_slice(header.as_bytes());
}

impl<'a> Dissect<'a> for Jmirror<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        match self.ip_packet() {
            Some(packet) => Next::Frame(LinkType::RawIp, packet),
            None => Next::Opaque(Reason::UnsupportedType),
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let id = u64::from(self.mirror_id()) << 32 | u64::from(self.session_id());
        let payload = self.ip_packet().unwrap_or(self.payload);
        Some(Opened::new(Encapsulation::Jmirror, Some(id), payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("89abcdef fedcba98 45 00");
        let jmirror = Jmirror::parse(&bytes).unwrap();
        assert_eq!(jmirror.mirror_id(), 0x89ab_cdef);
        assert_eq!(jmirror.session_id(), 0xfedc_ba98);
        assert_eq!(jmirror.payload(), [0x45, 0]);
        let opened = jmirror.opened(None).unwrap();
        assert_eq!(opened.id, Some(0x89ab_cdef_fedc_ba98));
        for len in 0..8 {
            assert_eq!(
                Jmirror::parse(&bytes[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
    }

    #[test]
    fn ip_is_found_bare_and_in_ppp() {
        let packet = |payload: &[u8]| {
            let bytes = [&[0; 8], payload].concat();
            let read = Jmirror::parse(&bytes)?;
            Ok(read.ip_packet().map(<[u8]>::to_vec))
        };
        assert_eq!(packet(&hex!("4f01")), Ok(Some(hex!("4f01").to_vec())));
        assert_eq!(packet(&hex!("6001")), Ok(Some(hex!("6001").to_vec())));
        assert_eq!(packet(&hex!("ff030021 45")), Ok(Some(vec![0x45])));
        assert_eq!(packet(&hex!("ff030057 60")), Ok(Some(vec![0x60])));
        assert_eq!(packet(&hex!("ff03c021 01")), Ok(None));
        assert_eq!(packet(&hex!("02000000")), Ok(None));
        for len in 1..4 {
            assert_eq!(
                packet(&hex!("ff030021")[..len]),
                Err(Reason::Truncated),
                "{len}"
            );
        }
    }
}
