//! The view by site: what each site passes of requests and of answers, and how much of the traffic between two sites keeps
//! to one of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::correlate::Judgement;
use crate::observation::FlowObserved;
use crate::observer::Context;
use crate::point::PointId;
use crate::table::Set;
use crate::verdict::Verdict;

/// Sites that are told apart.
const MAX_SITES: usize = 256;

/// The view by site.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Matrix {
    /// What passes each site.
    pub sites: Vec<SiteRow>,
    /// Flows by the sites that their requests enter by and their answers leave by.
    pub ways: Vec<WaysRow>,
    /// How symmetric the traffic of two sites is.
    pub pairs: Vec<Symmetry>,
    /// Flows that say nothing of it.
    pub left_out: LeftOut,
}

/// What passes one site: its firewalls, routers and uplinks, or whatever is mirrored there if none of these is.
#[derive(Clone, Debug, Serialize)]
pub struct SiteRow {
    /// The site.
    pub site: String,
    /// What originators send.
    pub requests: Passed,
    /// What responders send.
    pub answers: Passed,
}

/// Traffic of one direction.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Passed {
    /// Flows.
    pub flows: u64,
    /// Packets, each counted once for a site.
    pub packets: u64,
    /// Bytes by the inner IP header.
    pub bytes: u64,
}

/// Flows that go the same ways.
#[derive(Clone, Debug, Serialize)]
pub struct WaysRow {
    /// The site that requests enter by; `None` if that is not mirrored.
    pub requests: Option<String>,
    /// The site that answers leave by; `None` if that is not mirrored.
    pub answers: Option<String>,
    /// How many.
    pub flows: u64,
}

/// How symmetric the traffic of two sites is.
#[derive(Clone, Debug, Serialize)]
pub struct Symmetry {
    /// The two.
    pub sites: [String; 2],
    /// Flows that keep to one of the two.
    pub symmetric: u64,
    /// Flows that enter by one and leave by the other.
    pub asymmetric: u64,
    /// Share of the symmetric ones, 0 to 1.
    pub score: f64,
}

/// Flows that say nothing of symmetry.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct LeftOut {
    /// Multicast, broadcast, ICMP messages that ask for no answer.
    pub by_nature: u64,
    /// One direction exists, or nobody answered.
    pub one_way: u64,
    /// Nothing could be concluded.
    pub unknown: u64,
    /// They pass no mirrored gateway: neighbours.
    pub local: u64,
}

/// A site, by its place among the names of all sites.
type SiteId = u32;

/// Gathers the view while the flows pass by.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// All sites, by name.
    names: Vec<String>,
    /// For each point whose packets count for its site, that site.
    counting: Vec<Option<SiteId>>,
    /// What passes each site, if some flow passed it.
    sites: Vec<Option<[Passed; 2]>>,
    /// Sites that some flow passed.
    known: usize,
    ways: BTreeMap<(Option<SiteId>, Option<SiteId>), u64>,
    left_out: LeftOut,
    /// What of the flow at hand passed each site; empty between flows.
    most: Vec<(SiteId, Passed)>,
}

impl Gather {
    pub fn new(context: &Context) -> Self {
        let points = &context.points;
        let names: BTreeSet<&str> = points.iter().map(|point| point.site.as_str()).collect();
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let counting = points.iter().zip(counting(context)).map(|(point, counts)| {
            let site = names.binary_search(&point.site).ok()?;
            counts.then_some(site as SiteId)
        });
        Self {
            counting: counting.collect(),
            sites: vec![None; names.len()],
            names,
            ..Self::default()
        }
    }

    pub fn add(&mut self, flow: &FlowObserved, judgement: &Judgement) {
        self.count(flow);
        match judgement.verdict {
            Verdict::Unknown => self.left_out.unknown += 1,
            Verdict::OneWay if judgement.by_nature => self.left_out.by_nature += 1,
            Verdict::OneWay | Verdict::Unanswered => self.left_out.one_way += 1,
            Verdict::Symmetric | Verdict::Asymmetric | Verdict::Moved => {
                let counts = |id| self.site(id).is_some();
                let enter = judgement.enters(flow, flow.originator, counts);
                let enter = enter.and_then(|id| self.site(id));
                let leave = if judgement.split(flow).is_some() {
                    let leave = judgement.leaves(flow, flow.responder(), counts);
                    leave.and_then(|id| self.site(id))
                } else {
                    enter
                };
                if enter.is_none() && leave.is_none() {
                    self.left_out.local += 1;
                } else if self.ways.len() < MAX_SITES * MAX_SITES {
                    *self.ways.entry((enter, leave)).or_default() += 1;
                }
            }
        }
    }

