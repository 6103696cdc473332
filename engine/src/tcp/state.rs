//! How far each end has come, and Zeek's `conn_state` of both (scripts/base/protocols/conn/main.zeek).
//!
//! Zeek moves a state with each packet, so that packets in another order give another result. Here both come from what
//! each end sent at any time; where Zeek's result depends on the order, the sequence numbers tell what it was. A
//! mirror may thus deliver in any order, and what arrives in order gives what Zeek gives.

use mirrorscope_dissectors::Tcp;
use serde::{Deserialize, Serialize};

use super::Conversation;
use super::half::{Facts, Half};
use super::number::before;
use crate::pack::packed_enum;

/// How far one end has come. Zeek's names are in brackets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndState {
    /// Nothing seen from it, or only an ACK of a SYN that it did not answer yet (`TCP_INACTIVE`).
    #[default]
    Inactive,
    /// It sent a SYN that nobody answered (`TCP_SYN_SENT`).
    SynSent,
    /// It sent a SYN+ACK and is the originator all the same (`TCP_SYN_ACK_SENT`).
    SynAckSent,
    /// It sent packets, and no handshake was seen (`TCP_PARTIAL`).
    Partial,
    /// It took part in a handshake (`TCP_ESTABLISHED`).
    Established,
    /// It sent a FIN (`TCP_CLOSED`).
    Closed,
    /// It sent a RST, and no FIN that was answered (`TCP_RESET`).
    Reset,
}

packed_enum!(EndState {
    Inactive,
    SynSent,
    SynAckSent,
    Partial,
    Established,
    Closed,
    Reset,
});

/// How far a conversation has come, for timeouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing but SYN, SYN+ACK and RST.
    HalfOpen,
    /// Packets that need a connection, and no end of it.
    Established,
    /// One end has sent a FIN.
    Closing,
    /// Both FIN are acknowledged, or a RST ended it.
    Closed,
}

/// Numbers by which data may precede the first that was seen, for a SYN that comes late: about the first flight of a
/// fast sender.
const NEAR: u32 = 1 << 16;

/// Numbers by which a RST may be ahead of all that its sender was seen to send: packets that were lost to the mirror,
/// at most the largest window without scaling.
const AHEAD: u32 = 1 << 16;

impl Half {
    /// The state but for FIN and RST, if it is the originator.
    fn as_originator(&self, responder: &Self) -> EndState {
        let answered = responder.saw_opening();
        if self.syn > 0 {
            if answered {
                EndState::Established
            } else {
                EndState::SynSent
            }
        } else if self.syn_ack > 0 {
            EndState::SynAckSent
        } else if answered && self.facts.has(Facts::MIDDLE_ACK) {
            EndState::Established
        } else if self.facts.has(Facts::MIDDLE) {
            EndState::Partial
        } else {
            EndState::Inactive
        }
    }

    /// The state but for FIN and RST, if it is the responder.
    fn as_responder(&self, originator: &Self) -> EndState {
        if self.saw_opening() {
            EndState::Established
        } else if !self.facts.has(Facts::MIDDLE)
            // Some acknowledge a SYN before they answer it.
            || self.data == 0 && originator.syn > 0
        {
            EndState::Inactive
        } else {
            EndState::Partial
        }
    }

    /// What FIN and RST make of a state.
    fn ended(&self, before: EndState, peer: &Self) -> EndState {
        let orderly = |half: &Self| half.fin > 0 && !(half.rst > 0 && half.aborted_before_fin());
        match (self.fin > 0, self.rst > 0) {
            (false, false) => before,
            (true, false) => EndState::Closed,
            // A RST after both FIN: what was closed stays closed.
            (true, true) if orderly(self) && orderly(peer) => EndState::Closed,
            (_, true) => EndState::Reset,
        }
    }
}

/// The originator and the responder.
pub(super) fn roles(halves: &[Half; 2], originator: usize) -> (&Half, &Half) {
    let [zero, one] = halves;
    if originator == 0 {
        (zero, one)
    } else {
        (one, zero)
    }
}

/// What belongs to a side, and to its peer.
#[inline]
pub(super) fn both_mut<T>(both: &mut [T; 2], side: usize) -> (&mut T, &mut T) {
    let [zero, one] = both;
    if side == 0 { (zero, one) } else { (one, zero) }
}

/// The end that opened a conversation, as far as SYN and SYN+ACK tell; side 0 if they do not.
pub(super) fn opener(halves: &[Half; 2]) -> usize {
    let [zero, one] = halves;
    usize::from(zero.syn == 0 && (one.syn > 0 || zero.syn_ack > 0))
}

/// Both ends took part in the handshake, and none sent a RST.
pub(super) fn opened(halves: &[Half; 2]) -> bool {
    let (orig, resp) = roles(halves, opener(halves));
    orig.as_originator(resp) == EndState::Established
        && resp.as_responder(orig) == EndState::Established
        && orig.rst == 0
        && resp.rst == 0
}

impl Conversation {
    /// States of the originator and the responder.
    fn ends(&self, originator: usize) -> (EndState, EndState) {
        let (orig, resp) = self.roles(originator);
        (
            orig.ended(orig.as_originator(resp), resp),
            resp.ended(resp.as_responder(orig), orig),
        )
    }

    fn roles(&self, originator: usize) -> (&Half, &Half) {
        roles(&self.halves, originator)
    }

