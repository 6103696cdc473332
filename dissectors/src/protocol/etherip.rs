//! EtherIP: one Ethernet frame behind 2 bytes, in IP (97); wireless controllers anchor guests with it.
//!
//! Specification: RFC 3378 §3. Old BSD kernels write the version into the lower half of the first byte;
//! that is read too. The reserved bits are ignored.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

const VERSION: u8 = 3;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Version (4 bits), reserved (4).
    version: u8,
    reserved: u8,
}

/// The frame behind a checked header.
#[derive(Clone, Copy, Debug)]
pub struct EtherIp<'a> {
    payload: &'a [u8],
}

impl<'a> EtherIp<'a> {
    /// Reads the header at the start of an IP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.version >> 4 != VERSION && header.version != VERSION {
            return Err(Reason::BadVersion);
        }
        Ok(Self { payload })
    }

    /// The Ethernet frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for EtherIp<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(Encapsulation::EtherIp, None, self.payload))
    }
}

/// Writes the header.
pub(crate) fn write(out: &mut Vec<u8>) {
    let header = Header {
        version: VERSION << 4,
        reserved: 0,
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn both_places_of_the_version_are_read() {
        let payload = |bytes: [u8; 3]| EtherIp::parse(&bytes).map(|etherip| etherip.payload()[0]);
        assert_eq!(payload(hex!("300002")), Ok(2));
        assert_eq!(payload(hex!("3fff02")), Ok(2));
        assert_eq!(payload(hex!("030002")), Ok(2));
        for version in [0x00, 0x20, 0x13, 0x40] {
            assert_eq!(payload([version, 0, 2]), Err(Reason::BadVersion));
        }
        for len in 0..2 {
            assert_eq!(
                EtherIp::parse(&[0x30; 2][..len]).unwrap_err(),
                Reason::Truncated
            );
        }
    }
}
