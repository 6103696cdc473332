//! The course of a flow: the ways that it took, one after the other.
//!
//! A point knows when it saw the first and the last packet of each direction. Where a direction stops passing one
//! firewall and begins to pass another, or a machine behind it appears at another site, the flow has moved; so it has
//! where both directions begin to cross an interconnect that they did not cross before. What the mirrors may have
//! missed is no move.

use std::cmp::Reverse;

use crate::flow::Side;
use crate::observation::FlowObserved;
use crate::observer::{Context, Observer, Unseen, join, segments};
use crate::point::PointId;
use crate::site::Role;
use crate::time::{SECOND, Timestamp};
use crate::verdict::{Cause, Confidence, Verdict};

/// A mirror's copy may be this late, so that the old way seems to be used when the new one already is.
const LATE: i64 = SECOND / 10;
/// Changes so close to each other are one: the two directions seldom change at the same moment.
const TOGETHER: i64 = SECOND;
/// Packets that were on their way when it changed, and are sent again the new way.
const AGAIN: u64 = 2;
/// Parts that are told of a flow.
const MAX_STAGES: usize = 4;
/// Packets of each direction that must have passed without a place before it can be said to have joined.
const SETTLED: u64 = 4;

/// One part of a flow's course.
#[derive(Clone, Debug)]
pub struct Stage {
    /// When it began.
    pub from: Timestamp,
    /// When it ended: the last packet that went this way.
    pub to: Timestamp,
    /// The points that each side's packets passed, in their order.
    pub ways: [Vec<PointId>; 2],
    /// Whether both directions went together: `symmetric`, `asymmetric` or `unknown`.
    pub verdict: Verdict,
    /// How sure that is.
    pub confidence: Confidence,
    /// Places on the path that are known to have missed one side then: their points, and the side.
    pub one_sided: Vec<(Vec<PointId>, Side)>,
}

/// The ways that a flow took.
#[derive(Clone, Debug)]
pub(crate) enum Course {
    /// One, as far as is known.
    One,
    /// It may have changed its way; or the mirrors lost what would show that it did not.
    Doubtful,
    /// Several, one after the other, and how sure that is.
    Several(Vec<Stage>, Confidence),
}

/// A direction takes another way from a time on.
struct Change {
    /// When it last took the old one.
    until: Timestamp,
    /// When it first took the new one.
    at: Timestamp,
    confidence: Confidence,
}

/// What an observer saw of a side from a time on were stragglers.
struct Cut {
    index: usize,
    side: Side,
    until: Timestamp,
}

type Period = Option<(Timestamp, Timestamp)>;

impl Context {
    /// The course of a flow.
    pub(crate) fn course(&self, flow: &FlowObserved, observers: &[Observer]) -> Course {
        let mut cuts = Vec::new();
        let mut changes = Vec::new();
        let mut vanished = [None; 2];
        let mut doubtful = false;
        for side in [0, 1] {
            self.replaced(
                flow,
                observers,
                side,
                &mut cuts,
                &mut changes,
                &mut doubtful,
            );
            if let Some(change) = self.vanished(flow, observers, side) {
                vanished[side] = Some(change.at);
                changes.push(change);
            }
        }
        self.joined(observers, &mut changes);
        // What else is new came with the change: requests take the new way before their answers do.
        for change in &mut changes {
            let firsts = observers.iter().flat_map(|o| o.period).flatten();
            let new = firsts.map(|p| p.0).filter(|t| *t > change.until);
            change.at = new.fold(change.at, Timestamp::min);
        }
        changes.sort_by_key(|change| change.at);
        let Some(confidence) = changes.iter().map(|change| change.confidence).max() else {
            return if doubtful {
                Course::Doubtful
            } else {
                Course::One
            };
        };
        let mut periods: Vec<[Period; 2]> = observers.iter().map(|o| o.period).collect();
        for Cut { index, side, until } in cuts {
            if let Some(period) = periods.get_mut(index).and_then(|p| p[side].as_mut()) {
                period.1 = period.1.min(until);
            }
        }
        // Beginnings of the parts, and the last packets of those before them.
        let mut starts = vec![(flow.first, flow.first)];
        for change in changes {
            let last = starts.last().map_or(flow.first, |start| start.0);
            // The first packets of a flow are no part of their own.
            let apart = starts.len() == 1 || change.at.since(last) > TOGETHER;
            if apart && starts.len() < MAX_STAGES && change.at > last {
                starts.push((change.at, change.until));
            }
        }
        let ends = starts.iter().skip(1).copied();
        let ends = ends.chain([(flow.last.plus(1), flow.last)]);
        let stages: Vec<Stage> = starts
            .iter()
            .zip(ends)
            .map(|((from, _), (to, last))| {
                let heard = vanished.map(|at| at.is_some_and(|at| at < to));
                let stage = self.stage(flow, observers, &periods, (*from, to), heard);
                Stage { to: last, ..stage }
            })
            .collect();
        if stages.len() > 1 {
            Course::Several(stages, confidence)
        } else {
            Course::One
        }
    }

