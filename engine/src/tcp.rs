//! What one place, or all places together, saw of a TCP conversation: handshake, close, sequence ranges.
//!
//! Built for half a view: either direction may be missing, begin late or have holes. States, letters and
//! `conn_state` are Zeek's (scripts/base/protocols/conn/main.zeek).

use mirrorscope_dissectors::{Tcp, TcpFlags};
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// How far one end has come, as its own packets show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndState {
    /// Nothing seen from it.
    #[default]
    Inactive,
    /// It sent a SYN.
    SynSent,
    /// It sent a SYN+ACK for a SYN that was not seen.
    SynAckSent,
    /// It sent packets, and no SYN.
    Partial,
    /// It took part in a handshake.
    Established,
    /// It sent a FIN.
    Closed,
    /// It sent a RST.
    Reset,
}

/// Letters of Zeek's history kept for a conversation; what comes later is left out.
const LETTERS: usize = 24;

/// Kinds of packets that are noted once for each sequence number.
const KINDS: usize = 4;

/// What one end sent. Counts stop at their largest value. Millions of these are held, so they are packed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Half {
    /// How far it has come.
    pub state: EndState,
    /// Which of the numbers below are known.
    known: u8,
    /// Letters of the history that are written: those that come once, and those whose number is in `marks`.
    noted: u8,
    /// Flags of its first packet, as in the header.
    pub first_flags: u16,
    /// SYN packets without ACK.
    pub syn: u16,
    /// SYN+ACK packets.
    pub syn_ack: u16,
    /// FIN packets.
    pub fin: u16,
    /// RST packets.
    pub rst: u16,
    /// Packets that carry payload.
    pub data: u32,
    /// First sequence number seen, and the number after the last.
    range: (u32, u32),
    /// First and highest acknowledgement that it sent.
    acks: (u32, u32),
    /// Sequence number of the last S, H, F and R.
    marks: [u32; KINDS],
}

const KNOWN_RANGE: u8 = 1;
const KNOWN_ACKS: u8 = 2;
const NOTED_ACK: u8 = 1 << KINDS;
const NOTED_DATA: u8 = 2 << KINDS;
const NOTED_INCONSISTENT: u8 = 4 << KINDS;
const NOTED_MIXED: u8 = 8 << KINDS;

impl Half {
    /// Sequence numbers between the first and the last byte seen.
    pub fn span(&self) -> u32 {
        self.range.1.wrapping_sub(self.range.0)
    }

    /// The number after the last byte seen.
    pub fn reached(&self) -> Option<u32> {
        (self.known & KNOWN_RANGE != 0).then_some(self.range.1)
    }

    /// Its acknowledgements moved over bytes of the other end: the other end's packets do arrive there.
    pub fn acknowledges_progress(&self) -> bool {
        self.acks.0 != self.acks.1
    }

    /// It sent one SYN or more, and nothing that needs an answer to come.
    pub fn only_asks(&self) -> bool {
        self.syn > 0
            && self.syn_ack == 0
            && self.data == 0
            && self.fin == 0
            && !self.acknowledges_progress()
    }

    fn count(&mut self, tcp: &Tcp<'_>) {
        let flags = tcp.flags;
        match (flags.syn(), flags.ack()) {
            (true, false) => self.syn = self.syn.saturating_add(1),
            (true, true) => self.syn_ack = self.syn_ack.saturating_add(1),
            _ => {}
        }
        self.fin = self.fin.saturating_add(u16::from(flags.fin()));
        self.rst = self.rst.saturating_add(u16::from(flags.rst()));
        self.data = self.data.saturating_add(u32::from(tcp.payload_len > 0));
    }

