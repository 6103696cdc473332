//! One TCP connection as a firewall tracks it: the walk through its states, with all that Linux does beside its table.
//!
//! After `nf_conntrack_tcp_packet` of `net/netfilter/nf_conntrack_proto_tcp.c` (kernel 6.18).

use super::reason::Reason;
use super::segment::Segment;
use super::settings::Settings;
use super::state::{Kind, Next, State};
use super::window::{End, Fit};
use crate::time::{SECOND, Timestamp};

/// An entry is not given up earlier than this because of packets that do not fit.
const SHORT: i64 = 120 * SECOND;

/// What is known of every entry, whatever its protocol.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Life {
    /// A packet of the side that did not open it was accepted.
    pub replied: bool,
    /// It lives: both sides took part in more than its begin.
    pub assured: bool,
    /// When it is forgotten.
    pub deadline: Timestamp,
}

/// A tracked TCP connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Connection {
    pub ends: [End; 2],
    pub state: State,
    last: Last,
    /// Times that a bare acknowledgement was repeated.
    repeats: u8,
}

/// The last packet of note.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the kernel's"
)]
struct Last {
    /// Of the opener (0) or its peer (1).
    dir: u8,
    kind: Kind,
    seq: u32,
    ack: u32,
    end: u32,
    window: u16,
    /// Of an ignored SYN: what it offered.
    scale: u8,
    scaling: bool,
    sack: bool,
    /// The answer to an ignored SYN may be an acknowledgement that says nothing of a FIN (RFC 5961 §4).
    challenge: bool,
    /// Both ends sent SYN.
    simultaneous: bool,
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It belongs to the connection.
    Accept,
    /// It belongs to it, and ends it at once.
    Kill,
    /// It opens another one in its place.
    Anew,
    /// It belongs to no connection.
    Invalid(Reason),
}

impl Connection {
    /// A connection whose first packet this is, if it may be one.
    pub(super) fn open(segment: &Segment, settings: &Settings) -> Option<Self> {
        let mut connection = Self::default();
        match State::None.next(true, segment.kind) {
            Next::To(State::SynSent) => connection.ends[0].open(segment),
            Next::To(_) if settings.loose => {
                let window = u32::from(segment.window).max(1);
                let [opener, peer] = &mut connection.ends;
                opener.sent = segment.end;
                opener.window = window;
                opener.allowed = segment.end.wrapping_add(window);
                // How windows are scaled is not known.
                for end in [opener, peer] {
                    end.sack = true;
                    end.liberal = true;
                }
            }
            _ => return None,
        }
        Some(connection)
    }

    /// Takes a segment of the opener (0) or its peer (1).
    pub(super) fn take(
        &mut self,
        dir: usize,
        segment: &Segment,
        life: &mut Life,
        settings: &Settings,
        now: Timestamp,
    ) -> Outcome {
        let before = self.state;
        let mut old = before;
        let mut check = true;
        let mut new = match before.next(dir == 0, segment.kind) {
            Next::Invalid => return Outcome::Invalid(Reason::State(before)),
            Next::To(State::SynSent) if before >= State::TimeWait => {
                let closed = self.ends.iter().any(|end| end.closed);
                if closed || (self.last.dir == dir as u8 && self.last.kind == Kind::Rst) {
                    return Outcome::Anew;
                }
                return self.ignore(dir, segment);
            }
            Next::Ignore => {
                let answered = segment.kind == Kind::SynAck
                    && self.last.kind == Kind::Syn
                    && self.last.dir != dir as u8
                    && segment.ack == self.last.end;
                if !answered {
                    return self.ignore(dir, segment);
                }
                // The SYN that was ignored is answered: both ends agree, and the entry was wrong.
                self.follow_ignored(dir);
                old = State::SynSent;
                State::SynRecv
            }
            Next::To(next) => next,
        };
        match new {
            State::TimeWait
                if before == State::LastAck
                    && segment.kind == Kind::Ack
                    && self.last.dir != dir as u8
                    && self.last.kind == Kind::Syn
                    && self.last.challenge =>
            {
                self.last.challenge = false;
                return Outcome::Accept;
            }
            State::SynSent2 => self.last.simultaneous = true,
            State::SynRecv if dir == 1 && segment.kind == Kind::Ack && self.last.simultaneous => {
                new = State::Established;
            }
            State::Close if segment.kind == Kind::Rst => {
                match self.reset(dir, segment, life, settings) {
                    Reset::Check(state) => new = state,
                    Reset::Believed => check = false,
                    Reset::BelievedAs(state) => {
                        new = state;
                        check = false;
                    }
                    Reset::Invalid => return Outcome::Invalid(Reason::InvalidReset),
                }
            }
            _ => {}
        }
        if check {
            match self.fit(dir, segment, settings.liberal) {
                Fit::Accept => {}
                Fit::Ignore => return Outcome::Accept,
                Fit::Invalid(reason) => {
                    self.doubt(dir, segment, life, settings, now);
                    return Outcome::Invalid(reason);
                }
            }
        }
        self.last.kind = segment.kind;
        self.last.dir = dir as u8;
        self.state = new;
        if old != new && new == State::FinWait {
            self.ends[dir].closed = true;
        }
        let mut timeout = self.timeout(segment.kind, settings);
        if !life.replied {
            if segment.rst {
                return Outcome::Kill;
            }
            if segment.kind == Kind::Syn && old == State::SynSent {
                // A client that asks again and again keeps no entry alive.
                return Outcome::Accept;
            }
            if new == State::Established {
                timeout = timeout.min(settings.timeouts.unacknowledged);
            }
        } else if !life.assured
            && matches!(old, State::SynRecv | State::Established)
            && new == State::Established
        {
            life.assured = true;
        }
        life.deadline = now.plus(timeout);
        Outcome::Accept
    }

