//! Radiotap: how a wireless card received a frame, in front of that 802.11 frame.
//!
//! Specification: radiotap.org; `LINKTYPE_IEEE802_11_RADIOTAP` of pcap. The fields are skipped.

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place};
use crate::protocol::Protocol;
use crate::reason::Reason;

/// The fixed part as it is on the wire, in little-endian byte order.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    version: u8,
    padding: u8,
    /// Whole length, fields included.
    len: U16,
    /// Which fields follow.
    present: U32,
}

/// A checked header and the 802.11 frame behind it.
#[derive(Clone, Copy, Debug)]
pub struct Radiotap<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Radiotap<'a> {
    /// Reads the header at the start of a frame.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.version != 0 {
            return Err(Reason::BadVersion);
        }
        let len = usize::from(header.len.get());
        if len < size_of::<Header>() {
            return Err(Reason::BadHeaderLength);
        }
        let payload = bytes.get(len..).ok_or(Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// Which of the first 32 fields are present.
    pub fn present(&self) -> u32 {
        self.header.present.get()
    }

    /// The 802.11 frame, with or without its FCS.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Radiotap<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Header(Protocol::Ieee80211, self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("00 00 0a00 04030201 1234 88");
        let radiotap = Radiotap::parse(&bytes).unwrap();
        assert_eq!(radiotap.present(), 0x0102_0304);
        assert_eq!(radiotap.payload(), [0x88]);
        for len in 0..10 {
            assert_eq!(
                Radiotap::parse(&bytes[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
    }

    #[test]
    fn other_versions_and_short_lengths_are_refused() {
        let parse = |version, len| {
            Radiotap::parse(&[version, 0, len, 0, 0, 0, 0, 0]).map(|radiotap| radiotap.present())
        };
        assert_eq!(parse(0, 8), Ok(0));
        assert_eq!(parse(0, 7), Err(Reason::BadHeaderLength));
        assert_eq!(parse(1, 8), Err(Reason::BadVersion));
    }
}
