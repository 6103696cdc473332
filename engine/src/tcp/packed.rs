//! Conversations in few bytes, for flows that are put away: most of what is known of one follows from what another point saw of
//! it; of the first point, from what is usual, and from the rest of it.

use super::Conversation;
use super::analysis::Analysis;
use super::half::{Half, Tick};
use super::history::History;
use super::sender::Sender;
use crate::pack::{Pack, Packer, Unpacker};
use crate::time::Timestamp;

/// What an end sent, as far as the packets tell that were counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// Its first packet.
    pub first: Timestamp,
    /// Its last packet.
    pub last: Timestamp,
    /// Bytes of payload.
    pub payload: u64,
}

/// What is known of a conversation before it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known {
    /// What its ends sent.
    pub own: [Sent; 2],
    /// The same of the conversation that it is like; none if that is only what is usual.
    pub like: Option<[Sent; 2]>,
}

/// What is known of one end.
pub(super) struct Beside<'a> {
    pub(super) own: Sent,
    like: Option<Sent>,
    /// The other end, if that is known already.
    pub(super) other: &'a Half,
}

impl Beside<'_> {
    /// What another point saw, or else what follows from the rest.
    pub(super) fn or(&self, like: u32, usual: u32) -> u32 {
        if self.like.is_some() { like } else { usual }
    }

    /// The same for a time: another point saw it so much sooner or later as it saw the last packet.
    pub(super) fn time(&self, like: Timestamp, usual: Timestamp) -> Timestamp {
        match self.like {
            Some(sent) if like != Timestamp::default() => like.plus(self.own.last.since(sent.last)),
            Some(_) => like,
            None => usual,
        }
    }

    /// When it opened: with its first packet.
    pub(super) fn opened(&self, like: Tick, opens: bool) -> Tick {
        match self.like {
            Some(sent) if like != Tick::of(sent.first) => like,
            _ if opens => Tick::of(self.own.first),
            _ => Tick::default(),
        }
    }
}

impl Known {
    fn beside<'a>(&self, side: usize, other: &'a Half) -> Beside<'a> {
        let of = |all: [Sent; 2]| all.get(side).copied().unwrap_or_default();
        Beside {
            own: of(self.own),
            like: self.like.map(of),
            other,
        }
    }

    /// When the latest packet came.
    fn last(&self, like: Option<&Analysis>) -> Timestamp {
        let latest = |[low, high]: [Sent; 2]| low.last.max(high.last);
        match (like, self.like) {
            (Some(like), Some(sent)) => like.last.plus(latest(self.own).since(latest(sent))),
            _ => latest(self.own),
        }
    }
}

impl Conversation {
    /// What is expected of a connection that an end opened.
    pub(crate) fn usual(opener: usize) -> Self {
        Self {
            halves: [0, 1].map(|side| Half::usual(side == opener)),
            history: History::usual(opener),
            analysis: None,
        }
    }

    /// Writes it.
    pub(crate) fn pack(&self, like: &Self, known: &Known, out: &mut Packer) {
        let nothing = Half::default();
        let [low, high] = &self.halves;
        low.pack_as(&like.halves[0], &known.beside(0, &nothing), out);
        high.pack_as(&like.halves[1], &known.beside(1, low), out);
        self.history.pack(&like.history, out);
        self.analysis.is_some().pack(&true, out);
        if let Some(analysis) = &self.analysis {
            analysis.pack(like.analysis.as_ref(), &self.halves, known, out);
        }
    }

    /// Reads what was written with the same.
    pub(crate) fn unpack(like: &Self, known: &Known, from: &mut Unpacker<'_>) -> Self {
        let nothing = Half::default();
        let low = Half::unpack_as(&like.halves[0], &known.beside(0, &nothing), from);
        let high = Half::unpack_as(&like.halves[1], &known.beside(1, &low), from);
        let halves = [low, high];
        Self {
            history: Pack::unpack(&like.history, from),
            analysis: bool::unpack(&true, from)
                .then(|| Analysis::unpack(like.analysis.as_ref(), &halves, known, from)),
            halves,
        }
    }
}

impl Analysis {
    fn pack(&self, like: Option<&Self>, halves: &[Half; 2], known: &Known, out: &mut Packer) {
        self.last.pack(&known.last(like), out);
        let known = Known {
            like: known.like.filter(|_| like.is_some()),
            ..*known
        };
        let usual = Self::new(halves, self.last);
        let like = like.unwrap_or(&usual);
        self.idle.pack(&like.idle, out);
        self.towards_originator.pack(&like.towards_originator, out);
        self.handshake
            .pack(&self.expected_handshake(like, halves), out);
        for side in [0, 1] {
            let known = known.beside(side, &halves[side]);
            self.senders[side].pack_as(&like.senders[side], &known, out);
        }
    }

    fn unpack(
        like: Option<&Self>,
        halves: &[Half; 2],
        known: &Known,
        from: &mut Unpacker<'_>,
    ) -> Self {
        let last = Pack::unpack(&known.last(like), from);
        let known = Known {
            like: known.like.filter(|_| like.is_some()),
            ..*known
        };
        let usual = Self::new(halves, last);
        let like = like.unwrap_or(&usual);
        let mut analysis = Self {
            last,
            idle: Pack::unpack(&like.idle, from),
            towards_originator: Pack::unpack(&like.towards_originator, from),
            handshake: None,
            senders: Default::default(),
        };
        analysis.handshake = Pack::unpack(&analysis.expected_handshake(like, halves), from);
        analysis.senders = [0, 1].map(|side| {
            let known = known.beside(side, &halves[side]);
            Sender::unpack_as(&like.senders[side], &known, from)
        });
        analysis
    }

    /// How long the whole handshake took, if a part of it is known, and when either end began.
    fn expected_handshake(&self, like: &Self, halves: &[Half; 2]) -> Option<u64> {
        let [low, high] = halves.each_ref().map(Half::opened_once);
        let between = low.zip(high).and_then(|(low, high)| {
            let later = high.since(low);
            later.or_else(|| low.since(high))
        });
        like.handshake
            .or_else(|| self.towards_originator?.checked_add(between?))
    }
}
