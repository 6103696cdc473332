//! CAPWAP data: the frames of a wireless network between an access point and its controller, in UDP.
//!
//! Specification: RFC 5415 §4. The radio's MAC address and the wireless information are skipped. The
//! controller answers from its port to whatever port the access point has.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::fragment::{Fragment, Part, Whole, fit_ip};
use crate::link::LinkType;
use crate::protocol::{Encapsulation, udp};
use crate::reason::Reason;

/// UDP port of the controller, for data.
pub(crate) const PORT: u16 = 5247;

/// Preamble of a packet in the clear: version 0, type 0.
const CLEAR: u8 = 0x00;
/// Preamble in front of DTLS.
const DTLS: u8 = 0x01;
/// Length of the preamble and what pads it in front of DTLS.
const DTLS_HEADER_LEN: usize = 4;

const NATIVE: u32 = 0x100;
/// Binding of IEEE 802.11.
const IEEE80211: u8 = 1;
const FRAGMENT: u32 = 0x80;
const LAST: u32 = 0x40;
const KEEPALIVE: u32 = 0x08;
const RESERVED: u32 = 0x07;

/// The fixed part as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Version (4 bits), type (4), header length in units of 4 bytes (5), radio id (5), wireless
    /// binding (5), native, fragment, last, wireless information, radio MAC, keepalive (1 each),
    /// reserved (3).
    flags: U32,
    fragment_id: U16,
    /// Place of a fragment in units of 8 bytes (13 bits), reserved (3).
    offset: U16,
}

/// A checked header and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Capwap<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Capwap<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, _) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let capwap = |len| {
            let payload = bytes.get(len..).ok_or(Reason::Truncated)?;
            Ok(Self { header, payload })
        };
        match (header.flags.get() >> 24) as u8 {
            CLEAR => {}
            DTLS => return capwap(DTLS_HEADER_LEN),
            other if other >> 4 != 0 => return Err(Reason::BadVersion),
            _ => return Err(Reason::UnsupportedType),
        }
        let len = (header.flags.get() >> 17) as usize & 0x7c;
        if len < size_of::<Header>() {
            return Err(Reason::BadHeaderLength);
        }
        let capwap = capwap(len)?;
        if capwap.is_fragment() && capwap.payload.is_empty() {
            return Err(Reason::Truncated);
        }
        Ok(capwap)
    }

    /// The rest of the packet is DTLS; no other field means anything then.
    pub fn is_encrypted(&self) -> bool {
        (self.header.flags.get() >> 24) as u8 == DTLS
    }

    /// Radio of the access point (5 bits).
    pub fn radio_id(&self) -> u8 {
        (self.header.flags.get() >> 14) as u8 & 0x1f
    }

    /// Kind of the wireless network (5 bits): 1 IEEE 802.11.
    pub fn binding(&self) -> u8 {
        (self.header.flags.get() >> 9) as u8 & 0x1f
    }

    /// The payload is a frame of the wireless network, not one of 802.3 (T bit).
    pub fn is_native(&self) -> bool {
        self.has(NATIVE)
    }

    /// The payload is a part of a frame (F bit).
    pub fn is_fragment(&self) -> bool {
        self.has(FRAGMENT)
    }

    /// The payload is the last part of a frame (L bit); means something in a fragment only.
    pub fn is_last(&self) -> bool {
        self.has(LAST)
    }

    /// The packet keeps the tunnel open (K bit).
    pub fn is_keepalive(&self) -> bool {
        self.has(KEEPALIVE)
    }

    /// Number that the fragments of one frame share.
    pub fn fragment_id(&self) -> u16 {
        self.header.fragment_id.get()
    }

    /// Place of the payload in the frame, in bytes.
    pub fn fragment_offset(&self) -> u32 {
        (self.header.offset.get() & 0xfff8).into()
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn has(&self, flag: u32) -> bool {
        self.header.flags.get() & flag != 0
    }
}

/// Writes the header of an 802.3 frame of IEEE 802.11.
pub(crate) fn write(radio_id: u8, fragment_id: u16, out: &mut Vec<u8>) {
    let words = (size_of::<Header>() >> 2) as u32;
    let header = Header {
        flags: (words << 19 | u32::from(radio_id & 0x1f) << 14 | 1 << 9).into(),
        fragment_id: fragment_id.into(),
        offset: 0.into(),
    };
    out.extend_from_slice(header.as_bytes());
}

