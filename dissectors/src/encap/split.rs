//! Splits the packet of a frame as a router would that has a smaller MTU, or as the tunnel's sender.
//!
//! Specification: RFC 791 §2.3, RFC 8200 §4.5; RFC 5415 §3.4, draft-davie-stt-08 §3.

use zerocopy::IntoBytes;

use super::{finish_tcp, ip_len, set_u16};
use crate::checksum::checksum;
use crate::fragment::Part;
use crate::link::LinkType;
use crate::options::Options;
use crate::protocol::ethernet::{self, Ethernet};
use crate::protocol::extension::{self, FRAGMENT, FragmentHeader};
use crate::protocol::ipv4::{Ipv4, MORE_FRAGMENTS};
use crate::protocol::ipv6::{self, Ipv6};
use crate::protocol::vlan::Vlan;
use crate::protocol::{Layer, capwap, stt};
use crate::strip::{decapsulate, offset_in};

/// Splits an Ethernet frame with an IPv4 or IPv6 packet so that no packet is longer than `mtu`.
///
/// As a test tool it goes further than a router: it splits in spite of "don't fragment", and
/// repeats the IPv4 options in every fragment. A frame that fits, is not IP, is longer than 65535
/// bytes, or whose headers leave no room for data comes back as it is. The IPv6 identification is a
/// hash of the frame.
pub fn fragment(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    split(frame, mtu).unwrap_or_else(|| vec![frame.to_vec()])
}

fn split(frame: &[u8], mtu: usize) -> Option<Vec<Vec<u8>>> {
    let ethernet = Ethernet::parse(frame).ok()?;
    let mut ether_type = ethernet.ether_type();
    let mut packet = ethernet.payload();
    while Vlan::is_tag(ether_type) {
        let tag = Vlan::parse(packet).ok()?;
        ether_type = tag.ether_type();
        packet = tag.payload();
    }
    let link = frame.get(..frame.len().checked_sub(packet.len())?)?;
    match ether_type {
        ethernet::IPV4 => split_ipv4(link, &Ipv4::parse(packet).ok()?, mtu),
        ethernet::IPV6 => split_ipv6(link, &Ipv6::parse(packet).ok()?, mtu, hash(frame)),
        _ => None,
    }
}

fn split_ipv4(link: &[u8], ip: &Ipv4<'_>, mtu: usize) -> Option<Vec<Vec<u8>>> {
    let header = ip.header_bytes();
    let payload = ip.payload();
    if fits(header, payload, mtu) {
        return None;
    }
    let step = chunk_len(mtu, header.len())?;
    let mut fragments = Vec::new();
    let mut offset = ip.fragment_offset() >> 3;
    let mut rest = payload.len();
    for part in payload.chunks(step) {
        rest = rest.saturating_sub(part.len());
        let more = ip.more_fragments() || rest > 0;
        let flags = offset as u16 | if more { MORE_FRAGMENTS } else { 0 };
        let mut head = header.to_vec();
        set_u16(
            &mut head,
            2,
            ip_len(header.len().saturating_add(part.len())),
        );
        set_u16(&mut head, 6, flags);
        set_u16(&mut head, 10, 0);
        let sum = checksum(&head);
        set_u16(&mut head, 10, sum);
        fragments.push([link, &head, part].concat());
        offset = offset.saturating_add((part.len() >> 3) as u32);
    }
    Some(fragments)
}

