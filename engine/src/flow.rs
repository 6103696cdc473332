//! What makes a flow: the inner 5-tuple, the same for both directions, and the names that it goes by.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use mirrorscope_dissectors::{Ip, Transport};
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::time::Timestamp;

/// Characters of a flow's id.
pub const FLOW_ID_LEN: usize = 10;

/// IP protocol numbers that the engine treats by name (IANA protocol-numbers).
pub mod protocol {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMP for IPv6.
    pub const ICMP6: u8 = 58;
    /// SCTP.
    pub const SCTP: u8 = 132;
}

/// One end of a flow. ICMP has no ports: queries carry their identifier here, other messages their code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Endpoint {
    /// Inner address.
    pub address: IpAddr,
    /// Inner port.
    pub port: u16,
}

impl Endpoint {
    #[inline(always)]
    fn v4((address, port): (u32, u16)) -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::from_bits(address)),
            port,
        }
    }
}

/// A bidirectional 5-tuple of inner addresses, in a scope. `low` sorts before `high`, so that both directions agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FlowKey {
    /// Keeps tenants with equal addresses apart; 0 where all sessions share one scope.
    pub scope: u32,
    /// IP protocol, after extension headers.
    pub protocol: u8,
    /// ICMP only: the request's type for queries (a reply belongs to its request), the message's own type for others.
    pub icmp_type: u8,
    /// The endpoint that sorts first.
    pub low: Endpoint,
    /// The other endpoint.
    pub high: Endpoint,
}

/// In as few words as possible: each packet is looked up by it.
impl Hash for FlowKey {
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let kind = u64::from(self.protocol) << 8 | u64::from(self.icmp_type);
        let ports = u64::from(self.low.port) << 16 | u64::from(self.high.port);
        let kind = u128::from(kind << 32 | ports);
        match (self.low.address, self.high.address) {
            (IpAddr::V4(low), IpAddr::V4(high)) => {
                let addresses = u64::from(low.to_bits()) << 32 | u64::from(high.to_bits());
                state.write_u128(kind << 64 | u128::from(addresses));
            }
            (low, high) => {
                state.write_u128(kind);
                for address in [low, high] {
                    state.write_u128(match address {
                        IpAddr::V4(address) => address.to_bits().into(),
                        IpAddr::V6(address) => address.to_bits(),
                    });
                }
            }
        }
        state.write_u32(self.scope);
    }
}

/// The sender's place in a [`FlowKey`]: 0 is `low`, 1 is `high`.
pub type Side = usize;

impl FlowKey {
    /// The flow of a packet, and which side sent it. `None` where ports exist but are not known (later fragments,
    /// packets cut before them).
    ///
    /// Inlined, so that its parts stay in registers: read from memory in pieces other than those they were written in, they
    /// would wait for all that was written before.
    #[inline(always)]
    pub fn of(ip: &Ip<'_>, scope: u32) -> Option<(Self, Side)> {
        let (source_port, destination_port, icmp_type) = match ip.transport {
            Transport::Icmp {
                kind,
                code,
                identifier,
                ..
            } => icmp_key(kind, code, identifier, icmp_request(kind)),
            Transport::Icmp6 {
                kind,
                code,
                identifier,
                ..
            } => icmp_key(kind, code, identifier, icmp6_request(kind)),
            Transport::Other { .. } => (0, 0, 0),
            _ => ip
                .ports
                .map(|(source, destination)| (source, destination, 0))?,
        };
        let (low, high, side) = match (ip.source, ip.destination) {
            // Most are these, and two words are soon put in order.
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let (from, to) = (
                    (from.to_bits(), source_port),
                    (to.to_bits(), destination_port),
                );
                let in_order = from <= to;
                let (low, high) = if in_order { (from, to) } else { (to, from) };
                (
                    Endpoint::v4(low),
                    Endpoint::v4(high),
                    usize::from(!in_order),
                )
            }
            (from, to) => {
                let source = Endpoint {
                    address: from,
                    port: source_port,
                };
                let destination = Endpoint {
                    address: to,
                    port: destination_port,
                };
                if source <= destination {
                    (source, destination, 0)
                } else {
                    (destination, source, 1)
                }
            }
        };
        Some((
            Self {
                scope,
                protocol: ip.protocol,
                icmp_type,
                low,
                high,
            },
            side,
        ))
    }

    /// The endpoint of a side.
    pub fn end(&self, side: Side) -> Endpoint {
        if side == 0 { self.low } else { self.high }
    }

    /// Whether the protocol is ICMP or `ICMPv6`.
    pub fn is_icmp(&self) -> bool {
        matches!(self.protocol, protocol::ICMP | protocol::ICMP6)
    }

    /// Whether the flow is an ICMP query, which asks for a reply.
    pub fn is_icmp_query(&self) -> bool {
        match self.protocol {
            protocol::ICMP => icmp_request(self.icmp_type).is_some(),
            protocol::ICMP6 => icmp6_request(self.icmp_type).is_some(),
            _ => false,
        }
    }

    /// A short id that the same traffic gets in every run: 50 bits of a hash over key and first time, in base 32.
    pub fn id(&self, first: Timestamp) -> String {
        // No vowels and no digits that look like letters: an id can be read out over the telephone.
        const ALPHABET: &[u8; 32] = b"23456789bcdfghjkmnpqrstvwxyzBCDF";
        let mut hash = Sha1::new();
        hash.update(self.scope.to_be_bytes());
        hash.update([self.protocol, self.icmp_type]);
        for end in [self.low, self.high] {
            update_address(&mut hash, end.address);
            hash.update(end.port.to_be_bytes());
        }
        hash.update(first.0.to_be_bytes());
        let bits = hash
            .finalize()
            .iter()
            .take(7)
            .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        (0..FLOW_ID_LEN)
            .map(|n| char::from(ALPHABET[(bits >> (5 * n) & 31) as usize]))
            .collect()
    }
}