    pub(super) fn set_states(&mut self) {
        let opener = opener(&self.halves);
        let (orig, resp) = self.ends(opener);
        let [zero, one] = &mut self.halves;
        (zero.state, one.state) = if opener == 0 {
            (orig, resp)
        } else {
            (resp, orig)
        };
    }

    /// Zeek's `conn_state` with `originator` (0 or 1) as the one who opened it.
    pub fn conn_state(&self, originator: usize) -> &'static str {
        use EndState::{Closed, Established, Inactive, Partial, Reset, SynAckSent, SynSent};
        let (orig, resp) = self.roles(originator);
        let silent = orig.data == 0 && resp.data == 0;
        // Zeek: the history is a SYN and a RST, with neither answers nor a FIN between.
        let gave_up = orig.syn > 0
            && !orig.facts.any(&[
                Facts::SYN_ACK,
                Facts::ACK,
                Facts::FIN,
                Facts::INCONSISTENT,
                Facts::MULTI_FLAG,
            ]);
        let idle = |state| matches!(state, Inactive | Partial);
        match self.ends(originator) {
            (SynSent | SynAckSent, Reset) => "REJ",
            (Reset, Reset) if silent => "REJ",
            (state, Reset) if idle(state) => "RSTRH",
            (_, Reset) => "RSTR",
            (Reset, state) if idle(state) && gave_up => "RSTOS0",
            (Reset, state) if idle(state) => "OTH",
            (Reset, _) => "RSTO",
            (Closed, Closed) => "SF",
            (Closed, state) if idle(state) => "SH",
            (Closed, _) => "S2",
            (state, Closed) if idle(state) => "SHR",
            (_, Closed) => "S3",
            (SynSent, Inactive) => "S0",
            (Established, Established) => "S1",
            _ => "OTH",
        }
    }

    /// How far it has come, for timeouts.
    pub fn phase(&self) -> Phase {
        let [zero, one] = &self.halves;
        let any = |fact| zero.facts.has(fact) || one.facts.has(fact);
        let acknowledged = |half: &Half, peer: &Half| {
            half.facts.has(Facts::FIN)
                && peer.facts.has(Facts::ACKNOWLEDGED)
                && !before(peer.acknowledged, half.fin_end)
        };
        if any(Facts::ENDED) || acknowledged(zero, one) && acknowledged(one, zero) {
            Phase::Closed
        } else if zero.fin > 0 || one.fin > 0 {
            Phase::Closing
        } else if any(Facts::MIDDLE) {
            Phase::Established
        } else {
            Phase::HalfOpen
        }
    }

    /// Notes whether a RST of `side` ends the conversation, or data shows that an earlier one did not.
    pub(super) fn note_end(&mut self, side: usize, tcp: &Tcp<'_>) {
        let (half, peer) = both_mut(&mut self.halves, side);
        if tcp.flags.rst() {
            if half.may_end(peer, tcp) {
                half.facts.note(Facts::ENDED);
            }
        } else if tcp.payload_len > 0
            && half.facts.has(Facts::ENDED)
            && !before(tcp.sequence, half.rst_number)
        {
            // Who sends more after a RST did not send it.
            half.facts.drop(Facts::ENDED);
        }
    }

    /// Whether a segment of `side` must open a new connection between the same addresses and ports: a SYN with another
    /// number than the one known, unless it is the SYN of this very connection that comes late; and a SYN+ACK with
    /// another number once this connection is over.
    ///
    /// A repeated SYN never does. Wireshark takes a SYN for a new connection as this does; and a SYN+ACK with another
    /// number at any time, where this waits for the end: a server that keeps no state of half-open connections (SYN
    /// cookies, RFC 4987 §3.6) may answer the same SYN with another number after a while.
    pub fn starts_anew(&self, side: usize, tcp: &Tcp<'_>) -> bool {
        let flags = tcp.flags;
        if !flags.syn() || flags.fin() || flags.rst() {
            return false;
        }
        let (half, peer) = self.roles(side);
        let closed = self.phase() == Phase::Closed;
        if flags.ack() && !closed {
            return false;
        }
        if half.saw_opening() {
            return half.syn_number != tcp.sequence;
        }
        if flags.ack() && peer.syn > 0 && tcp.acknowledgement == peer.syn_number.wrapping_add(1) {
            return false;
        }
        let first = tcp.sequence.wrapping_add(1);
        let near = |number: u32| number.wrapping_sub(first) < NEAR;
        if half.facts.has(Facts::RANGE) {
            !near(half.lowest())
        } else if peer.facts.has(Facts::ACKNOWLEDGED) {
            !near(peer.acknowledged)
        } else {
            // Its own RST, if it is the only thing known of it, has the number after the SYN.
            half.facts.has(Facts::RST) && closed && !near(half.rst_number)
        }
    }
}

impl Half {
    /// Whether a RST has a number that its receiver may accept (RFC 9293 §3.10.7), as far as is known here.
    fn may_end(&self, peer: &Self, tcp: &Tcp<'_>) -> bool {
        let answers_syn = tcp.flags.ack()
            && peer.syn > 0
            && tcp.acknowledgement == peer.syn_number.wrapping_add(1);
        let expected = peer.facts.has(Facts::ACKNOWLEDGED);
        answers_syn
            || expected && tcp.sequence == peer.acknowledged
            || !expected && !self.facts.has(Facts::RANGE)
            || self.reached().is_some_and(|next| {
                let ahead = i64::from(tcp.sequence.wrapping_sub(next).cast_signed());
                ahead <= i64::from(AHEAD) && ahead + self.span().cast_signed() >= 0
            })
    }
}