    fn advance(&mut self, tcp: &Tcp<'_>) {
        let flags = tcp.flags;
        // A RST may carry any number; it says nothing of the range.
        if flags.rst() {
            return;
        }
        let occupied = tcp
            .payload_len
            .wrapping_add(u32::from(flags.syn()))
            .wrapping_add(u32::from(flags.fin()));
        if occupied > 0 {
            let end = tcp.sequence.wrapping_add(occupied);
            if self.known & KNOWN_RANGE == 0 {
                self.known |= KNOWN_RANGE;
                self.range = (tcp.sequence, end);
            }
            if before(tcp.sequence, self.range.0) {
                self.range.0 = tcp.sequence;
            }
            if before(self.range.1, end) {
                self.range.1 = end;
            }
        }
        if flags.ack() {
            if self.known & KNOWN_ACKS == 0 {
                self.known |= KNOWN_ACKS;
                self.acks = (tcp.acknowledgement, tcp.acknowledgement);
            }
            if before(self.acks.1, tcp.acknowledgement) {
                self.acks.1 = tcp.acknowledgement;
            }
        }
    }
}

/// Serial comparison of sequence numbers (RFC 9293 §3.4).
fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// Both ends. Side 0 and 1 are the flow's endpoints in key order, whoever opened it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// What each end sent.
    pub halves: [Half; 2],
    letters: [u8; LETTERS],
    written: u8,
}

/// How far a connection has come, as timeouts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has answered.
    HalfOpen,
    /// In full swing.
    Established,
    /// One end has closed it.
    Closing,
    /// Both ends have closed it, or one has reset it.
    Closed,
}

/// TCP options.
pub mod options {
    /// Value and echo of the time stamp option in its usual place (RFC 7323 appendix A).
    pub fn time_stamp(options: &[u8]) -> Option<(u32, u32)> {
        let times = options.strip_prefix(&[1, 1, 8, 10])?;
        let word = |at: usize| {
            let bytes = times.get(at..)?.first_chunk()?;
            Some(u32::from_be_bytes(*bytes))
        };
        Some((word(0)?, word(4)?))
    }
}

impl Conversation {
    /// Bytes that it holds elsewhere.
    pub fn heap_size(&self) -> usize {
        0
    }
    /// How far the connection has come.
    pub fn phase(&self) -> Phase {
        use EndState::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        match (self.halves[0].state, self.halves[1].state) {
            (Reset, _) | (_, Reset) | (Closed, Closed) => Phase::Closed,
            (Closed, _) | (_, Closed) => Phase::Closing,
            (Established | Partial, _) | (_, Established | Partial) => Phase::Established,
            (Inactive | SynSent | SynAckSent, _) => Phase::HalfOpen,
        }
    }
    /// Whether a segment opens another connection between the same ports.
    pub fn starts_anew(&self, side: usize, tcp: &Tcp<'_>) -> bool {
        let half = &self.halves[side];
        tcp.flags.syn()
            && !tcp.flags.ack()
            && half.reached().is_some()
            && half.range.0 != tcp.sequence
            && half.range.0 != tcp.sequence.wrapping_add(1)
    }
    /// Takes one segment that the endpoint `side` (0 or 1) sent.
    pub fn push(&mut self, side: usize, tcp: &Tcp<'_>, _: Timestamp) {
        let flags = tcp.flags;
        let [zero, one] = &mut self.halves;
        let (half, peer) = if side == 0 { (zero, one) } else { (one, zero) };
        if half.state == EndState::Inactive {
            half.first_flags = flags.0;
        }
        half.count(tcp);
        half.advance(tcp);
        step(half, peer, flags);
        if let Some(letter) = letter(half, tcp) {
            self.write(side, letter);
        }
    }

    fn write(&mut self, side: usize, letter: u8) {
        if let Some(place) = self.letters.get_mut(usize::from(self.written)) {
            *place = if side == 0 {
                letter
            } else {
                letter.to_ascii_lowercase()
            };
            self.written += 1;
        }
    }

    /// Zeek's history: upper case is what `originator` (0 or 1) sent, lower case the other end.
    pub fn history(&self, originator: usize) -> String {
        let flip = |letter: u8| {
            if letter.is_ascii_uppercase() {
                letter.to_ascii_lowercase()
            } else {
                letter.to_ascii_uppercase()
            }
        };
        let letters = self.letters.iter().take(usize::from(self.written));
        letters
            .map(|&letter| {
                char::from(if originator == 0 {
                    letter
                } else {
                    flip(letter)
                })
            })
            .collect()
    }

