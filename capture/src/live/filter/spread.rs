//! Spreads packets over threads by their inner addresses, so that both directions of a flow, and all points that saw it, come
//! to the same one.
//!
//! Read are ERSPAN I, II and III, GRE with its options, VXLAN and Geneve on their usual ports, over IPv4 and IPv6, with up to
//! two inner VLAN tags. Of everything else, and of outer fragments, the outer addresses count. The sum of two addresses is
//! the same whichever comes first.

use super::assembler::{Assembler, Instruction, Label, Test, To, Width};
use super::{ETHERNET, EXTENSIONS, IPV4, IPV6, PROTOCOL, TAGS, UDP, ranges};

const GRE: u32 = 47;
/// GRE's protocol types.
const ERSPAN_2: u32 = 0x88be;
const ERSPAN_3: u32 = 0x22eb;
const BRIDGED: u32 = 0x6558;
const VXLAN_PORTS: [u32; 2] = [4789, 8472];
const GENEVE_PORT: u32 = 6081;

/// Where the program keeps numbers.
const KEPT: u32 = 0;
const SUM: u32 = 1;
const PLACE: u32 = 2;
const FLAGS: u32 = 3;

/// The program for a fanout group: the kernel runs it from the outer network header on, and takes what it gives modulo the
/// number of members.
pub(crate) fn program() -> Vec<Instruction> {
    let mut assembler = Assembler::default();
    let places = Places {
        outer4: assembler.label(),
        outer6: assembler.label(),
        gre4: assembler.label(),
        gre6: assembler.label(),
        udp4: assembler.label(),
        udp6: assembler.label(),
        four: assembler.label(),
        six: assembler.label(),
        end: assembler.label(),
    };
    let mut writer = Writer {
        program: assembler,
        places,
    };
    writer.outer();
    writer.inner();
    // It has no loops, and some hundred instructions: it cannot be too long.
    writer.program.finish().unwrap_or_default()
}

struct Places {
    /// Only the outer addresses can be told.
    outer4: Label,
    outer6: Label,
    /// What is behind the outer IP header, at X.
    gre4: Label,
    gre6: Label,
    udp4: Label,
    udp6: Label,
    /// The packet whose addresses count is at X.
    four: Label,
    six: Label,
    /// A is the sum.
    end: Label,
}

struct Writer {
    program: Assembler,
    places: Places,
}

impl Writer {
    fn outer(&mut self) {
        let program = &mut self.program;
        let places = &self.places;
        let six = program.label();
        let neither = program.label();
        program.load(Width::Word, PROTOCOL);
        program.branch(Test::Equal(IPV6), six, To::Next);
        program.branch(Test::Equal(IPV4), To::Next, neither);

        program.load(Width::Half, 6);
        // More fragments, or an offset.
        program.branch(Test::Bits(0x3fff), places.outer4, To::Next);
        program.header_len_to_x(0);
        program.load(Width::Byte, 9);
        program.branch(Test::Equal(GRE), places.gre4, To::Next);
        program.branch(Test::Equal(UDP), places.udp4, places.outer4);

        program.mark(six);
        let known = program.label();
        let extension = program.label();
        program.set_x(40);
        program.load(Width::Byte, 6);
        program.search(&ranges(EXTENSIONS), extension, known);
        program.mark(extension);
        program.load(Width::Byte, 41);
        program.add(1);
        program.shift_left(3);
        program.add_x();
        program.copy_to_x();
        program.load(Width::Byte, 40);
        program.mark(known);
        program.branch(Test::Equal(GRE), places.gre6, To::Next);
        program.branch(Test::Equal(UDP), places.udp6, places.outer6);

        program.mark(neither);
        program.give(0);
    }

    fn inner(&mut self) {
        let ends = [
            (self.places.gre4, self.places.udp4, self.places.outer4),
            (self.places.gre6, self.places.udp6, self.places.outer6),
        ];
        for (gre, udp, otherwise) in ends {
            let ethernet = self.program.label();
            self.program.mark(udp);
            self.udp(ethernet, otherwise);
            self.program.mark(gre);
            self.gre(ethernet, otherwise);
            self.program.mark(ethernet);
            self.ethernet(otherwise);
        }
        let program = &mut self.program;
        let places = &self.places;
        program.mark(places.outer4);
        program.set_x(0);
        program.mark(places.four);
        program.load_x(Width::Word, 12);
        program.store(KEPT);
        program.load_x(Width::Word, 16);
        program.recall_x(KEPT);
        program.add_x();
        program.jump(places.end);

        program.mark(places.outer6);
        program.set_x(0);
        program.mark(places.six);
        program.store_x(PLACE);
        program.set(0);
        program.store(SUM);
        for word in 0..8 {
            program.recall_x(PLACE);
            program.load_x(Width::Word, 8 + 4 * word);
            program.recall_x(SUM);
            program.add_x();
            program.store(SUM);
        }
        program.mark(places.end);
        // Neighbours among addresses shall not be neighbours among threads: the upper bits of the product depend on all.
        program.multiply(0x9e37_79b1);
        program.shift_right(16);
        program.give_a();
    }

