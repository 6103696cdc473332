//! TZSP: mirrored frames behind 4 bytes and tags, in UDP; of `MikroTik` routers and wireless sensors.
//!
//! Specification: none that is kept; the layout is the one that tshark and the sensors' tools share.
//! Of the tags, those about the radio (signal, rate, channel) and the device's names are not read.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::mirror::Facts;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// UDP port.
pub(crate) const PORT: u16 = 37008;

const VERSION: u8 = 1;
/// Tags that are walked over.
const MAX_TAGS: usize = 64;

const TAG_PADDING: u8 = 0;
const TAG_END: u8 = 1;
const TAG_PACKET_COUNT: u8 = 40;
const TAG_FRAME_LENGTH: u8 = 41;
const TAG_SENSOR: u8 = 60;

/// The fixed part as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    version: u8,
    kind: u8,
    encapsulation: U16,
}

/// A checked header, its tags and the frame behind them.
#[derive(Clone, Copy, Debug)]
pub struct Tzsp<'a> {
    header: &'a Header,
    tags: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Tzsp<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.version != VERSION {
            return Err(Reason::BadVersion);
        }
        let mut tzsp = Self {
            header,
            tags: &[],
            payload: rest,
        };
        if !tzsp.carries_packet() {
            return Ok(tzsp);
        }
        let mut tags = Tags { rest };
        for _ in 0..MAX_TAGS {
            match tags.next() {
                Some((TAG_END, _)) => {
                    tzsp.tags = rest;
                    tzsp.payload = tags.rest;
                    return Ok(tzsp);
                }
                Some(_) => {}
                None => return Err(Reason::Truncated),
            }
        }
        Err(Reason::TooManyHeaders)
    }

    /// Type of the message: 0 received packet, 1 packet to transmit, 3 configuration, 4 keepalive, 5
    /// port opener.
    pub fn kind(&self) -> u8 {
        self.header.kind
    }

    /// What the packet begins with: 1 Ethernet, 7 IP, 18 IEEE 802.11, 119 Prism, 126 radiotap, 127
    /// AVS.
    pub fn encapsulation(&self) -> u16 {
        self.header.encapsulation.get()
    }

    /// Packets that the sensor has sent so far, if it counts them (32 bits).
    pub fn packet_count(&self) -> Option<u32> {
        self.tag(TAG_PACKET_COUNT).map(u32::from_be_bytes)
    }

    /// Length of the frame before the sensor cut it, in bytes, if it tells.
    pub fn original_len(&self) -> Option<u16> {
        self.tag(TAG_FRAME_LENGTH).map(u16::from_be_bytes)
    }

    /// MAC address by which the sensor names itself, if it does.
    pub fn sensor(&self) -> Option<[u8; 6]> {
        self.tag(TAG_SENSOR)
    }

    /// The mirrored frame, or the body of another message.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn carries_packet(&self) -> bool {
        matches!(self.kind(), 0 | 1)
    }

    /// The value of the first tag of a type, if it has the length that the type asks for.
    fn tag<const LEN: usize>(&self, kind: u8) -> Option<[u8; LEN]> {
        let mut tags = Tags { rest: self.tags };
        let (_, value) = tags
            .by_ref()
            .take_while(|&(kind, _)| kind != TAG_END)
            .find(|&(other, _)| other == kind)?;
        value.try_into().ok()
    }
}

/// Iterator over tags, their type and value; the end has no value, and more may seem to follow it.
struct Tags<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = (u8, &'a [u8]);

    /// The next tag; stops in front of one that does not fit.
    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, rest) = self.rest.split_first()?;
        if matches!(kind, TAG_PADDING | TAG_END) {
            self.rest = rest;
            return Some((kind, &[]));
        }
        let (&len, rest) = rest.split_first()?;
        let (value, rest) = rest.split_at_checked(len.into())?;
        self.rest = rest;
        Some((kind, value))
    }
}

/// The tags that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TzspTags {
    /// Packets that the sensor has sent so far.
    pub packet_count: Option<u32>,
    /// Length of the frame before the sensor cut it, in bytes.
    pub original_len: Option<u16>,
    /// MAC address of the sensor.
    pub sensor: Option<[u8; 6]>,
}