    /// Zeek's `conn_state` with `originator` (0 or 1) as the one who opened it.
    pub fn conn_state(&self, originator: usize) -> &'static str {
        use EndState::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let [zero, one] = &self.halves;
        let (orig, resp) = if originator == 0 {
            (zero, one)
        } else {
            (one, zero)
        };
        let silent = orig.data == 0 && resp.data == 0;
        let idle = |state| matches!(state, Inactive | Partial);
        match (resp.state, orig.state) {
            (Reset, SynSent | SynAckSent) => "REJ",
            (Reset, Reset) if silent => "REJ",
            (Reset, state) if idle(state) => "RSTRH",
            (Reset, _) => "RSTR",
            (state, Reset) if idle(state) && orig.syn > 0 && orig.fin == 0 && orig.data == 0 => {
                "RSTOS0"
            }
            (state, Reset) if idle(state) => "OTH",
            (_, Reset) => "RSTO",
            (Closed, Closed) => "SF",
            (state, Closed) => {
                if idle(state) {
                    "SH"
                } else {
                    "S2"
                }
            }
            (Closed, state) => {
                if idle(state) {
                    "SHR"
                } else {
                    "S3"
                }
            }
            (Inactive, SynSent) => "S0",
            (Established, Established) => "S1",
            _ => "OTH",
        }
    }
}

fn step(half: &mut Half, peer: &mut Half, flags: TcpFlags) {
    use EndState::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
    half.state = match half.state {
        _ if flags.rst() => Reset,
        Reset => Reset,
        _ if flags.fin() => Closed,
        Inactive if flags.syn() && !flags.ack() => SynSent,
        Inactive if flags.syn() && peer.state != Inactive => {
            if peer.state == SynSent {
                peer.state = Established;
            }
            Established
        }
        Inactive if flags.syn() => SynAckSent,
        Inactive => Partial,
        // The third step of the handshake, whether or not the second was seen.
        SynSent if flags.ack() && !flags.syn() => {
            if peer.state == SynAckSent {
                peer.state = Established;
            }
            Established
        }
        state => state,
    };
}

