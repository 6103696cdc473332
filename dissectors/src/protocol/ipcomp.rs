//! IPComp: compressed packets, in IP (108).
//!
//! Specification: RFC 3173 §3.1. Nothing is decompressed.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// The header as it is on the wire.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    next: u8,
    flags: u8,
    cpi: U16,
}

/// A header and what is compressed behind it.
#[derive(Clone, Copy, Debug)]
pub struct IpComp<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> IpComp<'a> {
    /// Reads the header at the start of an IP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// IP protocol number of what was compressed.
    pub fn next_header(&self) -> u8 {
        self.header.next
    }

    /// Compression parameter index (16 bits): below 64 the algorithm, else chosen by the receiver.
    pub fn cpi(&self) -> u16 {
        self.header.cpi.get()
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for IpComp<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Opaque(Reason::Compressed)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened {
            one_way_id: true,
            ..Opened::new(Encapsulation::IpComp, Some(self.cpi().into()), self.payload)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("06 ff 8102 aa");
        let ipcomp = IpComp::parse(&bytes).unwrap();
        assert_eq!((ipcomp.next_header(), ipcomp.cpi()), (6, 0x8102));
        assert_eq!(ipcomp.payload(), [0xaa]);
        for len in 0..4 {
            assert_eq!(IpComp::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
    }
}
