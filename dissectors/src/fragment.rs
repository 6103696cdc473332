//! A part of something that was sent in several packets: what a reassembler needs to join it with
//! the others.
//!
//! IP splits datagrams (RFC 791 §3.2, RFC 8200 §4.5); CAPWAP and STT split the frames that they carry.

use std::net::IpAddr;

use zerocopy::FromBytes;

use crate::checksum::checksum;
use crate::dissect::Place;
use crate::protocol::ipv4::{self, DONT_FRAGMENT, FRAGMENT_OFFSET, Ipv4, MORE_FRAGMENTS};
use crate::protocol::ipv6::{self, HEADER_LEN, Ipv6};
use crate::protocol::{capwap, extension, stt};
use crate::strip::offset_in;

/// What fragments are parts of, and what those of one and the same share besides their addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whole {
    /// An IP datagram.
    Datagram {
        /// Protocol number of the payload; over IPv6 that of the first fragment counts.
        protocol: u8,
        /// Identification: 16 bits over IPv4, 32 over IPv6.
        identification: u32,
    },
    /// A frame in CAPWAP.
    Capwap {
        /// Source and destination port.
        ports: (u16, u16),
        /// Fragment id.
        fragment_id: u16,
    },
    /// A frame in STT.
    Stt {
        /// Source and destination port.
        ports: (u16, u16),
        /// Frame id, the acknowledgement number of its segments.
        frame_id: u32,
        /// Length of the frame, STT header included, in bytes.
        len: u16,
    },
}

/// A fragment and the headers in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Sender of the packet.
    pub source: IpAddr,
    /// Receiver of the packet.
    pub destination: IpAddr,
    /// What it is a part of.
    pub whole: Whole,
    /// Place of the payload in the whole, in bytes.
    pub offset: u32,
    /// Further fragments follow.
    pub more: bool,
    /// What stands in front of the payload from the IP header on; of IPv6, without the fragment
    /// header.
    pub header: &'a [u8],
    /// What is present of the fragment's payload.
    pub payload: &'a [u8],
    /// Length of the payload by the IP header, in bytes; more than is present if it was cut.
    pub claimed_payload: u32,
    /// The fragment was found inside at least one encapsulation.
    pub encapsulated: bool,
}

/// Where a packet stands in a fragmented datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentPosition {
    /// Place of the payload in the datagram, in bytes.
    pub offset: u32,
    /// Further fragments follow.
    pub more: bool,
    /// Identification: 16 bits over IPv4, 32 over IPv6.
    pub identification: u32,
}

impl<'a> Fragment<'a> {
    /// The fragment that an IPv4 packet is; `None` if the packet is a whole datagram.
    pub(crate) fn from_ipv4(ip: &Ipv4<'a>, encapsulated: bool) -> Option<Self> {
        ip.is_fragment().then(|| Self {
            source: ip.source().into(),
            destination: ip.destination().into(),
            whole: Whole::Datagram {
                protocol: ip.protocol(),
                identification: ip.identification().into(),
            },
            offset: ip.fragment_offset(),
            more: ip.more_fragments(),
            header: ip.header_bytes(),
            payload: ip.payload(),
            claimed_payload: ip.claimed_payload() as u32,
            encapsulated,
        })
    }

    /// The fragment that an IPv6 packet is; `None` if the packet is a whole datagram.
    pub(crate) fn from_ipv6(ip: &Ipv6<'a>, encapsulated: bool) -> Option<Self> {
        let fragment = ip.fragment_header()?;
        let header = ip.header_bytes();
        // The walk over the headers ended with the fragment header.
        let header = header
            .get(..header.len().saturating_sub(size_of_val(fragment)))
            .unwrap_or_default();
        Some(Self {
            source: ip.source().into(),
            destination: ip.destination().into(),
            whole: Whole::Datagram {
                protocol: ip.protocol(),
                identification: fragment.identification.get(),
            },
            offset: fragment.offset().into(),
            more: fragment.more(),
            header,
            payload: ip.payload(),
            claimed_payload: ip.claimed_payload() as u32,
            encapsulated,
        })
    }