/// The letter that a packet adds to the history, if any.
fn letter(half: &mut Half, tcp: &Tcp<'_>) -> Option<u8> {
    let flags = tcp.flags;
    let mut once = |bit: u8, letter| {
        let fresh = half.noted & bit == 0;
        half.noted |= bit;
        fresh.then_some(letter)
    };
    let (kind, letter) = match (flags.syn(), flags.fin(), flags.rst()) {
        (true, false, false) if flags.ack() => (1, b'H'),
        (true, false, false) => (0, b'S'),
        (false, true, false) => (2, b'F'),
        (false, false, true) => (3, b'R'),
        (false, true, true) => return once(NOTED_INCONSISTENT, b'I'),
        (true, _, _) => return once(NOTED_MIXED, b'Q'),
        (false, false, false) if tcp.payload_len > 0 => return once(NOTED_DATA, b'D'),
        (false, false, false) if flags.ack() => return once(NOTED_ACK, b'A'),
        (false, false, false) => return None,
    };
    let mark = half.marks.get_mut(kind)?;
    let fresh = half.noted & 1 << kind == 0 || *mark != tcp.sequence;
    half.noted |= 1 << kind;
    *mark = tcp.sequence;
    fresh.then_some(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: u16 = 2;
    const ACK: u16 = 16;
    const FIN: u16 = 1;
    const RST: u16 = 4;

    fn conversation(packets: &[(usize, u16, u32, u32, u32)]) -> Conversation {
        let mut c = Conversation::default();
        for &(side, flags, sequence, acknowledgement, payload_len) in packets {
            c.push(
                side,
                &segment(flags, sequence, acknowledgement, payload_len),
                Timestamp(0),
            );
        }
        c
    }

    fn segment(flags: u16, sequence: u32, acknowledgement: u32, payload_len: u32) -> Tcp<'static> {
        Tcp {
            source_port: 1,
            destination_port: 2,
            sequence,
            acknowledgement,
            flags: TcpFlags(flags),
            window: 1000,
            options: &[],
            payload: &[],
            payload_len,
        }
    }

    #[test]
    fn a_whole_connection_is_sf() {
        let c = conversation(&[
            (1, SYN, 100, 0, 0),
            (0, SYN | ACK, 500, 101, 0),
            (1, ACK, 101, 501, 0),
            (1, ACK, 101, 501, 10),
            (0, ACK, 501, 111, 0),
            (0, ACK, 501, 111, 20),
            (1, FIN | ACK, 111, 521, 0),
            (0, FIN | ACK, 521, 112, 0),
        ]);
        assert_eq!(c.history(1), "ShADadFf");
        assert_eq!(c.conn_state(1), "SF");
        assert_eq!((c.halves[1].span(), c.halves[0].span()), (12, 22));
    }

    #[test]
    fn repeated_packets_add_no_letters() {
        let c = conversation(&[
            (0, SYN, 100, 0, 0),
            (0, SYN, 100, 0, 0),
            (1, SYN | ACK, 5, 101, 0),
            (1, SYN | ACK, 5, 101, 0),
        ]);
        assert_eq!(c.history(0), "Sh");
        assert_eq!((c.halves[0].syn, c.halves[1].syn_ack), (2, 2));
    }

    #[test]
    fn half_views_have_their_own_states() {
        assert_eq!(conversation(&[(0, SYN, 1, 0, 0)]).conn_state(0), "S0");
        assert_eq!(
            conversation(&[(0, SYN, 1, 0, 0), (1, RST | ACK, 0, 2, 0)]).conn_state(0),
            "REJ"
        );
        assert_eq!(
            conversation(&[(0, SYN, 1, 0, 0), (0, RST, 2, 0, 0)]).conn_state(0),
            "RSTOS0"
        );
        assert_eq!(
            conversation(&[(1, SYN | ACK, 1, 5, 0)]).conn_state(0),
            "OTH"
        );
        assert_eq!(
            conversation(&[(0, SYN, 1, 0, 0), (0, FIN | ACK, 2, 9, 0)]).conn_state(0),
            "SH"
        );
        assert_eq!(
            conversation(&[(1, SYN | ACK, 1, 5, 0), (1, FIN | ACK, 2, 5, 0)]).conn_state(0),
            "SHR"
        );
        assert_eq!(
            conversation(&[(0, SYN, 1, 0, 0), (1, SYN | ACK, 1, 2, 0)]).conn_state(0),
            "S1"
        );
        let reset = conversation(&[
            (0, SYN, 1, 0, 0),
            (1, SYN | ACK, 1, 2, 0),
            (0, ACK, 2, 2, 5),
            (1, RST, 2, 0, 0),
        ]);
        assert_eq!(reset.conn_state(0), "RSTR");
        assert_eq!(reset.conn_state(1), "RSTO");
    }

    #[test]
    fn sequence_ranges_survive_the_wrap() {
        let c = conversation(&[(0, ACK, u32::MAX - 9, 1, 10), (0, ACK, 0, 1, 10)]);
        assert_eq!(c.halves[0].span(), 20);
        assert!(!c.halves[0].acknowledges_progress());
        let acks = conversation(&[(0, ACK, 1, u32::MAX, 0), (0, ACK, 1, 3, 0)]);
        assert!(acks.halves[0].acknowledges_progress());
    }

    #[test]
    fn the_history_is_bounded() {
        let packets: Vec<_> = (0..1000).map(|n| (0, SYN, n, 0, 0)).collect();
        assert_eq!(conversation(&packets).history(0).len(), LETTERS);
    }
}
