//! E-Tag: which channel of an extended port a frame comes from and goes to (bridge port extension).
//!
//! Specification: IEEE 802.1BR §7.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::protocol::ethernet::check_type;
use crate::reason::Reason;

/// `EtherType` of the tag.
pub(crate) const ETHER_TYPE: u16 = 0x893f;

/// What follows the `EtherType`, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Priority (3 bits), drop eligible (1), base of the ingress channel (12).
    ingress: U16,
    /// Reserved (2 bits), group (2), base of the channel (12).
    channel: U16,
    ingress_extension: u8,
    extension: u8,
    /// `EtherType` of what follows, or its length.
    ether_type: U16,
}

/// A checked tag and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct ETag<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> ETag<'a> {
    /// Reads the tag that follows its `EtherType`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        check_type(header.ether_type.get())?;
        Ok(Self { header, payload })
    }

    /// Priority code point (3 bits).
    pub fn priority(&self) -> u8 {
        (self.header.ingress.get() >> 13) as u8
    }

    /// Drop eligible indicator.
    pub fn drop_eligible(&self) -> bool {
        self.header.ingress.get() & 0x1000 != 0
    }

    /// Channel that the frame came in by (20 bits); 0 towards the bridge.
    pub fn ingress_channel(&self) -> u32 {
        u32::from(self.header.ingress_extension) << 12
            | u32::from(self.header.ingress.get() & 0x0fff)
    }

    /// Channel, or group of channels, that the frame goes to or comes from (22 bits).
    pub fn channel(&self) -> u32 {
        u32::from(self.header.extension) << 14 | u32::from(self.header.channel.get() & 0x3fff)
    }

    /// `EtherType` of the payload, or its length if at most 1500.
    pub fn ether_type(&self) -> u16 {
        self.header.ether_type.get()
    }

    /// What follows the tag.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for ETag<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        behind_ether_type(self.ether_type(), self.payload, place.options)
    }
}

/// Writes what follows the tag's `EtherType`, with that of what follows.
pub(crate) fn write(channel: u16, ether_type: u16, out: &mut Vec<u8>) {
    let header = Header {
        ingress: 0.into(),
        channel: (channel & 0x3fff).into(),
        ingress_extension: 0,
        extension: 0,
        ether_type: ether_type.into(),
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("babc e123 ab cd 0800 45");
        let tag = ETag::parse(&bytes).unwrap();
        assert_eq!(tag.priority(), 5);
        assert!(tag.drop_eligible());
        assert_eq!(tag.ingress_channel(), 0xa_babc);
        // The group's two bits stand between the extension and the base.
        assert_eq!(tag.channel(), 0xcd << 14 | 0x2123);
        assert_eq!((tag.ether_type(), tag.payload()), (0x0800, &[0x45][..]));
        for len in 0..8 {
            assert_eq!(ETag::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let other = ETag::parse(&hex!("4fff 0001 00 00 86dd"))
            .map(|tag| (tag.priority(), tag.drop_eligible(), tag.channel()));
        assert_eq!(other, Ok((2, false, 1)));
    }
}
