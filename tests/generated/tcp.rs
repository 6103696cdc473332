//! TCP conversations: whole ones, and such as never get through.

use etherparse::{TcpHeader, TcpOptionElement};

use super::net::{Host, MICRO, MILLI, Network, Route, SECOND};
use super::packet::{self, Ip};

/// Who calls whom.
#[derive(Clone, Copy)]
pub struct Call {
    pub client: Host,
    pub client_port: u16,
    pub server: Host,
    pub server_port: u16,
    pub at: i64,
    /// With RFC 7323 timestamps, as Linux has them, or without.
    pub timestamps: bool,
}

/// A request and what comes back.
pub struct Exchange {
    pub request: Vec<u8>,
    pub response: Vec<u8>,
    /// Pause before the next one.
    pub pause: i64,
}

const CLIENT: usize = 0;
const SERVER: usize = 1;

const SYN: u8 = 1;
const ACK: u8 = 2;
const PSH: u8 = 4;
const FIN: u8 = 8;

/// When a segment without an answer is repeated (RFC 6298: 1 s, then twice as long each time).
const SYN_RETRIES: [i64; 4] = [0, 1_019 * MILLI, 3_067 * MILLI, 7_099 * MILLI];
const DATA_RETRIES: [i64; 6] = [
    211 * MILLI,
    431 * MILLI,
    863 * MILLI,
    1_727 * MILLI,
    3_455 * MILLI,
    6_911 * MILLI,
];

/// One side's numbers.
struct End {
    host: Host,
    port: u16,
    next: u32,
    acknowledged: u32,
    window: u16,
    identification: u16,
    /// Its millisecond clock at time 0, and what it heard of the other's.
    clock: u32,
    echo: u32,
}

struct Conversation<'n> {
    network: &'n mut Network,
    ends: [End; 2],
    timestamps: bool,
}

impl<'n> Conversation<'n> {
    fn new(network: &'n mut Network, call: &Call) -> Self {
        let random = &mut network.random;
        let mut end = |host, port, window| End {
            host,
            port,
            next: random.next() as u32,
            acknowledged: 0,
            window,
            identification: random.next() as u16,
            clock: random.next() as u32,
            echo: 0,
        };
        let ends = [
            end(call.client, call.client_port, 64_240),
            end(call.server, call.server_port, 65_160),
        ];
        Self {
            network,
            ends,
            timestamps: call.timestamps,
        }
    }

    /// Most bytes in a segment: options take 12 of 1460.
    fn segment(&self) -> usize {
        if self.timestamps { 1448 } else { 1460 }
    }

    /// Sends a segment and moves the sender's numbers on; gives the time of its arrival.
    fn send(&mut self, time: i64, side: usize, flags: u8, payload: &[u8]) -> Option<i64> {
        let number = self.ends[side].next;
        let arrival = self.repeat(time, side, flags, number, payload);
        let taken = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.ends[side].next = number.wrapping_add(taken);
        arrival
    }

    /// Sends a segment with a sequence number of the past.
    fn repeat(
        &mut self,
        time: i64,
        side: usize,
        flags: u8,
        number: u32,
        payload: &[u8],
    ) -> Option<i64> {
        let (from, to) = (&self.ends[side], &self.ends[1 - side]);
        let mut header = TcpHeader::new(from.port, to.port, number, from.window);
        header.syn = flags & SYN != 0;
        header.psh = flags & PSH != 0;
        header.fin = flags & FIN != 0;
        if flags & ACK != 0 {
            header.ack = true;
            header.acknowledgment_number = from.acknowledged;
        }
        let now = from.clock.wrapping_add((time / MILLI) as u32);
        let mut options = Vec::new();
        if header.syn {
            options.push(TcpOptionElement::MaximumSegmentSize(1460));
            options.push(TcpOptionElement::SelectiveAcknowledgementPermitted);
        } else if self.timestamps {
            options.extend([TcpOptionElement::Noop, TcpOptionElement::Noop]);
        }
        if self.timestamps {
            options.push(TcpOptionElement::Timestamp(now, from.echo));
        }
        if header.syn {
            options.extend([TcpOptionElement::Noop, TcpOptionElement::WindowScale(7)]);
        }
        header.set_options(&options).unwrap();
        let ip = Ip {
            from: from.host,
            to: to.host,
            // Linux leaves it 0 in a SYN+ACK, for which there is no socket yet.
            identification: if flags == SYN | ACK {
                0
            } else {
                from.identification
            },
        };
        let route = Route::between(&from.host, &to.host, time);
        let frame = packet::tcp(&route, ip, header, payload);
        self.ends[side].identification = self.ends[side].identification.wrapping_add(1);
        let arrival = self.network.send(time, &route, &frame);
        if arrival.is_some() {
            let taken = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
            self.ends[1 - side].acknowledged = number.wrapping_add(taken);
            self.ends[1 - side].echo = now;
        }
        arrival
    }