    /// Places that a side passed until it passed another one of their kind instead, or until the machine that sends it
    /// was at another site.
    fn replaced(
        &self,
        flow: &FlowObserved,
        observers: &[Observer],
        side: Side,
        cuts: &mut Vec<Cut>,
        changes: &mut Vec<Change>,
        doubtful: &mut bool,
    ) {
        let total = flow.sums[side].packets;
        // One that saw all of them was passed from the first to the last.
        let missed = |o: &Observer| total.saturating_sub(o.packets[side]);
        if observers.iter().all(|o| missed(o) == 0) {
            return;
        }
        let edge = |o: &Observer| o.role.on_path() && o.role != Role::Dci;
        let flooded = |o: &Observer| o.missing.and_then(|m| m.cause) == Some(Cause::Flooded);
        for (index, old) in observers.iter().enumerate().filter(|(_, o)| edge(o)) {
            for new in observers {
                let (Some(before), Some(after)) = (old.period[side], new.period[side]) else {
                    continue;
                };
                let kind = new.role == old.role || new.role == Role::Vnic;
                if !kind || !new.apart_from(old) || flooded(new) || flooded(old) {
                    continue;
                }
                // Copies that come late overlap a little, and only where there is more than that.
                if before.1.since(after.0) > LATE || after.1 <= before.1 || after.0 <= before.0 {
                    continue;
                }
                // What the new place saw just now may come by the old one yet.
                if self.too_early(before.1) {
                    continue;
                }
                let (there, here) = (new.packets[side], old.packets[side]);
                if missed(old) == 0 || missed(new) == 0 {
                    continue;
                }
                // What both saw did not go one way or the other, but for what was sent again.
                if (here + there).saturating_sub(total) > AGAIN + here.min(there) / 4 {
                    continue;
                }
                let stopped = self.absent(old, side, there.min(missed(old)), after, after.0);
                let began = self.absent(new, side, here.min(missed(new)), before, before.1);
                let confidence = match (stopped, began) {
                    (true, true) => Confidence::High,
                    (true, false) | (false, true) if edge(new) => Confidence::Medium,
                    _ => {
                        // A machine that is seen at its own ports of both sites has moved, whatever else was lost.
                        let left = |o: &Observer| {
                            o.role == Role::Vnic && o.site == old.site && o.packets[side] > 0
                        };
                        *doubtful |= edge(new) || observers.iter().any(left);
                        continue;
                    }
                };
                let until = after.0.plus(-1);
                cuts.push(Cut { index, side, until });
                changes.push(Change {
                    until: before.1.min(after.0.plus(-1)),
                    at: after.0,
                    confidence,
                });
            }
        }
    }

