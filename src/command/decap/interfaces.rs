//! The interfaces of a file: one for each mirror session at each point, in words that tell a person where packets came from.

use mirrorscope_capture::writer::Statistics;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::point::{InterfaceName, LIVE, Point, PointId, session_name};
use mirrorscope_engine::receive::{Mirrored, Receiver};
use mirrorscope_engine::session::SessionId;
use mirrorscope_engine::table::Map;

/// What makes an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    session: SessionId,
    point: PointId,
    link: LinkType,
    /// Its frames are those that arrived, with their encapsulation.
    outer: bool,
}

impl Key {
    /// The interface of a packet without its encapsulation.
    pub fn inner(mirrored: &Mirrored<'_>) -> Self {
        Self {
            session: mirrored.shown.session,
            point: mirrored.shown.point,
            link: mirrored.inner.link,
            outer: false,
        }
    }

    /// The interface of a frame that brought a packet.
    pub fn outer(mirrored: &Mirrored<'_>, link: LinkType) -> Self {
        Self {
            link,
            outer: true,
            ..Self::inner(mirrored)
        }
    }

    /// What its packets begin with.
    pub fn link(&self) -> LinkType {
        self.link
    }

    /// Its name: the site and the point. `both`: the same packets are written with and without encapsulation.
    pub fn name(&self, mirrored: &Mirrored<'_>, both: bool) -> String {
        let Point { name, site, .. } = mirrored.shown.place;
        let mark = if self.outer && both { " outer" } else { "" };
        // A point that nobody described has the name of its session, and that tells who sends it.
        if name.contains(site.as_str()) {
            format!("{name}{mark}")
        } else {
            format!("{site} {name}{mark}")
        }
    }

    /// Its description: the session, as the packets themselves tell it, and what stands at the point.
    pub fn description(&self, mirrored: &Mirrored<'_>) -> String {
        let mut text = session_name(mirrored.key, mirrored.interface);
        if let Some((_, destination)) = mirrored.key.addresses {
            text.push_str(" to ");
            text.push_str(&destination.to_string());
        }
        if let Some(InterfaceName {
            file,
            name: Some(name),
        }) = mirrored.interface
            && file == LIVE
        {
            text.push_str(" by ");
            text.push_str(name);
        }
        text.push_str(", ");
        text.push_str(mirrored.shown.place.role.as_str());
        if self.outer {
            text.push_str(", frames as they arrived");
        }
        text
    }
}

/// The interfaces that were declared.
#[derive(Debug, Default)]
pub struct Interfaces(Map<Key, Declared>);

/// One of them.
#[derive(Clone, Copy, Debug)]
struct Declared {
    number: u32,
    /// Packets that were chosen to be written.
    accepted: u64,
}

impl Interfaces {
    /// The number of an interface, which gets one more packet; `declare` gives the number of one that is new.
    pub fn number(&mut self, key: Key, declare: impl FnOnce() -> u32) -> u32 {
        let declared = self.0.entry(key).or_insert_with(|| Declared {
            number: declare(),
            accepted: 0,
        });
        declared.accepted += 1;
        declared.number
    }

    /// The counters of all of them at a moment. `live`: packets come as they happen, so that this host may lose some.
    ///
    /// What came and what is missing are the session's, also where several interfaces show its packets.
    pub fn statistics(
        &self,
        receiver: &Receiver,
        now: i64,
        live: bool,
    ) -> impl Iterator<Item = (u32, Statistics)> {
        let sessions = receiver.sessions();
        let counters = sessions.sequences.assign();
        self.0.iter().filter_map(move |(key, declared)| {
            let session = sessions.get(key.session)?;
            let counter = counters.get(&key.session);
            let dropped = live.then(|| {
                let losses = receiver.losses_here();
                let at = session.interfaces.iter().filter_map(|at| losses.at(at));
                at.map(|at| at.packets).sum::<u64>()
            });
            let missing = counter.map(|counter| counter.counter.missing);
            let statistics = Statistics {
                time: now,
                period: (session.first.0, session.last.0),
                received: session.packets,
                accepted: declared.accepted,
                missing,
                dropped,
                comment: caveats(missing, counter.map_or(1, |c| c.sessions), dropped),
            };
            Some((declared.number, statistics))
        })
    }
}

/// What must be known to read the counters of packets that are missing.
fn caveats(missing: Option<u64>, sharing: usize, dropped: Option<u64>) -> String {
    let mut caveats = Vec::new();
    if missing.is_none() {
        caveats
            .push("its packets have no sequence numbers: what the mirror lost is not known".into());
    } else if sharing > 1 {
        caveats.push(format!(
            "ifdrop is of all {sharing} sessions that share one counter"
        ));
    }
    if dropped.is_some_and(|dropped| dropped > 0) {
        caveats.push("osdrop is of all sessions of the interface".into());
    }
    caveats.join("; ")
}
