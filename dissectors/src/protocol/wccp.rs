//! WCCP redirection: an IP packet that a router sends to a cache, in GRE (0x883E).
//!
//! Specification: draft-wilson-wrec-wccp-v2 §4.12. Version 1 has no header of its own.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// Protocol type in GRE.
pub(crate) const GRE_TYPE: u16 = 0x883e;

/// Flag: the service is not one of the well-known ones.
const DYNAMIC: u8 = 0x80;

/// The redirect header of version 2 as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Dynamic service (1 bit), alternative bucket used (1), reserved (6).
    flags: u8,
    service: u8,
    alternative_bucket: u8,
    primary_bucket: u8,
}

/// The redirect header, if there is one, and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Wccp<'a> {
    header: Option<&'a Header>,
    payload: &'a [u8],
}

impl<'a> Wccp<'a> {
    /// Reads what starts a GRE payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        // The first byte of IPv4: as flags, it would have reserved bits set.
        if matches!(bytes, [0x45..=0x4f, ..]) {
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

    /// The service is not one of the well-known ones; `None` in version 1, as for all fields.
    pub fn is_dynamic(&self) -> Option<bool> {
        self.header.map(|header| header.flags & DYNAMIC != 0)
    }

    /// Service that the packet was redirected for (8 bits); 0 is web traffic.
    pub fn service(&self) -> Option<u8> {
        self.header.map(|header| header.service)
    }

    /// Bucket of the hash that chose the cache.
    pub fn primary_bucket(&self) -> Option<u8> {
        self.header.map(|header| header.primary_bucket)
    }

    /// Bucket of the second hash.
    pub fn alternative_bucket(&self) -> Option<u8> {
        self.header.map(|header| header.alternative_bucket)
    }

    /// The redirected IP packet.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Wccp<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::RawIp, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let id = self.service().map(u64::from);
        Some(Opened::new(Encapsulation::Wccp, id, self.payload))
    }
}

/// Writes the redirect header of version 2 for a dynamic service, or nothing as in version 1.
pub(crate) fn write(service: Option<u8>, out: &mut Vec<u8>) {
    let header = service.map(|service| Header {
        flags: DYNAMIC,
        service,
        alternative_bucket: 0,
        primary_bucket: 0,
    });
    out.extend_from_slice(header.as_ref().map_or(&[], IntoBytes::as_bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("80 33 02 11 45");
        let wccp = Wccp::parse(&bytes).unwrap();
        assert_eq!((wccp.is_dynamic(), wccp.service()), (Some(true), Some(51)));
        assert_eq!(wccp.alternative_bucket(), Some(2));
        assert_eq!(wccp.primary_bucket(), Some(0x11));
        assert_eq!(wccp.payload(), [0x45]);
        for len in 0..4 {
            assert_eq!(Wccp::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn version_1_is_told_by_the_packet() {
        let wccp = Wccp::parse(&hex!("4500")).unwrap();
        assert_eq!((wccp.service(), wccp.payload()), (None, &hex!("4500")[..]));
        // The flag of the alternative bucket alone is no IPv4.
        let wccp = Wccp::parse(&hex!("40 00 0203 45")).unwrap();
        assert_eq!((wccp.is_dynamic(), wccp.service()), (Some(false), Some(0)));
    }
}
