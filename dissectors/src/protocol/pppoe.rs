//! PPPoE session: one PPP packet between a subscriber and an access concentrator.
//!
//! Specification: RFC 2516 §4 and §6. Discovery (0x8863) is not read: it carries no user traffic.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::protocol::{Encapsulation, Protocol, ppp};
use crate::reason::Reason;

/// `EtherType` of a session.
pub(crate) const ETHER_TYPE: u16 = 0x8864;

/// Version and type of RFC 2516.
const VERSION_TYPE: u8 = 0x11;
/// Code of session data.
const SESSION_DATA: u8 = 0;

/// What follows the `EtherType`, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Version (4 bits), type (4).
    version_type: u8,
    code: u8,
    session: U16,
    /// Length of the PPP packet.
    len: U16,
}

/// A checked header and the PPP packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Pppoe<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Pppoe<'a> {
    /// Reads the header that follows its `EtherType`; what lies beyond its length is cut off.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.version_type != VERSION_TYPE {
            return Err(Reason::BadVersion);
        }
        let payload = rest.get(..usize::from(header.len.get())).unwrap_or(rest);
        Ok(Self { header, payload })
    }

    /// Code: 0 for the data of a session.
    pub fn code(&self) -> u8 {
        self.header.code
    }

    /// Session id, which the access concentrator chose; both directions have it.
    pub fn session(&self) -> u16 {
        self.header.session.get()
    }

    /// What is present of the PPP packet.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Pppoe<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        if self.code() == SESSION_DATA {
            Next::Bare(Protocol::Ppp, self.payload)
        } else {
            Next::Opaque(Reason::ControlMessage)
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(
            Encapsulation::Pppoe,
            Some(self.session().into()),
            self.payload,
        ))
    }
}

/// Writes what follows the `EtherType`, for a PPP packet that carries `len` bytes.
pub(crate) fn write(session: u16, len: usize, out: &mut Vec<u8>) {
    let len = len.saturating_add(ppp::HEADER_LEN);
    let header = Header {
        version_type: VERSION_TYPE,
        code: SESSION_DATA,
        session: session.into(),
        len: u16::try_from(len).unwrap_or(u16::MAX).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("11 09 1234 0003 0021 45 aaaa");
        let pppoe = Pppoe::parse(&bytes).unwrap();
        assert_eq!((pppoe.code(), pppoe.session()), (9, 0x1234));
        assert_eq!(pppoe.payload(), hex!("0021 45"));
        assert_eq!(Pppoe::parse(&bytes[..7]).unwrap().payload(), [0]);
        for len in 0..6 {
            assert_eq!(Pppoe::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn another_version_or_type_is_refused() {
        for version_type in [0x12, 0x21, 0x01] {
            let bytes = [version_type, 0, 0, 1, 0, 0];
            assert_eq!(Pppoe::parse(&bytes).unwrap_err(), Reason::BadVersion);
        }
    }
}
