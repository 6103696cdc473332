//! STT: Ethernet frames of an overlay network behind 18 bytes, in segments that look like TCP's so
//! that a network card splits and joins them.
//!
//! Specification: draft-davie-stt-08 §3. There is no handshake, so a segment is told from TCP by its
//! header alone. A connection to the same port passes for STT where its sequence numbers happen to
//! fit and its header has no options; where that matters, no port should lead here. What the header
//! says of checksums (verified, partial, where layer 4 starts) is told and not used.

use zerocopy::byteorder::network_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::fragment::{Fragment, Part, Whole, fit_ip};
use crate::link::LinkType;
use crate::mirror::Facts;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// TCP port.
pub(crate) const PORT: u16 = 7471;

/// Data offset of a TCP header without options, in place.
const DATA_OFFSET: u16 = 5 << 12;
/// The flags of TCP that open and close connections: RST, SYN, FIN.
const CONNECTION: u16 = 0x07;
const PUSH: u16 = 0x08;
const ACK: u16 = 0x10;

const VERSION: u8 = 0;
const PARTIAL_CHECKSUM: u8 = 0x02;
/// Flag of the VLAN field: it is valid.
const VALID_VLAN: u16 = 0x1000;

/// The header of a segment as it is on the wire, in the shape of TCP's.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct SegmentHeader {
    source_port: U16,
    destination_port: U16,
    /// Length of the frame, [`FrameHeader`] included: upper half of the sequence number.
    frame_len: U16,
    /// Place of the segment's data in the frame: lower half of the sequence number.
    offset: U16,
    /// Acknowledgement number.
    frame_id: U32,
    /// Data offset (4 bits), reserved (3), flags (9).
    offset_flags: U16,
    window: U16,
    checksum: U16,
    urgent: U16,
}

/// The header of a frame as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct FrameHeader {
    version: u8,
    /// Reserved (4 bits), TCP (1), IPv4 (1), checksum partial (1), checksum verified (1).
    flags: u8,
    l4_offset: u8,
    reserved: u8,
    mss: U16,
    /// Priority (3 bits), valid (1), VLAN (12).
    vlan: U16,
    context: U64,
    /// Aligns the IP header of the frame.
    padding: U16,
}

/// Length of the header in front of a segment.
pub(crate) const SEGMENT_HEADER_LEN: usize = size_of::<SegmentHeader>();
/// Length of the header in front of a frame.
const FRAME_HEADER_LEN: usize = size_of::<FrameHeader>();

/// A segment on STT's port, which may be one of TCP.
#[derive(Clone, Copy, Debug)]
pub struct Stt<'a> {
    segment: Option<SttSegment<'a>>,
}

/// A segment of STT.
#[derive(Clone, Copy, Debug)]
pub struct SttSegment<'a> {
    header: &'a SegmentHeader,
    data: &'a [u8],
}

/// The header of a frame in STT, which the frame's first segment has.
#[derive(Clone, Copy, Debug)]
pub struct SttFrame<'a> {
    header: &'a FrameHeader,
    payload: &'a [u8],
}

impl<'a> Stt<'a> {
    /// Reads the headers at the start of an IP payload. What is not STT is no fault: it is TCP.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let segment = SegmentHeader::ref_from_prefix(bytes)
            .ok()
            .map(|(header, data)| SttSegment { header, data })
            .filter(SttSegment::is_consistent);
        // Too short for the frame's header only because it was cut: senders split at the MTU.
        if segment
            .is_some_and(|segment| segment.offset() == 0 && segment.data.len() < FRAME_HEADER_LEN)
        {
            return Err(Reason::Truncated);
        }
        Ok(Self { segment })
    }

    /// The segment; `None` if it is one of TCP.
    pub fn segment(&self) -> Option<SttSegment<'a>> {
        self.segment
    }
}

impl<'a> SttSegment<'a> {
    fn is_consistent(&self) -> bool {
        let header = self.header.offset_flags.get();
        let frame_len = usize::from(self.frame_len());
        let end = usize::from(self.offset()).saturating_add(self.data.len());
        let version = self.data.first().filter(|_| self.offset() == 0);
        header & 0xf000 == DATA_OFFSET
            && header & CONNECTION == 0
            && !self.data.is_empty()
            && frame_len >= FRAME_HEADER_LEN
            && end <= frame_len
            && version.is_none_or(|&version| version == VERSION)
    }