/// Writes the header of a received packet.
pub(crate) fn write(encapsulation: u16, tags: &TzspTags, out: &mut Vec<u8>) {
    let header = Header {
        version: VERSION,
        kind: 0,
        encapsulation: encapsulation.into(),
    };
    out.extend_from_slice(header.as_bytes());
    if let Some(count) = tags.packet_count {
        out.extend_from_slice(&[TAG_PACKET_COUNT, 4]);
        out.extend_from_slice(&count.to_be_bytes());
    }
    if let Some(len) = tags.original_len {
        out.extend_from_slice(&[TAG_FRAME_LENGTH, 2]);
        out.extend_from_slice(&len.to_be_bytes());
    }
    if let Some(mac) = tags.sensor {
        out.extend_from_slice(&[TAG_SENSOR, 6]);
        out.extend_from_slice(&mac);
    }
    out.push(TAG_END);
}

impl<'a> Dissect<'a> for Tzsp<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        if !self.carries_packet() {
            return Next::Opaque(Reason::ControlMessage);
        }
        let link = match self.encapsulation() {
            1 => LinkType::Ethernet,
            7 => LinkType::RawIp,
            18 => LinkType::Ieee80211,
            126 => LinkType::Radiotap,
            _ => return Next::Opaque(Reason::UnsupportedType),
        };
        Next::Frame(link, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        // One sender may forward for many sensors, each of which counts for itself.
        let id = self
            .sensor()
            .map(|[a, b, c, d, e, f]| u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
        Some(Opened {
            facts: Facts {
                sequence: self.packet_count(),
                original_len: self.original_len().map(u32::from),
                ..Facts::default()
            },
            ..Opened::new(Encapsulation::Tzsp, id, self.payload)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// Padding, signal, count, length, padding, sensor, end, and two bytes of a frame.
    const TAGGED: [u8; 30] =
        hex!("01 00 0112 00 0a 01 c8 28 04 fedcba98 29 02 89ab 00 3c 06 02aa00000001 01 0203");

    #[test]
    fn every_field_is_read() {
        let tzsp = Tzsp::parse(&TAGGED).unwrap();
        assert_eq!((tzsp.kind(), tzsp.encapsulation()), (0, 0x112));
        assert_eq!(tzsp.packet_count(), Some(0xfedc_ba98));
        assert_eq!(tzsp.original_len(), Some(0x89ab));
        assert_eq!(tzsp.sensor(), Some(hex!("02aa00000001")));
        assert_eq!(tzsp.payload(), [2, 3]);
        for len in 0..28 {
            assert_eq!(Tzsp::parse(&TAGGED[..len]).unwrap_err(), Reason::Truncated);
        }
        let version_2 = hex!("02 00 0001 01");
        assert_eq!(Tzsp::parse(&version_2).unwrap_err(), Reason::BadVersion);
    }

    #[test]
    fn what_follows_the_end_is_no_tag_and_odd_lengths_have_no_meaning() {
        let bytes = hex!("01 01 0001 29 03 000102 01 28 04 00000007");
        let tzsp = Tzsp::parse(&bytes).unwrap();
        assert_eq!(tzsp.kind(), 1);
        assert_eq!((tzsp.original_len(), tzsp.packet_count()), (None, None));
        assert_eq!(tzsp.payload(), hex!("28 04 00000007"));
    }

    #[test]
    fn the_walk_over_tags_is_bounded() {
        let padded = |padding: usize| {
            let mut bytes = hex!("01 00 0001").to_vec();
            bytes.resize(4 + padding, 0);
            bytes.push(1);
            Tzsp::parse(&bytes).map(|tzsp| tzsp.payload().len())
        };
        assert_eq!(padded(63), Ok(0));
        assert_eq!(padded(64), Err(Reason::TooManyHeaders));
    }

    #[test]
    fn messages_without_a_packet_have_no_tags() {
        for kind in [2, 3, 4, 5] {
            let bytes = [1, kind, 0, 1, 0x29];
            let tzsp = Tzsp::parse(&bytes).unwrap();
            assert!(!tzsp.carries_packet());
            assert_eq!(tzsp.payload(), [0x29]);
        }
    }
}