    /// The fragment whose bytes are carried by the packet at `place`, behind a header that has ports.
    /// `None` where no IP packet carries it.
    pub(crate) fn carried(
        place: &Place<'a, '_>,
        whole: impl FnOnce((u16, u16)) -> Whole,
        offset: u32,
        more: bool,
        payload: &'a [u8],
    ) -> Option<Self> {
        let header = place.packet.get(..offset_in(place.packet, payload))?;
        let Carrier {
            addresses: (source, destination),
            transport,
            missing,
        } = Carrier::of(place.packet)?;
        let &[a, b, c, d] = header.get(transport..)?.first_chunk()?;
        Some(Self {
            source,
            destination,
            whole: whole((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))),
            offset,
            more,
            header,
            payload,
            claimed_payload: payload.len().saturating_add(missing) as u32,
            encapsulated: place.encapsulated(),
        })
    }

    /// Places of fragments other than the last are multiples of this, in bytes.
    pub fn unit(&self) -> u32 {
        match self.whole {
            Whole::Datagram { .. } | Whole::Capwap { .. } => 8,
            Whole::Stt { .. } => 1,
        }
    }

    /// Writes the headers of the whole, whose `payload_len` bytes are to follow.
    ///
    /// Returns `false`, and writes nothing, if the whole cannot be that long.
    pub fn write_header(&self, payload_len: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.extend_from_slice(self.header);
        let header = out.get_mut(start..).unwrap_or_default();
        let all = Part::all(payload_len);
        let written = match (self.whole, self.source) {
            (Whole::Datagram { .. }, IpAddr::V4(_)) => join_ipv4(header, payload_len),
            (Whole::Datagram { protocol, .. }, IpAddr::V6(_)) => {
                join_ipv6(header, payload_len, protocol)
            }
            (Whole::Capwap { .. }, _) => capwap::fit(header, all),
            (Whole::Stt { .. }, _) => stt::fit(header, all),
        };
        if written.is_none() {
            out.truncate(start);
        }
        written.is_some()
    }
}

/// A part of a whole, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    pub(crate) offset: usize,
    pub(crate) len: usize,
    pub(crate) total: usize,
}

impl Part {
    fn all(total: usize) -> Self {
        Self {
            offset: 0,
            len: total,
            total,
        }
    }
}

/// The IP packet that carries a fragment in its payload.
struct Carrier {
    addresses: (IpAddr, IpAddr),
    /// Place of the transport header, in bytes.
    transport: usize,
    /// Bytes of the payload that the header claims and that are not present.
    missing: usize,
}

impl Carrier {
    fn of(packet: &[u8]) -> Option<Self> {
        let (addresses, transport, payload, claimed) = if packet.first()? >> 4 == 4 {
            let ip = Ipv4::parse(packet).ok()?;
            (
                ip.addresses(),
                ip.transport().1,
                ip.payload(),
                ip.claimed_payload(),
            )
        } else {
            let ip = Ipv6::parse(packet).ok()?;
            (
                ip.addresses(),
                ip.payload(),
                ip.payload(),
                ip.claimed_payload(),
            )
        };
        Some(Self {
            addresses,
            transport: offset_in(packet, transport),
            missing: claimed.saturating_sub(payload.len()),
        })
    }
}

/// Makes the IP header at the start of `headers` fit a payload of `len` bytes behind all of them,
/// and gives what stands behind it.
///
/// A packet that would be too long gets the length 0, as one that a network card is to split.
pub(crate) fn fit_ip(headers: &mut [u8], len: usize) -> Option<&mut [u8]> {
    let Carrier { transport, .. } = Carrier::of(headers)?;
    let packet_len = headers.len().checked_add(len)?;
    let (ip, rest) = headers.split_at_mut_checked(transport)?;
    if ip.first()? >> 4 == 4 {
        let header = ipv4::Header::mut_from_prefix(ip).ok()?.0;
        header.total_len = u16::try_from(packet_len).unwrap_or(0).into();
        header.checksum = 0.into();
        let len = usize::from(header.version_len & 0x0f) << 2;
        let sum = checksum(ip.get(..len)?);
        ipv4::Header::mut_from_prefix(ip).ok()?.0.checksum = sum.into();
    } else {
        let payload_len = packet_len.checked_sub(HEADER_LEN)?;
        let header = ipv6::Header::mut_from_prefix(ip).ok()?.0;
        header.payload_len = u16::try_from(payload_len).unwrap_or(0).into();
    }
    Some(rest)
}