    /// Counts what of a flow passed each site.
    fn count(&mut self, flow: &FlowObserved) {
        let mut most = std::mem::take(&mut self.most);
        for (direction, side) in [flow.originator, flow.responder()].into_iter().enumerate() {
            for observation in &flow.observations {
                let seen = &observation.sides[side];
                let Some(site) = self.site(observation.point).filter(|_| seen.packets > 0) else {
                    continue;
                };
                let passed = Passed {
                    flows: 1,
                    packets: seen.packets,
                    bytes: seen.bytes,
                };
                match most.iter_mut().find(|(other, _)| *other == site) {
                    Some((_, known)) if known.packets >= passed.packets => {}
                    Some((_, known)) => *known = passed,
                    None => most.push((site, passed)),
                }
            }
            most.sort_unstable_by_key(|(site, _)| *site);
            for (site, passed) in most.drain(..) {
                let Some(slot) = self.sites.get_mut(site as usize) else {
                    continue;
                };
                if slot.is_none() && self.known < MAX_SITES {
                    self.known += 1;
                    *slot = Some(Default::default());
                }
                let Some(sums) = slot else {
                    continue;
                };
                let sum = &mut sums[direction];
                sum.flows += passed.flows;
                sum.packets += passed.packets;
                sum.bytes += passed.bytes;
            }
        }
        self.most = most;
    }

    /// The site that what passes a point counts for.
    fn site(&self, id: PointId) -> Option<SiteId> {
        self.counting.get(id.0 as usize).copied().flatten()
    }

    pub fn finish(self) -> Matrix {
        let name = |site: SiteId| self.names.get(site as usize).cloned().unwrap_or_default();
        let flows = |a: SiteId, b: SiteId| {
            let flows = self.ways.get(&(Some(a), Some(b)));
            flows.copied().unwrap_or_default()
        };
        let sites = || (0..).zip(&self.sites);
        let sites = || sites().filter_map(|(site, passed)| Some((site, passed.as_ref()?)));
        let all: Vec<SiteId> = sites().map(|(site, _)| site).collect();
        let mut pairs = Vec::new();
        for (index, &a) in all.iter().enumerate() {
            for &b in all.iter().skip(index + 1) {
                let (kept, split) = (flows(a, a) + flows(b, b), flows(a, b) + flows(b, a));
                // Among many sites only those that share traffic are a pair.
                if split == 0 && (all.len() > 2 || kept == 0) {
                    continue;
                }
                pairs.push(Symmetry {
                    sites: [name(a), name(b)],
                    symmetric: kept,
                    asymmetric: split,
                    score: kept as f64 / (kept + split) as f64,
                });
            }
        }
        let ways = self.ways.iter();
        Matrix {
            sites: sites()
                .map(|(site, &[requests, answers])| SiteRow {
                    site: name(site),
                    requests,
                    answers,
                })
                .collect(),
            ways: ways
                .map(|(&(requests, answers), &flows)| WaysRow {
                    requests: requests.map(name),
                    answers: answers.map(name),
                    flows,
                })
                .collect(),
            pairs,
            left_out: self.left_out,
        }
    }
}

/// Whether what passes each point counts for its site: a firewall, router or uplink does, other places on the path where
/// the site has none of these.
fn counting(context: &Context) -> Vec<bool> {
    let all = context.points.iter().filter(|p| p.role.is_gateway());
    let sites: Set<&str> = all.map(|p| p.site.as_str()).collect();
    let counts = context.points.iter().map(|point| {
        point.role.is_gateway() || point.role.on_path() && !sites.contains(point.site.as_str())
    });
    counts.collect()
}
