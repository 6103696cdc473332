//! PPP: a protocol number in front of an IP packet, in PPPoE, L2TP, PPTP and on serial lines.
//!
//! Specification: RFC 1661 §2 and §6.5 (protocol field compression), RFC 1662 §3.2 (address and
//! control). Compressed TCP headers, multilink fragments and bridged frames are not opened.

use crate::dissect::{Dissect, Next, Place};
use crate::protocol::Protocol;
use crate::reason::Reason;

/// Protocol number of IPv4.
const IPV4: u16 = 0x0021;
/// Protocol number of IPv6.
const IPV6: u16 = 0x0057;
/// Length of a header as it is written.
pub(crate) const HEADER_LEN: usize = 2;

/// Address and control of HDLC framing, which a peer may leave out.
const ADDRESS_CONTROL: [u8; 2] = [0xff, 3];

/// A checked header and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Ppp<'a> {
    protocol: u16,
    payload: &'a [u8],
}

impl<'a> Ppp<'a> {
    /// Reads the header at the start of a packet.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let bytes = bytes.strip_prefix(&ADDRESS_CONTROL).unwrap_or(bytes);
        match *bytes {
            // The last byte of a number is odd and no other is: this one was compressed.
            [low, ref payload @ ..] if low & 1 != 0 => Ok(Self {
                protocol: low.into(),
                payload,
            }),
            [high, low, ref payload @ ..] => Ok(Self {
                protocol: u16::from_be_bytes([high, low]),
                payload,
            }),
            _ => Err(Reason::Truncated),
        }
    }

    /// Protocol number of the payload.
    pub fn protocol(&self) -> u16 {
        self.protocol
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Ppp<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        match self.protocol {
            IPV4 => Next::Header(Protocol::Ipv4, self.payload),
            IPV6 => Next::Header(Protocol::Ipv6, self.payload),
            0x0281 | 0x0283 => Next::Header(Protocol::Mpls, self.payload),
            // Encrypted by ECP; compressed by CCP, which is what MPPE encrypts under.
            0x0053 | 0x0055 | 0x00fb | 0x00fd => Next::Opaque(Reason::Encrypted),
            // Network and link control protocols (RFC 1661 §2).
            0x8000.. => Next::Opaque(Reason::ControlMessage),
            _ => Next::Opaque(Reason::UnsupportedType),
        }
    }
}

/// Writes the header of an IP packet as PPPoE has it: the protocol number alone.
pub(crate) fn write(packet: &[u8], out: &mut Vec<u8>) {
    let protocol = match packet.first().map(|byte| byte >> 4) {
        Some(6) => IPV6,
        _ => IPV4,
    };
    out.extend_from_slice(&protocol.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::link::LinkType;
    use crate::options::Options;
    use crate::strip::decapsulate;
    use crate::stripped::Stop;

    #[test]
    fn both_fields_may_be_compressed() {
        for bytes in [
            &hex!("ff03 0021 45")[..],
            &hex!("0021 45"),
            &hex!("ff03 21 45"),
            &hex!("21 45"),
        ] {
            let ppp = Ppp::parse(bytes).unwrap();
            assert_eq!((ppp.protocol(), ppp.payload()), (0x0021, &[0x45][..]));
        }
        for cut in [&hex!("")[..], &hex!("00"), &hex!("ff03"), &hex!("ff0300")] {
            assert_eq!(Ppp::parse(cut).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn what_carries_no_packet_in_the_clear_is_told_apart() {
        for (bytes, reason) in [
            (hex!("ff03 00fd 9001"), Reason::Encrypted),
            (hex!("ff03 0053 9001"), Reason::Encrypted),
            (hex!("ff03 c021 0901"), Reason::ControlMessage),
            (hex!("ff03 8021 0101"), Reason::ControlMessage),
            (hex!("ff03 003d c000"), Reason::UnsupportedType),
        ] {
            let stripped = decapsulate(LinkType::Ppp, &bytes, &Options::default());
            let protocol = Protocol::Ppp;
            assert_eq!(stripped.stop, Stop::Opaque { protocol, reason });
        }
    }
}