    /// Length of the frame that the segment is a part of, STT header included, in bytes.
    pub fn frame_len(&self) -> u16 {
        self.header.frame_len.get()
    }

    /// Place of the segment's data in the frame, in bytes.
    pub fn offset(&self) -> u16 {
        self.header.offset.get()
    }

    /// Number that the segments of a frame share; it need not count.
    pub fn frame_id(&self) -> u32 {
        self.header.frame_id.get()
    }

    /// What is present of the segment's data.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// The header of the frame, if the segment is the first.
    pub fn frame(&self) -> Option<SttFrame<'a>> {
        let (header, payload) = FrameHeader::ref_from_prefix(self.data).ok()?;
        (self.offset() == 0).then_some(SttFrame { header, payload })
    }

    fn fragment(&self, place: &Place<'a, '_>) -> Option<Fragment<'a>> {
        let whole = |ports| Whole::Stt {
            ports,
            frame_id: self.frame_id(),
            len: self.frame_len(),
        };
        let offset = self.offset().into();
        let fragment = Fragment::carried(place, whole, offset, true, self.data)?;
        let rest = u32::from(self.frame_len()).saturating_sub(offset);
        Some(Fragment {
            more: fragment.claimed_payload < rest,
            claimed_payload: fragment.claimed_payload.min(rest),
            ..fragment
        })
    }
}

impl<'a> SttFrame<'a> {
    /// The transport checksum of the frame is unfinished.
    pub fn checksum_is_partial(&self) -> bool {
        self.header.flags & PARTIAL_CHECKSUM != 0
    }

    /// Start of the transport header in the frame, in bytes; 0 unless the checksum is partial.
    pub fn l4_offset(&self) -> u8 {
        self.header.l4_offset
    }

    /// Segment size to which the receiver may have to split the frame; 0 if it has not.
    pub fn mss(&self) -> u16 {
        self.header.mss.get()
    }

    /// VLAN of the frame (12 bits), whose tag was taken off, if it had one.
    pub fn vlan(&self) -> Option<u16> {
        let vlan = self.header.vlan.get();
        (vlan & VALID_VLAN != 0).then_some(vlan & 0x0fff)
    }

    /// Priority of the frame's tag (3 bits); means something with a VLAN only.
    pub fn priority(&self) -> u8 {
        (self.header.vlan.get() >> 13) as u8
    }

    /// Names the network (64 bits).
    pub fn context_id(&self) -> u64 {
        self.header.context.get()
    }

    /// What the segment has of the Ethernet frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// What the headers of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SttHeader {
    /// Context id.
    pub context: u64,
    /// Frame id.
    pub frame_id: u32,
    /// VLAN of the frame (12 bits) if it had a tag.
    pub vlan: Option<u16>,
}

/// Writes the headers of a whole frame of `len` bytes, the checksum of its segment left out.
pub(crate) fn write(source_port: u16, stt: &SttHeader, len: usize, out: &mut Vec<u8>) {
    let segment = SegmentHeader {
        source_port: source_port.into(),
        destination_port: PORT.into(),
        frame_len: (FRAME_HEADER_LEN.saturating_add(len) as u16).into(),
        offset: 0.into(),
        frame_id: stt.frame_id.into(),
        offset_flags: (DATA_OFFSET | ACK | PUSH).into(),
        window: u16::MAX.into(),
        checksum: 0.into(),
        urgent: 0.into(),
    };
    out.extend_from_slice(segment.as_bytes());
    let frame = FrameHeader {
        version: VERSION,
        flags: 0,
        l4_offset: 0,
        reserved: 0,
        mss: 0.into(),
        vlan: stt.vlan.map_or(0, |vlan| VALID_VLAN | vlan & 0x0fff).into(),
        context: stt.context.into(),
        padding: 0.into(),
    };
    out.extend_from_slice(frame.as_bytes());
}

