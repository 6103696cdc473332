//! ERSPAN Type III: one mirrored frame behind 12 or 20 bytes, in GRE (0x22EB).
//!
//! Specification: draft-foschiano-erspan-03, Type III header and platform specific sub-headers.
//! The P bit is not read: devices clear it in front of Ethernet frames.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::mirror::Direction;
use crate::mirror::{DeviceTime, Facts};
use crate::protocol::Encapsulation;
use crate::protocol::ethernet::{Plausibility, plausibility};
use crate::reason::Reason;

/// The version in a Type III header.
pub(crate) const VERSION: u8 = 2;

/// Flag: the payload is a frame. Written as devices should, not read as they do not.
pub(crate) const PDU: u16 = 0x8000;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
pub(crate) struct Header {
    /// Version (4 bits), VLAN of the original frame (12).
    pub(crate) version_vlan: U16,
    /// Class of service (3 bits), frame health (2), truncated (1), session id (10).
    pub(crate) session: U16,
    pub(crate) timestamp: U32,
    /// Security group tag.
    pub(crate) group: U16,
    /// PDU (1 bit), frame type (5), hardware id (6), direction (1), granularity (2), sub-header (1).
    pub(crate) flags: U16,
}

/// The platform specific sub-header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Platform {
    /// Platform id (6 bits), platform specific (26).
    id_info: U32,
    info: U32,
}

/// Unit of the timestamp as the device says it; real devices are not always right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Granularity {
    /// 100 microseconds.
    Microseconds100,
    /// 100 nanoseconds.
    Nanoseconds100,
    /// IEEE 1588: nanoseconds, the seconds in the sub-header.
    Ieee1588,
    /// Defined by the platform.
    Platform,
}

/// A checked header, its sub-header and the frame behind them.
#[derive(Clone, Copy, Debug)]
pub struct Erspan3<'a> {
    header: &'a Header,
    platform: Option<&'a Platform>,
    payload: &'a [u8],
}

