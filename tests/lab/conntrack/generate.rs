//! Sequences of packets by a seed: conversations as they are, and all that can go wrong with them.

use std::net::Ipv4Addr;
use std::time::Duration;

use fastrand::Rng;

use super::packet::{ACK, FIN, PSH, RST, SYN, Segment, icmp, udp};
use super::{Packet, Side};

/// Sequences of packets, each a flow of its own, one sequence after the other. With `pauses` they run side by side, with
/// silence between.
pub fn sequences(seed: u64, count: usize, pauses: &[Duration]) -> Vec<Packet> {
    let mut rng = Rng::with_seed(seed);
    let mut sequences: Vec<Vec<Packet>> = (0..count)
        .map(|sequence| Flow::new(&mut rng, sequence).walk())
        .collect();
    if pauses.is_empty() {
        return sequences.concat();
    }
    let longest = sequences.iter().map(Vec::len).max().unwrap_or(0);
    let mut packets = Vec::new();
    for _ in 0..longest {
        let mut pause = *rng.choice(pauses).unwrap();
        for sequence in &mut sequences {
            if !sequence.is_empty() {
                let mut packet = sequence.remove(0);
                packet.pause = std::mem::take(&mut pause);
                packets.push(packet);
            }
        }
    }
    packets
}

/// One end of a flow.
#[derive(Clone, Debug)]
struct End {
    address: Ipv4Addr,
    port: u16,
    /// The next number to send.
    next: u32,
    window: u16,
    scale: Option<u8>,
    sack: bool,
    timestamps: bool,
}

/// A flow under way.
struct Flow<'a> {
    rng: &'a mut Rng,
    sequence: usize,
    opener: Side,
    /// By side.
    ends: [End; 2],
    /// How far the conversation has come.
    step: usize,
    /// Segments of data in the middle of it.
    length: usize,
    sent: Vec<Packet>,
}

impl<'a> Flow<'a> {
    fn new(rng: &'a mut Rng, sequence: usize) -> Self {
        let opener = rng.choice([Side::Left, Side::Right]).unwrap();
        let ends = [Side::Left, Side::Right].map(|side| {
            let [a, b] = side.network();
            let first = rng.u32(..);
            let port = if side == opener {
                1024 + rng.u16(0..50_000)
            } else {
                80
            };
            End {
                // The numbers of a sequence are in its addresses: no two sequences share a flow.
                address: Ipv4Addr::new(a, b, (sequence >> 8) as u8, sequence as u8),
                port,
                next: rng.choice([first, u32::MAX - 1000, 0]).unwrap(),
                window: rng
                    .choice([0, 1, 512, 5840, 29_200, 64_240, 65_535])
                    .unwrap(),
                scale: rng.bool().then(|| rng.u8(0..=15)),
                sack: rng.bool(),
                timestamps: rng.u8(0..4) == 0,
            }
        });
        let length = rng.usize(0..6);
        Self {
            rng,
            sequence,
            opener,
            ends,
            step: 0,
            length,
            sent: Vec::new(),
        }
    }

    fn walk(mut self) -> Vec<Packet> {
        let steps = self.rng.usize(3..20);
        let kind = self.rng.u8(0..100);
        while self.sent.len() < steps {
            match kind {
                0..78 => self.tcp(),
                78..86 => self.udp(),
                _ => self.ping(),
            }
        }
        self.sent
    }

    fn end(&self, side: Side) -> &End {
        &self.ends[side as usize]
    }

    fn address(&self, side: Side) -> Ipv4Addr {
        self.end(side).address
    }

    fn any_side(&mut self) -> Side {
        self.rng.choice([Side::Left, Side::Right]).unwrap()
    }

    fn push(&mut self, from: Side, bytes: Vec<u8>) {
        self.sent.push(Packet {
            sequence: self.sequence,
            from,
            pause: Duration::ZERO,
            bytes,
        });
    }

    /// The next segment of the conversation, or something else.
    fn tcp(&mut self) {
        match self.rng.u8(0..100) {
            0..62 => self.go_on(),
            62..69 => self.again(),
            69..78 => self.displaced(),
            78..82 => self.special(RST),
            82..84 => self.special(RST | ACK),
            84..86 => self.special(FIN | ACK),
            86..89 => self.special(SYN),
            89..91 => self.special(SYN | ACK),
            91..94 => {
                let flags = self.rng.u8(..);
                self.special(flags);
            }
            94..97 => self.error(),
            97 => self.skip(),
            98 => self.damaged(),
            _ => self.close_window(),
        }
    }

