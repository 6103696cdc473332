//! The headers that nearly every frame consists of, taken off one behind the other: Ethernet, VLAN tags, IP without
//! options, GRE with ERSPAN or a bridged frame, VXLAN, Geneve.
//!
//! What is taken off here is what the general walk would take off, and nothing is judged: wherever a header is not the
//! usual one, the general walk goes on from it. It reads any of some fifty headers at each step, which costs three times
//! as much as these headers do; that both say the same is tested.

use crate::dissect::{Place, TCP};
use crate::layers::MAX_LAYERS;
use crate::link::LinkType;
use crate::options::Selector;
use crate::protocol::Protocol;
use crate::protocol::erspan2::Erspan2;
use crate::protocol::erspan3::Erspan3;
use crate::protocol::ethernet::{self, Ethernet};
use crate::protocol::extension::AUTHENTICATION;
use crate::protocol::geneve::Geneve;
use crate::protocol::gre::Gre;
use crate::protocol::ipv4::Ipv4;
use crate::protocol::ipv6::Ipv6;
use crate::protocol::udp::{self, Udp};
use crate::protocol::vlan::Vlan;
use crate::protocol::vxlan::Vxlan;
use crate::stripped::Stripped;

/// Headers that one round takes off at most: Ethernet, two tags, IP, UDP or GRE, and what is in that.
const ROUND: usize = 6;
/// VLAN tags that are usual in one frame.
const TAGS: usize = 2;

/// A header that is not taken off yet: what it is, and the bytes that start with it.
pub(crate) type Header<'a> = (Protocol, &'a [u8]);

/// A walk over usual headers.
struct Usual<'w, 'a, 'o> {
    stripped: &'w mut Stripped<'a>,
    place: &'w mut Place<'a, 'o>,
    /// The header that the general walk goes on with.
    rest: Option<Header<'a>>,
}

/// Takes the usual headers off, from this one on. Gives the header that the general walk goes on with; `None` where the
/// innermost packet was reached.
#[inline(always)]
pub(crate) fn take_off<'a>(
    stripped: &mut Stripped<'a>,
    place: &mut Place<'a, '_>,
    first: Header<'a>,
) -> Option<Header<'a>> {
    let mut walk = Usual {
        stripped,
        place,
        rest: None,
    };
    let mut frame = match first {
        (Protocol::Ethernet, frame) => Some(frame),
        ip => walk.packet(ip),
    };
    while let Some(bytes) = frame {
        frame = walk.ethernet(bytes);
    }
    walk.rest
}

/// A header with which the usual ones may start.
#[inline(always)]
pub(crate) fn starts_with(protocol: Protocol) -> bool {
    matches!(
        protocol,
        Protocol::Ethernet | Protocol::Ipv4 | Protocol::Ipv6
    )
}

/// Each takes off the header that it is named for and those behind it, up to the next frame, and gives that.
impl<'a> Usual<'_, 'a, '_> {
    #[inline(always)]
    fn ethernet(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let header = (Protocol::Ethernet, bytes);
        if self.has_no_room() {
            return self.unusual(header);
        }
        let Ok(ethernet) = Ethernet::parse(bytes) else {
            return self.unusual(header);
        };
        let payload = ethernet.payload();
        match ethernet.ether_type() {
            ethernet::IPV4 => {
                self.keep(header);
                self.ipv4(payload)
            }
            ethernet::IPV6 => {
                self.keep(header);
                self.ipv6(payload)
            }
            other => {
                let ip = self.tags(header, other, payload)?;
                self.packet(ip)
            }
        }
    }

    /// The same of an IP header, whichever it is, that does not follow one of Ethernet.
    #[inline(never)]
    fn packet(&mut self, header: Header<'a>) -> Option<&'a [u8]> {
        match header {
            _ if self.has_no_room() => self.unusual(header),
            (Protocol::Ipv4, bytes) => self.ipv4(bytes),
            (_, bytes) => self.ipv6(bytes),
        }
    }

    /// Some layers of a round might not be kept.
    #[inline(always)]
    fn has_no_room(&self) -> bool {
        self.stripped.layers.len() > MAX_LAYERS - ROUND
    }

    /// Takes off a header with this `EtherType`, and VLAN tags behind it; gives that of IP behind these.
    #[inline(never)]
    fn tags(
        &mut self,
        mut header: Header<'a>,
        mut ether_type: u16,
        mut payload: &'a [u8],
    ) -> Option<Header<'a>> {
        loop {
            let next = match ether_type {
                ethernet::IPV4 => Protocol::Ipv4,
                ethernet::IPV6 => Protocol::Ipv6,
                // Smaller ones are lengths.
                ..ethernet::MIN_TYPE => return self.unusual(header),
                other => match self.protocol(Selector::EtherType(other)) {
                    Some(Protocol::Vlan) if self.place.tags < TAGS => Protocol::Vlan,
                    _ => return self.unusual(header),
                },
            };
            if header.0 == Protocol::Vlan {
                self.place.tags = self.place.tags.saturating_add(1);
            }
            self.keep(header);
            header = (next, payload);
            if next != Protocol::Vlan {
                return Some(header);
            }
            let Ok(tag) = Vlan::parse(payload) else {
                return self.unusual(header);
            };
            (ether_type, payload) = (tag.ether_type(), tag.payload());
        }
    }

