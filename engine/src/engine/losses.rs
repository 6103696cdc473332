//! What the mirrors lost on their way, and what this host dropped of it in the end.

use std::sync::Arc;

use super::Engine;
use crate::finding::DroppedHere;
use crate::observer::Losses;
use crate::point::{InterfaceName, Point, PointId};
use crate::receive::TimeSource;
use crate::sequence::{Assigned, Counter, Episode};
use crate::session::{Session, SessionId};
use crate::stream::MirrorLosses;
use crate::table::Map;
use crate::time::{SECOND, Timestamp};

/// Any time: no number tells when it began or ended.
const ALWAYS: (Timestamp, Timestamp) = (Timestamp(i64::MIN), Timestamp(i64::MAX));
/// Beyond this share of dropped packets nothing can be told of the rest.
const MOST: f64 = 0.99;

/// What each interface of this host dropped, for all points that share it.
pub(super) struct Here {
    interfaces: Vec<(u32, Arc<Losses>)>,
}

impl Here {
    pub(super) fn new(engine: &Engine) -> Self {
        let lost = engine.receiver.losses_here();
        let interfaces = lost.iter().map(|(interface, at)| {
            let sessions = engine.receiver.sessions().iter();
            let received: u64 = sessions
                .filter(|(_, session)| session.interfaces.contains(interface))
                .map(|(_, session)| session.packets / session.interfaces.iter().count() as u64)
                .sum();
            let episodes = at.periods();
            let losses = engine.losses(
                (received, at.packets),
                ALWAYS,
                episodes
                    .map(|p| Episode::unnumbered(p.from, p.to, p.packets))
                    .collect(),
            );
            (interface, Arc::new(losses))
        });
        Self {
            interfaces: interfaces.collect(),
        }
    }

    /// The share of packets that this host dropped where a point's sessions come by, 0 to 1.
    pub(super) fn share(&self, engine: &Engine, point: &Point) -> f64 {
        let by = |interface: u32| {
            let mut sessions = engine.sessions_of(point);
            sessions.any(|(_, session)| session.interfaces.contains(interface))
        };
        let here = self.interfaces.iter().filter(|(id, _)| by(*id));
        here.map(|(_, losses)| losses.rate)
            .fold(0.0, f64::max)
            .min(MOST)
    }
}

impl Engine {
    /// Notes that this host dropped packets of an interface between two moments, before they were read. They count as
    /// loss of every mirror session that comes by it; sessions that number their packets show theirs by themselves.
    ///
    /// Tell it before asking for a report, so that nothing is said of the network that this explains.
    pub fn lost_here(&mut self, interface: u32, from: Timestamp, to: Timestamp, packets: u64) {
        self.receiver.lost_here(interface, from, to, packets);
    }

    /// When the mirrors lost packets, as far as their sequence numbers tell by now, and when this host dropped some.
    pub fn mirror_losses(&self) -> MirrorLosses {
        let assigned = self.receiver.sessions().sequences.assign();
        let here = Here::new(self);
        let points = self.receiver.points().all().iter().zip(0..);
        MirrorLosses::new(points.map(|(point, id)| {
            // Losses are noted by arrival, packets by the clock that was chosen.
            let behind = match self.time {
                TimeSource::Arrival => 0,
                TimeSource::Mirror => self.behind(PointId(id)),
            };
            let losses = self.losses_at(point, &assigned, &here);
            let episodes = losses.iter().flat_map(|losses| &losses.episodes);
            let periods = episodes.map(|e| (e.from.plus(-behind), e.to.plus(-behind)));
            periods.collect()
        }))
    }

    /// What is known to be lost of a point's packets, counter by counter.
    pub(super) fn losses_at(
        &self,
        point: &Point,
        assigned: &Map<SessionId, Assigned<'_>>,
        here: &Here,
    ) -> Vec<Arc<Losses>> {
        let ids = point.sessions.iter();
        let mut counters: Vec<&Assigned<'_>> = ids.filter_map(|s| assigned.get(s)).collect();
        counters.sort_by_key(|a| a.id);
        counters.dedup_by_key(|a| a.id);
        let counted = counters.iter().map(|a| {
            let counter = a.counter;
            let episodes = counter.episodes().copied().collect();
            let counts = (counter.received, counter.missing);
            Arc::new(self.losses(counts, counter.period(), episodes))
        });
        let mut losses: Vec<Arc<Losses>> = counted.collect();
        for (interface, dropped) in &here.interfaces {
            let sessions = self.sessions_of(point);
            let by = sessions.filter(|(_, session)| session.interfaces.contains(*interface));
            let shown = by.map(|(id, _)| assigned.get(&id).filter(|a| a.counter.restarts == 0));
            let periods: Vec<Option<_>> = shown.map(|a| Some(a?.counter.period())).collect();
            // One session without numbers is enough, or one whose numbers began anew: nothing shows that the packets
            // were not its own.
            match periods.iter().copied().collect::<Option<Vec<_>>>() {
                None => losses.push(Arc::clone(dropped)),
                Some(numbered) if numbered.is_empty() => {}
                Some(numbered) => losses.extend(unshown(dropped, &numbered).map(Arc::new)),
            }
        }
        losses
    }

