//! Whether the numbers of a segment fit what passed before: the window checks of Linux.
//!
//! A segment's first number must not be beyond what the receiver offered, its last one not more than a window behind what
//! was sent, and what it acknowledges must have passed, not too long ago. After "Real Stateful TCP Packet Filtering in IP
//! Filter" (van Rooij, 2000) with the kernel's changes (`tcp_in_window` of `nf_conntrack_proto_tcp.c`, kernel 6.18).

use super::connection::Connection;
use super::reason::Reason;
use super::segment::{Offer, Segment, after, before};
use super::state::{Kind, State};

/// Acknowledgements may be this far behind where windows are smaller.
const ACK_WINDOW: u32 = 66_000;

/// What one end sent, and may send.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the kernel's"
)]
pub(super) struct End {
    /// The number after the highest that it sent.
    pub sent: u32,
    /// The number after the highest that its peer offers to take.
    pub allowed: u32,
    /// Largest window that it offered, shifted; 0 as long as it sent nothing.
    pub window: u32,
    /// Highest acknowledgement that it sent, if `acknowledged`.
    pub acked: u32,
    pub scale: u8,
    pub scaling: bool,
    pub sack: bool,
    /// It sent the first FIN.
    pub closed: bool,
    /// Its numbers are not judged: the connection was picked up, or options were cut.
    pub liberal: bool,
    /// It sent what was not acknowledged yet.
    pub outstanding: bool,
    pub acknowledged: bool,
}

impl End {
    /// Takes what a SYN or SYN-ACK says.
    pub(super) fn open(&mut self, segment: &Segment) {
        self.sent = segment.end;
        self.allowed = segment.end;
        self.window = u32::from(segment.window).max(1);
        self.offer(segment.options);
    }

    /// Takes what the options say. Without any, all stays as it was.
    fn offer(&mut self, options: Offer) {
        if !options.any {
            return;
        }
        *self = Self {
            scale: options.scale.unwrap_or(0),
            scaling: options.scale.is_some(),
            sack: options.sack_permitted,
            liberal: self.liberal || options.cut,
            closed: false,
            outstanding: false,
            acknowledged: false,
            ..*self
        };
    }

    /// Takes its first packet in the middle of a connection, whose past nobody knows.
    fn join(&mut self, peer: &mut Self, end: u32, sack: u32, window: u32) {
        self.sent = end;
        self.window = (window << self.scale).max(1);
        self.allowed = end.wrapping_add(self.window);
        if peer.window == 0 {
            peer.sent = sack;
            peer.allowed = sack;
        } else if sack == peer.sent.wrapping_add(1) {
            // An answer to a keep-alive.
            peer.sent = sack;
        }
    }

    /// Forgets all but whether it is judged.
    pub(super) fn reset(&mut self) {
        *self = Self {
            liberal: self.liberal,
            ..Self::default()
        };
    }

    /// Acknowledgements this far behind what its peer sent are still believed.
    fn ack_window(&self) -> u32 {
        self.window.max(ACK_WINDOW)
    }
}

/// How a segment's numbers fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// They do.
    Accept,
    /// Not quite: it passes, and changes nothing.
    Ignore,
    /// Not at all.
    Invalid(Reason),
}

impl Connection {
    /// Checks the numbers of a segment, and takes from them what is to be known.
    pub(super) fn fit(&mut self, dir: usize, segment: &Segment, liberal: bool) -> Fit {
        let state = self.state;
        let [a, b] = &mut self.ends;
        let (sender, receiver) = if dir == 0 { (a, b) } else { (b, a) };
        let Segment { mut seq, .. } = *segment;
        let (mut ack, mut end) = (segment.ack, segment.end);
        let mut sack = if receiver.sack { segment.sack } else { ack };
        let window = u32::from(segment.window);
        let mut opens = false;
        if sender.window == 0 {
            if segment.syn {
                opens = true;
            } else {
                sender.join(receiver, end, sack, window);
            }
        } else if segment.syn
            && after(end, sender.sent)
            && matches!(state, State::SynSent | State::SynRecv)
        {
            // A client or server that begins anew.
            opens = true;
        }
        if opens {
            sender.open(segment);
            // RFC 7323 §2.2: both or none.
            if dir == 1 && !(sender.scaling && receiver.scaling) {
                sender.scale = 0;
                receiver.scale = 0;
            }
            if dir == 1 && !segment.ack_flag {
                return Fit::Accept;
            }
        }
        if !segment.ack_flag || (segment.rst && segment.ack == 0) {
            // Some stacks set the flag in a RST, and no number.
            ack = receiver.sent;
            sack = receiver.sent;
        }
        if segment.rst && seq == 0 && state == State::SynSent {
            // It answers a SYN.
            seq = sender.sent;
            end = sender.sent;
        }
        let liberal = liberal || sender.liberal;
        let ack_floor = receiver
            .sent
            .wrapping_sub(sender.ack_window())
            .wrapping_sub(1);
        let floor = sender.sent.wrapping_sub(receiver.window).wrapping_sub(1);
        if !before(seq, sender.allowed.wrapping_add(1)) {
            let overshot = end.wrapping_sub(sender.allowed).wrapping_add(1);
            if receiver.window != 0
                && after(end, floor)
                && after(sack, ack_floor)
                && overshot <= receiver.window
                && before(sack, receiver.sent.wrapping_add(1))
            {
                // Some senders send more than they may; if it is acknowledged, that should be believed.
                sender.sent = end;
                sender.outstanding = true;
                return if liberal { Fit::Accept } else { Fit::Ignore };
            }
            return judged(liberal, Fit::Invalid(Reason::BeyondWindow));
        }
        if !before(sack, receiver.sent.wrapping_add(1)) {
            return judged(liberal, Fit::Invalid(Reason::AcksUnseen));
        }
        if receiver.window != 0 && !after(end, floor) || !after(sack, ack_floor) {
            // Data that was acknowledged long ago, or a late acknowledgement.
            return judged(liberal, Fit::Ignore);
        }
        let scaled = if segment.syn {
            window
        } else {
            window << sender.scale
        };
        let reach = scaled.wrapping_add(sack.wrapping_sub(ack));
        sender.window = sender.window.max(reach);
        if after(end, sender.sent) {
            sender.sent = end;
            sender.outstanding = true;
        }
        if segment.ack_flag && (!sender.acknowledged || after(ack, sender.acked)) {
            sender.acked = ack;
            sender.acknowledged = true;
        }
        if receiver.window != 0 && after(end, sender.allowed) {
            let more = end.wrapping_sub(sender.allowed);
            receiver.window = receiver.window.wrapping_add(more);
        }
        if after(sack.wrapping_add(scaled), receiver.allowed.wrapping_sub(1)) {
            receiver.allowed = sack.wrapping_add(scaled.max(1));
        }
        if ack == receiver.sent {
            receiver.outstanding = false;
        }
        if segment.kind == Kind::Ack {
            self.note_repeat(dir, seq, ack, end, segment.window);
        }
        Fit::Accept
    }
}

/// A firewall that does not judge numbers takes what does not fit; the kernel then takes nothing from it.
fn judged(liberal: bool, fit: Fit) -> Fit {
    if liberal { Fit::Accept } else { fit }
}
