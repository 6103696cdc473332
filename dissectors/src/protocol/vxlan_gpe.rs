//! VXLAN-GPE: a frame or packet of an overlay network behind 8 bytes that name its protocol, in UDP.
//!
//! Specification: draft-ietf-nvo3-vxlan-gpe. The B flag (replicated by the ingress) is not read.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::{Encapsulation, nsh};
use crate::reason::Reason;

/// UDP port.
pub(crate) const PORT: u16 = 4790;

const VERSION: u8 = 0x30;
const VALID_VNI: u8 = 0x08;
const NEXT_PROTOCOL: u8 = 0x04;
const CONTROL: u8 = 0x01;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Reserved (2 bits), version (2), valid identifier (1), next protocol (1), replicated (1),
    /// control (1).
    flags: u8,
    reserved: [u8; 2],
    next_protocol: u8,
    /// VXLAN network identifier (24 bits), reserved (8).
    vni: U32,
}

/// A checked header and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct VxlanGpe<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> VxlanGpe<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.flags & VERSION != 0 {
            return Err(Reason::BadVersion);
        }
        if header.flags & VALID_VNI == 0 {
            return Err(Reason::NoVni);
        }
        Ok(Self { header, payload })
    }

    /// The payload is a message between the tunnel's endpoints (O bit).
    pub fn is_control(&self) -> bool {
        self.header.flags & CONTROL != 0
    }

    /// Next protocol: 1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH, 5 MPLS; 0 where the P bit is clear, as in
    /// VXLAN. There are senders that name a protocol but leave the bit clear.
    pub fn next_protocol(&self) -> u8 {
        self.header.next_protocol
    }

    /// The header says that it names the next protocol (P bit).
    pub fn has_next_protocol(&self) -> bool {
        self.header.flags & NEXT_PROTOCOL != 0
    }

    /// VXLAN network identifier (24 bits).
    pub fn vni(&self) -> u32 {
        self.header.vni.get() >> 8
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Writes a header.
pub(crate) fn write(vni: u32, next_protocol: u8, out: &mut Vec<u8>) {
    let header = Header {
        flags: VALID_VNI | NEXT_PROTOCOL,
        reserved: [0; 2],
        next_protocol,
        vni: (vni << 8).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

impl<'a> Dissect<'a> for VxlanGpe<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        if self.is_control() {
            return Next::Opaque(Reason::ControlMessage);
        }
        match nsh::carried(self.next_protocol(), self.payload) {
            Next::Opaque(_) if !self.has_next_protocol() => {
                Next::Frame(LinkType::Ethernet, self.payload)
            }
            next => next,
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(
            Encapsulation::VxlanGpe,
            Some(self.vni().into()),
            self.payload,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("ce ffff 03 fedcba ff 02");
        let gpe = VxlanGpe::parse(&bytes).unwrap();
        assert!(gpe.has_next_protocol() && !gpe.is_control());
        assert_eq!((gpe.next_protocol(), gpe.vni()), (3, 0xfe_dcba));
        assert_eq!(gpe.payload(), [2]);
        for len in 0..8 {
            let read = VxlanGpe::parse(&bytes[..len]);
            assert_eq!(read.unwrap_err(), Reason::Truncated);
        }
        let control = hex!("09 0000 00 000001 00");
        let gpe = VxlanGpe::parse(&control).unwrap();
        assert!(gpe.is_control() && !gpe.has_next_protocol());
    }

    #[test]
    fn other_versions_and_missing_identifiers_are_told() {
        let parse = |flags| {
            let bytes = [flags, 0, 0, 3, 0, 0, 1, 0];
            VxlanGpe::parse(&bytes).map(|gpe| gpe.vni())
        };
        assert_eq!(parse(0x1c), Err(Reason::BadVersion));
        assert_eq!(parse(0x2c), Err(Reason::BadVersion));
        assert_eq!(parse(0xc7), Err(Reason::NoVni));
        assert_eq!(parse(0xcf), Ok(1));
    }

    #[test]
    fn the_next_protocol_tells_what_follows() {
        let options = Options::default();
        let place = Place::new(&options);
        let next = |flags, protocol| {
            let bytes = [flags, 0, 0, protocol, 0, 0, 1, 0, 0xee];
            format!("{:?}", VxlanGpe::parse(&bytes).unwrap().next(&place))
        };
        let frame = |link| format!("{:?}", Next::Frame(link, &[0xee]));
        let opaque = |reason| format!("{:?}", Next::Opaque(reason));
        assert_eq!(next(0x0c, 1), frame(LinkType::RawIp));
        assert_eq!(next(0x0c, 2), frame(LinkType::RawIp));
        assert_eq!(next(0x0c, 3), frame(LinkType::Ethernet));
        assert_eq!(next(0x0c, 0), opaque(Reason::UnsupportedType));
        assert_eq!(next(0x0c, 0x80), opaque(Reason::UnsupportedType));
        assert_eq!(next(0x0d, 3), opaque(Reason::ControlMessage));
        // Without the P bit it is VXLAN, unless a sender forgot the bit.
        assert_eq!(next(0x08, 0), frame(LinkType::Ethernet));
        assert_eq!(next(0x08, 0x80), frame(LinkType::Ethernet));
        assert_eq!(next(0x08, 1), frame(LinkType::RawIp));
    }
}
