//! One session from one look to the next: whether it goes on, is silent, or is cut.

use std::net::IpAddr;

use mirrorscope_dissectors::Encapsulation;

use crate::live::Recent;
use crate::session::{Session, SessionKey};
use crate::time::{SECOND, Timestamp};

/// No shorter pause is called silence.
const LEAST: i64 = SECOND / 4 * 3;
/// A session that pauses for so many times its longest pause is silent.
const TIMES: i64 = 5;
/// What is regular must have been so for so many times as long as the silence that ends it.
const SETTLED: i64 = 5;
/// Fewer packets show no rule.
const FEW: u64 = 10;
/// How long ago a silence may be to be remembered.
const MEMORY: i64 = 600 * SECOND;
/// Silences that are remembered.
const SILENCES: usize = 4;
/// Cut packets that are no accident.
const CUTS: u64 = 3;
/// Whole packets after the last cut one that are none either.
const WHOLE: u64 = 20;
/// A session that takes the place of another begins at most this long before that one ends (packets on their way), and
/// after it (a host that is set up anew).
const OVERLAP: i64 = SECOND / 10;
const BREAK: i64 = 3 * SECOND;

/// What became of a session since the last look.
#[derive(Clone, Copy, Debug)]
pub(super) enum Turn {
    /// It is new.
    Started,
    /// It has fallen silent; until then, it never paused for longer than so many nanoseconds.
    Silent(i64),
    /// It goes on after a silence that was told.
    Resumed(Silence),
    /// It goes on after another session had taken its place.
    Returned(Silence),
    /// It takes the place of another one.
    Follows(crate::session::SessionId),
    /// It begins to be cut.
    Cut,
    /// It is whole again.
    Whole,
}

/// A time in which a session brought nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    pub from: Timestamp,
    pub until: Timestamp,
}

/// One session, as it was when it was last looked at.
#[derive(Debug)]
pub(super) struct Course {
    packets: u64,
    /// Since when it runs without a silence, and its packets until then.
    since: (Timestamp, u64),
    last: Timestamp,
    /// It is silent, and that was told.
    silent: bool,
    /// Another session took its place: when that goes away, nobody waits for this one.
    replaced: bool,
    /// Silences that ended by themselves, the latest last.
    silences: Vec<Silence>,
    /// Its beginning is not told yet: it may take the place of another session.
    pub held: Option<Turn>,
    cut: Cutting,
    mark: Mark,
    /// What it brought in the last second or so.
    pub recent: Option<Recent>,
}

/// Whether its packets come cut.
#[derive(Debug, Default)]
struct Cutting {
    /// That was told, or was so from the beginning.
    cut: bool,
    truncated: u64,
    /// Cut packets since the last look at which there were none, or enough.
    lately: u64,
    /// The longest packet that came whole before.
    whole: u32,
    /// Packets when the last cut one had come.
    packets: u64,
}

/// Counts at the last reckoning.
#[derive(Debug, Default)]
struct Mark {
    packets: u64,
    bytes: u64,
    missing: u64,
}

impl Course {
    pub fn new(session: &Session) -> Self {
        Self {
            packets: 0,
            since: (session.first, 0),
            last: session.first,
            silent: false,
            replaced: false,
            silences: Vec::new(),
            held: None,
            cut: Cutting::default(),
            mark: Mark::default(),
            recent: None,
        }
    }

    /// What became of it. `dropped` tells whether this host dropped packets that may have been its own since its last one.
    pub fn look(
        &mut self,
        session: &Session,
        now: Timestamp,
        dropped: impl Fn() -> bool,
    ) -> Option<Turn> {
        let before = (self.packets, self.last);
        self.packets = session.packets;
        self.last = session.last;
        if self.packets > before.0 {
            return self.goes_on(session, before.1);
        }
        let usual = self.usual(session, now);
        let regular = self.is_regular(usual);
        let silent = now.since(self.last) >= usual.saturating_mul(TIMES).max(LEAST);
        if self.silent || self.replaced || !regular || !silent || dropped() {
            return None;
        }
        self.silent = true;
        Some(Turn::Silent(usual))
    }

    fn goes_on(&mut self, session: &Session, last: Timestamp) -> Option<Turn> {
        let replaced = std::mem::take(&mut self.replaced);
        if !std::mem::take(&mut self.silent) && !replaced {
            return None;
        }
        // Of several packets since the last look, the end of the pause is that of the longest one.
        let until = session.pauses.end_of_longest(last).unwrap_or(session.last);
        let silence = Silence { from: last, until };
        if self.silences.len() >= SILENCES {
            self.silences.remove(0);
        }
        self.silences.push(silence);
        self.since = (until, self.packets);
        Some(if replaced {
            Turn::Returned(silence)
        } else {
            Turn::Resumed(silence)
        })
    }

