//! Where things stand in the sites picture.

use std::collections::BTreeMap;

use mirrorscope_tui::picture::{Picture, Place, Site, Stop, inwards};

use crate::html::words::units;

/// Sites that are drawn.
const SITES: usize = 5;
/// A point's box.
pub(super) const POINT: (i32, i32) = (158, 46);
/// From one row of points to the next.
const ROW: i32 = 78;
/// A site's box, and what lies between two of them.
pub(super) const SITE: i32 = 236;
const GAP: i32 = 84;
/// Above the first row of points: the outside, and the site's name.
pub(super) const TOP: i32 = 44;
const NAME: i32 = 46;
/// Below the last one: what passes the site.
const FOOT: i32 = 44;
/// Around everything.
const MARGIN: i32 = 12;
/// Below the sites: ways between sites that are no neighbours.
const CHANNEL: i32 = 26;
/// A way beside the points stands so far off them.
const BESIDE: i32 = 17;
/// The two ways stand so far off the middle.
const APART: i32 = 26;

/// A point in the picture.
pub(super) struct Spot<'a> {
    /// It.
    pub place: &'a Place,
    /// The site's column.
    pub column: usize,
    /// Row from the top.
    row: i32,
}

/// A site in the picture.
pub(super) struct Column<'a> {
    /// It.
    pub site: &'a Site,
    /// Left edge.
    pub left: i32,
}

/// One of the two ways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// From the originator in.
    Requests,
    /// From the responder out.
    Answers,
}

/// The picture.
pub(super) struct Grid<'a> {
    /// Sites from the left.
    pub sites: Vec<Column<'a>>,
    /// All points.
    pub spots: Vec<Spot<'a>>,
    /// The ways, as the indices of the points that they pass.
    pub ways: [Vec<usize>; 2],
    /// What is drawn, as it is told.
    pub picture: &'a Picture,
    /// Points that the finding is about.
    pub named: &'a [String],
    rows: i32,
}