fn split_ipv6(link: &[u8], ip: &Ipv6<'_>, mtu: usize, identification: u32) -> Option<Vec<Vec<u8>>> {
    if ip.is_fragment() || fits(ip.header_bytes(), ip.payload(), mtu) {
        return None;
    }
    // Hop-by-hop options and routing headers, and what stands in front of the last of them, are
    // for every router and go into each fragment (RFC 8200 §4.5).
    let all = [ip.extensions(), ip.payload()].concat();
    let mut head_len = 0;
    let mut field = 6;
    let mut number = ip.next_header();
    let mut at = 0_usize;
    while at < ip.extensions().len() {
        let &[next, units] = all.get(at..)?.first_chunk()?;
        let end = at.checked_add(extension::len(number, units)?)?;
        if matches!(number, 0 | 43) {
            head_len = end;
            field = at.checked_add(ipv6::HEADER_LEN)?;
        }
        number = next;
        at = end;
    }
    let fixed = ip.header_bytes().get(..ipv6::HEADER_LEN)?;
    let (unfragmentable, fragmentable) = all.split_at_checked(head_len)?;
    let mut header = [fixed, unfragmentable].concat();
    let protocol = std::mem::replace(header.get_mut(field)?, FRAGMENT);
    let overhead = header.len().checked_add(size_of::<FragmentHeader>())?;
    let step = chunk_len(mtu, overhead)?;
    let extensions_len = overhead.saturating_sub(ipv6::HEADER_LEN);
    let mut fragments = Vec::new();
    let mut offset = 0_u16;
    let mut rest = fragmentable.len();
    for part in fragmentable.chunks(step) {
        rest = rest.saturating_sub(part.len());
        let fragment = FragmentHeader {
            next_header: protocol,
            reserved: 0,
            offset_more: (offset | u16::from(rest > 0)).into(),
            identification: identification.into(),
        };
        let payload_len = ip_len(extensions_len.saturating_add(part.len()));
        set_u16(&mut header, 4, payload_len);
        fragments.push([link, &header, fragment.as_bytes(), part].concat());
        offset = offset.saturating_add(part.len() as u16);
    }
    Some(fragments)
}

/// Splits an Ethernet frame that CAPWAP or STT carries over IP, as their senders would, so that no
/// packet is longer than `mtu`.
///
/// The outermost of them is split. A frame that fits, that holds neither, or whose headers leave no
/// room for data comes back as it is.
pub fn segment(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    split_tunnel(frame, mtu).unwrap_or_else(|| vec![frame.to_vec()])
}

fn split_tunnel(frame: &[u8], mtu: usize) -> Option<Vec<Vec<u8>>> {
    let stripped = decapsulate(LinkType::Ethernet, frame, &Options::default());
    let mut packet = frame;
    let mut addresses = None;
    let mut tunnel = None;
    for layer in stripped.layers.iter() {
        match layer {
            Layer::Ipv4(ip) => {
                packet = frame.get(offset_in(frame, ip.header_bytes())..)?;
                addresses = Some((ip.source().into(), ip.destination().into()));
            }
            Layer::Ipv6(ip) => {
                packet = frame.get(offset_in(frame, ip.header_bytes())..)?;
                addresses = Some((ip.source().into(), ip.destination().into()));
            }
            Layer::Capwap(_) | Layer::Stt(_) => {
                tunnel = Some(layer);
                break;
            }
            _ => {}
        }
    }
    let (tunnel, (source, destination)) = (tunnel?, addresses?);
    let payload = match tunnel {
        Layer::Stt(stt) => stt.segment()?.data(),
        Layer::Capwap(capwap) => capwap.payload(),
        _ => return None,
    };
    let link = frame.get(..offset_in(frame, packet))?;
    let header = packet.get(..offset_in(packet, payload))?;
    if header.len().checked_add(payload.len())? <= mtu {
        return None;
    }
    let step = chunk_len(mtu, header.len())?;
    let mut offset = 0_usize;
    let mut frames = Vec::new();
    for data in payload.chunks(step) {
        let part = Part {
            offset,
            len: data.len(),
            total: payload.len(),
        };
        let mut packet = header.to_vec();
        if let Layer::Stt(_) = tunnel {
            stt::fit(&mut packet, part)?;
            packet.extend_from_slice(data);
            let segment_len = data.len().checked_add(stt::SEGMENT_HEADER_LEN)?;
            let start = packet.len().checked_sub(segment_len)?;
            finish_tcp(source, destination, packet.get_mut(start..)?);
        } else {
            capwap::fit(&mut packet, part)?;
            packet.extend_from_slice(data);
        }
        frames.push([link, &packet].concat());
        offset = offset.checked_add(data.len())?;
    }
    Some(frames)
}

/// The packet needs no splitting, or is too long for offsets to reach its end.
fn fits(header: &[u8], payload: &[u8], mtu: usize) -> bool {
    let len = header.len().saturating_add(payload.len());
    len <= mtu || len > usize::from(u16::MAX)
}

/// Payload bytes of a fragment, a multiple of 8; `None` if there is no room for any.
fn chunk_len(mtu: usize, header_len: usize) -> Option<usize> {
    let room = mtu.checked_sub(header_len)? & !7;
    (room > 0).then_some(room)
}

/// FNV-1a.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, &byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}