    /// A segment as this end would send it now.
    fn segment(&mut self, from: Side, flags: u8, payload: usize) -> Segment {
        let (end, other) = (self.end(from).clone(), self.end(from.other()).clone());
        let mut options = Vec::new();
        if flags & SYN != 0 {
            options.extend([2, 4, 5, 180]);
            if let Some(scale) = end.scale {
                options.extend([1, 3, 3, scale]);
            }
            if end.sack {
                options.extend([1, 1, 4, 2]);
            }
        }
        if end.timestamps && flags & RST == 0 {
            options.extend([1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 2, 0]);
        }
        let acks = flags & ACK != 0;
        if end.sack && flags == ACK && self.rng.u8(0..4) == 0 {
            let from = other
                .next
                .wrapping_add(self.rng.choice([0, 1, 1000, 70_000]).unwrap());
            let to = from.wrapping_add(self.rng.choice([1, 500, 66_000]).unwrap());
            options.extend([1, 1, 5, 10]);
            options.extend(from.to_be_bytes());
            options.extend(to.to_be_bytes());
        }
        Segment {
            sport: end.port,
            dport: other.port,
            seq: end.next,
            ack: if acks { other.next } else { 0 },
            flags,
            window: end.window,
            options,
            payload,
        }
    }

    fn send(&mut self, from: Side, segment: &Segment) {
        let bytes = segment.bytes(self.address(from), self.address(from.other()));
        self.push(from, bytes);
    }

    /// Sends a segment and advances the sender's numbers over it.
    fn advance(&mut self, from: Side, flags: u8, payload: usize) {
        let segment = self.segment(from, flags, payload);
        self.send(from, &segment);
        let counted = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
        let end = &mut self.ends[from as usize];
        end.next = end.next.wrapping_add(payload as u32 + counted);
    }

    fn go_on(&mut self) {
        let (opener, answerer) = (self.opener, self.opener.other());
        let data = self.length;
        match self.step {
            0 => {
                let payload = if self.rng.u8(0..20) == 0 { 100 } else { 0 };
                self.advance(opener, SYN, payload);
            }
            // Both open at once.
            1 if self.rng.u8(0..20) == 0 => self.advance(answerer, SYN, 0),
            1 => self.advance(answerer, SYN | ACK, 0),
            2 => self.advance(opener, ACK, 0),
            step if step < 3 + data => {
                let from = self.any_side();
                let payload = self.rng.choice([0, 0, 1, 100, 1400]).unwrap();
                let flags = if payload > 0 && self.rng.bool() {
                    ACK | PSH
                } else {
                    ACK
                };
                self.advance(from, flags, payload);
            }
            step if step == 3 + data => self.advance(opener, FIN | ACK, 0),
            step if step == 4 + data => self.advance(answerer, ACK, 0),
            step if step == 5 + data => self.advance(answerer, FIN | ACK, 0),
            step if step == 6 + data => self.advance(opener, ACK, 0),
            _ => {
                // The same ports again, from either side, with new numbers.
                if self.rng.u8(0..4) == 0 {
                    self.opener = answerer;
                }
                for side in 0..2 {
                    let by = self
                        .rng
                        .choice([1, 64_000, 1 << 20, 1 << 30, 3 << 30])
                        .unwrap();
                    let end = &mut self.ends[side];
                    end.next = end.next.wrapping_add(by);
                }
                self.step = 0;
                return self.go_on();
            }
        }
        self.step += 1;
    }

    /// A packet that was sent before.
    fn again(&mut self) {
        if let Some(packet) = self.rng.choice(&self.sent).cloned() {
            self.sent.push(packet);
        } else {
            self.go_on();
        }
    }

    /// How far numbers are wrong.
    fn distance(&mut self) -> u32 {
        let windows = self
            .ends
            .clone()
            .map(|end| u32::from(end.window) << end.scale.unwrap_or(0).min(14));
        let near = [
            0,
            1,
            2,
            100,
            1400,
            65_535,
            66_000,
            66_001,
            1 << 17,
            1 << 20,
            1 << 30,
        ];
        let far = [
            (1 << 31) - 1,
            1 << 31,
            windows[0],
            windows[0] + 1,
            windows[1],
            windows[1] + 1,
        ];
        let distances = [&near[..], &far].concat();
        let distance = *self.rng.choice(&distances).unwrap();
        if self.rng.bool() {
            distance
        } else {
            distance.wrapping_neg()
        }
    }

    /// A segment whose numbers are not where they should be.
    fn displaced(&mut self) {
        let from = self.any_side();
        let payload = self.rng.choice([0, 1, 1400]).unwrap();
        let mut segment = self.segment(from, ACK, payload);
        if self.rng.bool() {
            segment.seq = segment.seq.wrapping_add(self.distance());
        }
        if self.rng.bool() {
            segment.ack = segment.ack.wrapping_add(self.distance());
        }
        self.send(from, &segment);
    }

