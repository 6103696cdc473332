//! ESP: encrypted packets, in IP (50), or in UDP (4500) beside the negotiation of their keys.
//!
//! Specification: RFC 4303 §2, RFC 3948 §2. Payload under NULL encryption is in clear, but nothing on
//! the wire says so: it stays closed too.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// What keeps the way through a NAT open.
const KEEPALIVE: [u8; 1] = [0xff];

/// The header as it is on the wire.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    spi: U32,
    sequence: U32,
}

/// A header and what is encrypted behind it, or a message between the two ends.
#[derive(Clone, Copy, Debug)]
pub struct Esp<'a> {
    /// `None` in a keepalive or an IKE message.
    header: Option<&'a Header>,
    payload: &'a [u8],
}

impl<'a> Esp<'a> {
    /// Reads the header at the start of an IP or UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        // In place of a security parameters index, four zeros announce IKE.
        if bytes == KEEPALIVE || bytes.starts_with(&[0; 4]) {
            return Ok(Self {
                header: None,
                payload: bytes,
            });
        }
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        Ok(Self {
            header: Some(header),
            payload,
        })
    }

    /// Security parameters index (32 bits), which the receiver chose.
    pub fn spi(&self) -> Option<u32> {
        self.header.map(|header| header.spi.get())
    }

    /// Sequence number: counts packets of one index.
    pub fn sequence(&self) -> Option<u32> {
        self.header.map(|header| header.sequence.get())
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Esp<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Opaque(match self.header {
            Some(_) => Reason::Encrypted,
            None => Reason::ControlMessage,
        })
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let id = self.spi()?.into();
        Some(Opened {
            one_way_id: true,
            ..Opened::new(Encapsulation::Esp, Some(id), self.payload)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("fedcba98 8001007f aa");
        let esp = Esp::parse(&bytes).unwrap();
        assert_eq!(esp.spi(), Some(0xfedc_ba98));
        assert_eq!(esp.sequence(), Some(0x8001_007f));
        assert_eq!(esp.payload(), [0xaa]);
        assert!(esp.opened(None).is_some_and(|opened| opened.one_way_id));
        for len in 0..8 {
            assert_eq!(Esp::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn messages_between_the_ends_have_no_index() {
        for bytes in [&[0xff][..], &hex!("00000000 0123456789abcdef")] {
            let esp = Esp::parse(bytes).unwrap();
            assert_eq!((esp.spi(), esp.sequence()), (None, None));
            assert!(esp.opened(None).is_none());
        }
        assert_eq!(Esp::parse(&[0xff, 0xff]).unwrap_err(), Reason::Truncated);
    }
}