impl<'a> Grid<'a> {
    pub(super) fn new(picture: &'a Picture, named: &'a [String]) -> Self {
        let mut chosen: Vec<&Site> = picture.sites.iter().collect();
        // Those on the way come first, so that they are there and stand side by side.
        let mut order: Vec<&str> = Vec::new();
        for stop in picture.requests.iter().chain(&picture.answers) {
            if !order.contains(&stop.site.as_str()) {
                order.push(&stop.site);
            }
        }
        let place = |site: &Site| order.iter().position(|name| *name == site.name);
        chosen.sort_by_key(|site| {
            let place = place(site);
            let flows = site
                .flows
                .map_or(0, |(requests, answers)| requests + answers);
            (
                place.is_none(),
                place,
                std::cmp::Reverse(if place.is_none() { flows } else { 0 }),
            )
        });
        chosen.truncate(SITES);
        // Two stand side by side in any order.
        if order.len() <= 2 {
            chosen.sort_by_key(|site| (place(site).is_none(), &site.name));
        }
        let mut spots = Vec::new();
        let rows = rows(&chosen);
        let first: BTreeMap<u8, i32> = rows
            .iter()
            .scan(0, |at, (rank, rows)| {
                let first = *at;
                *at += rows;
                Some((*rank, first))
            })
            .collect();
        for (column, site) in chosen.iter().enumerate() {
            let mut met: BTreeMap<u8, i32> = BTreeMap::new();
            for place in &site.places {
                let rank = inwards(place.role);
                let before = met.entry(rank).or_default();
                let row = first.get(&rank).copied().unwrap_or_default() + *before;
                *before += 1;
                spots.push(Spot { place, column, row });
            }
        }
        let sites: Vec<Column<'_>> = (0..)
            .zip(chosen)
            .map(|(index, site)| Column {
                site,
                left: MARGIN + index * (SITE + GAP),
            })
            .collect();
        let find = |stop: &Stop| {
            spots.iter().position(|spot: &Spot<'_>| {
                spot.place.name == stop.point
                    && sites
                        .get(spot.column)
                        .is_some_and(|column| column.site.name == stop.site)
            })
        };
        let way = |stops: &[Stop]| stops.iter().filter_map(find).collect();
        Self {
            ways: [way(&picture.requests), way(&picture.answers)],
            rows: rows.values().sum(),
            sites,
            spots,
            picture,
            named,
        }
    }

    pub(super) fn width(&self) -> i32 {
        let sites = units(self.sites.len());
        2 * MARGIN + sites * SITE + (sites - 1).max(0) * GAP
    }

    pub(super) fn height(&self) -> i32 {
        let [requests, answers] = &self.ways;
        let leaves = [requests, answers].into_iter().any(|way| {
            way.windows(2)
                .any(|hop| matches!(hop, [from, to] if self.apart(*from, *to) > 1))
        });
        TOP + self.site_height() + if leaves { CHANNEL + MARGIN } else { MARGIN }
    }

    pub(super) fn site_height(&self) -> i32 {
        NAME + self.rows * ROW - (ROW - POINT.1) + FOOT
    }

    /// The middle of a point.
    pub(super) fn middle(&self, spot: &Spot<'_>) -> (i32, i32) {
        let left = self.sites.get(spot.column).map_or(0, |site| site.left);
        (left + SITE / 2, TOP + NAME + spot.row * ROW + POINT.1 / 2)
    }

    /// Whether the way from the outside to a point leads through others of its site; with `to` another point in place of the outside.
    fn blocked(&self, at: &Spot<'_>, to: Option<&Spot<'_>>) -> bool {
        let reach = to.map_or(-1, |to| to.row);
        let (low, high) = (reach.min(at.row), reach.max(at.row));
        self.spots
            .iter()
            .any(|other| other.column == at.column && other.row > low && other.row < high)
    }

    fn apart(&self, from: usize, to: usize) -> usize {
        match (self.spots.get(from), self.spots.get(to)) {
            (Some(from), Some(to)) => from.column.abs_diff(to.column),
            _ => 0,
        }
    }

    /// The points of a way, and whether it comes from the outside or leads there.
    fn course(&self, way: Way) -> (Vec<&Spot<'_>>, bool, bool) {
        let [requests, answers] = &self.ways;
        let stops = if way == Way::Requests {
            requests
        } else {
            answers
        };
        let spots: Vec<&Spot<'_>> = stops
            .iter()
            .filter_map(|index| self.spots.get(*index))
            .collect();
        // A machine's own port is where a way begins or ends.
        let ends = |spot: Option<&&Spot<'_>>| spot.is_none_or(|spot| spot.place.role == "vnic");
        let (begins, ends) = (ends(spots.first()), ends(spots.last()));
        match way {
            Way::Requests => (spots, !begins, begins && !ends),
            Way::Answers => (spots, ends && !begins, !ends),
        }
    }

    /// The lines of a way, each as the points of a line.
    pub(super) fn lines(&self, way: Way) -> Vec<Vec<(i32, i32)>> {
        let side = if way == Way::Requests { -1 } else { 1 };
        let (spots, enters, leaves) = self.course(way);
        let mut lines = Vec::new();
        if enters {
            lines.extend(spots.first().map(|spot| self.entry(spot, side)));
        }
        for hop in spots.windows(2) {
            if let [from, to] = hop {
                lines.push(self.hop(from, to, side));
            }
        }
        if leaves {
            let out = spots.last().map(|spot| self.entry(spot, side));
            lines.extend(out.map(|line| line.into_iter().rev().collect()));
        }
        lines
    }

    /// Where a way meets the outside.
    pub(super) fn outside(&self, way: Way) -> Option<(i32, i32)> {
        let side = if way == Way::Requests { -1 } else { 1 };
        let (spots, enters, leaves) = self.course(way);
        let spot = if enters {
            spots.first()
        } else {
            spots.last().filter(|_| leaves)
        };
        self.entry(spot?, side).first().copied()
    }

    fn entry(&self, spot: &Spot<'_>, side: i32) -> Vec<(i32, i32)> {
        let (x, y) = self.middle(spot);
        if self.blocked(spot, None) {
            let edge = x + side * POINT.0 / 2;
            let beside = edge + side * BESIDE;
            return vec![(beside, TOP - 16), (beside, y), (edge, y)];
        }
        let x = x + side * APART;
        vec![(x, TOP - 16), (x, y - POINT.1 / 2)]
    }

    fn hop(&self, from: &Spot<'_>, to: &Spot<'_>, side: i32) -> Vec<(i32, i32)> {
        let ((x, y), (x2, y2)) = (self.middle(from), self.middle(to));
        if from.column == to.column {
            if self.blocked(from, Some(to)) {
                let edge = x + side * POINT.0 / 2;
                let beside = edge + side * BESIDE;
                return vec![(edge, y), (beside, y), (beside, y2), (edge, y2)];
            }
            let half = (y2 - y).signum() * POINT.1 / 2;
            let x = x + side * APART;
            return vec![(x, y + half), (x, y2 - half)];
        }
        let ahead = (x2 - x).signum();
        let (edge, edge2) = (x + ahead * POINT.0 / 2, x2 - ahead * POINT.0 / 2);
        let (y, y2) = (y + side * 8, y2 + side * 8);
        let gap = edge + ahead * ((SITE - POINT.0) / 2 + GAP / 2 + side * 8);
        if from.column.abs_diff(to.column) == 1 {
            if y == y2 {
                return vec![(edge, y), (edge2, y2)];
            }
            return vec![(edge, y), (gap, y), (gap, y2), (edge2, y2)];
        }
        let below = TOP + self.site_height() + CHANNEL / 2 + side * 5;
        let gap2 = edge2 - ahead * ((SITE - POINT.0) / 2 + GAP / 2 - side * 8);
        vec![
            (edge, y),
            (gap, y),
            (gap, below),
            (gap2, below),
            (gap2, y2),
            (edge2, y2),
        ]
    }
}

/// How many rows each kind of place takes.
fn rows(sites: &[&Site]) -> BTreeMap<u8, i32> {
    let mut rows: BTreeMap<u8, i32> = BTreeMap::new();
    for site in sites {
        let mut own: BTreeMap<u8, i32> = BTreeMap::new();
        for place in &site.places {
            *own.entry(inwards(place.role)).or_default() += 1;
        }
        for (rank, count) in own {
            let most = rows.entry(rank).or_default();
            *most = count.max(*most);
        }
    }
    rows
}
