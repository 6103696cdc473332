//! GTP-U: one packet of a mobile subscriber behind 8 to 44 bytes and more, in UDP.
//!
//! Specification: 3GPP TS 29.281 §5. Extension headers are skipped. Charging (GTP') has a bit of its
//! own and is not read.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place, unnamed};
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// Version 1, and the bit that tells GTP from GTP'.
const VERSION_1: u8 = 0x30;
const VERSION_MASK: u8 = 0xf0;
const EXTENSION: u8 = 0x04;
const SEQUENCE: u8 = 0x02;
const N_PDU: u8 = 0x01;
/// Message type of user traffic.
const G_PDU: u8 = 255;

/// Extension headers that are skipped in one message.
const MAX_EXTENSIONS: usize = 8;

/// The fixed part as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Version (3 bits), protocol type (1), reserved (1), extension, sequence, N-PDU present (3).
    flags: u8,
    kind: u8,
    /// What follows the fixed part, in bytes.
    len: U16,
    teid: U32,
}

/// The part that is present if any of the three flags is set, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Optional {
    sequence: U16,
    n_pdu: u8,
    next_extension: u8,
}

/// A checked header and what follows its extensions.
#[derive(Clone, Copy, Debug)]
pub struct Gtpu<'a> {
    header: &'a Header,
    optional: Option<&'a Optional>,
    payload: &'a [u8],
}

impl<'a> Gtpu<'a> {
    /// Reads the header at the start of a UDP payload; what lies beyond its length is cut off.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        // The reserved bit belongs to the mask of no flag.
        if header.flags & VERSION_MASK != VERSION_1 {
            return Err(Reason::BadVersion);
        }
        let len = usize::from(header.len.get());
        // Fields that do not fit are cut by the length, or by the capture.
        let short = if len <= rest.len() {
            Reason::BadLength
        } else {
            Reason::Truncated
        };
        let rest = rest.get(..len).unwrap_or(rest);
        if header.flags & (EXTENSION | SEQUENCE | N_PDU) == 0 {
            return Ok(Self {
                header,
                optional: None,
                payload: rest,
            });
        }
        let (optional, rest) = Optional::ref_from_prefix(rest).map_err(|_| short)?;
        let next = if header.flags & EXTENSION == 0 {
            0
        } else {
            optional.next_extension
        };
        Ok(Self {
            header,
            optional: Some(optional),
            payload: skip_extensions(next, rest, short)?,
        })
    }

    /// Message type; 255 is user traffic.
    pub fn kind(&self) -> u8 {
        self.header.kind
    }

    /// Tunnel endpoint id (32 bits), which the receiver chose.
    pub fn teid(&self) -> u32 {
        self.header.teid.get()
    }

    /// Sequence number, if present.
    pub fn sequence(&self) -> Option<u16> {
        self.optional
            .filter(|_| self.header.flags & SEQUENCE != 0)
            .map(|optional| optional.sequence.get())
    }

    /// Number of the radio network's own packet, if present.
    pub fn n_pdu(&self) -> Option<u8> {
        self.optional
            .filter(|_| self.header.flags & N_PDU != 0)
            .map(|optional| optional.n_pdu)
    }

    /// What follows the extension headers.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn is_user_traffic(&self) -> bool {
        self.header.kind == G_PDU
    }
}

/// What follows the extension headers, the first of which has the type `next`.
fn skip_extensions(mut next: u8, mut bytes: &[u8], short: Reason) -> Result<&[u8], Reason> {
    // One round more than there may be headers, to see that none follows the last.
    for _ in 0..=MAX_EXTENSIONS {
        if next == 0 {
            return Ok(bytes);
        }
        let words = bytes.first().copied().ok_or(short)?;
        if words == 0 {
            return Err(Reason::BadOptions);
        }
        let (extension, rest) = bytes
            .split_at_checked(usize::from(words) << 2)
            .ok_or(short)?;
        next = extension.last().copied().unwrap_or_default();
        bytes = rest;
    }
    Err(Reason::TooManyHeaders)
}

impl<'a> Dissect<'a> for Gtpu<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        if self.is_user_traffic() {
            unnamed(self.payload)
        } else {
            Next::Opaque(Reason::ControlMessage)
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        self.is_user_traffic().then(|| Opened {
            one_way_id: true,
            ..Opened::new(Encapsulation::Gtpu, Some(self.teid().into()), self.payload)
        })
    }

    /// The message carries user traffic and ends where a datagram with `claimed` bytes of payload does.
    fn answers(&self, claimed: Option<usize>) -> bool {
        let len = usize::from(self.header.len.get()).saturating_add(size_of::<Header>());
        self.is_user_traffic() && claimed == Some(len)
    }
}