/// Makes IP and segment header in `headers` those of a part of a frame, without a checksum.
pub(crate) fn fit(headers: &mut [u8], part: Part) -> Option<()> {
    if part.total < FRAME_HEADER_LEN {
        return None;
    }
    let transport = fit_ip(headers, part.len)?;
    let (header, _) = SegmentHeader::mut_from_prefix(transport).ok()?;
    header.frame_len = u16::try_from(part.total).ok()?.into();
    header.offset = u16::try_from(part.offset).ok()?.into();
    let last = part.offset.checked_add(part.len)? == part.total;
    let push = if last { PUSH } else { 0 };
    header.offset_flags = (header.offset_flags.get() & !PUSH | push).into();
    header.checksum = 0.into();
    Some(())
}

impl<'a> Dissect<'a> for Stt<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        let Some(segment) = self.segment else {
            return Next::Transport;
        };
        match (segment.fragment(place), segment.frame()) {
            (Some(fragment), Some(frame)) if !fragment.more => {
                Next::Frame(LinkType::Ethernet, frame.payload)
            }
            (Some(_), _) => Next::Fragment,
            (None, _) => Next::Opaque(Reason::UnsupportedType),
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let frame = self.segment?.frame()?;
        Some(Opened {
            facts: Facts {
                vlan: frame.vlan(),
                ..Facts::default()
            },
            ..Opened::new(Encapsulation::Stt, Some(frame.context_id()), frame.payload)
        })
    }

    fn fragment(&self, place: &Place<'a, '_>) -> Option<Fragment<'a>> {
        self.segment?.fragment(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    /// A frame of four bytes, in one segment.
    const SEGMENT: [u8; 42] = hex!(
        "c3cb1d2f 0016 0000 89abcdef 5018 0000 2fb5 0000"
        "00 0e 22 00 0578 b064 fedcba9876543210 0000 02000000"
    );

    #[test]
    fn every_field_is_read() {
        let stt = Stt::parse(&SEGMENT).unwrap();
        let segment = stt.segment().unwrap();
        assert_eq!((segment.frame_len(), segment.offset()), (22, 0));
        assert_eq!(segment.frame_id(), 0x89ab_cdef);
        assert_eq!(segment.data(), &SEGMENT[20..]);
        let frame = segment.frame().unwrap();
        assert!(frame.checksum_is_partial());
        assert_eq!((frame.l4_offset(), frame.mss()), (34, 1400));
        assert_eq!((frame.vlan(), frame.priority()), (Some(0x064), 5));
        assert_eq!(frame.context_id(), 0xfedc_ba98_7654_3210);
        assert_eq!(frame.payload(), [2, 0, 0, 0]);
        let mut untagged = SEGMENT;
        untagged[21] = 0xfd;
        untagged[26] = 0xef;
        let segment = Stt::parse(&untagged).unwrap().segment().unwrap();
        let frame = segment.frame().unwrap();
        assert_eq!((frame.vlan(), frame.priority()), (None, 7));
        assert!(!frame.checksum_is_partial());
        for len in 21..38 {
            assert_eq!(Stt::parse(&SEGMENT[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn what_is_not_consistent_is_tcp() {
        let is_stt = |at: usize, value: u8| {
            let mut bytes = SEGMENT;
            bytes[at] = value;
            Stt::parse(&bytes).unwrap().segment().is_some()
        };
        assert!(is_stt(13, 0x10));
        // Data offset, SYN, FIN and RST, a frame that is shorter than its part, another version.
        assert!(!is_stt(12, 0x60));
        for flags in [0x02, 0x12, 0x11, 0x14] {
            assert!(!is_stt(13, flags), "{flags:#04x}");
        }
        assert!(!is_stt(5, 21));
        assert!(is_stt(5, 23));
        assert!(!is_stt(7, 1));
        assert!(!is_stt(20, 1));
        // Without data it is an acknowledgement, and without a header nobody knows.
        for len in 0..21 {
            let stt = Stt::parse(&SEGMENT[..len]).unwrap();
            assert!(stt.segment().is_none(), "{len}");
        }
    }

    #[test]
    fn a_later_segment_has_no_frame_header() {
        let mut bytes = SEGMENT;
        bytes[4..8].copy_from_slice(&hex!("0100 00ea"));
        let segment = Stt::parse(&bytes).unwrap().segment().unwrap();
        assert_eq!((segment.frame_len(), segment.offset()), (256, 234));
        assert!(segment.frame().is_none());
    }
}
