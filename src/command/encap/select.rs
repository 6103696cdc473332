//! Which packets the mirror sees: those of one direction of each flow, or of one sender.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use mirrorscope_dissectors::{Network, Packet};

use crate::cli::{Flow, SelectArgs};

/// Flows remembered of each generation.
const GENERATION: usize = 1 << 19;

/// What is selected, and the flows met so far.
#[derive(Debug)]
pub struct Selection {
    only: Option<Flow>,
    sources: Vec<IpNet>,
    flows: Flows,
}

impl Selection {
    pub fn new(args: &SelectArgs) -> Self {
        Self {
            only: args.only,
            sources: args.only_source.clone(),
            flows: Flows::new(GENERATION),
        }
    }

    /// Whether the mirror sees the packet.
    pub fn takes(&mut self, packet: &Packet<'_>) -> bool {
        let from_here = self.sources.is_empty()
            || source(packet)
                .is_some_and(|source| self.sources.iter().any(|prefix| prefix.contains(&source)));
        // A packet of another sender tells who opened the flow all the same.
        let way = self.only.map(|_| self.flows.way(packet));
        from_here && way == self.only
    }
}

fn source(packet: &Packet<'_>) -> Option<IpAddr> {
    match &packet.network {
        Network::Ip(ip) => Some(ip.source),
        Network::Arp(arp) => Some(arp.sender_ip.into()),
        Network::Other(_) | Network::Malformed(_) => None,
    }
}

/// Address and port; the port is 0 where the protocol has none.
type End = (IpAddr, u16);
/// A flow by its two ends, the lower one first, and its protocol.
type Key = (End, End, u8);

/// Who opened which flow. Of many flows the ones idle longest are forgotten.
#[derive(Debug)]
struct Flows {
    /// How many are recent.
    generation: usize,
    recent: HashMap<Key, End>,
    older: HashMap<Key, End>,
}

impl Flows {
    fn new(generation: usize) -> Self {
        Self {
            generation,
            recent: HashMap::new(),
            older: HashMap::new(),
        }
    }

    /// Which way a packet goes, by the first packet of its flow. One that belongs to no flow goes forth.
    fn way(&mut self, packet: &Packet<'_>) -> Flow {
        let Network::Ip(ip) = &packet.network else {
            return Flow::Forth;
        };
        let (from, to) = ip.ports.unwrap_or_default();
        let (sender, receiver) = ((ip.source, from), (ip.destination, to));
        let key = (sender.min(receiver), sender.max(receiver), ip.protocol);
        if !self.recent.contains_key(&key) {
            let originator = self.older.remove(&key).unwrap_or(sender);
            if self.recent.len() == self.generation {
                self.older = std::mem::take(&mut self.recent);
            }
            self.recent.insert(key, originator);
        }
        if self.recent.get(&key) == Some(&sender) {
            Flow::Forth
        } else {
            Flow::Back
        }
    }
}

#[cfg(test)]
mod tests {
    use mirrorscope_dissectors::{LinkType, Options, decapsulate};

    use super::*;

    /// An IPv4 packet with the start of a UDP header, between hosts of 10.0.0.0/24.
    fn packet(from: (u8, u16), to: (u8, u16)) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0];
        bytes.extend([10, 0, 0, from.0, 10, 0, 0, to.0]);
        for field in [from.1, to.1, 8, 0] {
            bytes.extend(field.to_be_bytes());
        }
        bytes
    }

    fn takes(selection: &mut Selection, bytes: &[u8]) -> bool {
        let stripped = decapsulate(LinkType::RawIp, bytes, &Options::default());
        selection.takes(&stripped.packet())
    }

    fn selection(only: Option<Flow>, sources: &[&str]) -> Selection {
        Selection::new(&SelectArgs {
            only,
            only_source: sources
                .iter()
                .map(|prefix| prefix.parse().unwrap())
                .collect(),
        })
    }

    #[test]
    fn the_first_packet_of_a_flow_goes_forth() {
        // The originator has the higher address, and a second flow the opposite direction.
        let packets = [
            (packet((9, 4000), (1, 53)), true),
            (packet((1, 53), (9, 4000)), false),
            (packet((1, 4000), (9, 53)), true),
            (packet((9, 4000), (1, 53)), true),
            (packet((9, 53), (1, 4000)), false),
        ];
        let mut forth = selection(Some(Flow::Forth), &[]);
        let mut back = selection(Some(Flow::Back), &[]);
        for (number, (bytes, is_forth)) in packets.iter().enumerate() {
            assert_eq!(takes(&mut forth, bytes), *is_forth, "packet {number}");
            assert_eq!(takes(&mut back, bytes), !is_forth, "packet {number}");
        }
    }

    #[test]
    fn a_packet_of_another_sender_still_opens_its_flow() {
        let mut answers = selection(Some(Flow::Back), &["10.0.0.1/32"]);
        assert!(!takes(&mut answers, &packet((9, 4000), (1, 53))));
        assert!(takes(&mut answers, &packet((1, 53), (9, 4000))));
        assert!(!takes(&mut answers, &packet((1, 4000), (9, 53))));
    }

    #[test]
    fn senders_are_chosen_by_any_of_the_prefixes() {
        let mut some = selection(None, &["10.0.0.0/30", "10.0.0.9/32"]);
        let sent_by = |last| packet((last, 1), (200, 2));
        let taken: Vec<u8> = (0..12)
            .filter(|last| takes(&mut some, &sent_by(*last)))
            .collect();
        assert_eq!(taken, [0, 1, 2, 3, 9]);
        assert!(!takes(&mut some, &[0x99]), "what has no sender is nobody's");
    }

    #[test]
    fn memory_is_bounded_and_busy_flows_are_not_forgotten() {
        let mut flows = Flows::new(100);
        let mut way = |bytes: &[u8]| {
            let stripped = decapsulate(LinkType::RawIp, bytes, &Options::default());
            let way = flows.way(&stripped.packet());
            assert!(flows.recent.len() + flows.older.len() <= 200);
            way
        };
        let (opened, answer) = (packet((9, 4000), (1, 53)), packet((1, 53), (9, 4000)));
        way(&opened);
        for port in 0..1_000 {
            way(&packet((3, port), (2, 53)));
            if port % 90 == 0 {
                assert_eq!(way(&answer), Flow::Back);
            }
        }
        for port in 1_000..1_300 {
            way(&packet((3, port), (2, 53)));
        }
        assert_eq!(way(&answer), Flow::Forth, "an idle flow is forgotten");
    }
}
