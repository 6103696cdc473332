//! The loop that takes one layer after the other off a frame.

use crate::dissect::{Dissect, Next, Place};
use crate::layers::Layers;
use crate::link::LinkType;
use crate::options::Options;
use crate::protocol::chdlc::CiscoHdlc;
use crate::protocol::vlan::MAX_TAGS;
use crate::protocol::{Layer, Protocol};
use crate::reason::{Malformed, Reason};
use crate::stripped::{InnerFrame, Openings, Stop, Stripped};
use crate::usual;

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
    stripped.decapsulate_from(first, options);
    stripped
}

impl<'a> Stripped<'a> {
    /// A captured frame of which nothing is taken off yet.
    #[inline(always)]
    pub fn whole(link: LinkType, bytes: &'a [u8]) -> Self {
        Self {
            layers: Layers::none(bytes),
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
        self.decapsulate_from(first, options);
    }

    #[inline(never)]
    fn decapsulate_from(&mut self, first: Protocol, options: &Options) {
        self.walk::<true>(first, options);
    }

    /// Takes one layer after the other off. Without `USUAL`, the shorter way for the usual ones is not taken, which says
    /// the same.
    #[inline(always)]
    fn walk<const USUAL: bool>(&mut self, first: Protocol, options: &Options) {
        self.walk_on::<USUAL>(Place::new(options), (first, self.inner.bytes));
    }

    /// The same from a header on whose place is known.
    #[inline(always)]
    pub(crate) fn walk_on<const USUAL: bool>(
        &mut self,
        mut place: Place<'a, '_>,
        first: (Protocol, &'a [u8]),
    ) {
        let mut step = Some(first);
        while let Some((protocol, bytes)) = step {
            if USUAL && usual::starts_with(protocol) && !place.bare {
                step = usual::take_off(self, &mut place, (protocol, bytes));
            }
            if let Some((protocol, bytes)) = step {
                step = self.take(&mut place, protocol, bytes);
            }
        }
    }

    /// Takes off one layer. Gives the next one and its bytes, or notes why there is none.
    #[inline(never)]
    fn take(
        &mut self,
        place: &mut Place<'a, '_>,
        protocol: Protocol,
        bytes: &'a [u8],
    ) -> Option<(Protocol, &'a [u8])> {
        let is_ip = matches!(protocol, Protocol::Ipv4 | Protocol::Ipv6);
        if protocol == Protocol::Vlan {
            place.tags = place.tags.saturating_add(1);
            if place.tags > MAX_TAGS {
                return self.malformed(protocol, bytes, Reason::TooManyHeaders);
            }
        }
        if place.bare && is_ip {
            place.bare = false;
            self.inner.enter(LinkType::RawIp, bytes, self.layers.len());
        }
        if self.layers.is_full() {
            return self.end(Stop::TooDeep);
        }
        let header = match Layer::read(protocol, bytes) {
            Ok(header) => header,
            Err(reason) => return self.malformed(protocol, bytes, reason),
        };
        let next = header.next(place);
        if next.opens() {
            place.encapsulations = place.encapsulations.saturating_add(1);
            if place.encapsulations > place.options.max_encapsulations {
                return self.end(Stop::TooDeep);
            }
        }
        if next.ends_encapsulation() {
            self.openings.add(self.layers.len());
        }
        self.layers.push(protocol, bytes);
        if is_ip {
            self.reach_ip(protocol, bytes);
            place.packet = bytes;
        }
        self.stamped |= protocol == Protocol::Arista;
        match next {
            Next::Header(protocol, rest) => Some((protocol, rest)),
            Next::Frame(link, rest) => {
                self.inner.enter(link, rest, self.layers.len());
                place.bare = false;
                place.tags = 0;
                Some((first_header(link, rest), rest))
            }
            Next::Bare(protocol, rest) => {
                place.bare = true;
                Some((protocol, rest))
            }
            Next::Network(ether_type, rest) if !place.bare => {
                self.inner.network = Some((ether_type, rest));
                None
            }
            Next::Network(ether_type, rest) | Next::BareNetwork(ether_type, rest) => {
                self.inner.enter(LinkType::RawIp, rest, self.layers.len());
                self.inner.network = Some((ether_type, rest));
                None
            }
            Next::Transport => None,
            Next::Fragment => {
                let reason = Reason::UnsupportedType;
                let fragment = header.fragment(place);
                self.end(fragment.map_or(Stop::Opaque { protocol, reason }, Stop::Fragment))
            }
            Next::Opaque(reason) => self.end(Stop::Opaque { protocol, reason }),
        }
    }

    /// Notes that a header cannot be used.
    fn malformed<T>(&mut self, protocol: Protocol, bytes: &[u8], reason: Reason) -> Option<T> {
        self.end(Stop::Malformed(Malformed {
            protocol,
            reason,
            offset: offset_in(self.layers.frame(), bytes),
        }))
    }

    /// Notes why the walk ends.
    fn end<T>(&mut self, stop: Stop<'a>) -> Option<T> {
        self.stop = stop;
        None
    }
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
