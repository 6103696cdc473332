//! The loop that takes one layer after the other off a frame.

use arrayvec::ArrayVec;

use crate::dissect::{Next, Place};
use crate::link::LinkType;
use crate::options::Options;
use crate::protocol::chdlc::CiscoHdlc;
use crate::protocol::vlan::MAX_TAGS;
use crate::protocol::{Layer, Protocol, ethernet};
use crate::reason::{Malformed, Reason};
use crate::stripped::{InnerFrame, Openings, Stop, Stripped};

/// Layers that are kept of one frame.
pub const MAX_LAYERS: usize = 32;

/// Layers of a frame, from the wire inwards.
pub type Layers<'a> = ArrayVec<Layer<'a>, MAX_LAYERS>;

/// Decapsulates one captured frame.
pub fn decapsulate<'a>(link: LinkType, bytes: &'a [u8], options: &Options) -> Stripped<'a> {
    let mut stripped = Stripped::whole(link, bytes);
    stripped.decapsulate(options);
    stripped
}

/// Decapsulates bytes whose first header is known by other means than their link type.
pub(crate) fn decapsulate_from<'a>(
    first: Protocol,
    link: LinkType,
    bytes: &'a [u8],
    options: &Options,
) -> Stripped<'a> {
    let mut stripped = Stripped::whole(link, bytes);
    stripped.stop = walk(first, &mut stripped, options);
    stripped
}

impl<'a> Stripped<'a> {
    /// A captured frame of which nothing is taken off yet.
    #[inline(always)]
    pub fn whole(link: LinkType, bytes: &'a [u8]) -> Self {
        Self {
            layers: Layers::new_const(),
            inner: InnerFrame {
                link,
                bytes,
                offset: 0,
                link_layer: 0,
                ip_seen: false,
                network: None,
            },
            openings: Openings::default(),
            stamped: false,
            stop: Stop::Inner,
        }
    }

    /// Decapsulates it where it is: to move all its layers costs more than to read two headers.
    pub fn decapsulate(&mut self, options: &Options) {
        let first = first_header(self.inner.link, self.inner.bytes);
        self.stop = walk(first, self, options);
    }
}

fn walk<'a>(mut protocol: Protocol, stripped: &mut Stripped<'a>, options: &Options) -> Stop<'a> {
    let Stripped {
        layers,
        inner,
        openings,
        stamped,
        ..
    } = stripped;
    let frame = inner.bytes;
    let mut encapsulations = 0_usize;
    let mut tags = 0_usize;
    // An encapsulated packet starts with headers below IP: its own first byte is that of IP.
    let mut bare = false;
    let mut place = Place {
        options,
        encapsulated: false,
        packet: &[],
    };
    let mut bytes = frame;
    // Written in place: moving it from step to step costs more than many a header.
    let mut next = Next::Transport;
    loop {
        let malformed = |reason| {
            Stop::Malformed(Malformed {
                protocol,
                reason,
                offset: offset_in(frame, bytes),
            })
        };
        if protocol == Protocol::Vlan {
            tags = tags.saturating_add(1);
            if tags > MAX_TAGS {
                return malformed(Reason::TooManyHeaders);
            }
        }
        if bare && matches!(protocol, Protocol::Ipv4 | Protocol::Ipv6) {
            bare = false;
            inner.enter(LinkType::RawIp, bytes, layers.len());
        }
        if layers.is_full() {
            return Stop::TooDeep;
        }
        let layer = layers.len();
        if let Err(reason) = Layer::read(protocol, bytes, &place, layers, &mut next) {
            return malformed(reason);
        }
        if matches!(
            next,
            Next::Frame(..) | Next::Bare(..) | Next::BareNetwork(..)
        ) {
            encapsulations = encapsulations.saturating_add(1);
            place.encapsulated = true;
            if encapsulations > options.max_encapsulations {
                layers.truncate(layer);
                return Stop::TooDeep;
            }
        }
        let network = match protocol {
            Protocol::Ipv4 => Some(ethernet::IPV4),
            Protocol::Ipv6 => Some(ethernet::IPV6),
            _ => None,
        };
        *stamped |= protocol == Protocol::Arista;
        if let Some(ether_type) = network {
            inner.network = Some((ether_type, bytes));
            inner.ip_seen = true;
            place.packet = bytes;
        }
        if next.ends_encapsulation() {
            openings.add(layer);
        }
        match next {
            Next::Header(next_protocol, rest) => {
                protocol = next_protocol;
                bytes = rest;
            }
            Next::Frame(link, rest) => {
                inner.enter(link, rest, layers.len());
                bare = false;
                tags = 0;
                protocol = first_header(link, rest);
                bytes = rest;
            }
            Next::Bare(next_protocol, rest) => {
                bare = true;
                protocol = next_protocol;
                bytes = rest;
            }
            Next::Network(ether_type, rest) if !bare => {
                inner.network = Some((ether_type, rest));
                return Stop::Inner;
            }
            Next::Network(ether_type, rest) | Next::BareNetwork(ether_type, rest) => {
                inner.enter(LinkType::RawIp, rest, layers.len());
                inner.network = Some((ether_type, rest));
                return Stop::Inner;
            }
            Next::Transport => return Stop::Inner,
            Next::Fragment => return part(layers, &place, protocol),
            Next::Opaque(reason) => return Stop::Opaque { protocol, reason },
        }
    }
}

/// The end of a walk at a part of something larger.
fn part<'a>(layers: &Layers<'a>, place: &Place<'a, '_>, protocol: Protocol) -> Stop<'a> {
    let fragment = layers.last().and_then(|layer| layer.fragment(place));
    let reason = Reason::UnsupportedType;
    fragment.map_or(Stop::Opaque { protocol, reason }, Stop::Fragment)
}

pub(crate) fn first_header(link: LinkType, bytes: &[u8]) -> Protocol {
    match link {
        LinkType::Null | LinkType::Loop => Protocol::Loopback,
        LinkType::Ethernet => Protocol::Ethernet,
        LinkType::Ppp if CiscoHdlc::starts(bytes) => Protocol::CiscoHdlc,
        LinkType::Ppp => Protocol::Ppp,
        LinkType::CiscoHdlc => Protocol::CiscoHdlc,
        LinkType::Ieee80211 => Protocol::Ieee80211,
        LinkType::Radiotap => Protocol::Radiotap,
        LinkType::Mpls => Protocol::Mpls,
        LinkType::LinuxSll => Protocol::LinuxSll,
        LinkType::LinuxSll2 => Protocol::LinuxSll2,
        LinkType::Ipv4 => Protocol::Ipv4,
        LinkType::Ipv6 => Protocol::Ipv6,
        LinkType::RawIp => ip_version(bytes),
    }
}

fn ip_version(bytes: &[u8]) -> Protocol {
    match bytes.first() {
        Some(byte) if byte >> 4 == 6 => Protocol::Ipv6,
        // Anything else is for IPv4 to refuse.
        _ => Protocol::Ipv4,
    }
}

/// Bytes of `frame` in front of `part`, which is a slice of it.
pub(crate) fn offset_in(frame: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(frame.as_ptr().addr())
}

#[cfg(test)]
mod tests;