    /// Lets a packet pass that may say more of the real connection than the entry does.
    fn ignore(&mut self, dir: usize, segment: &Segment) -> Outcome {
        let asked = self.state == State::SynSent && segment.kind == Kind::Ack && dir == 1;
        let last = &mut self.last;
        last.kind = segment.kind;
        last.dir = dir as u8;
        last.seq = segment.seq;
        last.end = segment.end;
        last.window = segment.window;
        if segment.kind == Kind::Syn && dir == 0 {
            last.scaling = segment.options.scale.is_some();
            last.scale = segment.options.scale.unwrap_or(0);
            last.sack = segment.options.sack_permitted;
            last.simultaneous = false;
            last.challenge = self.state == State::LastAck;
        }
        if asked {
            last.ack = segment.ack;
        }
        Outcome::Accept
    }

    /// Takes the ignored SYN, which its peer just answered, for the begin of the connection.
    fn follow_ignored(&mut self, dir: usize) {
        self.last.challenge = false;
        let last = self.last;
        self.ends[usize::from(last.dir & 1)] = End {
            sent: last.end,
            allowed: last.end,
            window: u32::from(last.window).max(1),
            scale: last.scale,
            scaling: last.scaling,
            sack: last.sack,
            acked: self.ends[usize::from(last.dir & 1)].acked,
            ..End::default()
        };
        self.ends[dir].reset();
    }

    /// What a RST is worth.
    fn reset(&self, dir: usize, segment: &Segment, life: &Life, settings: &Settings) -> Reset {
        if self.state.is_closing() {
            return Reset::Believed;
        }
        let last = &self.last;
        let peer = &self.ends[1 - dir];
        let mut state = State::Close;
        if peer.acknowledged && last.kind != Kind::Syn {
            let established = self.state == State::Established && life.assured;
            let seq = segment.seq;
            if seq == 0 && !established {
                return Reset::Check(state);
            }
            if super::segment::before(seq, peer.acked) && !settings.ignore_invalid_rst {
                return Reset::Invalid;
            }
            let train = last.kind == Kind::Ack && last.dir == dir as u8 && seq == last.end;
            if !established || seq == peer.acked || train {
                return Reset::Check(state);
            }
            // Not exactly the next number: the receiver may ask whether it is meant (RFC 5961 §3).
            state = self.state;
        }
        // A SYN is answered by its peer alone; the kernel asks that of a SYN only.
        let to_ignored = (life.replied && last.kind == Kind::Syn && last.dir != dir as u8
            || !life.assured && last.kind == Kind::Ack)
            && segment.ack == last.end;
        let to_challenge = self.state == State::SynSent
            && last.kind == Kind::Ack
            && last.dir == 1
            && segment.seq == last.ack;
        if to_ignored || to_challenge {
            Reset::BelievedAs(state)
        } else {
            Reset::Check(state)
        }
    }

    /// A FIN or RST that does not fit: if the peer's does not either, the entry is not kept for long.
    fn doubt(
        &mut self,
        dir: usize,
        segment: &Segment,
        life: &mut Life,
        settings: &Settings,
        now: Timestamp,
    ) {
        if !life.assured || !matches!(segment.kind, Kind::Rst | Kind::Fin) {
            return;
        }
        if self.last.dir != dir as u8 && matches!(self.last.kind, Kind::Fin | Kind::Rst) {
            let left = life.deadline.since(now);
            let timeout = settings.timeouts.unacknowledged;
            if left >= SHORT && left > timeout {
                life.deadline = now.plus(timeout);
            }
        } else {
            self.last.kind = segment.kind;
            self.last.dir = dir as u8;
        }
    }

    /// Counts how often a bare acknowledgement is repeated.
    pub(super) fn note_repeat(&mut self, dir: usize, seq: u32, ack: u32, end: u32, window: u16) {
        let last = &mut self.last;
        if (last.dir, last.seq, last.ack, last.end, last.window)
            == (dir as u8, seq, ack, end, window)
        {
            // Wraps, as the kernel's does.
            self.repeats = self.repeats.wrapping_add(1);
        } else {
            last.dir = dir as u8;
            last.seq = seq;
            last.ack = ack;
            last.end = end;
            last.window = window;
            self.repeats = 0;
        }
    }

    /// How long the entry is kept without another packet.
    fn timeout(&self, kind: Kind, settings: &Settings) -> i64 {
        let timeouts = &settings.timeouts;
        let usual = timeouts.of(self.state);
        if self.repeats >= settings.max_retrans && usual > timeouts.max_retrans {
            timeouts.max_retrans
        } else if kind == Kind::Rst {
            timeouts.close
        } else if self.ends.iter().any(|end| end.outstanding) && usual > timeouts.unacknowledged {
            timeouts.unacknowledged
        } else if self.last.window == 0 && usual > timeouts.max_retrans {
            timeouts.max_retrans
        } else {
            usual
        }
    }
}

/// What a RST is worth.
enum Reset {
    /// Its numbers are to be checked; then the connection is in that state.
    Check(State),
    /// It answers a closing connection: believed without a look at its numbers.
    Believed,
    /// It answers what was let through before.
    BelievedAs(State),
    /// A guess.
    Invalid,
}
