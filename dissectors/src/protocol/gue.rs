//! GUE: any IP protocol behind 4 bytes and options, in UDP.
//!
//! Specification: draft-ietf-intarea-gue-09 §3. Of the optional fields only the length is read.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place, behind_ip};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// Flag of the first byte: a message between endpoints.
const CONTROL: u8 = 0x20;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Version (2 bits), control (1), length of the optional fields in units of 4 bytes (5).
    version_len: u8,
    /// IP protocol number of the payload; type of a control message.
    protocol: u8,
    flags: U16,
}

/// A checked header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Gue<'a> {
    /// `None` in version 1, which puts an IP packet straight into UDP.
    header: Option<&'a Header>,
    payload: &'a [u8],
}

impl<'a> Gue<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        match header.version_len >> 6 {
            0 => {
                let len = usize::from(header.version_len & 0x1f) << 2;
                Ok(Self {
                    header: Some(header),
                    payload: rest.get(len..).ok_or(Reason::Truncated)?,
                })
            }
            // The version bits are those that the version nibbles of IPv4 and IPv6 begin with.
            1 => Ok(Self {
                header: None,
                payload: bytes,
            }),
            _ => Err(Reason::BadVersion),
        }
    }

    /// IP protocol number of the payload; none in version 1, whose payload is an IP packet.
    pub fn protocol(&self) -> Option<u8> {
        self.header.map(|header| header.protocol)
    }

    /// A message between endpoints, not user traffic.
    pub fn is_control(&self) -> bool {
        self.header
            .is_some_and(|header| header.version_len & CONTROL != 0)
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Gue<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        if self.is_control() {
            return Next::Opaque(Reason::ControlMessage);
        }
        match self.protocol() {
            None => Next::Frame(LinkType::RawIp, self.payload),
            Some(protocol) => match behind_ip(protocol, self.payload, place.options) {
                // A segment without an IP header of its own: the outer one is its.
                Next::Transport => Next::Opaque(Reason::UnsupportedType),
                next => next,
            },
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        (!self.is_control()).then(|| Opened::new(Encapsulation::Gue, None, self.payload))
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::options::Options;
    use crate::protocol::Protocol;
    use crate::strip::decapsulate;
    use crate::stripped::Stop;

    /// IPv4 and UDP to the port of GUE around `payload`.
    fn packet(payload: &[u8]) -> Vec<u8> {
        let headers = hex!("45000000000100004011 0000 0a3c0001 0a3c0009 c15c 17c0 0000 0000");
        let mut packet = [&headers[..], payload].concat();
        packet[3] = packet.len() as u8;
        packet[25] = packet[3] - 20;
        packet
    }

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("02 04 8000 aaaaaaaa bbbbbbbb 45");
        let gue = Gue::parse(&bytes).unwrap();
        assert_eq!((gue.protocol(), gue.is_control()), (Some(4), false));
        assert_eq!(gue.payload(), [0x45]);
        for len in 0..12 {
            assert_eq!(Gue::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        assert!(Gue::parse(&hex!("20 01 0000")).unwrap().is_control());
        for version in [0x80, 0xc0] {
            let bytes = [version, 4, 0, 0];
            assert_eq!(Gue::parse(&bytes).unwrap_err(), Reason::BadVersion);
        }
    }

    #[test]
    fn packets_are_opened_with_and_without_a_header() {
        let inner = hex!("4500001400010000400600000a0000010a000002");
        for prefix in [&hex!("00040000")[..], &[]] {
            let bytes = packet(&[prefix, &inner].concat());
            let stripped = decapsulate(LinkType::RawIp, &bytes, &Options::default());
            let mirror = stripped.mirror().unwrap();
            assert_eq!(mirror.encapsulation, Encapsulation::Gue);
            assert_eq!(stripped.inner.bytes, inner);
        }
    }

    #[test]
    fn control_messages_and_bare_segments_stay_closed() {
        for (header, reason) in [
            (hex!("20010000"), Reason::ControlMessage),
            (hex!("00060000"), Reason::UnsupportedType),
        ] {
            let bytes = packet(&[&header[..], &[0x55; 40]].concat());
            let stripped = decapsulate(LinkType::RawIp, &bytes, &Options::default());
            let protocol = Protocol::Gue;
            assert_eq!(stripped.stop, Stop::Opaque { protocol, reason });
        }
    }
}