    /// Whether packets of a side that passed elsewhere in a period are known not to have passed an observer; one of
    /// them passed at the time `one`.
    fn absent(
        &self,
        observer: &Observer,
        side: Side,
        packets: u64,
        period: (Timestamp, Timestamp),
        one: Timestamp,
    ) -> bool {
        let (packets, period) = if self.ran(observer, period) {
            (packets, period)
        } else {
            // How many passed while its mirror ran is not known.
            (1, (one, one))
        };
        let within = (period.0.plus(-LATE), period.1.plus(LATE));
        let unseen = Unseen {
            packets,
            within,
            meanwhile: period,
        };
        self.excuse(observer, side, unseen).is_none()
    }

    /// A side that no longer passes any mirrored place, while the other acknowledges what it sends.
    fn vanished(&self, flow: &FlowObserved, observers: &[Observer], side: Side) -> Option<Change> {
        let other = 1 - side;
        let last = observers
            .iter()
            .filter_map(|o| o.period[side])
            .map(|p| p.1)
            .max()?;
        observers.iter().find_map(|observer| {
            let there = observer.period[other]?;
            let on = observer.role.on_path() && observer.role != Role::Dci;
            if !on || there.1.since(last) < TOGETHER || observer.packets[side] < 2 {
                return None;
            }
            // What was acknowledged here, beyond what was seen of it anywhere.
            let sent = flow.conversation.halves[side].reached()?;
            let mine = flow.seen_at(&observer.points);
            let heard = mine.filter_map(|o| o.conversation.halves[other].acknowledged_so_far());
            let bytes = heard
                .map(|heard| i64::from(heard.wrapping_sub(sent).cast_signed()))
                .min()?;
            let unseen = Unseen {
                packets: segments(bytes)?,
                within: (last.plus(-LATE), there.1),
                meanwhile: (last, there.1),
            };
            self.excuse(observer, side, unseen)
                .is_none()
                .then_some(Change {
                    until: last,
                    at: last.plus(1),
                    confidence: Confidence::Low,
                })
        })
    }

    /// Interconnects that both directions cross from a time on, or until a time.
    fn joined(&self, observers: &[Observer], changes: &mut Vec<Change>) {
        let stays = |o: &&Observer| o.role.on_path() && o.role != Role::Dci && o.whole();
        for joiner in observers
            .iter()
            .filter(|o| o.role == Role::Dci && o.whole())
        {
            for stayer in observers.iter().filter(stays) {
                let both = |side: Side| {
                    let (long, short) = (stayer.period[side]?, joiner.period[side]?);
                    let missed = stayer.packets[side].checked_sub(joiner.packets[side])?;
                    (missed >= SETTLED).then_some((long, short, missed))
                };
                let (Some(a), Some(b)) = (both(0), both(1)) else {
                    continue;
                };
                let begins = [a, b].map(|(long, short, _)| short.0.since(long.0) > TOGETHER);
                let lasts = [a, b].map(|(long, short, _)| long.1.since(short.1) < LATE);
                if begins != [true; 2] || lasts != [true; 2] {
                    continue;
                }
                let gone = [a, b]
                    .into_iter()
                    .enumerate()
                    .all(|(side, (long, short, missed))| {
                        let period = (long.0, short.0);
                        self.ran(joiner, period)
                            && self.absent(joiner, side, missed, period, short.0)
                    });
                if gone {
                    let at = a.1.0.min(b.1.0);
                    changes.push(Change {
                        until: at.plus(-1),
                        at,
                        confidence: Confidence::Medium,
                    });
                }
            }
        }
    }

