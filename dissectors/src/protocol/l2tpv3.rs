//! L2TPv3: one frame of a pseudowire behind a session id, in IP (115) or behind [`l2tp`] in UDP.
//!
//! Specification: RFC 3931 §4.1 and §4.6. How long the cookie is, whether a sublayer follows it, and
//! what kind of pseudowire it is were agreed on when the session was set up: the frame is found by its
//! looks. Frame relay, HDLC and ATM pseudowires stay closed.
//!
//! [`l2tp`]: super::l2tp

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::protocol::ethernet::{Plausibility, plausibility};
use crate::protocol::ipv4::Ipv4;
use crate::protocol::ipv6::Ipv6;
use crate::reason::Reason;

/// Lengths that a cookie (0, 4 or 8 bytes) and a sublayer (0 or 4) can have together.
const OFFSETS: [usize; 4] = [0, 4, 8, 12];

/// Flag of the default sublayer: the sequence number is valid.
const SEQUENCE: u32 = 0x4000_0000;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    session: U32,
}

/// A session id, and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct L2tpv3<'a> {
    header: &'a Header,
    link: Option<LinkType>,
    payload: &'a [u8],
}

impl<'a> L2tpv3<'a> {
    /// Reads the header at the start of an IP payload, or behind that of UDP.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let (link, payload) = match find(rest) {
            Some((link, payload)) => (Some(link), payload),
            None => (None, rest),
        };
        Ok(Self {
            header,
            link,
            payload,
        })
    }

    /// Session id, which the receiver chose; 0 is a control message.
    pub fn session(&self) -> u32 {
        self.header.session.get()
    }

    /// The frame or packet; with cookie and sublayer if it was not found.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for L2tpv3<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        match self.link {
            _ if self.session() == 0 => Next::Opaque(Reason::ControlMessage),
            Some(link) => Next::Frame(link, self.payload),
            None => Next::Opaque(Reason::UnsupportedType),
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let id = Some(self.session().into()).filter(|&id| id != 0)?;
        Some(Opened {
            one_way_id: true,
            ..Opened::new(Encapsulation::L2tpv3, Some(id), self.payload)
        })
    }
}

/// The frame or packet behind a cookie and a sublayer of unknown length.
fn find(bytes: &[u8]) -> Option<(LinkType, &[u8])> {
    let candidates = || OFFSETS.into_iter().filter_map(|offset| bytes.get(offset..));
    let ethernet = |at_least| {
        candidates()
            .find(|bytes| plausibility(bytes) >= at_least)
            .map(|bytes| (LinkType::Ethernet, bytes))
    };
    let ip = || {
        candidates()
            .find(|bytes| fills(bytes))
            .map(|bytes| (LinkType::RawIp, bytes))
    };
    ethernet(Plausibility::Confirmed)
        .or_else(ip)
        .or_else(|| ethernet(Plausibility::Possible))
}

/// The bytes are an IP packet, no more and no less.
fn fills(bytes: &[u8]) -> bool {
    match bytes.first().map(|byte| byte >> 4) {
        Some(4) => Ipv4::parse(bytes)
            .is_ok_and(|ip| usize::from(ip.total_len()) == bytes.len() && ip.checksum_ok()),
        Some(6) => Ipv6::parse(bytes).is_ok_and(|ip| {
            ip.payload_len() != 0
                && ip.header_bytes().len().saturating_add(ip.claimed_payload()) == bytes.len()
        }),
        _ => false,
    }
}

/// Writes the session header; a sequence number is that of the default sublayer (24 bits).
pub(crate) fn write(session: u32, cookie: &[u8], sequence: Option<u32>, out: &mut Vec<u8>) {
    let header = Header {
        session: session.into(),
    };
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(cookie);
    if let Some(sequence) = sequence {
        let sublayer = SEQUENCE | sequence & 0x00ff_ffff;
        out.extend_from_slice(&sublayer.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// A mirrored TCP SYN.
    const FRAME: [u8; 54] = hex!(
        "02000000000b02000000000a0800450000280a0a400040064474c000020ac6336414"
        "9c4001bb11223344000000005002faf0e63d0000"
    );

    #[test]
    fn the_frame_is_found_behind_every_cookie_and_sublayer() {
        for cookie in [&[][..], &hex!("deadbeef"), &hex!("0123456789abcdef")] {
            for sequence in [None, Some(0xff12_3456)] {
                for (link, frame) in [
                    (LinkType::Ethernet, &FRAME[..]),
                    (LinkType::RawIp, &FRAME[14..]),
                ] {
                    let mut bytes = Vec::new();
                    write(0xfedc_ba98, cookie, sequence, &mut bytes);
                    bytes.extend(frame);
                    let l2tp = L2tpv3::parse(&bytes).unwrap();
                    assert_eq!(l2tp.session(), 0xfedc_ba98);
                    assert_eq!((l2tp.link, l2tp.payload()), (Some(link), frame));
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_frame_stays_closed() {
        let hdlc = hex!("00000001 0f000800 450000280a0a400040064474c000020a");
        let l2tp = L2tpv3::parse(&hdlc).unwrap();
        assert_eq!((l2tp.link, l2tp.payload().len()), (None, 20));
        for len in 0..4 {
            assert_eq!(L2tpv3::parse(&hdlc[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn a_session_of_zero_is_a_control_message() {
        let control = hex!("00000000 c803000c");
        let l2tp = L2tpv3::parse(&control).unwrap();
        assert_eq!(l2tp.session(), 0);
        assert!(l2tp.opened(None).is_none());
    }
}
