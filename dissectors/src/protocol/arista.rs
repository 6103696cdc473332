//! Arista's time stamp header: when a switch copied a frame, between its addresses and its type.
//!
//! Specification: Arista's description of time stamps on 7280R and 7500R. Other subtypes of the
//! vendor's `EtherType` have other lengths and stay closed.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::mirror::DeviceTime;
use crate::protocol::ethernet::check_type;
use crate::reason::Reason;

/// `EtherType` of the vendor's headers.
pub(crate) const ETHER_TYPE: u16 = 0xd28b;

/// Subtype of a time stamp.
const TIMESTAMP: u16 = 1;
/// Time scale in the version: UTC.
const UTC: u16 = 0x0100;
/// Format in the version: 32 bits of seconds.
const SECONDS_32: u16 = 0x0010;
/// Format in the version: 16 bits of seconds.
const SECONDS_16: u16 = 0x0020;

/// What all subtypes start with, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    subtype: U16,
    /// Reserved (4 bits), time scale (4), format (4), kind of hardware (4).
    version: U16,
}

/// Time and type of what follows, as they are on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Stamp<S> {
    seconds: S,
    nanoseconds: U32,
    ether_type: U16,
}

/// A checked header and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Arista<'a> {
    header: &'a Header,
    /// Time, `EtherType` and payload, if the subtype is that of a time stamp.
    stamped: Option<(DeviceTime, u16, &'a [u8])>,
}

impl<'a> Arista<'a> {
    /// Reads the header that follows its `EtherType`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let version = header.version.get();
        let stamped = match (header.subtype.get(), version & 0x0ef0) {
            (TIMESTAMP, SECONDS_32) => {
                let (stamp, payload) =
                    Stamp::<U32>::ref_from_prefix(rest).map_err(|_| Reason::Truncated)?;
                let seconds = stamp.seconds.get();
                let time = time(seconds, 32, stamp.nanoseconds.get(), version);
                Some((time, stamp.ether_type.get(), payload))
            }
            (TIMESTAMP, SECONDS_16) => {
                let (stamp, payload) =
                    Stamp::<U16>::ref_from_prefix(rest).map_err(|_| Reason::Truncated)?;
                let seconds = stamp.seconds.get().into();
                let time = time(seconds, 16, stamp.nanoseconds.get(), version);
                Some((time, stamp.ether_type.get(), payload))
            }
            _ => None,
        };
        if let Some((_, ether_type, _)) = stamped {
            check_type(ether_type)?;
        }
        Ok(Self { header, stamped })
    }

    /// Subtype: 1 for a time stamp.
    pub fn subtype(&self) -> u16 {
        self.header.subtype.get()
    }

    /// Time scale, format and kind of hardware.
    pub fn version(&self) -> u16 {
        self.header.version.get()
    }

    /// When the switch took the frame in, if the header tells it.
    pub fn time(&self) -> Option<DeviceTime> {
        self.stamped.map(|(time, ..)| time)
    }

    /// `EtherType` of the payload, or its length if at most 1500.
    pub fn ether_type(&self) -> Option<u16> {
        self.stamped.map(|(_, ether_type, _)| ether_type)
    }

    /// What follows a time stamp.
    pub fn payload(&self) -> &'a [u8] {
        self.stamped
            .map(|(.., payload)| payload)
            .unwrap_or_default()
    }
}

fn time(seconds: u32, bits: u8, nanoseconds: u32, version: u16) -> DeviceTime {
    DeviceTime::Seconds {
        seconds,
        nanoseconds,
        bits,
        tai: version & UTC == 0,
    }
}

impl<'a> Dissect<'a> for Arista<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        match self.stamped {
            Some((_, ether_type, payload)) => behind_ether_type(ether_type, payload, place.options),
            None => Next::Opaque(Reason::UnsupportedType),
        }
    }
}

/// Writes what follows the header's `EtherType`: a UTC time, and the type of what follows.
pub(crate) fn write(seconds: u32, nanoseconds: u32, ether_type: u16, out: &mut Vec<u8>) {
    let header = Header {
        subtype: TIMESTAMP.into(),
        version: (UTC | SECONDS_32).into(),
    };
    let stamp = Stamp::<U32> {
        seconds: seconds.into(),
        nanoseconds: nanoseconds.into(),
        ether_type: ether_type.into(),
    };
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(stamp.as_bytes());
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::encap::{Outer, Wrap, wrap};
    use crate::link::LinkType;
    use crate::options::Options;
    use crate::strip::decapsulate;

    const FRAME: [u8; 16] = hex!("02000000000b 02000000000a 88cc 0207");

    fn stamp(seconds: u32, bits: u8, tai: bool) -> DeviceTime {
        DeviceTime::Seconds {
            seconds,
            nanoseconds: 123_456_789,
            bits,
            tai,
        }
    }

    #[test]
    fn every_format_is_read() {
        for (bytes, version, time) in [
            (
                &hex!("0001 0010 6553f100 075bcd15 0800 45")[..],
                0x0010,
                stamp(1_700_000_000, 32, true),
            ),
            (
                &hex!("0001 0111 6553f100 075bcd15 0800 45"),
                0x0111,
                stamp(1_700_000_000, 32, false),
            ),
            (
                &hex!("0001 0021 f100 075bcd15 0800 45"),
                0x0021,
                stamp(0xf100, 16, true),
            ),
            (
                &hex!("0001 0120 f100 075bcd15 0800 45"),
                0x0120,
                stamp(0xf100, 16, false),
            ),
        ] {
            let header = Arista::parse(bytes).unwrap();
            assert_eq!((header.subtype(), header.version()), (1, version));
            assert_eq!(header.time(), Some(time));
            assert_eq!(header.ether_type(), Some(0x0800));
            assert_eq!(header.payload(), [0x45]);
            for len in 0..bytes.len() - 1 {
                assert_eq!(Arista::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
            }
        }
    }

    #[test]
    fn other_subtypes_have_no_known_length() {
        for bytes in [
            hex!("0002 0010 ff"),
            hex!("0001 0030 ff"),
            hex!("0001 0210 ff"),
        ] {
            let header = Arista::parse(&bytes).unwrap();
            assert_eq!((header.time(), header.ether_type()), (None, None));
            assert_eq!(header.payload(), b"");
        }
    }

    #[test]
    fn the_mirror_has_the_time_of_its_frame() {
        let with = |seconds| Wrap::Arista {
            seconds,
            nanoseconds: 123_456_789,
        };
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let time = |bytes: &[u8]| {
            let stripped = decapsulate(LinkType::Ethernet, bytes, &Options::default());
            stripped.mirror().unwrap().facts.time
        };
        let vxlan = Wrap::Vxlan { vni: 1, port: 4789 };
        let mut stamped = Vec::new();
        wrap(&outer, &with(100), &FRAME, &mut stamped);
        let mut inside = Vec::new();
        wrap(&outer, &vxlan, &stamped, &mut inside);
        assert_eq!(time(&inside), Some(stamp(100, 32, false)));
        let mut both = Vec::new();
        wrap(&outer, &with(200), &inside, &mut both);
        assert_eq!(time(&both), Some(stamp(100, 32, false)));

        let (mut plain, mut outside) = (Vec::new(), Vec::new());
        wrap(&outer, &vxlan, &FRAME, &mut plain);
        assert_eq!(time(&plain), None);
        wrap(&outer, &with(200), &plain, &mut outside);
        assert_eq!(time(&outside), Some(stamp(200, 32, false)));
    }
}