impl<'a> Erspan3<'a> {
    /// Reads the header at the start of a GRE payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if (header.version_vlan.get() >> 12) as u8 != VERSION {
            return Err(Reason::BadVersion);
        }
        let plain = Self {
            header,
            platform: None,
            payload: rest,
        };
        let with_platform = Platform::ref_from_prefix(rest).map(|(platform, payload)| Self {
            header,
            platform: Some(platform),
            payload,
        });
        let Ok(with_platform) = with_platform else {
            // Cut inside the sub-header: which session the frame belongs to is known all the same.
            let payload = if plain.has_sub_header() {
                rest.get(rest.len()..).unwrap_or_default()
            } else {
                rest
            };
            return Ok(Self { payload, ..plain });
        };
        let (announced, other) = if plain.has_sub_header() {
            (with_platform, plain)
        } else {
            (plain, with_platform)
        };
        Ok(if announced.is_likelier_than(&other) {
            announced
        } else {
            other
        })
    }

    /// Devices send sub-headers that their O bit does not announce, and announce some that they
    /// leave out; then the frame decides. For frame types without meaning it always does.
    fn is_likelier_than(&self, other: &Self) -> bool {
        if self.is_ip() || self.is_ethernet() && starts_like_a_frame(self.payload) {
            return true;
        }
        let (here, there) = (plausibility(self.payload), plausibility(other.payload));
        there <= here || self.is_ethernet() && there != Plausibility::Confirmed
    }

    /// VLAN of the original frame (12 bits); its tag may be in the frame too.
    pub fn vlan(&self) -> u16 {
        self.header.version_vlan.get() & 0x0fff
    }

    /// Class of service (3 bits).
    pub fn class_of_service(&self) -> u8 {
        (self.header.session.get() >> 13) as u8
    }

    /// Health of the original frame: 0 good or unknown, 1 short, 2 oversized, 3 bad checksum.
    pub fn frame_health(&self) -> u8 {
        (self.header.session.get() >> 11) as u8 & 3
    }

    /// The switch cut the frame to its mirror MTU.
    pub fn truncated(&self) -> bool {
        self.header.session.get() & 0x0400 != 0
    }

    /// Session id (10 bits), unique for one source only; 0 is legal.
    pub fn session_id(&self) -> u16 {
        self.header.session.get() & 0x03ff
    }

    /// Low 32 bits of the time of mirroring, in units of [`Self::granularity`].
    pub fn timestamp(&self) -> u32 {
        self.header.timestamp.get()
    }

    /// Security group tag.
    pub fn security_group(&self) -> u16 {
        self.header.group.get()
    }

    /// Frame type (5 bits): 0 Ethernet, 2 IP packet.
    pub fn frame_type(&self) -> u8 {
        (self.header.flags.get() >> 10) as u8 & 0x1f
    }

    /// Engine within the device (6 bits).
    pub fn hardware_id(&self) -> u8 {
        (self.header.flags.get() >> 4) as u8 & 0x3f
    }

    /// Way of the frame through the mirrored port.
    pub fn direction(&self) -> Direction {
        if self.header.flags.get() & 8 == 0 {
            Direction::Ingress
        } else {
            Direction::Egress
        }
    }

    /// Unit of the timestamp.
    pub fn granularity(&self) -> Granularity {
        match (self.header.flags.get() >> 1) & 3 {
            0 => Granularity::Microseconds100,
            1 => Granularity::Nanoseconds100,
            2 => Granularity::Ieee1588,
            _ => Granularity::Platform,
        }
    }

    /// The header announces a sub-header (O bit).
    pub fn has_sub_header(&self) -> bool {
        self.header.flags.get() & 1 != 0
    }

    /// Platform id (6 bits) of the sub-header: it tells how the rest of it is laid out.
    pub fn platform_id(&self) -> Option<u8> {
        self.platform
            .map(|platform| (platform.id_info.get() >> 26) as u8)
    }

    /// Port index of the mirror source in the sub-header, 14 to 32 bits wide by platform.
    pub fn port_index(&self) -> Option<u32> {
        let platform = self.platform?;
        match self.platform_id()? {
            1 => Some(platform.info.get()),
            3 => Some(platform.id_info.get() & 0x3fff),
            5 | 6 => Some(platform.id_info.get() & 0xffff),
            // 0 is sent by the device that does not announce its sub-header.
            0 | 7 => Some(platform.id_info.get() & 0x000f_ffff),
            _ => None,
        }
    }

    /// Virtual supervisor module domain (12 bits) of platform 1.
    pub fn domain_id(&self) -> Option<u16> {
        let info = self.platform?.id_info.get();
        (self.platform_id()? == 1).then_some(info as u16 & 0x0fff)
    }

    /// Switch id (10 bits) of platforms 5 and 6.
    pub fn switch_id(&self) -> Option<u16> {
        let info = self.platform?.id_info.get();
        matches!(self.platform_id()?, 5 | 6).then_some((info >> 16) as u16 & 0x03ff)
    }

    /// Upper 32 bits of the timestamp, in the sub-header of platforms 3 and 7.
    pub fn timestamp_high(&self) -> Option<u32> {
        let info = self.platform?.info.get();
        matches!(self.platform_id()?, 0 | 3 | 7).then_some(info)
    }

    /// Seconds of an IEEE 1588 timestamp, in the sub-header of platforms 5 and 6.
    pub fn timestamp_seconds(&self) -> Option<u32> {
        let info = self.platform?.info.get();
        matches!(self.platform_id()?, 5 | 6).then_some(info)
    }

    /// The mirrored frame, or packet if [`Self::frame_type`] is 2.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The payload is an Ethernet frame, by its type or, for types without meaning, by its looks.
    pub(crate) fn carries_ethernet(&self) -> bool {
        self.is_ethernet() || !self.is_ip() && plausibility(self.payload) != Plausibility::No
    }

    /// The payload is an IP packet.
    pub(crate) fn is_ip(&self) -> bool {
        self.frame_type() == 2
    }

    fn is_ethernet(&self) -> bool {
        self.frame_type() == 0
    }
}

