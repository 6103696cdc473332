//! Marker packets of Cisco Nexus 9000 switches: what the clock behind ERSPAN III stood at, at which time of day.
//!
//! The switch sends one every 100 ms to 1 s to the collector of a mirror session, over UDP, to a port that its
//! configuration names. Layout: Wireshark's `packet-cisco-marker.c`, which rests on Cisco's configuration guides
//! and on packets of one user. The 22 bytes in front are not documented, nor are the codes of the granularity.

use std::time::Duration;

use zerocopy::byteorder::little_endian;
use zerocopy::byteorder::network_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place};
use crate::reason::Reason;

/// Type (4 bits) 1 and version (4) 2, in front of the session id.
const TYPE_VERSION: u16 = 0x12;
/// Low half of the tail.
const TAIL: u64 = 0xa5a5_a5a5;

/// The packet as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Packet {
    undocumented: [u8; 22],
    /// Type (4 bits), version (4), session id (8).
    type_version_session: U16,
    granularity: u8,
    /// Seconds by which TAI is ahead of UTC.
    utc_offset: u8,
    /// Padding (16 bits), counter (48).
    counter: U64,
    seconds: U32,
    microseconds: U32,
    /// The one field in the other order.
    sequence: little_endian::U32,
    reserved: U32,
    tail: U64,
}

/// A marker; `None` inside for anything else that is sent to its port.
#[derive(Clone, Copy, Debug)]
pub struct ErspanMarker<'a> {
    packet: Option<&'a Packet>,
}

impl<'a> ErspanMarker<'a> {
    /// Looks for a marker at the start of a UDP payload. Whatever else uses the port is no fault.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let packet = Packet::ref_from_prefix(bytes).ok().map(|read| read.0);
        let known = |packet: &&Packet| {
            packet.type_version_session.get() >> 8 == TYPE_VERSION
                && packet.tail.get() & 0xffff_ffff == TAIL
        };
        Ok(Self {
            packet: packet.filter(known),
        })
    }

    /// What it tells, if it is a marker.
    pub fn mark(&self) -> Option<Mark> {
        let packet = self.packet?;
        Some(Mark {
            session_id: packet.type_version_session.get() as u8,
            granularity: packet.granularity,
            utc_offset: packet.utc_offset,
            counter: packet.counter.get() & 0xffff_ffff_ffff,
            utc: Duration::from_secs(packet.seconds.get().into())
                .saturating_add(Duration::from_micros(packet.microseconds.get().into())),
            sequence: packet.sequence.get(),
        })
    }
}

/// What a marker tells: where the counter of a mirror session stood at a time of day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// ERSPAN session id, as far as it fits into 8 bits.
    pub session_id: u8,
    /// Code of the counter's unit, undocumented.
    pub granularity: u8,
    /// Seconds by which TAI is ahead of UTC.
    pub utc_offset: u8,
    /// The counter (48 bits); the time stamps of ERSPAN III are its low 32.
    pub counter: u64,
    /// UTC at that moment, since 1970, in microseconds.
    pub utc: Duration,
    /// Number of the marker.
    pub sequence: u32,
}

impl<'a> Dissect<'a> for ErspanMarker<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        match self.packet {
            Some(_) => Next::Opaque(Reason::ControlMessage),
            None => Next::Transport,
        }
    }
}

/// Appends a marker.
pub(crate) fn write(mark: &Mark, out: &mut Vec<u8>) {
    let packet = Packet {
        undocumented: [0; 22],
        type_version_session: (TYPE_VERSION << 8 | u16::from(mark.session_id)).into(),
        granularity: mark.granularity,
        utc_offset: mark.utc_offset,
        counter: (mark.counter & 0xffff_ffff_ffff).into(),
        seconds: (mark.utc.as_secs() as u32).into(),
        microseconds: mark.utc.subsec_micros().into(),
        sequence: mark.sequence.into(),
        reserved: 0.into(),
        tail: TAIL.into(),
    };
    out.extend_from_slice(packet.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encap::{Outer, Wrap, wrap};
    use crate::{LinkType, Options, Protocol, Stop, decapsulate};
    use hex_literal::hex;

    const PACKET: [u8; 58] = hex!(
        "00000000000000000000000000000000000000000000"
        "1265 04 25 0000 0123456789ab 6553f100 0001e240 4d000000 00000000 00000000a5a5a5a5"
    );
    const MARK: Mark = Mark {
        session_id: 101,
        granularity: 4,
        utc_offset: 37,
        counter: 1_250_999_896_491,
        utc: Duration::from_micros(1_700_000_000_123_456),
        sequence: 77,
    };

    #[test]
    fn every_field_is_read_and_written() {
        assert_eq!(ErspanMarker::parse(&PACKET).unwrap().mark(), Some(MARK));
        let mut noisy = PACKET;
        noisy[..22].fill(0xff);
        noisy[26..28].fill(0xff);
        noisy[46..54].fill(0xff);
        assert_eq!(ErspanMarker::parse(&noisy).unwrap().mark(), Some(MARK));
        let mut written = Vec::new();
        write(&MARK, &mut written);
        assert_eq!(written, PACKET);
    }

    #[test]
    fn what_else_is_sent_to_the_port_is_no_marker_and_no_fault() {
        let is_marker = |bytes: &[u8]| ErspanMarker::parse(bytes).unwrap().mark().is_some();
        for len in 0..PACKET.len() {
            assert!(!is_marker(&PACKET[..len]), "{len}");
        }
        for (place, value) in [(22, 0x22), (22, 0x11), (54, 0xa4), (57, 0)] {
            let mut other = PACKET;
            other[place] = value;
            assert!(!is_marker(&other), "{place}");
        }
    }

    #[test]
    fn only_a_port_that_was_named_leads_to_it() {
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let mut frame = Vec::new();
        let marker = Wrap::ErspanMarker {
            port: 65023,
            mark: MARK,
        };
        wrap(&outer, &marker, &[], &mut frame);
        let mut options = Options::default();
        let stop = |options: &Options, frame: &[u8]| {
            let stripped = decapsulate(LinkType::Ethernet, frame, options);
            assert!(stripped.mirror().is_none());
            matches!(
                stripped.stop,
                Stop::Opaque {
                    protocol: Protocol::ErspanMarker,
                    reason: Reason::ControlMessage
                }
            )
        };
        assert!(!stop(&options, &frame));
        assert_eq!(
            Protocol::ErspanMarker.port_option(),
            Some("erspan-marker-port")
        );
        options.set_ports(Protocol::ErspanMarker, &[65023]).unwrap();
        assert!(stop(&options, &frame));
        let last = frame.len() - 1;
        frame[last] = 0;
        assert!(!stop(&options, &frame));
    }
}
