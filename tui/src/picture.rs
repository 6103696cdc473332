//! The sites as a picture, whoever draws it: their points, what passes them, and what goes in by one and out by another.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::matrix::WaysRow;
use mirrorscope_engine::report::{FlowReport, Report};

/// Sites that are drawn.
const SITES: usize = 64;
/// Points of a site that are drawn, besides those that the flows of the finding pass.
const POINTS: usize = 6;
/// Ways that are listed.
const WAYS: usize = 6;

/// What is drawn.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Sites by name.
    pub sites: Vec<Site>,
    /// Sites beyond those that are drawn.
    pub more: usize,
    /// Which way flows go: those that come back another one first.
    pub ways: Vec<WaysRow>,
    /// The points that requests pass, one after the other.
    pub requests: Vec<Stop>,
    /// The points that answers pass.
    pub answers: Vec<Stop>,
}

/// A site.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Its points, from the outside inwards.
    pub places: Vec<Place>,
    /// Points beyond those that are drawn.
    pub more: usize,
    /// Flows whose requests, and whose answers, pass here.
    pub flows: Option<(u64, u64)>,
}

/// A point at its site.
#[derive(Clone, Debug)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// What stands there.
    pub role: &'static str,
    /// Requests pass it.
    pub requests: bool,
    /// Answers pass it.
    pub answers: bool,
}

/// A point on a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The point.
    pub point: String,
    /// Its site.
    pub site: String,
}

impl Picture {
    /// The picture of all sites, with the way of a finding's flows.
    pub fn new(report: &Report, finding: Option<&Finding>) -> Self {
        let way = |label| finding.map_or_else(Vec::new, |finding| way(finding, label));
        Self::with_ways(report, [way("requests"), way("answers")])
    }

    /// The same with the way of requests, and that of answers.
    pub fn with_ways(report: &Report, [requests, answers]: [Vec<Stop>; 2]) -> Self {
        let passes = |way: &[Stop], point: &str, site: &str| {
            way.iter()
                .any(|stop| stop.point == point && stop.site == site)
        };
        // There may be thousands.
        let mut met: BTreeMap<&str, BTreeSet<(u8, &str, &'static str)>> = BTreeMap::new();
        for session in &report.sessions {
            let points = met.entry(&session.site).or_default();
            points.insert((inwards(session.role), &session.point, session.role));
        }
        let more = met.len().saturating_sub(SITES);
        let sites = met.into_iter().take(SITES).map(|(name, points)| {
            let rows = &report.sites_matrix.sites;
            let of_site = rows.iter().find(|row| row.site == name);
            let all = points.len();
            let mut room = POINTS;
            let places = points.into_iter().map(|(_, point, role)| Place {
                name: point.to_owned(),
                role,
                requests: passes(&requests, point, name),
                answers: passes(&answers, point, name),
            });
            let places = places.filter(|place| {
                let shown = room > 0 || place.requests || place.answers;
                room = room.saturating_sub(1);
                shown
            });
            let places: Vec<Place> = places.collect();
            Site {
                name: name.to_owned(),
                more: all - places.len(),
                places,
                flows: of_site.map(|row| (row.requests.flows, row.answers.flows)),
            }
        });
        let sites = sites.collect();
        let mut ways = report.sites_matrix.ways.clone();
        ways.sort_by_key(|way| (way.requests == way.answers, Reverse(way.flows)));
        ways.truncate(WAYS);
        Self {
            sites,
            more,
            ways,
            requests,
            answers,
        }
    }
}

/// The way of one direction of a flow.
pub fn way_of(flow: &FlowReport, from_originator: bool) -> Vec<Stop> {
    let points = flow.way(from_originator).into_iter();
    let stops = points.filter_map(|index| {
        let at = flow.points.get(index)?;
        Some(Stop {
            point: at.point.clone(),
            site: at.site.clone(),
        })
    });
    stops.collect()
}

/// Where a role stands, from the outside inwards.
pub fn inwards(role: &str) -> u8 {
    match role {
        "uplink" => 0,
        "router" => 1,
        "firewall" => 2,
        "dci" => 3,
        "switch" => 4,
        _ => 5,
    }
}

/// The points of a way as a finding's story tells it: `fw1 (dc1) > dci1 (dc1)`.
fn way(finding: &Finding, label: &str) -> Vec<Stop> {
    let story = finding.story.iter();
    let mut lines = story.flat_map(|story| &story.lines);
    let line = lines.find(|(name, _)| name == label);
    line.map_or_else(Vec::new, |(_, text)| stops(text))
}

fn stops(way: &str) -> Vec<Stop> {
    let parts = way.split(" > ").filter_map(|part| {
        let (point, site) = part.rsplit_once(" (")?;
        Some(Stop {
            point: point.to_owned(),
            site: site.split_once(')')?.0.to_owned(),
        })
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_points_of_a_way_are_read_from_the_story() {
        let told = |way: &str| -> Vec<String> {
            let stops = stops(way).into_iter();
            stops
                .map(|stop| format!("{}@{}", stop.point, stop.site))
                .collect()
        };
        assert_eq!(
            told("fw1-inside (dc1) > dci (east) (dc1) > vm2 (dc2)"),
            ["fw1-inside@dc1", "dci (east)@dc1", "vm2@dc2"]
        );
        assert_eq!(told("nobody saw them"), [""; 0]);
    }
}