fn update_address(hash: &mut Sha1, address: IpAddr) {
    match address {
        IpAddr::V4(v4) => hash.update(v4.octets()),
        IpAddr::V6(v6) => hash.update(v6.octets()),
    }
}

/// Community ID v1 (seed 0) of a flow whose `originator` is known; for messages that have no partner the direction counts.
pub fn community_id(key: &FlowKey, originator: Side) -> String {
    let (mut source, mut destination) = (key.end(originator), key.end(1 - originator));
    let mut ports = true;
    let mut one_way = false;
    match key.protocol {
        protocol::ICMP | protocol::ICMP6 => {
            let partner = icmp_counterpart(key.protocol, key.icmp_type);
            let code = source.port;
            source.port = u16::from(key.icmp_type);
            destination.port = partner.map_or(code, u16::from);
            one_way = partner.is_none();
        }
        protocol::TCP | protocol::UDP | protocol::SCTP => {}
        _ => ports = false,
    }
    if !one_way && destination < source {
        std::mem::swap(&mut source, &mut destination);
    }
    let mut hash = Sha1::new();
    hash.update([0, 0]);
    update_address(&mut hash, source.address);
    update_address(&mut hash, destination.address);
    hash.update([key.protocol, 0]);
    if ports {
        hash.update(source.port.to_be_bytes());
        hash.update(destination.port.to_be_bytes());
    }
    format!(
        "1:{}",
        base64::engine::general_purpose::STANDARD.encode(hash.finalize())
    )
}

/// The type that answers or is answered by a type of ICMP or `ICMPv6`, as Zeek and Community ID v1 pair them.
pub fn icmp_counterpart(protocol: u8, kind: u8) -> Option<u8> {
    match protocol {
        protocol::ICMP => icmp_partner(kind),
        protocol::ICMP6 => icmp6_partner(kind),
        _ => None,
    }
}

fn icmp_partner(kind: u8) -> Option<u8> {
    match kind {
        8 => Some(0),
        0 => Some(8),
        13 => Some(14),
        14 => Some(13),
        15 => Some(16),
        16 => Some(15),
        17 => Some(18),
        18 => Some(17),
        10 => Some(9),
        9 => Some(10),
        _ => None,
    }
}

fn icmp6_partner(kind: u8) -> Option<u8> {
    match kind {
        128 | 130 | 133 | 135 | 139 | 144 => Some(kind + 1),
        129 | 131 | 134 | 136 | 140 | 145 => Some(kind - 1),
        _ => None,
    }
}

/// What stands for the ports of an ICMP message, and its type in the key.
fn icmp_key(kind: u8, code: u8, identifier: u16, request: Option<u8>) -> (u16, u16, u8) {
    match request {
        Some(request) => (identifier, identifier, request),
        None => (u16::from(code), u16::from(code), kind),
    }
}

/// The request type of a query message (RFC 792, 1256, 950).
pub fn icmp_request(kind: u8) -> Option<u8> {
    match kind {
        0 | 8 => Some(8),
        13 | 14 => Some(13),
        15 | 16 => Some(15),
        17 | 18 => Some(17),
        _ => None,
    }
}

