//! Teredo: one IPv6 packet of a host behind an IPv4 NAT, in UDP.
//!
//! Specification: RFC 4380 §5.1.1. Trailers (RFC 6081) lie beyond the length of the IPv6 packet.
//! Servers are known by their port, to which and from which they are spoken to; hosts that talk to
//! each other without one are not found.

use std::net::{Ipv4Addr, SocketAddrV4};

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::protocol::ipv6::Ipv6;
use crate::reason::Reason;

const AUTHENTICATION: [u8; 2] = [0, 1];
const ORIGIN: [u8; 2] = [0, 0];

/// Nonce and confirmation at the end of an authentication.
const NONCE_LEN: usize = 9;

/// The head of an authentication as it is on the wire.
#[derive(FromBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Authentication {
    indicator: [u8; 2],
    client_len: u8,
    value_len: u8,
}

/// Where a client's packets come from, every bit inverted, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Origin {
    indicator: [u8; 2],
    port: U16,
    address: [u8; 4],
}

/// The checked headers and the packet behind them.
#[derive(Clone, Copy, Debug)]
pub struct Teredo<'a> {
    origin: Option<&'a Origin>,
    payload: &'a [u8],
}

impl<'a> Teredo<'a> {
    /// Reads what starts a UDP payload.
    pub fn parse(mut bytes: &'a [u8]) -> Result<Self, Reason> {
        if bytes.starts_with(&AUTHENTICATION) {
            let (head, rest) =
                Authentication::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
            let len = usize::from(head.client_len)
                .saturating_add(head.value_len.into())
                .saturating_add(NONCE_LEN);
            bytes = rest.get(len..).ok_or(Reason::Truncated)?;
        }
        let mut origin = None;
        if bytes.starts_with(&ORIGIN) {
            let (head, rest) = Origin::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
            origin = Some(head);
            bytes = rest;
        }
        match bytes.first().map(|byte| byte >> 4) {
            Some(6) => Ok(Self {
                origin,
                payload: bytes,
            }),
            Some(_) => Err(Reason::BadVersion),
            None => Err(Reason::Truncated),
        }
    }

    /// Address and port in front of the NAT that a server saw the client's packets come from.
    pub fn origin(&self) -> Option<SocketAddrV4> {
        let origin = self.origin?;
        let address = Ipv4Addr::from_octets(origin.address.map(|byte| !byte));
        Some(SocketAddrV4::new(address, !origin.port.get()))
    }

    /// The IPv6 packet.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Teredo<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::RawIp, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(Encapsulation::Teredo, None, self.payload))
    }

    /// The packet is between addresses of Teredo or of a link, as those are that a server sends.
    fn answers(&self, _: Option<usize>) -> bool {
        Ipv6::parse(self.payload).is_ok_and(|ip| {
            [ip.source(), ip.destination()].iter().any(|address| {
                address.is_unicast_link_local() || matches!(address.segments(), [0x2001, 0, ..])
            })
        })
    }
}

/// Writes an origin indication.
pub(crate) fn write_origin(origin: SocketAddrV4, out: &mut Vec<u8>) {
    let origin = Origin {
        indicator: ORIGIN,
        port: (!origin.port()).into(),
        address: origin.ip().octets().map(|byte| !byte),
    };
    out.extend_from_slice(origin.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("0001 02 03 aabb ccddee 0102030405060708 00 0000 f12a b9c82815 60");
        let teredo = Teredo::parse(&bytes).unwrap();
        let origin = SocketAddrV4::new([70, 55, 215, 234].into(), 3797);
        assert_eq!(teredo.origin(), Some(origin));
        assert_eq!(teredo.payload(), [0x60]);
        for len in 0..bytes.len() {
            let error = Teredo::parse(&bytes[..len]).unwrap_err();
            // One byte of an indicator is no indicator yet.
            let half = matches!(len, 1 | 19);
            let expected = if half {
                Reason::BadVersion
            } else {
                Reason::Truncated
            };
            assert_eq!(error, expected, "{len} bytes");
        }
    }

    #[test]
    fn headers_are_optional_and_the_packet_is_not() {
        let plain = Teredo::parse(&[0x6f]).unwrap();
        assert_eq!((plain.origin(), plain.payload()), (None, &[0x6f][..]));
        assert_eq!(Teredo::parse(&[0x45]).unwrap_err(), Reason::BadVersion);
    }
}