    fn losses(
        &self,
        (received, missing): (u64, u64),
        period: (Timestamp, Timestamp),
        episodes: Vec<Episode>,
    ) -> Losses {
        let sent = (received + missing) as f64;
        let (from, to) = self.period.unwrap_or_default();
        let seconds = (to.since(from) as f64 / SECOND as f64).max(1e-3);
        Losses {
            rate: if sent > 0.0 {
                missing as f64 / sent
            } else {
                0.0
            },
            pace: sent / seconds,
            period,
            episodes,
        }
    }

    /// For each counter, how many of its missing packets this host dropped.
    pub(super) fn gaps_made_here(
        &self,
        assigned: &Map<SessionId, Assigned<'_>>,
    ) -> Map<usize, u64> {
        let lost = self.receiver.losses_here();
        if lost.is_empty() {
            return Map::default();
        }
        let mut counters: Map<usize, (&Counter, Vec<u32>)> = Map::default();
        for (id, session) in self.receiver.sessions().iter() {
            if let Some(a) = assigned.get(&id) {
                let (_, interfaces) = counters.entry(a.id).or_insert((a.counter, Vec::new()));
                for interface in session.interfaces.iter() {
                    if !interfaces.contains(&interface) {
                        interfaces.push(interface);
                    }
                }
            }
        }
        let mut gaps: Vec<(&Episode, usize, &[u32])> = Vec::new();
        for (id, (counter, interfaces)) in &counters {
            gaps.extend(counter.episodes().map(|e| (e, *id, interfaces.as_slice())));
        }
        // In an order of their own, so that equal runs say the same.
        gaps.sort_unstable_by_key(|(e, id, _)| (e.from, e.to, *id));
        let mut account = lost.account();
        let mut here: Map<usize, u64> = Map::default();
        for (gap, id, interfaces) in gaps {
            let interfaces = interfaces.iter().copied();
            let missing = account.take(interfaces, (gap.from, gap.to), gap.missing);
            *here.entry(id).or_default() += missing;
        }
        here
    }

    /// What each interface of this host dropped, to be told.
    pub(super) fn dropped_here(&self) -> Vec<DroppedHere> {
        let lost = self.receiver.losses_here().iter();
        let interfaces = self.receiver.interfaces();
        lost.filter_map(|(interface, at)| {
            let name = interfaces.get(interface as usize);
            Some(DroppedHere {
                interface,
                name: name.map_or_else(|| format!("interface {interface}"), InterfaceName::label),
                packets: at.packets,
                periods: at.periods().count(),
                span: at.span()?,
            })
        })
        .collect()
    }

    pub(super) fn sessions_of(&self, point: &Point) -> impl Iterator<Item = (SessionId, &Session)> {
        let ids = point.sessions.iter();
        ids.filter_map(|id| Some((*id, self.receiver.sessions().get(*id)?)))
    }
}

/// What was dropped before a session's first number and after its last: no gap shows that.
fn unshown(dropped: &Losses, periods: &[(Timestamp, Timestamp)]) -> Option<Losses> {
    let shown = |e: &Episode| periods.iter().all(|p| e.from > p.0 && e.to < p.1);
    let mut episodes = dropped.episodes.clone();
    episodes.retain(|e| !shown(e));
    (!episodes.is_empty()).then(|| Losses {
        episodes,
        ..dropped.clone()
    })
}

/// The share of packets that numbers show to be lost, 0 to 1, and how many are lost in a row.
pub(super) fn share(assigned: &Map<SessionId, Assigned<'_>>) -> (f64, u64) {
    let mut counters: Vec<&Assigned<'_>> = assigned.values().collect();
    counters.sort_by_key(|a| a.id);
    counters.dedup_by_key(|a| a.id);
    let sum = |of: fn(&Counter) -> u64| counters.iter().map(|a| of(a.counter)).sum::<u64>();
    let (missing, received) = (sum(|c| c.missing), sum(|c| c.received));
    let bursts = || {
        let episodes = counters.iter().flat_map(|a| a.counter.episodes());
        episodes.filter(|e| e.at_once()).map(|e| e.missing)
    };
    let burst = bursts().sum::<u64>().checked_div(bursts().count() as u64);
    let share = missing as f64 / (missing + received).max(1) as f64;
    (share, burst.unwrap_or(1))
}
