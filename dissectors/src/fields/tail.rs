//! The innermost packet, and what ends a frame.

use super::sheet::Reader;
use super::words::{self, ether_type_name};
use super::{message, transport};
use crate::fragment::Whole;
use crate::packet::Network;
use crate::protocol::ethernet::{ARP, RARP};
use crate::protocol::{Layer as Header, Protocol};
use crate::reason::{Malformed, Reason};
use crate::stripped::{Stop, Stripped};
use crate::transport::Transport;

/// Puts down what follows the headers that were taken off.
pub(super) fn read(reader: &mut Reader<'_>, stripped: &Stripped<'_>) {
    match stripped.stop {
        Stop::Inner => inner(reader, stripped),
        Stop::Fragment(fragment) => {
            if fragment.offset == 0 && matches!(fragment.whole, Whole::Datagram { .. }) {
                inner(reader, stripped);
            }
            if let Some(start) = reader.place_of(fragment.payload) {
                let end = start.saturating_add(fragment.payload.len());
                let from = fragment.offset;
                let more = if fragment.more {
                    "more follow"
                } else {
                    "the last part"
                };
                let gist = format!(
                    "{} from byte {from} on, {more}",
                    words::bytes(fragment.payload.len())
                );
                reader.note("Part", start.max(reader.place())..end, gist);
            }
        }
        Stop::Opaque { protocol, reason } => {
            let place = reader.place()..reader.frame.len();
            let gist = format!(
                "{} of {}: {}",
                words::bytes(place.len()),
                protocol.title(),
                why(reason)
            );
            return reader.note("Closed", place, gist);
        }
        Stop::TooDeep => {
            let place = reader.place()..reader.frame.len();
            return reader.note("Not opened", place, why(Reason::TooDeep));
        }
        Stop::Malformed(fault) => return malformed(reader, fault),
    }
    trailer(reader);
    fault(reader, stripped);
}

/// The packet behind the last header.
fn inner(reader: &mut Reader<'_>, stripped: &Stripped<'_>) {
    let is_there = |header: &Header<'_>| match header {
        Header::Stt(stt) => stt.segment().is_some(),
        Header::ErspanMarker(marker) => marker.mark().is_some(),
        _ => true,
    };
    let rest = reader.frame.get(reader.place()..).unwrap_or_default();
    match stripped.layers.iter().rfind(is_there) {
        Some(Header::Ipv4(ip)) => {
            let (protocol, payload) = ip.transport();
            transport::read(reader, protocol, payload, false);
        }
        Some(Header::Ipv6(ip)) => transport::read(reader, ip.protocol(), ip.payload(), false),
        Some(Header::Udp(udp)) => transport::payload(reader, udp.payload()),
        _ => match stripped.inner.network {
            Some((ARP, bytes)) => message::arp(reader, reader.place(), bytes, "ARP"),
            Some((RARP, bytes)) => message::arp(reader, reader.place(), bytes, "RARP"),
            Some((number, bytes)) => {
                let place = reader.place_of(bytes).unwrap_or(reader.place());
                let title = ether_type_name(number).unwrap_or("Payload");
                reader.note(
                    title,
                    place..place.saturating_add(bytes.len()),
                    words::payload(bytes),
                );
            }
            None => transport::payload(reader, rest),
        },
    }
}

/// What stands behind the packet.
fn trailer(reader: &mut Reader<'_>) {
    let place = reader.place()..reader.frame.len();
    let bytes = reader.frame.get(place.clone()).unwrap_or_default();
    if bytes.is_empty() {
        return;
    }
    let what = if bytes.iter().all(|&byte| byte == 0) {
        "zeros that fill the frame"
    } else {
        "behind the end of the packet"
    };
    reader.note(
        "Trailer",
        place,
        format!("{} {what}", words::bytes(bytes.len())),
    );
}

/// What is wrong with the innermost packet.
fn fault(reader: &mut Reader<'_>, stripped: &Stripped<'_>) {
    match stripped.packet().network {
        Network::Malformed(fault) => malformed(reader, fault),
        Network::Ip(ip) => {
            if let Transport::Malformed(fault) = ip.transport {
                malformed(reader, fault);
            }
            if ip.truncated() {
                let missing = ip.claimed_len.saturating_sub(ip.present_len) as usize;
                let end = reader.frame.len();
                let gist = format!(
                    "{} of the packet are missing: {} by its length, {} here",
                    words::bytes(missing),
                    ip.claimed_len,
                    ip.present_len
                );
                reader.note("Cut", end..end, gist);
            }
        }
        Network::Arp(_) | Network::Other(_) => {}
    }
}

fn malformed(reader: &mut Reader<'_>, fault: Malformed) {
    let title = match fault.protocol {
        Protocol::Ethernet => "Ethernet",
        other => other.title(),
    };
    let gist = format!(
        "{} at byte {}: {}",
        fault.reason,
        fault.offset,
        why(fault.reason)
    );
    let place = fault.offset..reader.frame.len();
    reader.note(&format!("Malformed {title}"), place, gist);
}

/// A reason in words.
fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Truncated => "fewer bytes than the header needs",
        Reason::BadVersion => "a version that is not read",
        Reason::BadHeaderLength => "the header's own length does not fit",
        Reason::BadLength => "a length that contradicts the header",
        Reason::BadType => "neither a type nor a length",
        Reason::BadOptions => "options that do not add up",
        Reason::BadFlags => "flags that exclude each other",
        Reason::NoVni => "the flag of the network identifier is not set",
        Reason::TooManyHeaders => "more tags or extension headers than are followed",
        Reason::TooDeep => "more encapsulations or layers than are followed",
        Reason::UnsupportedType => "what it carries is not opened",
        Reason::ControlMessage => "a message between the tunnel's ends",
        Reason::Encrypted => "encrypted",
        Reason::Compressed => "compressed",
    }
}