    /// X += `bytes`, and A stays.
    fn skip(&mut self, bytes: u32) {
        self.program.store(KEPT);
        self.program.copy_from_x();
        self.program.add(bytes);
        self.program.copy_to_x();
        self.program.recall(KEPT);
    }

    fn udp(&mut self, ethernet: Label, otherwise: Label) {
        let vxlan = self.program.label();
        let rest = self.program.label();
        self.program.load_x(Width::Half, 2);
        self.program.search(&ranges(VXLAN_PORTS), vxlan, rest);
        self.program.mark(rest);
        self.program
            .branch(Test::Equal(GENEVE_PORT), To::Next, otherwise);
        self.program.load_x(Width::Half, 8 + 2);
        self.program
            .branch(Test::Equal(BRIDGED), To::Next, otherwise);
        self.program.load_x(Width::Byte, 8);
        self.program.and(0x3f);
        self.program.shift_left(2);
        self.program.add_x();
        self.program.copy_to_x();
        self.program.mark(vxlan);
        self.skip(8 + 8);
        self.program.jump(ethernet);
    }

    fn gre(&mut self, ethernet: Label, otherwise: Label) {
        const CHECKSUM: u32 = 0x8000;
        const ROUTING: u32 = 0x4000;
        const KEY: u32 = 0x2000;
        const SEQUENCE: u32 = 0x1000;
        const VERSION: u32 = 0x0007;
        self.program.load_x(Width::Half, 0);
        self.program.store(FLAGS);
        self.program
            .branch(Test::Bits(ROUTING | VERSION), otherwise, To::Next);
        self.program.load_x(Width::Half, 2);
        self.skip(4);
        self.program.store(PLACE);
        for flag in [CHECKSUM, KEY, SEQUENCE] {
            let absent = self.program.label();
            self.program.recall(FLAGS);
            self.program.branch(Test::Bits(flag), To::Next, absent);
            self.skip(4);
            self.program.mark(absent);
        }
        self.program.recall(PLACE);
        let [two, three] = [(); 2].map(|()| self.program.label());
        self.program
            .branch(Test::Equal(BRIDGED), ethernet, To::Next);
        self.program.branch(Test::Equal(ERSPAN_2), two, To::Next);
        self.program.branch(Test::Equal(ERSPAN_3), three, To::Next);
        self.program
            .branch(Test::Equal(IPV4), self.places.four, To::Next);
        self.program
            .branch(Test::Equal(IPV6), self.places.six, otherwise);

        // Without a sequence number it is type I, which has no header.
        self.program.mark(two);
        self.program.recall(FLAGS);
        self.program
            .branch(Test::Bits(SEQUENCE), To::Next, ethernet);
        self.skip(8);
        self.program.jump(ethernet);

        // The last bit says that a sub-header of 8 bytes follows.
        self.program.mark(three);
        let plain = self.program.label();
        self.program.load_x(Width::Half, 10);
        self.skip(12);
        self.program.branch(Test::Bits(1), To::Next, plain);
        self.skip(8);
        self.program.mark(plain);
        self.program.jump(ethernet);
    }

    fn ethernet(&mut self, otherwise: Label) {
        for _ in 0..2 {
            let tag = self.program.label();
            let untagged = self.program.label();
            self.program.load_x(Width::Half, ETHERNET - 2);
            self.program.search(&ranges(TAGS), tag, untagged);
            self.program.mark(tag);
            self.skip(4);
            self.program.mark(untagged);
        }
        self.program.load_x(Width::Half, ETHERNET - 2);
        self.skip(ETHERNET);
        self.program
            .branch(Test::Equal(IPV4), self.places.four, To::Next);
        self.program
            .branch(Test::Equal(IPV6), self.places.six, otherwise);
    }
}

#[cfg(test)]
mod tests {
    use super::super::interpreter::{Packet, run};
    use super::*;

    fn ip4(protocol: u8, payload: &[u8], source: [u8; 4], to: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![0x46, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0];
        bytes.extend(source);
        bytes.extend(to);
        // Options.
        bytes.extend([1; 4]);
        bytes.extend(payload);
        bytes
    }