/// Makes IP, UDP and CAPWAP header in `headers` those of a part of a frame.
pub(crate) fn fit(headers: &mut [u8], part: Part) -> Option<()> {
    let transport = fit_ip(headers, part.len)?;
    let datagram_len = transport.len().checked_add(part.len)?;
    let (udp, rest) = udp::Header::mut_from_prefix(transport).ok()?;
    udp.len = u16::try_from(datagram_len).unwrap_or(0).into();
    udp.checksum = 0.into();
    let (header, _) = Header::mut_from_prefix(rest).ok()?;
    let end = part.offset.checked_add(part.len)?;
    let flags = match (part.len == part.total, end == part.total) {
        (true, _) => 0,
        (false, true) => FRAGMENT | LAST,
        (false, false) => FRAGMENT,
    };
    header.flags = (header.flags.get() & !(FRAGMENT | LAST) | flags).into();
    header.offset = u16::try_from(part.offset).ok()?.into();
    Some(())
}

impl<'a> Dissect<'a> for Capwap<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        if self.is_encrypted() {
            return Next::Opaque(Reason::Encrypted);
        }
        if self.is_keepalive() {
            return Next::Opaque(Reason::ControlMessage);
        }
        if self.is_fragment() {
            return Next::Fragment;
        }
        let link = match (self.is_native(), self.binding()) {
            (false, _) => LinkType::Ethernet,
            (true, IEEE80211) => LinkType::Ieee80211,
            (true, _) => return Next::Opaque(Reason::UnsupportedType),
        };
        Next::Frame(link, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(Encapsulation::Capwap, None, self.payload))
    }

    /// The binding is that of IEEE 802.11, the only one that is specified, and the reserved bits are
    /// clear.
    fn answers(&self, _: Option<usize>) -> bool {
        self.is_encrypted() || self.binding() == IEEE80211 && !self.has(RESERVED)
    }

    fn fragment(&self, place: &Place<'a, '_>) -> Option<Fragment<'a>> {
        let whole = |ports| Whole::Capwap {
            ports,
            fragment_id: self.fragment_id(),
        };
        let offset = self.fragment_offset();
        Fragment::carried(place, whole, offset, !self.is_last(), self.payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        // Length 16, radio 0x15, binding 0x0a, native, wireless information, radio MAC.
        let bytes = hex!("00 255537 89ab cdef 0601020304050600 02");
        let capwap = Capwap::parse(&bytes).unwrap();
        assert_eq!((capwap.radio_id(), capwap.binding()), (0x15, 0x0a));
        assert!(capwap.is_native() && !capwap.is_fragment() && !capwap.is_last());
        assert!(!capwap.is_keepalive() && !capwap.is_encrypted());
        assert_eq!(capwap.fragment_id(), 0x89ab);
        assert_eq!(capwap.fragment_offset(), 0xcde8);
        assert_eq!(capwap.payload(), [2]);
        for len in 0..16 {
            assert_eq!(Capwap::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let flags = |low| {
            let bytes = [0, 0x10, 0, low, 0, 0, 0, 0, 0];
            let capwap = Capwap::parse(&bytes).unwrap();
            (
                capwap.is_fragment(),
                capwap.is_last(),
                capwap.is_keepalive(),
            )
        };
        assert_eq!(flags(0x80), (true, false, false));
        assert_eq!(flags(0x40), (false, true, false));
        assert_eq!(flags(0x08), (false, false, true));
        assert_eq!(flags(0x37), (false, false, false));
    }

    #[test]
    fn lengths_versions_and_types_are_checked() {
        let parse = |preamble, words: u8, len| {
            let mut bytes = vec![preamble, words << 3, 0, 0, 0, 0, 0, 0];
            bytes.resize(len, 0xee);
            Capwap::parse(&bytes).map(|capwap| capwap.payload().len())
        };
        assert_eq!(parse(0x00, 2, 9), Ok(1));
        assert_eq!(parse(0x00, 1, 9), Err(Reason::BadHeaderLength));
        assert_eq!(parse(0x00, 31, 124), Ok(0));
        assert_eq!(parse(0x00, 31, 123), Err(Reason::Truncated));
        assert_eq!(parse(0x10, 2, 9), Err(Reason::BadVersion));
        assert_eq!(parse(0x11, 2, 9), Err(Reason::BadVersion));
        assert_eq!(parse(0x02, 2, 9), Err(Reason::UnsupportedType));
        // What stands for flags in front of DTLS means nothing.
        assert_eq!(parse(0x01, 0, 20), Ok(16));
    }

    #[test]
    fn a_fragment_without_a_byte_is_cut() {
        let fragment = hex!("00 100080 0001 0000");
        assert_eq!(Capwap::parse(&fragment).unwrap_err(), Reason::Truncated);
    }
}