    /// The first two packets of a handshake, and the third; `None` if the answer does not arrive.
    fn open(&mut self, at: i64) -> Option<i64> {
        let arrived = self.send(at, CLIENT, SYN, &[])?;
        let think = self.network.delay(40 * MICRO, 90 * MICRO);
        let Some(answered) = self.send(arrived + think, SERVER, SYN | ACK, &[]) else {
            self.retry_handshake(at, arrived + think);
            return None;
        };
        // From now on the windows are scaled.
        for end in &mut self.ends {
            end.window = 502;
        }
        self.send(answered + 30 * MICRO, CLIENT, ACK, &[])?;
        Some(answered + 30 * MICRO)
    }

    /// Both sides repeat theirs: the client because nothing came back, the server because its answer seems lost too.
    fn retry_handshake(&mut self, asked: i64, answered: i64) {
        let [client, server] = [CLIENT, SERVER].map(|side| self.ends[side].next.wrapping_sub(1));
        for after in &SYN_RETRIES[1..] {
            let arrived = self.repeat(asked + after, CLIENT, SYN, client, &[]);
            if let Some(arrived) = arrived {
                self.repeat(arrived + 52 * MICRO, SERVER, SYN | ACK, server, &[]);
            }
            let timer = answered + after + 13 * MILLI;
            self.repeat(timer, SERVER, SYN | ACK, server, &[]);
        }
    }

    /// Sends a request or a response in full-size segments; the receiver acknowledges every second one. Gives the
    /// time of the last arrival.
    fn transfer(&mut self, start: i64, side: usize, bytes: &[u8]) -> Option<i64> {
        let most = self.segment();
        let count = bytes.len().div_ceil(most);
        let mut time = start;
        let mut last = start;
        let mut acknowledgements = Vec::new();
        for (index, part) in bytes.chunks(most).enumerate() {
            let complete = index + 1 == count;
            let flags = if complete { ACK | PSH } else { ACK };
            last = self.send(time, side, flags, part)?;
            if complete || index % 2 == 1 {
                acknowledgements.push((last + 40 * MICRO, self.ends[1 - side].acknowledged));
            }
            // As fast as a port of 1 Gbit/s sends them.
            time += 12 * MICRO;
        }
        for (at, number) in acknowledgements {
            let all = std::mem::replace(&mut self.ends[1 - side].acknowledged, number);
            self.send(at, 1 - side, ACK, &[]);
            self.ends[1 - side].acknowledged = all;
        }
        Some(last)
    }

    /// Ends the conversation from the client's side.
    fn close(&mut self, at: i64) -> Option<i64> {
        let heard = self.send(at, CLIENT, ACK | FIN, &[])?;
        let answered = self.send(heard + 60 * MICRO, SERVER, ACK | FIN, &[])?;
        self.send(answered + 30 * MICRO, CLIENT, ACK, &[])
    }
}

/// A whole conversation; one whose handshake does not get through ends with its last try.
pub fn converse(network: &mut Network, call: &Call, exchanges: &[Exchange]) {
    let mut conversation = Conversation::new(network, call);
    let Some(mut time) = conversation.open(call.at) else {
        return;
    };
    for exchange in exchanges {
        let asked = conversation.transfer(time + 25 * MICRO, CLIENT, &exchange.request);
        let think = conversation.network.delay(400 * MICRO, 3 * MILLI);
        let answered = asked
            .and_then(|asked| conversation.transfer(asked + think, SERVER, &exchange.response));
        match answered {
            Some(answered) => time = answered + 100 * MICRO + exchange.pause,
            None => return,
        }
    }
    conversation.close(time);
}

/// SYNs to a host that hears them and stays silent.
pub fn call_in_vain(network: &mut Network, call: &Call) {
    let mut conversation = Conversation::new(network, call);
    let number = conversation.ends[CLIENT].next;
    for after in SYN_RETRIES {
        conversation.repeat(call.at + after, CLIENT, SYN, number, &[]);
    }
}

/// A conversation of small messages every second, until `end` or until answers get lost; then both sides repeat
/// what was not acknowledged.
pub fn chat(network: &mut Network, call: &Call, end: i64, message: &[u8], answer: &[u8]) {
    let mut conversation = Conversation::new(network, call);
    let Some(opened) = conversation.open(call.at) else {
        return;
    };
    let mut time = opened + 300 * MILLI;
    while time < end {
        let number = conversation.ends[CLIENT].next;
        let Some(heard) = conversation.send(time, CLIENT, ACK | PSH, message) else {
            return;
        };
        let reply = heard + 350 * MICRO;
        let reply_number = conversation.ends[SERVER].next;
        let Some(replied) = conversation.send(reply, SERVER, ACK | PSH, answer) else {
            for after in DATA_RETRIES {
                let again = time + after;
                let arrived = conversation.repeat(again, CLIENT, ACK | PSH, number, message);
                if let Some(arrived) = arrived {
                    conversation.send(arrived + 30 * MICRO, SERVER, ACK, &[]);
                }
                let timer = reply + after + 7 * MILLI;
                conversation.repeat(timer, SERVER, ACK | PSH, reply_number, answer);
            }
            return;
        };
        conversation.send(replied + 40 * MICRO, CLIENT, ACK, &[]);
        time += SECOND;
    }
    conversation.close(time);
}
