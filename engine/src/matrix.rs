//! The view by site: what each site passes of requests and of answers, and how much of the traffic between two sites keeps
//! to one of them.

use std::collections::BTreeMap;

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

/// Gathers the view while the flows pass by.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    sites: BTreeMap<String, [Passed; 2]>,
    ways: BTreeMap<(Option<String>, Option<String>), u64>,
    left_out: LeftOut,
    /// For each point, whether what passes it counts for its site.
    counting: Vec<bool>,
}

impl Gather {
    pub fn new(context: &Context) -> Self {
        Self {
            counting: counting(context),
            ..Self::default()
        }
    }

    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        self.count(context, flow);
        match judgement.verdict {
            Verdict::Unknown => self.left_out.unknown += 1,
            Verdict::OneWay if judgement.by_nature => self.left_out.by_nature += 1,
            Verdict::OneWay | Verdict::Unanswered => self.left_out.one_way += 1,
            Verdict::Symmetric | Verdict::Asymmetric | Verdict::Moved => {
                let ways = judgement.ways(flow);
                let [requests, answers] = [flow.originator, flow.responder()].map(|s| &ways[s]);
                let enter = self.edge(context, requests.iter());
                let leave = if judgement.split(flow).is_some() {
                    self.edge(context, answers.iter().rev())
                } else {
                    enter.clone()
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
    fn count(&mut self, context: &Context, flow: &FlowObserved) {
        for (direction, side) in [flow.originator, flow.responder()].into_iter().enumerate() {
            let mut most: BTreeMap<&str, Passed> = BTreeMap::new();
            for observation in &flow.observations {
                let seen = &observation.sides[side];
                let Some(point) = context.point(observation.point) else {
                    continue;
                };
                if seen.packets == 0 || !self.counts(observation.point) {
                    continue;
                }
                let site = most.entry(point.site.as_str()).or_default();
                if seen.packets > site.packets {
                    *site = Passed {
                        flows: 1,
                        packets: seen.packets,
                        bytes: seen.bytes,
                    };
                }
            }
            for (site, passed) in most {
                if self.sites.len() >= MAX_SITES && !self.sites.contains_key(site) {
                    continue;
                }
                let sum = &mut self.sites.entry(site.to_owned()).or_default()[direction];
                sum.flows += passed.flows;
                sum.packets += passed.packets;
                sum.bytes += passed.bytes;
            }
        }
    }

    fn counts(&self, id: PointId) -> bool {
        self.counting
            .get(id.0 as usize)
            .copied()
            .unwrap_or_default()
    }

    /// The site of the first point that counts.
    fn edge<'a>(
        &self,
        context: &Context,
        mut path: impl Iterator<Item = &'a PointId>,
    ) -> Option<String> {
        let first = path.find(|id| self.counts(**id))?;
        Some(context.point(*first)?.site.clone())
    }

    pub fn finish(self) -> Matrix {
        let symmetric = |site: &String| {
            let key = (Some(site.clone()), Some(site.clone()));
            self.ways.get(&key).copied().unwrap_or_default()
        };
        let asymmetric = |a: &String, b: &String| {
            let flows = |a: &String, b: &String| {
                let key = (Some(a.clone()), Some(b.clone()));
                self.ways.get(&key).copied().unwrap_or_default()
            };
            flows(a, b) + flows(b, a)
        };
        let names: Vec<&String> = self.sites.keys().collect();
        let mut pairs = Vec::new();
        for (index, a) in names.iter().enumerate() {
            for b in names.iter().skip(index + 1) {
                let (kept, split) = (symmetric(a) + symmetric(b), asymmetric(a, b));
                // Among many sites only those that share traffic are a pair.
                if split == 0 && (names.len() > 2 || kept == 0) {
                    continue;
                }
                pairs.push(Symmetry {
                    sites: [(*a).clone(), (*b).clone()],
                    symmetric: kept,
                    asymmetric: split,
                    score: kept as f64 / (kept + split) as f64,
                });
            }
        }
        let sites = self.sites.into_iter();
        let ways = self.ways.into_iter();
        Matrix {
            sites: sites
                .map(|(site, [requests, answers])| SiteRow {
                    site,
                    requests,
                    answers,
                })
                .collect(),
            ways: ways
                .map(|((requests, answers), flows)| WaysRow {
                    requests,
                    answers,
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
