//! Hints: encapsulations on numbers that nobody told of, and the option that would read them.
//!
//! Nothing is decoded by a guess. A number is looked at until it has disappointed often enough, so that the traffic of
//! thousands of ephemeral ports costs little, and told only if nearly all of its packets read as one protocol.

use mirrorscope_dissectors::{Network, Options, Packet, Protocol, Selector, Stripped, Transport};
use serde::Serialize;

use crate::table::Map;

/// Packets of one number that are looked at while none has read as anything.
const MAX_MISSES: u8 = 16;
/// Packets of one number that are looked at in all; further ones are only counted.
const MAX_LOOKS: u64 = 1000;
/// Numbers with a guess.
const MAX_GUESSES: usize = 256;
/// Fewer packets than this prove nothing.
const MIN_HITS: u64 = 3;

/// A number that seems to lead to an encapsulation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hint {
    /// The number, in tshark's words: `udp.port==20000`.
    pub selector: String,
    /// What it seems to lead to.
    pub protocol: &'static str,
    /// Packets with that number.
    pub packets: u64,
    /// How many of them were looked at.
    pub examined: u64,
    /// How many of those read as the protocol.
    pub matching: u64,
    /// What to add to the command.
    pub option: String,
    /// All of it in a sentence.
    pub summary: String,
}

/// Looks for encapsulations on unknown numbers.
#[derive(Debug)]
pub struct Hints {
    /// Packets in vain by UDP port; above [`MAX_MISSES`] there is a guess.
    ports: Box<[u8]>,
    /// The same by `EtherType`.
    ether_types: Map<u16, u8>,
    guesses: Map<Selector, Guess>,
}

#[derive(Clone, Copy, Debug)]
struct Guess {
    protocol: Protocol,
    packets: u64,
    examined: u64,
    matching: u64,
}

impl Default for Hints {
    fn default() -> Self {
        Self {
            ports: vec![0; usize::from(u16::MAX) + 1].into_boxed_slice(),
            ether_types: Map::default(),
            guesses: Map::default(),
        }
    }
}

impl Hints {
    /// Looks at one frame; true if it reads as an encapsulation that is not opened.
    #[inline]
    pub fn look(
        &mut self,
        stripped: &Stripped<'_>,
        packet: &Packet<'_>,
        options: &Options,
    ) -> bool {
        // No number of TCP's leads to an encapsulation.
        let tcp =
            matches!(&packet.network, Network::Ip(ip) if matches!(ip.transport, Transport::Tcp(_)));
        !tcp && self.look_at(stripped, packet, options)
    }

    fn look_at(&mut self, stripped: &Stripped<'_>, packet: &Packet<'_>, options: &Options) -> bool {
        let Some(selector) = stripped.unknown(packet) else {
            return false;
        };
        let misses = match selector {
            Selector::EtherType(ether_type) => {
                if self.ether_types.len() >= MAX_GUESSES
                    && !self.ether_types.contains_key(&ether_type)
                {
                    return false;
                }
                self.ether_types.entry(ether_type).or_default()
            }
            other => match self.ports.get_mut(usize::from(other.number())) {
                Some(misses) => misses,
                None => return false,
            },
        };
        if *misses == MAX_MISSES {
            return false;
        }
        if *misses < MAX_MISSES {
            let Some(protocol) = stripped.probe(packet, selector, options) else {
                *misses += 1;
                return false;
            };
            if self.guesses.len() >= MAX_GUESSES {
                return true;
            }
            let looked = u64::from(*misses);
            *misses = MAX_MISSES + 1;
            let guess = Guess {
                protocol,
                packets: looked + 1,
                examined: looked + 1,
                matching: 1,
            };
            self.guesses.insert(selector, guess);
            return true;
        }
        let Some(guess) = self.guesses.get_mut(&selector) else {
            return false;
        };
        guess.packets += 1;
        if guess.examined >= MAX_LOOKS {
            return guess.is_sure();
        }
        guess.examined += 1;
        let matches = stripped.probe(packet, selector, options) == Some(guess.protocol);
        guess.matching += u64::from(matches);
        matches
    }

    /// What should be told, the most packets first.
    pub fn all(&self) -> Vec<Hint> {
        let mut sure: Vec<_> = self.guesses.iter().filter(|(_, g)| g.is_sure()).collect();
        sure.sort_by_key(|(selector, guess)| (u64::MAX - guess.packets, selector.number()));
        sure.into_iter()
            .map(|(selector, guess)| guess.hint(*selector))
            .collect()
    }
}

impl Guess {
    /// Nine of ten packets that were looked at, and not by chance.
    fn is_sure(&self) -> bool {
        self.matching >= MIN_HITS && self.matching * 10 >= self.examined * 9
    }

    fn hint(&self, selector: Selector) -> Hint {
        let option = format!("--decode-as {selector},{}", self.protocol);
        let number = match selector {
            Selector::EtherType(number) => format!("EtherType {number:#06x}"),
            other => format!("UDP port {}", other.number()),
        };
        let summary = format!(
            "{} of {} packets to {number} read as {}; to open them: {option}",
            self.matching,
            self.examined,
            self.protocol.title(),
        );
        Hint {
            selector: selector.to_string(),
            protocol: self.protocol.as_str(),
            packets: self.packets,
            examined: self.examined,
            matching: self.matching,
            option,
            summary,
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
    use mirrorscope_dissectors::{LinkType, decapsulate};

    use super::*;

    /// A mirrored TCP SYN.
    const FRAME: [u8; 54] = hex!(
        "02000000000b02000000000a0800450000280a0a400040064474c000020ac6336414"
        "9c4001bb11223344000000005002faf0e63d0000"
    );

    fn vxlan(port: u16, inner: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        wrap(&outer, &Wrap::Vxlan { vni: 5, port }, inner, &mut frame);
        frame
    }

    fn look(hints: &mut Hints, frame: &[u8], times: usize) {
        let options = Options::default();
        for _ in 0..times {
            let stripped = decapsulate(LinkType::Ethernet, frame, &options);
            hints.look(&stripped, &stripped.packet(), &options);
        }
    }

    #[test]
    fn a_tunnel_on_another_port_is_told_with_its_option() {
        let mut hints = Hints::default();
        look(&mut hints, &vxlan(20000, &FRAME), 2);
        assert_eq!(hints.all(), [], "two packets prove nothing");
        look(&mut hints, &vxlan(20000, &FRAME), 2000);
        let all = hints.all();
        assert_eq!(all.len(), 1);
        assert_eq!((all[0].packets, all[0].examined), (2002, MAX_LOOKS));
        assert_eq!(
            all[0].summary,
            "1000 of 1000 packets to UDP port 20000 read as VXLAN; to open them: --decode-as \
             udp.port==20000,vxlan"
        );
    }

    #[test]
    fn a_port_that_carries_other_things_too_is_not_told() {
        let mut hints = Hints::default();
        for _ in 0..50 {
            look(&mut hints, &vxlan(20000, &FRAME), 2);
            look(&mut hints, &vxlan(20000, &[0x41; 100]), 1);
        }
        assert_eq!(hints.all(), []);
    }

    #[test]
    fn a_port_that_disappoints_is_left_alone() {
        let mut hints = Hints::default();
        look(&mut hints, &vxlan(53, &[0x41; 100]), 16);
        look(&mut hints, &vxlan(53, &FRAME), 100);
        assert_eq!(hints.all(), []);
    }
}