    fn stage(
        &self,
        flow: &FlowObserved,
        observers: &[Observer],
        periods: &[[Period; 2]],
        (from, to): (Timestamp, Timestamp),
        heard: [bool; 2],
    ) -> Stage {
        let final_one = to > flow.last;
        let passes = |index: usize, side: Side| {
            let period = periods.get(index).and_then(|p| p[side]);
            period.filter(|p| p.0 < to && p.1 >= from)
        };
        let mut one_sided = Vec::new();
        let mut elsewhere = false;
        let mut whole = false;
        for (index, observer) in observers.iter().enumerate() {
            let side = match [passes(index, 0).is_some(), passes(index, 1).is_some()] {
                _ if !observer.role.on_path() => continue,
                [true, true] => {
                    whole = true;
                    continue;
                }
                [true, false] => 1,
                [false, true] => 0,
                [false, false] => continue,
            };
            let others = || observers.iter().enumerate();
            let exists = heard[side] || others().any(|(other, _)| passes(other, side).is_some());
            if exists && self.missed(observers, periods, index, side, (from, to)) {
                let went_by = |(other, o): (usize, &Observer)| {
                    o.apart_from(observer) && passes(other, side).is_some()
                };
                elsewhere |= others().any(went_by);
                one_sided.push((observer.points.clone(), side));
            }
        }
        one_sided.sort_by_key(|(_, side)| Reverse(*side));
        let sides = |side: Side| one_sided.iter().any(|(_, missing)| *missing == side);
        let (verdict, confidence) = match (one_sided.is_empty(), whole) {
            (true, true) => (Verdict::Symmetric, Confidence::High),
            (true, false) => (Verdict::Unknown, Confidence::Low),
            (false, _) if elsewhere && sides(0) && sides(1) => {
                (Verdict::Asymmetric, Confidence::High)
            }
            (false, _) if elsewhere => (Verdict::Asymmetric, Confidence::Medium),
            (false, _) => (Verdict::Asymmetric, Confidence::Low),
        };
        // Where all went together, what saw one side only are copies that a switch floods.
        let counts = |index: usize, o: &Observer| {
            let both = passes(index, 0).is_some() && passes(index, 1).is_some();
            both || verdict != Verdict::Symmetric || o.role == Role::Vnic
        };
        // A direction that is seen the whole time is put in order by what passed last, or first.
        let way = |side: Side| {
            let mut there: Vec<(&Observer, (Timestamp, Timestamp))> = observers
                .iter()
                .enumerate()
                .filter(|(index, o)| counts(*index, o))
                .filter_map(|(index, o)| Some((o, passes(index, side)?)))
                .collect();
            let goes_on = there.iter().any(|(_, period)| period.0 < from);
            if final_one && goes_on {
                there.sort_by_key(|(_, period)| period.1);
            } else {
                there.sort_by_key(|(_, period)| period.0);
            }
            let points = there.iter().flat_map(|(o, _)| o.points.iter().copied());
            let saw = |id: &PointId| flow.at(*id).is_some_and(|o| o.sides[side].packets > 0);
            points.filter(saw).collect::<Vec<_>>()
        };
        Stage {
            from,
            to,
            ways: [way(0), way(1)],
            verdict,
            confidence,
            one_sided,
        }
    }

    /// Whether an observer is known to have missed a side in a part of the flow's course.
    fn missed(
        &self,
        observers: &[Observer],
        periods: &[[Period; 2]],
        index: usize,
        side: Side,
        (from, to): (Timestamp, Timestamp),
    ) -> bool {
        let Some(observer) = observers.get(index) else {
            return false;
        };
        // What a place that saw the side in this part only saw of it passed in this part.
        let inside = |p: &(Timestamp, Timestamp)| p.0 >= from && p.1 < to;
        let counted = observers.iter().zip(periods).filter_map(|(o, p)| {
            p[side].filter(inside)?;
            Some((o.packets[side], p[side]))
        });
        let (packets, when) = counted.fold((1, None), |(packets, when), (more, period)| {
            (packets.max(more), join(when, period))
        });
        let when = when.unwrap_or((from, from));
        let unseen = Unseen {
            packets,
            within: (from.plus(-LATE), to.plus(LATE)),
            meanwhile: when,
        };
        self.excuse(observer, side, unseen).is_none()
    }
}