    #[inline(always)]
    fn ipv4(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let header = (Protocol::Ipv4, bytes);
        match Ipv4::whole_without_options(bytes) {
            Some(ip) if ip.protocol() != AUTHENTICATION => {
                self.ip(header, ip.protocol(), ip.payload())
            }
            _ => self.unusual(header),
        }
    }

    #[inline(always)]
    fn ipv6(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let header = (Protocol::Ipv6, bytes);
        match Ipv6::without_extensions(bytes) {
            Some(ip) => self.ip(header, ip.protocol(), ip.payload()),
            None => self.unusual(header),
        }
    }

    /// The same of an IP header whose payload has this protocol number.
    #[inline(always)]
    fn ip(&mut self, header: Header<'a>, number: u8, payload: &'a [u8]) -> Option<&'a [u8]> {
        match self.protocol(Selector::IpProtocol(number)) {
            None => {
                if number == TCP
                    && let Some((_, port)) = udp::ports(payload)
                    && self.protocol(Selector::TcpPort(port)).is_some()
                {
                    return self.unusual(header);
                }
                self.keep_ip(header);
                None
            }
            Some(Protocol::Gre) => {
                self.keep_ip(header);
                self.gre(payload)
            }
            Some(Protocol::Udp) => {
                let Some((source, destination)) = udp::ports(payload) else {
                    return self.unusual(header);
                };
                let tunnel = self.protocol(Selector::UdpPort(destination));
                // From the port of a tunnel: perhaps its answer.
                if tunnel.is_none() && self.protocol(Selector::UdpPort(source)).is_some() {
                    return self.unusual(header);
                }
                self.keep_ip(header);
                self.udp(payload, tunnel?)
            }
            Some(_) => self.unusual(header),
        }
    }

    #[inline(always)]
    fn gre(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let header = (Protocol::Gre, bytes);
        let gre = match Gre::parse(bytes) {
            Ok(gre) if gre.version() == 0 => gre,
            _ => return self.unusual(header),
        };
        let payload = gre.payload();
        let erspan = match self.protocol(Selector::GreType(gre.protocol())) {
            Some(Protocol::Erspan2) => gre.erspan(),
            Some(Protocol::Erspan3) => Protocol::Erspan3,
            None if gre.protocol() == ethernet::BRIDGING => return self.open(header, payload),
            _ => return self.unusual(header),
        };
        self.keep(header);
        let header = (erspan, payload);
        match erspan {
            Protocol::Erspan2 => match Erspan2::parse(payload) {
                Ok(erspan) => self.open(header, erspan.payload()),
                Err(_) => self.unusual(header),
            },
            Protocol::Erspan1 => self.open(header, payload),
            _ => match Erspan3::parse(payload) {
                Ok(erspan) if !erspan.is_ip() && erspan.carries_ethernet() => {
                    self.open(header, erspan.payload())
                }
                _ => self.unusual(header),
            },
        }
    }

    /// The same of a UDP header whose port leads to this tunnel.
    #[inline(always)]
    fn udp(&mut self, bytes: &'a [u8], tunnel: Protocol) -> Option<&'a [u8]> {
        let header = (Protocol::Udp, bytes);
        let payload = match Udp::parse(bytes) {
            Ok(udp) if !udp.claims_nothing() => udp.payload(),
            _ => return self.unusual(header),
        };
        let frame = match tunnel {
            Protocol::Vxlan => Vxlan::parse(payload).ok().map(|vxlan| vxlan.payload()),
            Protocol::Geneve => Geneve::parse(payload)
                .ok()
                .filter(|geneve| !geneve.is_control() && geneve.protocol() == ethernet::BRIDGING)
                .map(|geneve| geneve.payload()),
            _ => None,
        };
        let Some(frame) = frame else {
            return self.unusual(header);
        };
        self.keep(header);
        self.open((tunnel, payload), frame)
    }

    /// Takes off a header that an Ethernet frame follows, and gives that.
    #[inline(always)]
    fn open(&mut self, header: Header<'a>, frame: &'a [u8]) -> Option<&'a [u8]> {
        if self.place.encapsulations >= self.place.options.max_encapsulations {
            return self.unusual(header);
        }
        self.place.encapsulations = self.place.encapsulations.saturating_add(1);
        self.place.tags = 0;
        self.stripped.openings.add(self.stripped.layers.len());
        self.keep(header);
        let layer = self.stripped.layers.len();
        self.stripped.inner.enter(LinkType::Ethernet, frame, layer);
        Some(frame)
    }

    #[inline(always)]
    fn keep(&mut self, (protocol, bytes): Header<'a>) {
        self.stripped.layers.push(protocol, bytes);
    }

    #[inline(always)]
    fn keep_ip(&mut self, (protocol, bytes): Header<'a>) {
        self.stripped.layers.push(protocol, bytes);
        self.stripped.reach_ip(protocol, bytes);
        self.place.packet = bytes;
    }

    #[inline(always)]
    fn protocol(&self, selector: Selector) -> Option<Protocol> {
        self.place.options.protocol(selector)
    }

    /// Leaves this header to the general walk.
    #[cold]
    #[inline(never)]
    fn unusual<T>(&mut self, header: Header<'a>) -> Option<T> {
        self.rest = Some(header);
        None
    }
}