    fn ip6(protocol: u8, payload: &[u8], source: u128, to: u128, options: bool) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0, if options { 60 } else { protocol }, 64];
        bytes.extend(source.to_be_bytes());
        bytes.extend(to.to_be_bytes());
        if options {
            bytes.extend([protocol, 0, 4, 1, 4, 1, 1, 0]);
        }
        bytes.extend(payload);
        bytes
    }

    fn frame(tags: usize, ethertype: u16, packet: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tags as u8; 12];
        for _ in 0..tags {
            bytes.extend([0x81, 0, 0, 7]);
        }
        bytes.extend(ethertype.to_be_bytes());
        bytes.extend(packet);
        bytes
    }

    /// Every encapsulation of an inner packet, behind outer addresses that differ each time.
    fn mirrored(ethertype: u16, packet: &[u8]) -> Vec<Packet> {
        let mut payloads = Vec::new();
        for tags in 0..3 {
            let frame = frame(tags, ethertype, packet);
            let udp = |port: u16, header: &[u8]| {
                let mut bytes = vec![9, tags as u8];
                bytes.extend(port.to_be_bytes());
                bytes.extend([0; 4]);
                bytes.extend(header);
                bytes.extend(&frame);
                (17, bytes)
            };
            payloads.push(udp(4789, &[8, 0, 0, 0, 0, 0, 7, 0]));
            payloads.push(udp(6081, &[0, 0, 0x65, 0x58, 0, 0, 7, 0]));
            let options = [2, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 4, 5, 6, 7, 8];
            payloads.push(udp(6081, &options));
            for (flags, len) in [(0x1000_u16, 4), (0x3000, 8), (0xb000, 12), (0, 0)] {
                let mut gre = flags.to_be_bytes().to_vec();
                gre.extend([0x88, 0xbe]);
                gre.resize(4 + len, 3);
                if flags & 0x1000 != 0 {
                    gre.extend([0x10, 0, 0, 5, 0, 0, 0, 1]);
                }
                gre.extend(&frame);
                payloads.push((47, gre));
                let mut gre = flags.to_be_bytes().to_vec();
                gre.extend([0x65, 0x58]);
                gre.resize(4 + len, 3);
                gre.extend(&frame);
                payloads.push((47, gre));
            }
            for sub in [false, true] {
                let mut gre = vec![0x10, 0, 0x22, 0xeb, 0, 0, 0, 1];
                gre.extend([0x20, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0, u8::from(sub)]);
                gre.extend([0; 8].iter().take(if sub { 8 } else { 0 }));
                gre.extend(&frame);
                payloads.push((47, gre));
            }
        }
        let mut plain = vec![0x20, 0];
        plain.extend(ethertype.to_be_bytes());
        plain.extend([0, 0, 0, 9]);
        plain.extend(packet);
        payloads.push((47, plain));
        let outer = payloads
            .into_iter()
            .enumerate()
            .flat_map(|(number, (protocol, payload))| {
                let far = 0x2001_0db8_u128 << 96 | number as u128;
                [
                    (
                        0x0800,
                        ip4(protocol, &payload, [10, 60, 0, number as u8], [1; 4]),
                    ),
                    (0x86dd, ip6(protocol, &payload, far, 1, false)),
                    (0x86dd, ip6(protocol, &payload, far, 1, true)),
                ]
            });
        outer
            .map(|(protocol, bytes)| packet_of(protocol, bytes))
            .collect()
    }

    fn packet_of(protocol: u16, bytes: Vec<u8>) -> Packet {
        Packet {
            bytes,
            protocol,
            ..Packet::default()
        }
    }

    #[test]
    fn both_directions_in_any_encapsulation_come_to_one_thread() {
        let program = program();
        let (a, b) = ([192, 168, 1, 7], [172, 16, 9, 200]);
        let (c, d) = (
            0x2001_0db8_0001_u128 << 80 | 5,
            0xfd00_u128 << 112 | 0xffff_ffff,
        );
        let (there, back) = (ip4(6, &[1; 40], a, b), ip4(6, &[2; 99], b, a));
        let (there6, back6) = (ip6(6, &[1; 40], c, d, false), ip6(6, &[2; 99], d, c, false));
        for (ethertype, there, back) in [(0x0800, there, back), (0x86dd, there6, back6)] {
            let expected = run(&program, &packet_of(ethertype, there.clone()));
            assert_ne!(expected, 0);
            for packet in mirrored(ethertype, &there)
                .iter()
                .chain(&mirrored(ethertype, &back))
            {
                assert_eq!(run(&program, packet), expected, "{packet:02x?}");
            }
        }
    }

    #[test]
    fn flows_are_spread_evenly() {
        let program = program();
        for threads in 2..9 {
            let mut counts = vec![0; threads];
            for host in 0..4000_u32 {
                let [.., c, d] = host.to_be_bytes();
                let inner = ip4(6, &[0; 20], [10, 0, c, d], [10, 1, 0, (host % 3) as u8]);
                let packet = &mirrored(0x0800, &inner)[0];
                counts[run(&program, packet) as usize % threads] += 1;
            }
            let fair = 4000 / threads;
            assert!(
                counts
                    .iter()
                    .all(|count| count * 5 > fair * 4 && count * 4 < fair * 5),
                "{counts:?}"
            );
        }
    }

    #[test]
    fn fragments_and_foreign_packets_go_by_their_outer_addresses() {
        let program = program();
        let mut first = ip4(47, &[0; 40], [10, 0, 0, 1], [10, 0, 0, 2]);
        let mut later = first.clone();
        first[6] = 0x20;
        later[7] = 100;
        let icmp = ip4(1, &[7; 40], [10, 0, 0, 2], [10, 0, 0, 1]);
        let expected = run(&program, &packet_of(0x0800, icmp));
        assert_ne!(expected, 0);
        for fragment in [first, later] {
            assert_eq!(run(&program, &packet_of(0x0800, fragment)), expected);
        }
        let arp = packet_of(0x0806, vec![0; 28]);
        assert_eq!(run(&program, &arp), 0);
    }
}