impl<'a> Dissect<'a> for Erspan3<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        if self.is_ip() {
            Next::Frame(LinkType::RawIp, self.payload)
        } else if self.carries_ethernet() {
            Next::Frame(LinkType::Ethernet, self.payload)
        } else {
            Next::Opaque(Reason::UnsupportedType)
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened {
            encapsulation: Encapsulation::Erspan3,
            id: Some(self.session_id().into()),
            one_way_id: false,
            facts: Facts {
                truncated: self.truncated(),
                direction: Some(self.direction()),
                port_index: self.port_index(),
                // Type III does not tell whether the tag was removed.
                vlan_unless_tagged: Some(self.vlan()).filter(|&vlan| vlan != 0),
                time: Some(self.time()),
                ..Facts::default()
            },
            payload: self.payload,
        })
    }
}

impl Erspan3<'_> {
    /// When the frame was mirrored, as the header and its sub-header say it together.
    fn time(&self) -> DeviceTime {
        match self.timestamp_seconds() {
            Some(seconds) if self.granularity() == Granularity::Ieee1588 => DeviceTime::Seconds {
                seconds,
                nanoseconds: self.timestamp(),
                bits: 32,
                // IEEE 1588 counts TAI, but devices with that clock are rarely told the offset.
                tai: false,
            },
            _ => DeviceTime::Ticks {
                low: self.timestamp(),
                high: self.timestamp_high(),
                granularity: self.granularity(),
            },
        }
    }
}

