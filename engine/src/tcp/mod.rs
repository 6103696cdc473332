//! What one place, or all places together, saw of a TCP conversation: handshake, close, sequence ranges, and what went
//! wrong between.
//!
//! Built for half a view: either direction may be missing, begin late or have holes. States, letters and
//! `conn_state` are Zeek's (scripts/base/protocols/conn/main.zeek), counts are Wireshark's (`tcp.analysis`).

mod analysis;
mod counts;
mod half;
mod history;
mod number;
mod options;
mod packed;
mod sender;
mod state;
mod summary;
mod usual;

use mirrorscope_dissectors::Tcp;
use serde::{Deserialize, Serialize};

pub use analysis::Analysis;
pub use counts::{Counts, Rtt};
pub use half::Half;
pub use options::{Options, SackBlocks, TcpOption};
pub(crate) use packed::{Known, Sent};
pub use state::{EndState, Phase};
pub use summary::{EndSummary, Handshake, RttSummary, Summary};

use crate::time::Timestamp;
use analysis::Context;
use history::{History, Letter};
use sender::Sender;
use state::{opened, opener, roles};

const SYN_FIN_RST: u16 = 0x007;

/// Both ends. Side 0 and 1 are the flow's endpoints in key order, whoever opened it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Conversation {
    /// What each end sent.
    pub halves: [Half; 2],
    history: History,
    /// Only once a packet other than SYN, SYN+ACK and RST has come. It stands here, not elsewhere: a packet that finds the one
    /// finds the other, without waiting again.
    analysis: Option<Analysis>,
}

impl Conversation {
    /// What an end acknowledged, and its window in the last packet, as far as both are known.
    pub(crate) fn last_of(&self, side: usize) -> (u32, u16) {
        let half = self.halves.get(side).and_then(Half::acknowledged_so_far);
        let analysis = self.analysis.as_ref();
        let sender = analysis.and_then(|analysis| analysis.senders.get(side));
        let window = sender.map(Sender::last_window).unwrap_or_default();
        (half.unwrap_or_default(), window)
    }

    /// Takes one segment that the endpoint `side` (0 or 1) sent.
    pub fn push(&mut self, side: usize, tcp: &Tcp<'_>, time: Timestamp) {
        let side = side & 1;
        if !self.push_usual(side, tcp, time) {
            self.push_any(side, tcp, time);
        }
    }

    /// Takes a packet, whatever it is.
    fn push_any(&mut self, side: usize, tcp: &Tcp<'_>, time: Timestamp) {
        let flags = tcp.flags;
        if self.analysis.is_none() && !flags.syn() && !flags.rst() {
            self.analysis = Some(Analysis::new(&self.halves, time));
        }
        let known = self.halves.get(side).map(|half| half.facts);
        let peer = self.halves.get(1 - side);
        let believed = peer.is_none_or(|peer| peer.may_be_acknowledged(tcp.acknowledgement));
        if let Some(half) = self.halves.get_mut(side) {
            half.take(tcp, time, believed);
            half.note(side, tcp, &mut self.history);
        }
        self.note_end(side, tcp);
        // Most packets tell nothing new.
        if flags.0 & SYN_FIN_RST != 0 || known != self.halves.get(side).map(|half| half.facts) {
            self.set_states();
        }
        let context = Context {
            halves: &self.halves,
            believed,
        };
        if let Some(analysis) = &mut self.analysis {
            let letters = analysis.push(side, tcp, time, &context);
            for (side, letter) in letters.into_iter().flatten() {
                self.history.write(side, letter);
            }
        } else if let Some(half) = self.halves.get_mut(side) {
            half.note_closed_window(side, tcp, &mut self.history);
        }
    }

    /// Zeek's history: upper case is what `originator` (0 or 1) sent, lower case the other end; 24 letters at most.
    ///
    /// | letter | packet |
    /// | --- | --- |
    /// | s | SYN without ACK |
    /// | h | SYN+ACK |
    /// | a | ACK without data |
    /// | d | data |
    /// | f | FIN |
    /// | r | RST |
    /// | g | the other end acknowledged data of this end that was not seen |
    /// | t | data that was sent before |
    /// | w | a closed window |
    /// | i | FIN and RST at once |
    /// | q | SYN and FIN, or SYN and RST, at once |
    ///
    /// `a`, `d`, `i` and `q` are written once for each end, `s`, `h`, `f` and `r` again when the number is another one
    /// than last time, `g`, `t` and `w` the 1st, 10th, 100th time and so on.
    ///
    /// Zeek's `c` (a wrong checksum) is never written: hosts' own packets are mirrored before the network card
    /// has filled in checksums. What packets of a mirror that arrive in another order would add in Zeek is not
    /// written: `t` for data that comes late but was not seen before, and `g` before 16 further packets have
    /// passed, or the capture has ended, without the data.
    pub fn history(&self, originator: usize) -> String {
        let mut history = self.history;
        if opened(&self.halves)
            && let Some(analysis) = &self.analysis
        {
            for side in analysis.open_gaps() {
                history.write(side, Letter::Gap);
            }
        }
        history.letters(originator)
    }

    /// What happened to the packets that `side` (0 or 1) sent.
    pub fn counts(&self, side: usize) -> Counts {
        let mut counts = self
            .analysis
            .as_ref()
            .map(|analysis| analysis.counts(side))
            .unwrap_or_default();
        if let Some(half) = self.halves.get(side) {
            let again = |times: u16| u32::from(times.saturating_sub(1));
            counts.timeout_retransmissions = counts
                .timeout_retransmissions
                .saturating_add(again(half.syn))
                .saturating_add(again(half.syn_ack));
        }
        counts
    }

    /// Round trips from the data of `side` (0 or 1) to its acknowledgement.
    pub fn rtt(&self, side: usize) -> Rtt {
        self.analysis
            .as_ref()
            .map(|analysis| analysis.rtt(side))
            .unwrap_or_default()
    }

    /// Nanoseconds from the SYN to the SYN+ACK, if each was seen once: from here to the responder and back. In steps
    /// of 64 ns.
    pub fn rtt_towards_responder(&self) -> Option<u64> {
        let (orig, resp) = roles(&self.halves, opener(&self.halves));
        let answers = orig.syn > 0
            && resp.syn_ack > 0
            && resp
                .acknowledged_so_far()
                .is_some_and(|number| number::between(orig.syn_number, number) > 0);
        let answer = resp.opened_once().filter(|_| answers)?;
        answer.since(orig.opened_once()?)
    }

    /// Nanoseconds from the SYN+ACK, if it was seen once, to the ACK that ends the handshake: from here to the originator
    /// and back. In steps of 64 ns.
    pub fn rtt_towards_originator(&self) -> Option<u64> {
        self.analysis.as_ref()?.towards_originator()
    }

    /// What is known beyond the handshake; `None` as long as there are only SYN, SYN+ACK and RST.
    pub fn analysis(&self) -> Option<&Analysis> {
        self.analysis.as_ref()
    }

    /// Bytes that it holds outside itself.
    pub fn heap_size(&self) -> usize {
        self.analysis.as_ref().map_or(0, Analysis::heap_size)
    }
}

#[cfg(test)]
mod tests;
