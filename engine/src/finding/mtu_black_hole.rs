//! `mtu-black-hole`: large packets of a direction vanish between two places, small ones pass.
//!
//! A segment is sent again and again past one place and never comes by the next, where smaller packets of the same
//! direction do, some with bytes beyond it, and the receiver waits for it.

use std::collections::BTreeMap;

use super::{Finding, Group, Groups, Kind, Severity, count, distinct};
use crate::correlate::Judgement;
use crate::flow::{Side, protocol};
use crate::observation::{FlowObserved, Observation, Seen};
use crate::observer::{Context, Observer, PointFacts, Unseen};
use crate::point::PointId;
use crate::time::SECOND;
use crate::verdict::{Cause, Confidence, Verdict};

/// So many times the same large segment must have been sent, besides the first.
const AGAIN: u32 = 2;
/// Longer segments at a machine's own port are joined by its network card, and pass in parts.
const SUPER_FRAME: u32 = 1500;
/// Small packets pass as long as the last of them came this shortly before the last large one.
const MEANWHILE: i64 = SECOND / 10;

/// Where large packets were last seen, and where they were first missed.
type Hole = (Vec<PointId>, Vec<PointId>);

/// Flows whose large packets vanish, by where.
#[derive(Debug, Default)]
pub(super) struct BlackHoles {
    groups: Groups<Hole>,
    sizes: BTreeMap<Hole, Sizes>,
}

/// Sizes of IP packets in bytes, and what routers said.
#[derive(Debug, Default)]
struct Sizes {
    passed: u32,
    lost: u32,
    /// ICMP messages that a packet was too big.
    too_big: u64,
    again: u64,
}

/// What one place saw of one direction.
#[derive(Clone, Copy)]
struct Place<'a> {
    observer: &'a Observer,
    /// The largest payload, how often it came, and how often data was sent again.
    payload: u32,
    sends: u32,
    again: u32,
    seen: Seen,
    /// The largest IP packet.
    largest: u32,
    /// The number after the highest.
    reached: Option<u32>,
}

impl BlackHoles {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        // Where a way may have changed, what no longer passes a place took another.
        let settled = judgement.verdict == Verdict::Symmetric
            || judgement.verdict == Verdict::Unknown && judgement.cause == Some(Cause::NoPoint);
        if flow.key.protocol != protocol::TCP || !settled {
            return;
        }
        for side in [0, 1] {
            if let Some((before, after)) = hole(context, flow, judgement, side) {
                let key = (
                    before.observer.points.clone(),
                    after.observer.points.clone(),
                );
                self.groups
                    .add(key.clone(), flow, flow.first, Confidence::High);
                if self.sizes.len() >= super::MAX_GROUPS && !self.sizes.contains_key(&key) {
                    continue;
                }
                let sizes = self.sizes.entry(key).or_default();
                sizes.passed = sizes.passed.max(after.largest);
                sizes.lost = match sizes.lost {
                    0 => before.largest,
                    lost => lost.min(before.largest),
                };
                sizes.again += u64::from(before.again);
                let too_big = flow.errors.iter().filter(|e| {
                    let code = (e.v6, e.kind, e.code);
                    matches!(code, (false, 3, 4) | (true, 2, _))
                });
                sizes.too_big += too_big.map(|e| e.packets).sum::<u64>();
            }
        }
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        let Self { groups, mut sizes } = self;
        groups.into_findings(|(key, group)| {
            let sizes = sizes.remove(&key)?;
            Some(finding(context, &key, &group, &sizes))
        })
    }
}

