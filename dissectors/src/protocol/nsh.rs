//! NSH: a packet on its way through a chain of service functions.
//!
//! Specification: RFC 8300 §2. The context headers are kept but not read.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::{Encapsulation, Protocol};
use crate::reason::Reason;

/// `EtherType` of NSH.
pub(crate) const ETHER_TYPE: u16 = 0x894f;

/// Context of 16 bytes.
const FIXED_CONTEXT: u8 = 1;
/// Context of variable length, which may be empty.
const VARIABLE_CONTEXT: u8 = 2;

/// The header as it is on the wire, without context.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Version (2 bits), OAM (1), unassigned (1), time to live (6), whole length in units of 4 bytes
    /// (6).
    control: U16,
    /// Unassigned (4 bits), metadata type (4).
    metadata_type: u8,
    next: u8,
    /// Service path (24 bits), service index (8).
    path: U32,
}

/// A checked header with its context, and what follows.
#[derive(Clone, Copy, Debug)]
pub struct Nsh<'a> {
    header: &'a Header,
    context: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Nsh<'a> {
    /// Reads the header at the start of `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let control = header.control.get();
        if control >> 14 != 0 {
            return Err(Reason::BadVersion);
        }
        let context_len = (usize::from(control & 0x3f) << 2)
            .checked_sub(size_of::<Header>())
            .ok_or(Reason::BadHeaderLength)?;
        if header.metadata_type & 0x0f == FIXED_CONTEXT && context_len != 16 {
            return Err(Reason::BadHeaderLength);
        }
        let (context, payload) = rest
            .split_at_checked(context_len)
            .ok_or(Reason::Truncated)?;
        Ok(Self {
            header,
            context,
            payload,
        })
    }

    /// The packet is one of operation and maintenance (O bit); what it carries is opened all the same.
    pub fn is_oam(&self) -> bool {
        self.header.control.get() & 0x2000 != 0
    }

    /// Service hops that are left (6 bits).
    pub fn ttl(&self) -> u8 {
        (self.header.control.get() >> 6) as u8 & 0x3f
    }

    /// Layout of the context: 1 for 16 bytes, 2 for variable length.
    pub fn metadata_type(&self) -> u8 {
        self.header.metadata_type & 0x0f
    }

    /// Type of the payload: 1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH, 5 MPLS.
    pub fn next_protocol(&self) -> u8 {
        self.header.next
    }

    /// Service path identifier (24 bits).
    pub fn service_path(&self) -> u32 {
        self.header.path.get() >> 8
    }

    /// Place on the path; each service function counts it down.
    pub fn service_index(&self) -> u8 {
        self.header.path.get() as u8
    }

    /// Context headers.
    pub fn context(&self) -> &'a [u8] {
        self.context
    }

    /// What follows the context.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Nsh<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        carried(self.next_protocol(), self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(
            Encapsulation::Nsh,
            Some(self.service_path().into()),
            self.payload,
        ))
    }
}

/// What a next protocol of NSH stands for, and one of VXLAN-GPE, whose numbers are the same.
pub(crate) fn carried(next_protocol: u8, payload: &[u8]) -> Next<'_> {
    match next_protocol {
        1 | 2 => Next::Frame(LinkType::RawIp, payload),
        3 => Next::Frame(LinkType::Ethernet, payload),
        4 => Next::Bare(Protocol::Nsh, payload),
        5 => Next::Bare(Protocol::Mpls, payload),
        _ => Next::Opaque(Reason::UnsupportedType),
    }
}

/// Writes a header without context.
pub(crate) fn write(path: u32, index: u8, next: u8, out: &mut Vec<u8>) {
    const TTL: u16 = 63;
    let len = (size_of::<Header>() >> 2) as u16;
    let header = Header {
        control: (TTL << 6 | len).into(),
        metadata_type: VARIABLE_CONTEXT,
        next,
        path: (path << 8 | u32::from(index)).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::options::Options;
    use crate::strip::decapsulate;
    use crate::stripped::Stop;

    const VARIABLE: [u8; 13] = hex!("0a83 f2 03 fedcba f9 00010203 02");

    #[test]
    fn every_field_is_read() {
        let nsh = Nsh::parse(&VARIABLE).unwrap();
        assert!(!nsh.is_oam());
        assert_eq!((nsh.ttl(), nsh.metadata_type()), (0x2a, 2));
        assert_eq!(nsh.next_protocol(), 3);
        assert_eq!((nsh.service_path(), nsh.service_index()), (0xfe_dcba, 0xf9));
        assert_eq!(nsh.context(), [0, 1, 2, 3]);
        assert_eq!(nsh.payload(), [2]);
        for len in 0..12 {
            assert_eq!(Nsh::parse(&VARIABLE[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn lengths_follow_the_metadata_type() {
        let parse = |at: usize, value: u8| {
            let mut bytes = [0_u8; 32];
            bytes[..8].copy_from_slice(&hex!("0fc6 01 03 00002a ff"));
            bytes[at] = value;
            Nsh::parse(&bytes).map(|nsh| (nsh.context().len(), nsh.payload().len()))
        };
        assert_eq!(parse(1, 0xc6), Ok((16, 8)));
        assert_eq!(parse(1, 0xc5), Err(Reason::BadHeaderLength));
        assert_eq!(parse(1, 0xc1), Err(Reason::BadHeaderLength));
        assert_eq!(parse(0, 0x40), Err(Reason::BadVersion));
    }

    #[test]
    fn unknown_payloads_stay_closed_and_those_of_maintenance_do_not() {
        let frame = [&hex!("02000000000b 02000000000a 894f")[..], &VARIABLE].concat();
        let stop = |control, next| {
            let mut frame = frame.clone();
            (frame[14], frame[17]) = (control, next);
            decapsulate(LinkType::Ethernet, &frame, &Options::default())
                .layers
                .len()
        };
        assert_eq!(stop(0x0a, 9), 2);
        assert_eq!(stop(0x0a, 3), stop(0x2a, 3));
        let mut unknown = frame.clone();
        unknown[17] = 9;
        let stripped = decapsulate(LinkType::Ethernet, &unknown, &Options::default());
        let (protocol, reason) = (Protocol::Nsh, Reason::UnsupportedType);
        assert_eq!(stripped.stop, Stop::Opaque { protocol, reason });
    }
}
