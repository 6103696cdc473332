//! The packets of a flow, side by side at all points.

mod alike;
mod lanes;
mod numbers;
mod words;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use mirrorscope_dissectors::{Ip, Network, Transport};
use mirrorscope_engine::Engine;
use mirrorscope_engine::point::PointId;
use mirrorscope_engine::receive::{Delivery, Mirrored};
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::{Sight as Seen, Tracked};
use mirrorscope_tui::data::{Ladder, PacketRef, Rung, Sight};

use super::Replay;
use alike::Alike;
use lanes::Lanes;
use numbers::Segment;

/// Packets that a ladder shows, the latest ones.
const MOST: usize = 20_000;
/// Sights of a packet at one point that a ladder shows; duplicates beyond are counted.
const SIGHTS: usize = 64;

/// Makes the ladder of a flow.
pub fn ladder(mut replay: Replay) -> Result<Arc<Ladder>, String> {
    let mut draft = Draft::new(&replay);
    let engine = replay.packets(|number, mirrored, taken| draft.take(number, mirrored, taken))?;
    draft.mark(&engine);
    Ok(Arc::new(draft.finish(replay)))
}

/// A ladder on its way.
struct Draft {
    originator: usize,
    lanes: Lanes,
    rungs: Vec<Step>,
    alike: Alike,
    /// Where each sight is, as firewalls know it.
    places: HashMap<(PointId, u64, Timestamp), VecDeque<(usize, usize)>>,
    /// The last sight, if firewalls judge it.
    last: Option<(usize, usize)>,
}

/// A packet, before its numbers are known in relation to others.
struct Step {
    rung: Rung,
    segment: Option<Segment>,
    /// Other points saw its data in other segments.
    known: bool,
}

impl Draft {
    fn new(replay: &Replay) -> Self {
        Self {
            originator: replay.flow.originator,
            lanes: Lanes::new(&replay.flow.report),
            rungs: Vec::new(),
            alike: Alike::default(),
            places: HashMap::new(),
            last: None,
        }
    }

    /// Takes a packet at a point.
    fn take(&mut self, number: u64, mirrored: &Mirrored<'_>, taken: Tracked) {
        let Network::Ip(ip) = &mirrored.shown.packet.network else {
            return;
        };
        let place = (
            mirrored.shown.point,
            taken.identity(),
            mirrored.shown.arrival,
        );
        // Its fragments are there already; firewalls judge it whole.
        if mirrored.shown.delivery == Delivery::Joined {
            if let Some(last) = self.last {
                self.places.entry(place).or_default().push_back(last);
            }
            return;
        }
        let lane = self.lanes.of(mirrored.shown.place);
        let identity = taken.identity();
        let known = match taken.sight {
            Seen::Fresh => None,
            // Of those that look alike, the first that did not come by here.
            Seen::Copy => self.alike.first_elsewhere(identity, lane),
            Seen::Duplicate | Seen::Again => self.alike.last_here(identity, lane),
        };
        let row = known.unwrap_or_else(|| {
            self.rungs.push(self.step(mirrored, ip, taken));
            let row = self.rungs.len() - 1;
            self.alike.add(identity, row);
            row
        });
        self.alike.see(identity, lane, row);
        let Some(Step { rung, .. }) = self.rungs.get_mut(row) else {
            return;
        };
        rung.time = rung.time.min(mirrored.shown.time);
        let duplicate = taken.sight == Seen::Duplicate;
        self.last = None;
        let here = rung.sights.iter().filter(|sight| sight.lane == lane);
        if duplicate && here.count() >= SIGHTS {
            *rung.more.entry(lane).or_default() += 1;
            return;
        }
        rung.sights.push(Sight {
            lane,
            time: mirrored.shown.time,
            duplicate,
            out_of_state: None,
            ttl: ip.ttl,
            frame: PacketRef(number),
        });
        if !duplicate {
            let at = (row, rung.sights.len() - 1);
            self.last = Some(at);
            self.places.entry(place).or_default().push_back(at);
        }
    }

    fn step(&self, mirrored: &Mirrored<'_>, ip: &Ip<'_>, taken: Tracked) -> Step {
        let segment = match &ip.transport {
            Transport::Tcp(tcp) if ip.fragment.is_none() => Some(Segment::new(tcp)),
            _ => None,
        };
        // Of TCP the numbers tell.
        let again =
            segment.is_none() && taken.sight == Seen::Fresh && self.alike.knows(taken.identity());
        Step {
            segment,
            known: taken.sight == Seen::Copy,
            rung: Rung {
                time: mirrored.shown.time,
                from_originator: taken.side == self.originator,
                what: words::what(ip),
                sequence: None,
                acknowledgement: None,
                payload: ip.payload_len(),
                gap: 0,
                retransmission: again,
                sights: Vec::new(),
                more: BTreeMap::new(),
            },
        }
    }

    /// Marks what firewalls could not match.
    fn mark(&mut self, engine: &Engine) {
        for unmatched in engine.out_of_state() {
            let place = (
                unmatched.point,
                unmatched.packet.identity(),
                unmatched.arrival,
            );
            let Some(sights) = self.places.get_mut(&place) else {
                continue;
            };
            // A sight may be there twice: as the last fragment, and for the packet that it completed.
            while let Some((row, at)) = sights.pop_front() {
                let sight = self.rungs.get_mut(row);
                let sight = sight.and_then(|step| step.rung.sights.get_mut(at));
                if let Some(sight) = sight.filter(|sight| sight.out_of_state.is_none()) {
                    sight.out_of_state = Some(unmatched.reason.in_words());
                    break;
                }
            }
        }
    }

    fn finish(self, replay: Replay) -> Ladder {
        let mut steps = self.rungs;
        for step in &mut steps {
            step.rung.sights.sort_by_key(|sight| sight.time);
        }
        steps.sort_by_key(|step| step.rung.time);
        numbers::relate(&mut steps);
        let early = steps.len().saturating_sub(MOST);
        let rows: Vec<Rung> = steps.drain(early..).map(|step| step.rung).collect();
        let there = rows.iter().map(Rung::sightings).sum();
        let flow = replay.flow.report;
        let seen = flow.points.iter().flat_map(|at| [&at.orig, &at.resp]);
        let seen = seen.map(|way| {
            let more = [&way.doubled, &way.again].into_iter().flatten();
            way.packets + more.map(|sum| sum.packets).sum::<u64>()
        });
        Ladder {
            forgotten: seen.sum::<u64>().saturating_sub(there),
            lanes: self.lanes.finish(),
            rows,
            flow,
        }
    }
}