/// The last place that saw large packets of a side, and the first that did not.
fn hole<'a>(
    context: &Context,
    flow: &'a FlowObserved,
    judgement: &'a Judgement,
    side: Side,
) -> Option<(Place<'a>, Place<'a>)> {
    let sent = flow.conversation.halves[side].reached()?;
    let heard = flow.conversation.halves[1 - side].acknowledged_so_far()?;
    if sent.wrapping_sub(heard).cast_signed() <= 0 {
        return None;
    }
    let places: Vec<Place<'_>> = judgement
        .observers
        .iter()
        .filter_map(|observer| place(flow, observer, side))
        .collect();
    let payload = places.iter().map(|p| p.payload).max()?;
    let whole = |p: &&Place<'_>| {
        p.payload == payload
            && p.sends > AGAIN
            && p.again >= AGAIN
            && (payload <= SUPER_FRAME || p.observer.role.on_path())
    };
    let large: Vec<&Place<'_>> = places.iter().filter(whole).collect();
    let first_large = *large.first()?;
    if i64::from(payload) > i64::from(sent.wrapping_sub(heard)) {
        return None;
    }
    let missed = |p: &&Place<'_>| {
        let beyond = p.reached.is_some_and(|reached| {
            let ahead = reached.wrapping_sub(heard).cast_signed();
            ahead > 0
        });
        let meanwhile = p.seen.last.plus(MEANWHILE) >= first_large.seen.last;
        let unseen = Unseen {
            packets: u64::from(first_large.sends),
            within: (first_large.seen.first, first_large.seen.last),
            meanwhile: (first_large.seen.first, first_large.seen.last),
        };
        // It saw the flow from its beginning on.
        let joined = p.seen.first.since(first_large.seen.first) > SECOND;
        p.payload < payload
            && !joined
            && (beyond || meanwhile)
            && context.excuse(p.observer, side, unseen).is_none()
    };
    let small: Vec<&Place<'_>> = places.iter().filter(missed).collect();
    // Interconnects and firewalls tell more than a machine's own port.
    let on_path = |p: &&&Place<'_>| p.observer.role.on_path();
    let before = large
        .iter()
        .filter(on_path)
        .max_by_key(|p| p.seen.first)
        .or(large.first())?;
    let after = small
        .iter()
        .filter(on_path)
        .min_by_key(|p| p.seen.first)
        .or(small.first())?;
    Some((**before, **after))
}

fn place<'a>(flow: &FlowObserved, observer: &'a Observer, side: Side) -> Option<Place<'a>> {
    let mine = || {
        let at = flow.seen_at(&observer.points);
        at.filter(|o| o.sides[side].packets > 0)
    };
    // Of a bundle of links, the one that the direction passes.
    let most = |o: &&Observation| o.conversation.counts(side).largest_payload;
    let observation = mine().max_by_key(most)?;
    let counts = observation.conversation.counts(side);
    Some(Place {
        observer,
        payload: counts.largest_payload,
        largest: observation.sides[side].largest,
        sends: counts.largest_packets,
        again: counts.retransmissions(),
        seen: observation.sides[side],
        reached: observation.conversation.halves[side].reached(),
    })
}

fn finding(context: &Context, (before, after): &Hole, group: &Group, sizes: &Sizes) -> Finding {
    let facts = |points: &[PointId]| -> Vec<&PointFacts> {
        points.iter().filter_map(|id| context.point(*id)).collect()
    };
    let names = |points: &[PointId]| {
        let names: Vec<String> = facts(points).iter().map(|p| p.place()).collect();
        names.join(" and ")
    };
    let all: Vec<&PointFacts> = [before, after].into_iter().flat_map(|p| facts(p)).collect();
    let (from, to) = (names(before), names(after));
    let icmp = match sizes.too_big {
        0 => "no ICMP message says so (packet too big, fragmentation needed): it is filtered, or never sent".to_owned(),
        messages => format!(
            "{} that packets are too big: the sender does not get or heed them",
            count(messages, "ICMP message")
        ),
    };
    Finding {
        sites: distinct(all.iter().map(|p| p.site.clone())),
        points: distinct(all.iter().map(|p| p.name.clone())),
        summary: format!(
            "{}: large packets pass {from} and never {to}; small ones do. The largest that came through has {} bytes, the \
             smallest that did not {} (IP packets).",
            group.flows_in_words(),
            sizes.passed,
            sizes.lost
        ),
        evidence: vec![
            format!(
                "{from}: data sent again {}, still unacknowledged",
                count(sizes.again, "time")
            ),
            icmp,
        ],
        next: vec![
            format!(
                "between {from} and {to}: look for the link or tunnel whose MTU is below {} bytes (ping with DF and growing size)",
                sizes.lost
            ),
            "let ICMP type 3 code 4 (IPv6: packet too big) through every filter, or lower the MSS there (MSS clamping)".to_owned(),
        ],
        ..group.finding(
            Kind::MtuBlackHole,
            Severity::Error,
            "the same segments were sent again past one place and never came by the other, whose mirror lost too little to \
             explain it",
        )
    }
}