/// The request type of an `ICMPv6` query message (RFC 4443 §4).
pub fn icmp6_request(kind: u8) -> Option<u8> {
    match kind {
        128 | 129 => Some(128),
        _ => None,
    }
}

/// Whether an ICMP type tells of an error and quotes the packet (RFC 792).
pub fn is_icmp_error(kind: u8) -> bool {
    matches!(kind, 3 | 4 | 5 | 11 | 12)
}

/// Whether an `ICMPv6` type tells of an error and quotes the packet (RFC 4443 §2.1).
pub fn is_icmp6_error(kind: u8) -> bool {
    kind < 128
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(
        protocol: u8,
        icmp_type: u8,
        source: (&str, u16),
        destination: (&str, u16),
    ) -> (FlowKey, Side) {
        let source = Endpoint {
            address: source.0.parse().unwrap(),
            port: source.1,
        };
        let destination = Endpoint {
            address: destination.0.parse().unwrap(),
            port: destination.1,
        };
        let (low, high, side) = if source <= destination {
            (source, destination, 0)
        } else {
            (destination, source, 1)
        };
        (
            FlowKey {
                scope: 0,
                protocol,
                icmp_type,
                low,
                high,
            },
            side,
        )
    }

    #[test]
    fn community_ids_equal_the_published_vectors() {
        let id = |(key, side): (FlowKey, Side)| community_id(&key, side);
        let tcp = key(6, 0, ("192.0.2.10", 40_000), ("198.51.100.20", 443));
        assert_eq!(id(tcp), "1:4XKFrcviN/pwMTNVqAjw5e/T0Vk=");
        assert_eq!(community_id(&tcp.0, 1 - tcp.1), id(tcp));
        assert_eq!(
            id(key(
                6,
                0,
                ("128.232.110.120", 34_855),
                ("66.35.250.204", 80)
            )),
            "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
        );
        assert_eq!(
            id(key(6, 0, ("2001:db8:1::a", 40_000), ("2001:db8:2::b", 443))),
            "1:PUR2kPeCFMR7r3Oe7FBqf+yhURU="
        );
        assert_eq!(
            id(key(17, 0, ("192.168.1.52", 54_585), ("8.8.8.8", 53))),
            "1:d/FP5EW3wiY1vCndhwleRRKHowQ="
        );
        assert_eq!(
            id(key(17, 0, ("10.0.0.1", 5000), ("10.0.0.1", 53))),
            "1:kg98piSbGsCrHnhtlL0FEQzKCQ4="
        );
        assert_eq!(
            id(key(132, 0, ("192.168.170.8", 7), ("192.168.170.56", 7))),
            "1:MP2EtRCAUIZvTw6MxJHLV7N7JDs="
        );
        assert_eq!(
            id(key(1, 8, ("192.168.0.89", 77), ("192.168.0.1", 77))),
            "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="
        );
        assert_eq!(
            id(key(1, 3, ("192.168.0.89", 1), ("192.168.0.1", 1))),
            "1:LXCfhMUFbYXe+CEMrQuZCbiLY3o="
        );
        assert_eq!(
            id(key(1, 3, ("192.168.0.1", 1), ("192.168.0.89", 1))),
            "1:o3zT92uTgnRWv/YrDVeXcWumpC4="
        );
        assert_eq!(
            id(key(58, 128, ("2001:db8::1", 5), ("2001:db8::2", 5))),
            "1:u2vMS3HiWth2lIMKHB1fjELshpQ="
        );
        let nd = key(
            58,
            135,
            ("fe80::200:86ff:fe05:80da", 0),
            ("fe80::260:97ff:fe07:69ea", 0),
        );
        assert_eq!(id(nd), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY=");
        assert_eq!(
            id(key(46, 0, ("10.1.24.4", 0), ("10.1.12.1", 0))),
            "1:/nQI4Rh/TtY3mf0R2gJFBkVlgS4="
        );
    }

    #[test]
    fn an_id_names_one_flow_in_every_run() {
        let (tcp, _) = key(6, 0, ("192.0.2.10", 40_000), ("198.51.100.20", 443));
        assert_eq!(tcp.id(Timestamp(5)), tcp.id(Timestamp(5)));
        assert_ne!(
            tcp.id(Timestamp(5)),
            tcp.id(Timestamp(6)),
            "a port that is used again is another flow"
        );
        assert_eq!(tcp.id(Timestamp(5)).len(), 10);
    }
}