    /// A segment with given flags, where it belongs or not.
    fn special(&mut self, flags: u8) {
        let from = self.any_side();
        let mut segment = self.segment(from, flags, 0);
        match self.rng.u8(0..6) {
            0 => segment.seq = segment.seq.wrapping_add(self.distance()),
            1 => segment.ack = segment.ack.wrapping_add(self.distance()),
            2 => segment.seq = 0,
            3 => segment.ack = self.rng.u32(..),
            _ => {}
        }
        self.send(from, &segment);
        if flags & RST == 0 && self.rng.bool() {
            let counted = u32::from(flags & SYN != 0) + u32::from(flags & FIN != 0);
            let end = &mut self.ends[from as usize];
            end.next = segment.seq.wrapping_add(counted);
        }
    }

    /// A part of the conversation that went another way.
    fn skip(&mut self) {
        let sent = self.sent.len();
        self.go_on();
        self.sent.truncate(sent);
        self.go_on();
    }

    fn close_window(&mut self) {
        let from = self.any_side();
        let mut segment = self.segment(from, ACK, 0);
        segment.window = 0;
        self.send(from, &segment);
    }

    /// A packet with a wrong checksum, or a header that cannot be.
    fn damaged(&mut self) {
        let from = self.any_side();
        let segment = self.segment(from, ACK, 8);
        let mut bytes = segment.bytes(self.address(from), self.address(from.other()));
        match self.rng.u8(0..4) {
            0 => bytes[20 + 16] ^= 0x5a,
            1 => bytes[20 + 12] = 0x40,
            2 => bytes[20 + 12] = 0xf0,
            _ => bytes[20 + 24] ^= 1,
        }
        self.push(from, bytes);
    }

    fn udp(&mut self) {
        let opens = self.rng.u8(0..100) < 55;
        let from = if opens {
            self.opener
        } else {
            self.opener.other()
        };
        match self.rng.u8(0..20) {
            0..3 => return self.again(),
            3..6 => return self.error(),
            _ => {}
        }
        let (end, other) = (self.end(from).clone(), self.end(from.other()).clone());
        let checksum = self.rng.u8(0..8) != 0;
        let payload = self.rng.usize(0..200);
        let mut bytes = udp(
            (end.address, end.port),
            (other.address, other.port),
            payload,
            checksum,
        );
        match self.rng.u8(0..40) {
            // A wrong checksum; a length beyond the packet; one that is too small; one that is shorter than the packet.
            0 => bytes[20 + 6] ^= 0x5a,
            1 => bytes[20 + 4] = 0x70,
            2 => bytes[20 + 5] = 7,
            _ => {}
        }
        self.push(from, bytes);
    }

    fn ping(&mut self) {
        if self.rng.u8(0..10) == 0 {
            return self.error();
        }
        let from = self.any_side();
        let (src, dst) = (self.address(from), self.address(from.other()));
        // Requests and replies of echo and time stamps, information and address mask; and what no flow begins with.
        let kinds = [8, 8, 8, 0, 0, 0, 13, 14, 15, 16, 17, 18, 9, 10, 30, 42];
        let kind = self.rng.choice(kinds).unwrap();
        let code = u8::from(self.rng.u8(0..10) == 0);
        let id = 7 + self.rng.u8(0..2);
        let number = self.sent.len() as u8;
        let mut bytes = icmp(src, dst, (kind, code), [0, id, 0, number], &[0x61; 24]);
        if self.rng.u8(0..40) == 0 {
            bytes[22] ^= 0x5a;
        }
        self.push(from, bytes);
    }

    /// An ICMP error that quotes a packet of this flow, or of one that nobody knows.
    fn error(&mut self) {
        let Some(quoted) = self.rng.choice(&self.sent).cloned() else {
            return;
        };
        // It comes from the other end or from a router there, back to the sender.
        let mut from = quoted.from.other();
        if self.rng.u8(0..8) == 0 {
            from = from.other();
        }
        let src = if self.rng.bool() {
            self.address(from)
        } else {
            let [a, b] = from.network();
            Ipv4Addr::new(a, b, 255, 1)
        };
        let mut dst = self.address(from.other());
        if self.rng.u8(0..10) == 0 {
            let [a, b] = from.other().network();
            dst = Ipv4Addr::new(a, b, 254, 9);
        }
        let mut quote = quoted.bytes;
        if self.rng.u8(0..6) == 0 && quote.len() > 23 {
            // Another port: no such flow.
            quote[21] ^= 0x55;
        }
        let keep = self
            .rng
            .choice([20 + 8, 20 + 8, 20 + 8, 20 + 20, 20 + 4, 20, 12])
            .unwrap();
        quote.truncate(keep);
        let kinds = [
            (3, 0),
            (3, 1),
            (3, 3),
            (3, 4),
            (3, 13),
            (11, 0),
            (12, 0),
            (4, 0),
            (5, 1),
        ];
        let kind = self.rng.choice(kinds).unwrap();
        let bytes = icmp(src, dst, kind, [0, 0, 5, 0], &quote);
        self.push(from, bytes);
    }
}