/// A glance that spares most frames the full test: a common type, and the start of what it means.
fn starts_like_a_frame(bytes: &[u8]) -> bool {
    matches!(
        bytes.get(12..15),
        Some([0x08, 0x00, 0x45..=0x4f] | [0x86, 0xdd, 0x60..=0x6f] | [0x81, 0x00, _])
    )
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
    fn every_field_is_read() {
        // P 1, frame type 0, hardware id 0x2d, egress, granularity 1, no sub-header.
        let bytes = hex!("2014 5405 00001458 1234 82da 02");
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!(erspan.vlan(), 20);
        assert_eq!((erspan.class_of_service(), erspan.frame_health()), (2, 2));
        assert!(erspan.truncated());
        assert_eq!(erspan.session_id(), 5);
        assert_eq!(erspan.timestamp(), 5208);
        assert_eq!(erspan.security_group(), 0x1234);
        assert_eq!((erspan.frame_type(), erspan.hardware_id()), (0, 0x2d));
        assert_eq!(erspan.direction(), Direction::Egress);
        assert_eq!(erspan.granularity(), Granularity::Nanoseconds100);
        assert_eq!((erspan.platform_id(), erspan.port_index()), (None, None));
        assert_eq!(erspan.payload(), [2]);

        let bytes = hex!("2fff abff ffffffff ffff 7d26");
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!((erspan.class_of_service(), erspan.frame_health()), (5, 1));
        assert!(!erspan.truncated());
        assert_eq!(erspan.session_id(), 1023);
        assert_eq!((erspan.frame_type(), erspan.hardware_id()), (31, 0x12));
        assert_eq!(erspan.direction(), Direction::Ingress);
        assert_eq!(erspan.granularity(), Granularity::Platform);
        for len in 0..12 {
            assert_eq!(
                Erspan3::parse(&bytes[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
        let version_1 = hex!("1014 5405 00001458 1234 82da");
        assert_eq!(Erspan3::parse(&version_1).unwrap_err(), Reason::BadVersion);
    }

    #[test]
    fn sub_headers_are_read_by_platform() {
        let with =
            |platform: [u8; 8]| [&hex!("200a 0009 00000000 0000 8001")[..], &platform].concat();
        let bytes = with(hex!("07fffabc 00010007"));
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!(erspan.platform_id(), Some(1));
        assert_eq!(erspan.domain_id(), Some(0xabc));
        assert_eq!(erspan.port_index(), Some(0x0001_0007));
        assert_eq!(erspan.timestamp_high(), None);

        let bytes = with(hex!("0fffd555 15f742e8"));
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!(
            (erspan.platform_id(), erspan.port_index()),
            (Some(3), Some(0x1555))
        );
        assert_eq!(erspan.timestamp_high(), Some(368_526_056));
        assert_eq!(erspan.timestamp_seconds(), None);

        let bytes = with(hex!("1621ffee 6553f100"));
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!(
            (erspan.platform_id(), erspan.switch_id()),
            (Some(5), Some(0x221))
        );
        assert_eq!(erspan.port_index(), Some(0xffee));
        assert_eq!(erspan.timestamp_seconds(), Some(1_700_000_000));

        let bytes = with(hex!("1ffabc05 00004b87"));
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!(
            (erspan.platform_id(), erspan.port_index()),
            (Some(7), Some(0xabc05))
        );
        assert_eq!(erspan.timestamp_high(), Some(19335));

        let bytes = with(hex!("13ffffff ffffffff"));
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!((erspan.platform_id(), erspan.port_index()), (Some(4), None));
        assert_eq!((erspan.domain_id(), erspan.switch_id()), (None, None));
        for len in 12..20 {
            let cut = Erspan3::parse(&bytes[..len]).unwrap();
            assert_eq!((cut.session_id(), cut.platform_id()), (9, None));
            assert_eq!(cut.payload(), b"");
        }
        assert_eq!(Erspan3::parse(&bytes[..11]).unwrap_err(), Reason::Truncated);
    }

    #[test]
    fn a_sub_header_that_is_not_announced_is_found_by_the_frame_behind_it() {
        let header = hex!("2001 1865 34760b01 0000 1e00");
        let bytes = [&header[..], &hex!("0000abc5 00004b87"), &FRAME].concat();
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!((erspan.frame_type(), erspan.has_sub_header()), (7, false));
        assert_eq!(erspan.port_index(), Some(0xabc5));
        assert_eq!(erspan.timestamp_high(), Some(0x4b87));
        assert!(erspan.carries_ethernet());
        assert_eq!(erspan.payload(), FRAME);

        let bytes = [&header[..], &FRAME].concat();
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!(erspan.platform_id(), None);
        assert!(erspan.carries_ethernet());
        assert_eq!(erspan.payload(), FRAME);

        let bytes = [&header[..], &[0x55; 60]].concat();
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert!(!erspan.carries_ethernet());
    }

    #[test]
    fn a_wrong_announcement_of_a_sub_header_does_not_hide_the_frame() {
        let platform = hex!("0c000003 15f742e8");
        let silent = hex!("200a 0009 00000000 0000 8000");
        let bytes = [&silent[..], &platform, &FRAME].concat();
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!(
            (erspan.platform_id(), erspan.payload()),
            (Some(3), &FRAME[..])
        );

        let boasting = hex!("200a 0009 00000000 0000 8001");
        let bytes = [&boasting[..], &FRAME].concat();
        let erspan = Erspan3::parse(&bytes).unwrap();
        assert_eq!((erspan.platform_id(), erspan.payload()), (None, &FRAME[..]));

        // A frame that proves nothing is where the header says.
        let unknown = hex!("02000000000b 02000000000a 88b5 0102030405060708");
        let bytes = [&silent[..], &unknown].concat();
        assert_eq!(Erspan3::parse(&bytes).unwrap().payload(), unknown);
        let bytes = [&boasting[..], &platform, &unknown].concat();
        assert_eq!(Erspan3::parse(&bytes).unwrap().payload(), unknown);
    }
}
