//! The write side: puts a frame into an encapsulation, and splits packets as a router would.
//!
//! The headers are the wire structs of the readers, so that both sides agree on every bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::IntoBytes;

use crate::checksum::{checksum, with_ipv4_pseudo_header, with_ipv6_pseudo_header};
use crate::protocol::ipv4::DONT_FRAGMENT;
use crate::protocol::{ethernet, ipv4, ipv6, udp};

mod format;
mod split;

pub use crate::protocol::stt::SttHeader;
pub use crate::protocol::tzsp::TzspTags;
pub use crate::protocol::vxlan::GroupPolicy;
use format::Carrier;
pub use format::Wrap;
pub use split::{fragment, segment};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Length of the two addresses of an Ethernet frame.
const ADDRESSES_LEN: usize = 12;

/// The headers in front of an encapsulation.
#[derive(Clone, Copy, Debug)]
pub struct Outer {
    /// MAC address of the sender.
    pub source_mac: [u8; 6],
    /// MAC address of the receiver.
    pub destination_mac: [u8; 6],
    /// Sender; if only one of the two addresses is IPv4 it is written as an IPv4-mapped one.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Identification (IPv4 only).
    pub identification: u16,
    /// Don't fragment (IPv4 only).
    pub dont_fragment: bool,
    /// Source port of what goes over UDP, and of STT.
    pub udp_source_port: u16,
}

impl Outer {
    /// Headers between two addresses, everything else as a plain host would have it.
    pub fn new(source: IpAddr, destination: IpAddr) -> Self {
        Self {
            source_mac: [0x02, 0, 0, 0, 0, 0x01],
            destination_mac: [0x02, 0, 0, 0, 0, 0x02],
            source,
            destination,
            ttl: 64,
            identification: 0,
            dont_fragment: false,
            udp_source_port: 0xc000,
        }
    }
}

/// Appends a whole Ethernet frame that carries `inner` in an encapsulation; a tag is put into `inner`,
/// which then keeps its addresses.
///
/// An IP packet that would be longer than 65535 bytes gets the length 0, as on hosts that leave
/// the splitting to their network card.
pub fn wrap(outer: &Outer, wrap: &Wrap<'_>, inner: &[u8], out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(inner.len().saturating_add(64));
    let carrier = wrap.carrier(inner);
    if let Carrier::Udp(port) = carrier {
        write_udp_header(outer.udp_source_port, port, &mut payload);
    }
    wrap.write(outer, inner, &mut payload);
    payload.extend_from_slice(match carrier {
        Carrier::Tagged(_) => inner
            .get(size_of::<ethernet::Header>()..)
            .unwrap_or_default(),
        _ => inner,
    });
    if let Wrap::Gre { checksum: true, .. } = wrap {
        let sum = checksum(&payload);
        set_u16(&mut payload, 4, sum);
    }
    match carrier {
        Carrier::Ip(protocol) => write_outer(outer, protocol, payload.len(), out),
        Carrier::Udp(_) => {
            finish_udp(outer, &mut payload);
            write_outer(outer, UDP, payload.len(), out);
        }
        Carrier::Tcp => {
            finish_tcp(outer.source, outer.destination, &mut payload);
            write_outer(outer, TCP, payload.len(), out);
        }
        Carrier::Ethernet(ether_type) => write_ethernet(outer, ether_type, out),
        Carrier::Tagged(ether_type) => {
            out.extend_from_slice(inner.get(..ADDRESSES_LEN).unwrap_or(inner));
            out.extend_from_slice(&ether_type.to_be_bytes());
        }
    }
    out.extend_from_slice(&payload);
}

fn write_outer(outer: &Outer, protocol: u8, payload_len: usize, out: &mut Vec<u8>) {
    let addresses = match (outer.source, outer.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Ok((source, destination)),
        (source, destination) => Err((in_ipv6(source), in_ipv6(destination))),
    };
    let ether_type = match addresses {
        Ok(_) => ethernet::IPV4,
        Err(_) => ethernet::IPV6,
    };
    write_ethernet(outer, ether_type, out);
    match addresses {
        Ok((source, destination)) => {
            let mut ip = ipv4::Header {
                version_len: 0x45,
                service: 0,
                total_len: ip_len(payload_len.saturating_add(size_of::<ipv4::Header>())).into(),
                identification: outer.identification.into(),
                fragment: if outer.dont_fragment {
                    DONT_FRAGMENT
                } else {
                    0
                }
                .into(),
                ttl: outer.ttl,
                protocol,
                checksum: 0.into(),
                source: source.octets(),
                destination: destination.octets(),
            };
            ip.checksum = checksum(ip.as_bytes()).into();
            out.extend_from_slice(ip.as_bytes());
        }
        Err((source, destination)) => {
            let ip = ipv6::Header {
                version_class_flow: (6 << 28).into(),
                payload_len: ip_len(payload_len).into(),
                next: protocol,
                hop_limit: outer.ttl,
                source: source.octets(),
                destination: destination.octets(),
            };
            out.extend_from_slice(ip.as_bytes());
        }
    }
}

fn write_ethernet(outer: &Outer, ether_type: u16, out: &mut Vec<u8>) {
    let header = ethernet::Header {
        macs: ethernet::Macs {
            destination: outer.destination_mac,
            source: outer.source_mac,
        },
        ether_type: ether_type.into(),
    };
    out.extend_from_slice(header.as_bytes());
}

fn write_udp_header(source_port: u16, destination_port: u16, out: &mut Vec<u8>) {
    let header = udp::Header {
        source_port: source_port.into(),
        destination_port: destination_port.into(),
        len: 0.into(),
        checksum: 0.into(),
    };
    out.extend_from_slice(header.as_bytes());
}

/// Fills in length and checksum. Over IPv4 the checksum stays 0, as VXLAN (RFC 7348 §5) wants it.
fn finish_udp(outer: &Outer, datagram: &mut [u8]) {
    let len = ip_len(datagram.len());
    set_u16(datagram, 4, len);
    if outer.source.is_ipv4() && outer.destination.is_ipv4() {
        return;
    }
    let (source, destination) = (in_ipv6(outer.source), in_ipv6(outer.destination));
    let sum = with_ipv6_pseudo_header(source.octets(), destination.octets(), UDP, datagram);
    // A computed 0 is sent as its complement, since 0 means none (RFC 768).
    set_u16(datagram, 6, if sum == 0 { 0xffff } else { sum });
}

/// Fills in the checksum, which is 0 so far.
fn finish_tcp(source: IpAddr, destination: IpAddr, segment: &mut [u8]) {
    let sum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            with_ipv4_pseudo_header(source.octets(), destination.octets(), TCP, segment)
        }
        (source, destination) => {
            let (source, destination) = (in_ipv6(source), in_ipv6(destination));
            with_ipv6_pseudo_header(source.octets(), destination.octets(), TCP, segment)
        }
    };
    set_u16(segment, 16, sum);
}

fn in_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::to_ipv6_mapped(&address),
        IpAddr::V6(address) => address,
    }
}

fn ip_len(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(0)
}

fn set_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests;