fn join_ipv4(header: &mut [u8], payload_len: usize) -> Option<()> {
    let total_len = u16::try_from(header.len().checked_add(payload_len)?).ok()?;
    header
        .get_mut(2..4)?
        .copy_from_slice(&total_len.to_be_bytes());
    let flags = header.get_mut(6..8)?;
    let kept =
        u16::from_be_bytes([*flags.first()?, *flags.get(1)?]) & !(MORE_FRAGMENTS | FRAGMENT_OFFSET);
    flags.copy_from_slice(&(kept & DONT_FRAGMENT).to_be_bytes());
    header.get_mut(10..12)?.fill(0);
    let sum = checksum(header);
    header.get_mut(10..12)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

fn join_ipv6(header: &mut [u8], payload_len: usize, protocol: u8) -> Option<()> {
    let extensions_len = header.len().checked_sub(HEADER_LEN)?;
    let len = u16::try_from(extensions_len.checked_add(payload_len)?).ok()?;
    header.get_mut(4..6)?.copy_from_slice(&len.to_be_bytes());
    // The field that named the fragment header, at the end of the chain, now names the payload.
    let mut field = 6;
    let mut next = HEADER_LEN;
    while next < header.len() {
        let number = *header.get(field)?;
        let units = *header.get(next.checked_add(1)?)?;
        field = next;
        next = next.checked_add(extension::len(number, units)?)?;
    }
    *header.get_mut(field)? = protocol;
    Some(())
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;
    use crate::encap::{Outer, SttHeader, Wrap, fragment, segment, wrap};
    use crate::link::LinkType;
    use crate::options::Options;
    use crate::protocol::Layer;
    use crate::strip::decapsulate;
    use crate::stripped::Stop;

    fn of(bytes: &[u8]) -> Fragment<'_> {
        match decapsulate(LinkType::Ethernet, bytes, &Options::default()).stop {
            Stop::Fragment(fragment) => fragment,
            other => panic!("not a fragment: {other:?}"),
        }
    }

    #[test]
    fn recorded_ipv4_fragments_are_joined() {
        let first = hex!(
            "02bb0000000202aa0000000108004500004400772000402f45930a3c00010a3c0009"
            "100088be000000291064a0070000001a02000000000b02000000000a080045000044000100004011"
            "8e56c000020ac633"
        );
        let last = hex!(
            "02bb0000000202aa0000000108004500004600770006402f658b0a3c00010a3c0009"
            "64141388138900306e99000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d"
            "1e1f2021222324252627"
        );
        let (a, b) = (of(&first), of(&last));
        let whole = Whole::Datagram {
            protocol: 47,
            identification: 0x77,
        };
        assert_eq!((a.whole, b.whole), (whole, whole));
        assert_eq!((a.offset, a.more, a.payload.len()), (0, true, 48));
        assert_eq!((b.offset, b.more, b.claimed_payload), (48, false, 50));
        assert!(!a.encapsulated);
        let mut packet = Vec::new();
        assert!(a.write_header(98, &mut packet));
        assert_eq!(packet, hex!("4500007600770000402f65610a3c00010a3c0009"));
        packet.extend(a.payload);
        packet.extend(b.payload);
        let stripped = decapsulate(LinkType::RawIp, &packet, &Options::default());
        assert_eq!(stripped.mirror().and_then(|mirror| mirror.id), Some(7));
        assert_eq!(stripped.inner.bytes.len(), 82);
    }

    #[test]
    fn a_recorded_ipv6_fragment_is_read() {
        let last = hex!(
            "02bb0000000202aa0000000186dd60000000001e2c40"
            "20010db800600000000000000000000120010db8006000000000000000000009"
            "11000030deadbeef64149c4001bb11223344000000005002faf0e63d0000"
        );
        let fragment = of(&last);
        let whole = Whole::Datagram {
            protocol: 17,
            identification: 0xdead_beef,
        };
        assert_eq!(fragment.whole, whole);
        assert_eq!((fragment.offset, fragment.more), (48, false));
        assert_eq!(fragment.header, &last[14..54]);
        assert_eq!(fragment.payload, &last[62..]);
        assert_eq!(fragment.claimed_payload, 22);
        let mut header = Vec::new();
        assert!(fragment.write_header(70, &mut header));
        assert_eq!(header[..8], hex!("6000000000461140"));
    }

    #[test]
    fn a_datagram_that_would_be_too_long_is_not_written() {
        let bytes = hex!(
            "02bb0000000202aa0000000108004500001c007700064011658b0a3c00010a3c0009 0102030405060708"
        );
        let mut out = vec![1];
        assert!(!of(&bytes).write_header(65516, &mut out));
        assert_eq!(out, [1]);
        assert!(of(&bytes).write_header(65515, &mut out));
        assert_eq!(out.len(), 21);
    }

    /// Joins fragments that arrive in order, as a reassembler would.
    fn join(frames: &[Vec<u8>]) -> Vec<u8> {
        let fragments: Vec<_> = frames.iter().map(|frame| of(frame)).collect();
        let payload: Vec<u8> = fragments
            .iter()
            .flat_map(|fragment| fragment.payload.iter().copied())
            .collect();
        let mut packet = Vec::new();
        assert!(fragments[0].write_header(payload.len(), &mut packet));
        packet.extend(payload);
        packet
    }

    proptest! {
        #[test]
        fn split_packets_are_joined_again(
            inner in prop::collection::vec(any::<u8>(), 200..2000),
            mtu in 100_usize..1500,
            ipv6 in any::<bool>(),
            hop_by_hop in any::<bool>(),
            tagged in any::<bool>(),
        ) {
            let outer = if ipv6 {
                Outer::new([1; 16].into(), [2; 16].into())
            } else {
                Outer::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into())
            };
            let mut frame = Vec::new();
            wrap(&outer, &Wrap::Vxlan { vni: 9, port: 4789 }, &inner, &mut frame);
            if ipv6 && hop_by_hop {
                // Hop-by-hop options and destination options: only the first stay in front.
                frame.splice(54..54, hex!("3c00010400000000 1100010400000000"));
                frame[20] = 0;
                let len = (frame.len() - 54) as u16;
                frame[18..20].copy_from_slice(&len.to_be_bytes());
            }
            let packet = frame[14..].to_vec();
            if tagged {
                frame.splice(12..12, hex!("81000064"));
            }
            let frames = fragment(&frame, mtu);
            if packet.len() <= mtu {
                prop_assert_eq!(frames, [frame]);
                return Ok(());
            }
            let link_len = frame.len() - packet.len();
            prop_assert!(frames.iter().all(|part| part.len() - link_len <= mtu));
            prop_assert_eq!(join(&frames), packet);
        }
    }

    proptest! {
        #[test]
        fn frames_in_parts_are_joined_again(
            mut inner in prop::collection::vec(any::<u8>(), 60..3000),
            mtu in 120_usize..1500,
            ipv6 in any::<bool>(),
            over_stt in any::<bool>(),
        ) {
            let outer = if ipv6 {
                Outer::new([1; 16].into(), [2; 16].into())
            } else {
                Outer::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into())
            };
            let with = if over_stt { STT } else { CAPWAP };
            inner[12..14].copy_from_slice(&hex!("88b5"));
            let mut frame = Vec::new();
            wrap(&outer, &with, &inner, &mut frame);
            let frames = segment(&frame, mtu);
            if frame.len() - 14 <= mtu {
                prop_assert_eq!(frames, [frame]);
                return Ok(());
            }
            for part in &frames {
                prop_assert!(part.len() - 14 <= mtu);
                let options = Options::default();
                let stripped = decapsulate(LinkType::Ethernet, part, &options);
                if let (Some(Layer::Ipv4(ip)), false) = (stripped.layers.get(1), ipv6) {
                    prop_assert!(ip.checksum_ok());
                }
                let last = part == frames.last().unwrap();
                prop_assert_eq!(of(part).more, !last);
                prop_assert_eq!(of(part).whole, of(&frames[0]).whole);
                prop_assert_eq!(of(part).claimed_payload as usize, of(part).payload.len());
            }
            let packet = join(&frames);
            prop_assert_eq!(packet.len(), frame.len() - 14);
            let stripped = decapsulate(LinkType::RawIp, &packet, &Options::default());
            prop_assert_eq!(stripped.stop, Stop::Inner);
            prop_assert_eq!(stripped.inner.bytes, &inner);
            let whole = decapsulate(LinkType::Ethernet, &frame, &Options::default());
            prop_assert_eq!(stripped.mirror(), whole.mirror());
        }
    }

    const CAPWAP: Wrap<'_> = Wrap::Capwap {
        radio_id: 3,
        fragment_id: 0xfedc,
    };
    const STT: Wrap<'_> = Wrap::Stt(SttHeader {
        context: 0xfedc_ba98_7654_3210,
        frame_id: 0x89ab_cdef,
        vlan: Some(100),
    });

    #[test]
    fn recorded_segments_of_stt_are_joined() {
        let first = hex!(
            "02bb0000000202aa0000000108004500005000010000400666260a3c00010a3c0009"
            "c3cb1d2f004800000000bef050100000b43c0000000e220005787064000000000000138900000200"
            "0000000b02000000000a0800450000280a0a4000"
        );
        let last = hex!(
            "02bb0000000202aa00000001080045000048000100004006662e0a3c00010a3c0009"
            "c3cb1d2f004800280000bef050180000766f000040064474c000020ac63364149c4001bb11223344"
            "000000005002faf0e63d0000"
        );
        let whole = Whole::Stt {
            ports: (50123, 7471),
            frame_id: 0xbef0,
            len: 72,
        };
        let (a, b) = (of(&first), of(&last));
        assert_eq!((a.whole, a.offset, a.more), (whole, 0, true));
        assert_eq!((b.offset, b.more, b.claimed_payload), (40, false, 32));
        assert_eq!((a.unit(), a.header.len()), (1, 40));
        assert_eq!(b.whole, whole);
        let packet = join(&[first.to_vec(), last.to_vec()]);
        let stripped = decapsulate(LinkType::RawIp, &packet, &Options::default());
        assert_eq!(stripped.inner.bytes.len(), 54);
        let mirror = stripped.mirror().unwrap();
        assert_eq!((mirror.id, mirror.facts.vlan), (Some(5001), Some(100)));
    }

    #[test]
    fn frames_of_64_kib_are_joined_behind_an_ip_length_of_0() {
        let outer = Outer::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let (inner, mut frame) = (vec![7; 65517], Vec::new());
        wrap(&outer, &STT, &inner, &mut frame);
        let packet = join(&segment(&frame, 9000));
        assert_eq!(packet[2..4], [0, 0]);
        let stripped = decapsulate(LinkType::RawIp, &packet, &Options::default());
        assert_eq!(stripped.inner.bytes, inner);
        let part = segment(&frame, 9000).swap_remove(0);
        let mut header = Vec::new();
        assert!(!of(&part).write_header(65536, &mut header));
        assert!(!of(&part).write_header(17, &mut header));
        assert!(header.is_empty() && of(&part).write_header(18, &mut header));
    }

    #[test]
    fn a_part_that_the_capture_cut_says_how_long_it_was() {
        let outer = Outer::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for with in [STT, CAPWAP] {
            let mut frame = Vec::new();
            wrap(&outer, &with, &[7; 3000], &mut frame);
            let part = segment(&frame, 1000).swap_remove(1);
            let whole = of(&part);
            let cut = of(&part[..part.len() - 100]);
            assert_eq!(cut.claimed_payload, whole.claimed_payload);
            assert_eq!(cut.payload.len() + 100, whole.payload.len());
            assert!(cut.more);
        }
    }

    #[test]
    fn fragments_of_fragments_are_joined_again() {
        let outer = Outer::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut frame = Vec::new();
        wrap(&outer, &Wrap::Erspan1, &[7; 1000], &mut frame);
        let frames: Vec<_> = fragment(&frame, 600)
            .iter()
            .flat_map(|part| fragment(part, 300))
            .collect();
        assert_eq!(frames.len(), 5);
        assert_eq!(join(&frames), &frame[14..]);
    }

    #[test]
    fn frames_that_cannot_be_split_come_back() {
        let outer = Outer::new([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut frame = Vec::new();
        wrap(&outer, &Wrap::Erspan1, &[7; 100], &mut frame);
        for mtu in [0, 20, 27] {
            assert_eq!(fragment(&frame, mtu), [frame.clone()]);
        }
        let ipv6 = Outer::new([1; 16].into(), [2; 16].into());
        let mut frame = Vec::new();
        wrap(&ipv6, &Wrap::Erspan1, &[7; 100], &mut frame);
        assert_eq!(fragment(&frame, 144), [frame.clone()]);
        assert_eq!(fragment(&frame, 143).len(), 2);
        assert_eq!(fragment(&[1, 2, 3], 100), [[1, 2, 3]]);
    }
}
