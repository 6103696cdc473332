//! What the two ends of a flow say, packet by packet: a whole TCP connection, or a question and an answer by UDP.

use serde::{Deserialize, Serialize};

use crate::random::Random;

pub const FIN: u8 = 0x01;
pub const SYN: u8 = 0x02;
pub const PSH: u8 = 0x08;
pub const ACK: u8 = 0x10;

const MICROSECOND: u64 = 1000;
/// Largest payload of a segment with timestamps, of packets of 1500 bytes.
const SEGMENT: u16 = 1448;
/// Handshake, a request and its answer, and the close.
pub const SHORTEST: u32 = 3 + 4 + CLOSE;
const CLOSE: u32 = 3;

/// What the packets of connections are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sizes {
    /// Requests and answers of a few hundred bytes, now and then a longer transfer: 350 bytes a frame on average.
    Mixed,
    /// Nothing above 64 bytes with the frame's checksum.
    Small,
    /// Transfers in full segments, every other one acknowledged.
    Full,
    /// Requests and answers of this payload.
    Even(u16),
}

/// A packet of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// 0: the client, 1: the server.
    pub side: usize,
    /// Of TCP.
    pub flags: u8,
    /// Payload bytes.
    pub len: u16,
    pub sequence: u32,
    pub acknowledged: u32,
    /// Nanoseconds until the flow's next packet; none comes if there is no number.
    pub pause: Option<u64>,
}

/// How far a flow is. Small, as millions of them may be open at once.
#[derive(Clone, Copy, Debug)]
pub struct Conversation {
    /// What each side sends next.
    next: [u32; 2],
    /// Packets that are yet to come.
    left: u32,
    /// Nanoseconds there and back.
    round_trip: u32,
    /// Average nanoseconds between two exchanges.
    think: u64,
    state: State,
    sizes: Sizes,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Syn,
    SynAck,
    Established,
    Request,
    Received,
    /// Segments of the answer that are left, and how many the client has not acknowledged.
    Answer(u8, u8),
    Acknowledge(u8),
    Question,
    Reply,
}

impl Conversation {
    /// A TCP connection of so many packets in about so many nanoseconds.
    pub fn tcp(packets: u32, lasts: u64, sizes: Sizes, random: &mut Random) -> Self {
        let packets = packets.max(SHORTEST);
        // How long an exchange takes, which waits three times for half a round trip.
        let exchange = if sizes == Sizes::Full { 63 } else { 4 };
        let exchange = lasts / u64::from(packets / exchange + 1);
        let round_trip = 200 * MICROSECOND + random.below(20_000 * MICROSECOND);
        let round_trip = if lasts == 0 {
            round_trip
        } else {
            round_trip.min(exchange / 3)
        };
        Self {
            next: [random.next() as u32, random.next() as u32],
            left: packets,
            round_trip: round_trip as u32,
            think: exchange.saturating_sub(round_trip * 3 / 2),
            state: State::Syn,
            sizes,
        }
    }

    /// A question and its answer.
    pub fn udp(random: &mut Random) -> Self {
        Self {
            state: State::Question,
            left: 2,
            ..Self::tcp(0, 0, Sizes::Mixed, random)
        }
    }

    /// The next packet.
    pub fn step(&mut self, random: &mut Random) -> Sent {
        let half = u64::from(self.round_trip) / 2;
        let (side, flags, len, pause) = match (self.state, self.left) {
            (State::Syn, _) => self.then(State::SynAck, 0, SYN, 0, half),
            (State::SynAck, _) => self.then(State::Established, 1, SYN | ACK, 0, half),
            (State::Established, _) => self.then(State::Request, 0, ACK, 0, 20 * MICROSECOND),
            (State::Question, _) => {
                let len = 24 + random.below(40) as u16;
                self.then(State::Reply, 0, 0, len, half)
            }
            (State::Reply, _) => (1, 0, 60 + random.below(400) as u16, 0),
            (_, 3) => (0, FIN | ACK, 0, half),
            (_, 2) => (1, FIN | ACK, 0, half),
            (_, 1) => (0, ACK, 0, 0),
            (State::Request, _) => {
                let len = self.length(50, 400, random);
                self.then(State::Received, 0, PSH | ACK, len, half)
            }
            (State::Received, _) => {
                let segments = match self.sizes {
                    Sizes::Full => 40,
                    Sizes::Mixed if random.below(20) == 0 => 4 + random.below(9) as u8,
                    _ => 1,
                };
                self.then(State::Answer(segments, 0), 1, ACK, 0, 300 * MICROSECOND)
            }
            (State::Answer(segments, owed), _) => {
                let (state, pause) = match (segments, owed) {
                    (1, _) => (State::Acknowledge(0), half),
                    (_, 0) => (State::Answer(segments - 1, 1), 12 * MICROSECOND),
                    _ => (State::Acknowledge(segments - 1), 8 * MICROSECOND),
                };
                let (flags, len) = match (segments, owed) {
                    (1, 0) if self.sizes != Sizes::Full => {
                        (PSH | ACK, self.length(100, 900, random))
                    }
                    (1, _) => (PSH | ACK, SEGMENT),
                    _ => (ACK, SEGMENT),
                };
                self.then(state, 1, flags, len, pause)
            }
            (State::Acknowledge(0), _) => {
                let pause = random.below(2 * self.think + 1);
                self.then(State::Request, 0, ACK, 0, pause)
            }
            (State::Acknowledge(segments), _) => {
                self.then(State::Answer(segments, 0), 0, ACK, 0, 8 * MICROSECOND)
            }
        };
        let sequence = self.next[side];
        let acknowledged = if flags & ACK == 0 {
            0
        } else {
            self.next[1 - side]
        };
        let taken = u32::from(len) + u32::from(flags & (SYN | FIN) != 0);
        self.next[side] = sequence.wrapping_add(taken);
        self.left -= 1;
        Sent {
            side,
            flags,
            len,
            sequence,
            acknowledged,
            pause: (self.left > 0).then_some(pause),
        }
    }

    fn then(
        &mut self,
        state: State,
        side: usize,
        flags: u8,
        len: u16,
        pause: u64,
    ) -> (usize, u8, u16, u64) {
        self.state = state;
        (side, flags, len, pause)
    }

    fn length(&self, least: u16, more: u64, random: &mut Random) -> u16 {
        match self.sizes {
            // What a frame of 60 bytes has room for.
            Sizes::Small => 6,
            Sizes::Even(len) => len,
            _ => least + random.below(more) as u16,
        }
    }
}
