//! Cisco HDLC: an `EtherType` in front of the packets of a serial line.
//!
//! Specification: RFC 1547 §4.3.1; `LINKTYPE_C_HDLC` of pcap.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::reason::Reason;

/// `EtherType` of RARP, under which a serial line has the keepalives of its ends.
const KEEPALIVE: u16 = 0x8035;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// 0x0f, or 0x8f to all.
    address: u8,
    control: u8,
    ether_type: U16,
}

/// A checked header and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct CiscoHdlc<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> CiscoHdlc<'a> {
    /// Whether a frame of a serial line starts with this header; PPP starts otherwise.
    pub(crate) fn starts(bytes: &[u8]) -> bool {
        matches!(bytes, [0x0f | 0x8f, 0, ..])
    }

    /// Reads the header at the start of a frame.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// Address: 0x0f, or 0x8f to all.
    pub fn address(&self) -> u8 {
        self.header.address
    }

    /// `EtherType` of the payload.
    pub fn ether_type(&self) -> u16 {
        self.header.ether_type.get()
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for CiscoHdlc<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        match self.ether_type() {
            KEEPALIVE => Next::Opaque(Reason::ControlMessage),
            other => behind_ether_type(other, self.payload, place.options),
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::link::LinkType;
    use crate::options::Options;
    use crate::protocol::Protocol;
    use crate::strip::decapsulate;
    use crate::stripped::Stop;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("8f 00 86dd 60");
        let header = CiscoHdlc::parse(&bytes).unwrap();
        assert_eq!((header.address(), header.ether_type()), (0x8f, 0x86dd));
        assert_eq!(header.payload(), [0x60]);
        for len in 0..4 {
            assert_eq!(
                CiscoHdlc::parse(&bytes[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
    }

    #[test]
    fn keepalives_are_not_rarp_and_ppp_files_may_hold_them() {
        let bytes = hex!("8f00 8035 00000002 00000001 00000000 ffff");
        let stop = Stop::Opaque {
            protocol: Protocol::CiscoHdlc,
            reason: Reason::ControlMessage,
        };
        for link in [LinkType::CiscoHdlc, LinkType::Ppp] {
            let stripped = decapsulate(link, &bytes, &Options::default());
            assert_eq!(stripped.stop, stop);
        }
    }
}
