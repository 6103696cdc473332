//! Cisco MetaData: the security group of a frame's sender, as a tag in Ethernet or in GRE.
//!
//! Specification: none is public. In Ethernet the `EtherType` of what follows stands behind the tag, in
//! GRE in front of it. Only the first option is read.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place, behind_ether_type, carried};
use crate::protocol::Encapsulation;
use crate::protocol::ethernet::check_type;
use crate::reason::Reason;

/// `EtherType` of the tag.
pub(crate) const ETHER_TYPE: u16 = 0x8909;

/// Version that the layout belongs to; some senders leave version and length at 0.
const VERSION: u8 = 1;
/// Type of the option that holds a security group (the upper bits are its length).
const SECURITY_GROUP: u16 = 1;

/// The tag as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    version: u8,
    /// Length of the options in units of 4 bytes.
    len: u8,
    /// Length (4 bits), type (12).
    option: U16,
    group: U16,
}

/// The tag and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct CiscoMetaData<'a> {
    header: &'a Header,
    ether_type: u16,
    payload: &'a [u8],
}

/// The tag in GRE.
#[derive(Clone, Copy, Debug)]
pub struct CiscoMetaDataGre<'a>(CiscoMetaData<'a>);

impl Header {
    fn split(bytes: &[u8]) -> Result<(&Self, &[u8]), Reason> {
        let (header, rest) = Self::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.version > VERSION {
            return Err(Reason::BadVersion);
        }
        let more = usize::from(header.len.saturating_sub(1)) << 2;
        Ok((header, rest.get(more..).ok_or(Reason::Truncated)?))
    }

    fn security_group(&self) -> Option<u16> {
        (self.option.get() & 0x0fff == SECURITY_GROUP).then(|| self.group.get())
    }
}

impl<'a> CiscoMetaData<'a> {
    /// Reads the tag that follows its `EtherType`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::split(bytes)?;
        let (ether_type, payload) = U16::ref_from_prefix(rest).map_err(|_| Reason::Truncated)?;
        check_type(ether_type.get())?;
        Ok(Self {
            header,
            ether_type: ether_type.get(),
            payload,
        })
    }

    /// Security group tag of the sender.
    pub fn security_group(&self) -> Option<u16> {
        self.header.security_group()
    }

    /// `EtherType` of the payload, or its length if at most 1500.
    pub fn ether_type(&self) -> u16 {
        self.ether_type
    }

    /// What follows the tag.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> CiscoMetaDataGre<'a> {
    /// Reads the tag at the start of a GRE payload of type 0x8909.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (ether_type, rest) = U16::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let (header, payload) = Header::split(rest)?;
        Ok(Self(CiscoMetaData {
            header,
            ether_type: ether_type.get(),
            payload,
        }))
    }

    /// The tag and what follows it.
    pub fn tag(&self) -> CiscoMetaData<'a> {
        self.0
    }
}

impl<'a> Dissect<'a> for CiscoMetaData<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        behind_ether_type(self.ether_type, self.payload, place.options)
    }
}

impl<'a> Dissect<'a> for CiscoMetaDataGre<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        carried(self.0.ether_type, self.0.payload, place.options)
    }

    fn opened(&self, key: Option<u32>) -> Option<Opened<'a>> {
        let id = key.map(u64::from);
        Some(Opened::new(Encapsulation::Gre, id, self.0.payload))
    }
}

/// Writes what follows the tag's `EtherType` in Ethernet, with that of what follows.
pub(crate) fn write(security_group: u16, ether_type: u16, out: &mut Vec<u8>) {
    let header = Header {
        version: VERSION,
        len: 1,
        option: SECURITY_GROUP.into(),
        group: security_group.into(),
    };
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(&ether_type.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::link::LinkType;
    use crate::options::Options;
    use crate::packet::Network;
    use crate::strip::decapsulate;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("01 01 0001 1234 0800 45");
        let tag = CiscoMetaData::parse(&bytes).unwrap();
        assert_eq!(tag.security_group(), Some(0x1234));
        assert_eq!((tag.ether_type(), tag.payload()), (0x0800, &[0x45][..]));
        for len in 0..8 {
            assert_eq!(
                CiscoMetaData::parse(&bytes[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
        let in_gre = hex!("86dd 01 01 4001 1234 60");
        let tag = CiscoMetaDataGre::parse(&in_gre).unwrap().tag();
        assert_eq!(tag.security_group(), Some(0x1234));
        assert_eq!((tag.ether_type(), tag.payload()), (0x86dd, &[0x60][..]));
        for len in 0..8 {
            assert_eq!(
                CiscoMetaDataGre::parse(&in_gre[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
    }

    #[test]
    fn further_options_are_skipped_and_other_versions_refused() {
        let parse = |bytes: &[u8]| {
            CiscoMetaData::parse(bytes).map(|tag| (tag.security_group(), tag.ether_type()))
        };
        let two = hex!("01 02 0002 1234 0001 5678 0800");
        assert_eq!(parse(&two), Ok((None, 0x0800)));
        let unset = hex!("00 00 0000 0000 0800");
        assert_eq!(parse(&unset), Ok((None, 0x0800)));
        assert_eq!(
            parse(&hex!("02 01 0001 1234 0800")),
            Err(Reason::BadVersion)
        );
        assert_eq!(parse(&hex!("01 01 0001 1234 05ff")), Err(Reason::BadType));
    }

    #[test]
    fn the_tag_in_gre_is_taken_off() {
        let bytes = hex!(
            "02000000000b 02000000000a 0800 45000040 00010000 402f 0000 0a3c0001 0a3c0009"
            "0000 8909 0800 01010001 0007"
            "4500001c 00010000 4011 0000 0a000001 0a000002 1389138a00080000"
        );
        let stripped = decapsulate(LinkType::Ethernet, &bytes, &Options::default());
        assert_eq!(stripped.inner.offset, 14 + 20 + 4 + 8);
        assert_eq!(stripped.encapsulations().count(), 1);
        let Network::Ip(ip) = stripped.packet().network else {
            panic!("the packet behind the tag is read");
        };
        assert_eq!(ip.ports, Some((5001, 5002)));
    }
}