/// Writes the header in front of a packet of `len` bytes. An extension is its type and its content:
/// two bytes more than a multiple of 4.
pub(crate) fn write(
    teid: u32,
    sequence: Option<u16>,
    extension: Option<(u8, &[u8])>,
    len: usize,
    out: &mut Vec<u8>,
) {
    let mut rest = Vec::new();
    if sequence.is_some() || extension.is_some() {
        let optional = Optional {
            sequence: sequence.unwrap_or_default().into(),
            n_pdu: 0,
            next_extension: extension.map_or(0, |(kind, _)| kind),
        };
        rest.extend_from_slice(optional.as_bytes());
    }
    if let Some((_, content)) = extension {
        rest.push((content.len().saturating_add(2) >> 2) as u8);
        rest.extend_from_slice(content);
        rest.push(0);
    }
    let header = Header {
        flags: VERSION_1
            | if extension.is_some() { EXTENSION } else { 0 }
            | if sequence.is_some() { SEQUENCE } else { 0 },
        kind: G_PDU,
        len: u16::try_from(rest.len().saturating_add(len))
            .unwrap_or(u16::MAX)
            .into(),
        teid: teid.into(),
    };
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(&rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// Two extensions, one of 4 and one of 8 bytes, one byte of payload, three beyond the length.
    const EXTENDED: [u8; 28] =
        hex!("3f ff 0011 fedcba98 8001 7e 85 01 0009 40 02 112233445566 00 45 aaaaaa");

    #[test]
    fn every_field_is_read() {
        let gtpu = Gtpu::parse(&EXTENDED).unwrap();
        assert_eq!((gtpu.kind(), gtpu.teid()), (255, 0xfedc_ba98));
        assert_eq!((gtpu.sequence(), gtpu.n_pdu()), (Some(0x8001), Some(0x7e)));
        assert_eq!(gtpu.payload(), [0x45]);
        for len in 0..24 {
            assert_eq!(
                Gtpu::parse(&EXTENDED[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
        let plain = Gtpu::parse(&hex!("30 ff 0001 00000001 45")).unwrap();
        assert_eq!((plain.sequence(), plain.n_pdu()), (None, None));
        assert_eq!(plain.payload(), [0x45]);
    }

    #[test]
    fn one_flag_brings_the_fields_of_all_three() {
        let with = |flags: u8| {
            let mut bytes = hex!("30 ff 0005 00000001 1234 56 85 45");
            bytes[0] |= flags;
            let gtpu = Gtpu::parse(&bytes).map(|gtpu| (gtpu.sequence(), gtpu.n_pdu()));
            (gtpu, Gtpu::parse(&bytes).map(|gtpu| gtpu.payload().len()))
        };
        assert_eq!(with(0), (Ok((None, None)), Ok(5)));
        assert_eq!(with(1), (Ok((None, Some(0x56))), Ok(1)));
        assert_eq!(with(2), (Ok((Some(0x1234), None)), Ok(1)));
        // The payload is taken for an extension of 0x45 words.
        assert_eq!(with(4).1, Err(Reason::BadLength));
    }

    #[test]
    fn extensions_are_bounded() {
        let extended = |count: usize| {
            let mut bytes = hex!("34 ff 0000 00000001 0000 00 85").to_vec();
            bytes.extend(hex!("01 0000 85").repeat(count));
            if let Some(last) = bytes.last_mut() {
                *last = 0;
            }
            bytes[3] = (bytes.len() - 8) as u8;
            Gtpu::parse(&bytes).map(|gtpu| gtpu.payload().len())
        };
        assert_eq!(extended(8), Ok(0));
        assert_eq!(extended(9), Err(Reason::TooManyHeaders));
        let mut endless = EXTENDED;
        endless[12] = 0;
        assert_eq!(Gtpu::parse(&endless).unwrap_err(), Reason::BadOptions);
        let mut short = EXTENDED;
        short[3] = 15;
        assert_eq!(Gtpu::parse(&short).unwrap_err(), Reason::BadLength);
    }

    #[test]
    fn other_versions_and_charging_are_refused() {
        for flags in [0x10, 0x20, 0x40, 0x70] {
            let bytes = [flags, 255, 0, 0, 0, 0, 0, 1];
            assert_eq!(Gtpu::parse(&bytes).unwrap_err(), Reason::BadVersion);
        }
    }

    #[test]
    fn only_user_traffic_opens_a_tunnel() {
        let echo = Gtpu::parse(&hex!("32 01 0004 00000000 0001 00 00")).unwrap();
        assert!(echo.opened(None).is_none());
        let opened = Gtpu::parse(&EXTENDED).unwrap().opened(None).unwrap();
        assert_eq!((opened.id, opened.one_way_id), (Some(0xfedc_ba98), true));
    }
}
