//! What to mirror in addition to be sure: every blind spot that kept a flow from being judged, or made its verdict less
//! sure, in a line that says what would mend it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::correlate::Judgement;
use crate::finding::count;
use crate::observation::FlowObserved;
use crate::observer::{Context, Missing, Observer};
use crate::point::PointId;
use crate::site::Role;
use crate::verdict::{Cause, Confidence, Verdict};

/// Blind spots that are told apart.
const MAX_SPOTS: usize = 1000;
/// Lines that are given, those first that matter to most flows.
const MAX_LINES: usize = 20;

/// What hinders, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    /// The mirror of a point is no full witness.
    Point(PointId, Cause),
    /// Nobody looks behind the interconnect that a point shows.
    Behind(PointId),
    /// A point is the only one of its site that saw flows, and it shows no path.
    Only(PointId),
    /// A direction that is known to exist passes no mirrored place; a point shows the other.
    Unseen(PointId),
}

/// Gathers blind spots while the flows pass by.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    spots: BTreeMap<Spot, u64>,
}

impl Gather {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        let observers = &judgement.observers;
        let unseen = judgement.unseen_way
            || judgement.split(flow).is_some() && judgement.split_confidence() == Confidence::Low;
        if unseen {
            let links = || observers.iter().filter(|o| o.role == Role::Dci);
            match links().next() {
                Some(link) if links().count() == 1 => self.note(link, Spot::Behind),
                _ => {
                    for (observer, _) in judgement.one_sided() {
                        self.note(observer, Spot::Unseen);
                    }
                }
            }
        }
        let (Verdict::Unknown, Some(cause)) = (judgement.verdict, judgement.cause) else {
            return;
        };
        match cause {
            Cause::NoPoint => {
                let on_path = || observers.iter().filter(|o| o.role.on_path());
                if on_path().next().is_none() {
                    for observer in observers {
                        if !context.sees_gateway(observer) {
                            self.note(observer, Spot::Only);
                        }
                    }
                }
                for link in on_path().filter(|o| o.role == Role::Dci) {
                    self.note(link, Spot::Behind);
                }
            }
            Cause::CaptureEnd | Cause::Flooded => {}
            cause => {
                let guilty = |o: &&Observer| matches!(o.missing, Some(Missing { cause: Some(c), .. }) if c == cause);
                let mut any = false;
                for observer in observers.iter().filter(guilty) {
                    any = true;
                    self.note(observer, |id| Spot::Point(id, cause));
                }
                // A way that may have changed, or losses that hide whether it did.
                if !any {
                    for observer in observers.iter().filter(|o| o.role.on_path()) {
                        self.note(observer, |id| Spot::Point(id, cause));
                    }
                }
            }
        }
    }

    fn note(&mut self, observer: &Observer, spot: impl Fn(PointId) -> Spot) {
        for id in &observer.points {
            let spot = spot(*id);
            if self.spots.len() < MAX_SPOTS || self.spots.contains_key(&spot) {
                *self.spots.entry(spot).or_default() += 1;
            }
        }
    }

    /// The lines, each to be read behind "mirror also".
    pub fn finish(self, context: &Context) -> Vec<String> {
        let mut spots: Vec<(Spot, u64)> = self.spots.into_iter().collect();
        spots.sort_by_key(|(spot, flows)| (Reverse(*flows), *spot));
        let mut lines: Vec<String> = Vec::new();
        for (spot, flows) in spots {
            if lines.len() < MAX_LINES
                && let Some(line) = line(context, spot, flows)
            {
                lines.push(line);
            }
        }
        lines
    }
}

fn line(context: &Context, spot: Spot, flows: u64) -> Option<String> {
    let (Spot::Point(id, _) | Spot::Behind(id) | Spot::Only(id) | Spot::Unseen(id)) = spot;
    let point = context.point(id)?;
    let (place, site) = (point.place(), &point.site);
    let flows = count(flows, "flow");
    Some(match spot {
        Spot::Point(_, Cause::BlindSpot) => {
            format!("both directions of {place}: it shows one side only of {flows}")
        }
        Spot::Point(_, Cause::Sampled) => {
            format!("every packet of {place}, not samples: {flows} cannot be judged")
        }
        Spot::Point(_, Cause::Truncated) => {
            format!("more of each packet at {place}, with the ports: {flows} cannot be judged")
        }
        Spot::Point(_, Cause::MirrorLoss) => {
            format!("{place} without loss: it may have lost what would tell of {flows}")
        }
        Spot::Point(_, Cause::MirrorSilent) => {
            format!("{place} all the time: its mirror did not run while {flows} passed")
        }
        Spot::Point(_, Cause::Unopened) => {
            format!(
                "{place} in an encapsulation that can be opened: it may hide what is missing of {flows}"
            )
        }
        Spot::Point(..) => return None,
        Spot::Behind(_) => format!(
            "the firewall or router of the site behind {place}: where the other direction of {flows} goes is not mirrored"
        ),
        Spot::Only(_) => format!(
            "the firewall or router of {site}: {flows} are seen at {place} only, which shows no path"
        ),
        Spot::Unseen(_) => format!(
            "the other firewalls and routers of the machines behind {place}: it sees one direction of {flows}, and no \
             mirrored place the other"
        ),
    })
}