    /// Its longest pause lately. A first silence is no pause of the usual kind; after the second it is.
    fn usual(&self, session: &Session, now: Timestamp) -> i64 {
        let lately = |silence: &&Silence| now.since(silence.until) <= MEMORY;
        let known: Vec<Timestamp> = self
            .silences
            .iter()
            .filter(lately)
            .map(|s| s.until)
            .collect();
        let excused = |end: Timestamp| known.len() < 2 && known.contains(&end);
        session.pauses.longest(now, excused)
    }

    /// Whether it brought enough packets for long enough to say what is usual.
    fn is_regular(&self, usual: i64) -> bool {
        self.packets - self.since.1 >= FEW
            && self.last.since(self.since.0) >= SETTLED.saturating_mul(LEAST.max(usual))
    }

    /// Whether a session that was regular has ended, as far as its pauses tell: sooner than it is called silent, because
    /// another one began with that. `None` if it never was regular.
    pub fn is_over(&self, session: &Session, now: Timestamp) -> Option<bool> {
        let usual = self.usual(session, now);
        let paused = now.since(session.last) >= usual.saturating_mul(2).max(SECOND / 4);
        self.is_regular(usual).then_some(self.silent || paused)
    }

    /// Another session took its place.
    pub fn replaced(&mut self) {
        self.replaced = true;
    }

    /// Whether its packets begin to come cut, or whole again.
    pub fn cut(&mut self, session: &Session) -> Option<Turn> {
        let cut = &mut self.cut;
        let more = session.truncated - cut.truncated;
        cut.truncated = session.truncated;
        if more > 0 {
            cut.lately += more;
            cut.packets = session.packets;
            if cut.cut || cut.lately < CUTS {
                return None;
            }
            cut.cut = true;
            // What never came whole was cut from the beginning, or never that long.
            return (cut.whole > session.cut_to).then_some(Turn::Cut);
        }
        let whole = session.packets - cut.packets >= WHOLE;
        if cut.cut && whole && session.whole > session.cut_to {
            cut.cut = false;
            cut.lately = 0;
            cut.whole = session.whole;
            return Some(Turn::Whole);
        }
        if !cut.cut && whole {
            cut.lately = 0;
            cut.whole = cut.whole.max(session.whole);
        }
        None
    }

    /// Reckons what it brought in the last seconds. `missing` is that of its counter, if it has one.
    pub fn reckon(&mut self, session: &Session, missing: Option<u64>, seconds: Option<f64>) {
        let missing = missing.unwrap_or_default();
        self.recent = seconds.map(|seconds| Recent {
            packets: session.packets - self.mark.packets,
            bytes: session.bytes - self.mark.bytes,
            // Late packets take some back.
            missing: missing.saturating_sub(self.mark.missing),
            seconds,
        });
        self.mark = Mark {
            packets: session.packets,
            bytes: session.bytes,
            missing,
        };
    }
}

/// What two sessions have in common if one may take the place of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kinship {
    /// Both addresses and the id: another encapsulation.
    Id((IpAddr, IpAddr), Option<u64>),
    /// Both addresses and the encapsulation: another id.
    Kind((IpAddr, IpAddr), Encapsulation),
    /// Encapsulation, id and collector: another source.
    Mirror(Encapsulation, u64, IpAddr),
}

/// All that a session may have in common with another one.
pub(super) fn kinships(key: &SessionKey) -> impl Iterator<Item = Kinship> {
    let ends = key.addresses.zip(key.encapsulation);
    // Ids that each direction of a tunnel chooses come and go with its users.
    let ends = ends.filter(|_| !key.one_way_id);
    let id = key.id;
    let all = ends.map(|(addresses, kind)| {
        [
            Some(Kinship::Id(addresses, id)),
            Some(Kinship::Kind(addresses, kind)),
            id.map(|id| Kinship::Mirror(kind, id, addresses.1)),
        ]
    });
    all.into_iter().flatten().flatten()
}

/// Whether both sessions come from one sender to one collector.
pub(super) fn same_sender(one: &SessionKey, other: &SessionKey) -> bool {
    one.addresses == other.addresses
}

/// Whether a session brought its last packet about when another one began.
pub(super) fn ended_with(session: &Session, began: Timestamp) -> bool {
    let since = began.since(session.last);
    (-OVERLAP..=BREAK).contains(&since) && session.first < began
}
