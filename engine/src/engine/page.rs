//! Some of the flows in an order, chosen from all of them.
//!
//! A report takes a pass over all flows; it leaves a [`Digest`], which has the verdicts. A page is chosen by that and by what a
//! flow says of itself at once. Of flows that are passed over only a key is kept, and only of as many as the asked rows and
//! those before them are; words are made for the rows alone.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;

use super::look::{self, Basis, Desk, FLOWS, Ground, PLACES};
use super::words::{Observed, Words};
use crate::filter::{Filter, Judged};
use crate::flow::{Endpoint, Side};
use crate::observation::{FlowObserved, Sum};
use crate::observer::Context;
use crate::report::{FlowReport, Report};
use crate::time::Timestamp;
use crate::track::Brief;
use crate::verdict::{Cause, Verdict};

/// Which flows, in what order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlowQuery {
    /// Those that it wants; all without one. It chooses flows, verdicts and findings, as `--filter` does.
    pub filter: Option<Filter>,
    /// What they are sorted by.
    pub sort: FlowSort,
    /// The other way round.
    pub descending: bool,
    /// Which rows of them all.
    pub window: Range<usize>,
}

/// What flows are sorted by. Those that are equal in this keep the order of their first packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FlowSort {
    /// First packet.
    #[default]
    First,
    /// Last packet.
    Last,
    /// Originator's address and port.
    Source,
    /// Responder's address and port.
    Destination,
    /// Protocol.
    Protocol,
    /// The gravest verdict first when descending.
    Verdict,
    /// State.
    State,
    /// Packets of both directions.
    Packets,
    /// Bytes of both directions.
    Bytes,
    /// From first to last packet.
    Duration,
    /// Points that saw it.
    Points,
}

/// Some of the flows.
#[derive(Clone, Debug, Default)]
pub struct FlowPage {
    /// What was asked.
    pub query: FlowQuery,
    /// All flows that the filter wants.
    pub matching: usize,
    /// All flows.
    pub total: usize,
    /// Those of the window.
    pub rows: Vec<FlowReport>,
}

/// What was made of all flows by a look at them. Flows that came later it does not know.
#[derive(Debug)]
pub struct Digest {
    basis: Arc<Basis>,
    ground: Arc<Ground>,
    verdicts: Arc<Verdicts>,
}

/// How all flows went, by their places in the flow table.
#[derive(Debug, Default)]
struct Verdicts {
    flows: usize,
    /// The number of the flow at each place, how it went, and why that is unknown.
    places: Vec<Option<(u64, Verdict, Option<Cause>)>>,
}

/// A flow's place in the flow table, and its number.
pub(super) type Place = (u32, u64);

/// Everything found so far, and what pages of the flows are made of.
pub fn report_and_digest<D: Desk>(desk: &mut D) -> Result<(Report, Digest), D::Gone> {
    let mut places = Vec::new();
    let (report, basis, ground) = look::report_with(desk, None, |place, flow, judgement| {
        // If all is judged anew, what was known of later places is gone.
        places.resize_with(place as usize, || None);
        places.push(Some((flow.serial, judgement.verdict, judgement.cause)));
    })?;
    let verdicts = Verdicts {
        flows: places.iter().flatten().count(),
        places,
    };
    let digest = Digest {
        basis,
        ground,
        verdicts: Arc::new(verdicts),
    };
    Ok((report, digest))
}

/// The report of flows with these ids alone.
pub fn report_of<D: Desk>(desk: &mut D, ids: &BTreeSet<String>) -> Result<Report, D::Gone> {
    let (report, ..) = look::report_with(desk, Some(&ids), |_, _, _| ())?;
    Ok(report)
}

/// A page of the flows that a digest knows.
pub fn page<D: Desk>(
    desk: &mut D,
    digest: &Digest,
    query: &FlowQuery,
) -> Result<FlowPage, D::Gone> {
    let (ground, verdicts) = (Arc::clone(&digest.ground), Arc::clone(&digest.verdicts));
    let mut search = look::fold(
        desk,
        PLACES,
        Search::new(query),
        move |tracker, places, search| {
            for (place, flow) in tracker.briefs(places) {
                if let Some((verdict, cause)) = verdicts.of((place, flow.serial)) {
                    search.pass(&ground.context, (place, &flow), verdict, cause);
                }
            }
            true
        },
    )?;
    let mut put = Rows::new(digest);
    if let Some(filter) = &query.filter {
        let undecided = std::mem::take(&mut search.undecided);
        for places in undecided.chunks(FLOWS as usize) {
            for (place, flow, report) in put.of(desk, places.to_vec())? {
                if filter.decide(&report) == Some(true) {
                    search.add((place, &flow.brief()), report.verdict);
                }
            }
        }
    }
    let mut rows = Vec::new();
    for places in search.rows().chunks(FLOWS as usize) {
        let some = put.of(desk, places.to_vec())?;
        rows.extend(some.into_iter().map(|(_, _, report)| report));
    }
    Ok(FlowPage {
        query: query.clone(),
        matching: search.matching,
        total: digest.verdicts.flows,
        rows,
    })
}

impl Verdicts {
    fn of(&self, (place, serial): Place) -> Option<(Verdict, Option<Cause>)> {
        let (known, verdict, cause) = self.places.get(place as usize).copied().flatten()?;
        (known == serial).then_some((verdict, cause))
    }
}

/// Puts flows into words that a digest knows.
pub(super) struct Rows {
    basis: Arc<Basis>,
    words: Words,
}

impl Rows {
    pub fn new(digest: &Digest) -> Self {
        Self {
            basis: Arc::clone(&digest.basis),
            words: Words::default(),
        }
    }

    /// Some flows, as far as they are still in the table: judged by what is known of the mirrors by now, and no further than
    /// the digest was.
    pub fn of<D: Desk>(
        &mut self,
        desk: &mut D,
        places: Vec<Place>,
    ) -> Result<Vec<(u32, FlowObserved, FlowReport)>, D::Gone> {
        let (basis, known) = (Arc::clone(&self.basis), self.words.known());
        let observed = desk.at(move |engine| {
            let ground = engine.ground(&basis);
            let flows = engine.still(&ground, &places);
            Observed::new(engine, known, Arc::new(ground), flows)
        })?;
        Ok(self.words.all(observed).collect())
    }
}

/// What a flow is sorted by, its number, and its place.
type Key = ([u64; 3], u64, u32);

/// The rows of a page, while flows are passed over.
struct Search {
    query: FlowQuery,
    /// The first so many in order; up to twice as many until they are sorted out.
    first: Vec<Key>,
    matching: usize,
    /// Those of which only words tell whether they are wanted.
    undecided: Vec<Place>,
}

impl Search {
    fn new(query: &FlowQuery) -> Self {
        Self {
            query: query.clone(),
            first: Vec::new(),
            matching: 0,
            undecided: Vec::new(),
        }
    }

    /// Takes a flow and its verdict.
    fn pass(
        &mut self,
        context: &Context,
        (place, flow): (u32, &Brief<'_>),
        verdict: Verdict,
        cause: Option<Cause>,
    ) {
        let judged = Judged {
            context,
            flow,
            verdict,
            cause,
        };
        let filter = self.query.filter.as_ref();
        match filter.map_or(Some(true), |filter| judged.is_wanted(filter)) {
            Some(true) => self.add((place, flow), verdict),
            Some(false) => {}
            None => self.undecided.push((place, flow.serial)),
        }
    }

    /// Takes a flow that the filter wants.
    fn add(&mut self, (place, flow): (u32, &Brief<'_>), verdict: Verdict) {
        self.matching += 1;
        let rows = self.query.window.end;
        if self.query.window.is_empty() {
            return;
        }
        let mut key = key(self.query.sort, flow, verdict);
        if self.query.descending {
            key = key.map(|part| !part);
        }
        self.first.push((key, flow.serial, place));
        if self.first.len() >= rows.saturating_mul(2) {
            self.first.select_nth_unstable(rows);
            self.first.truncate(rows);
        }
    }

    /// The flows in the window, in order.
    fn rows(&mut self) -> Vec<Place> {
        self.first.sort_unstable();
        let Range { start, end } = self.query.window;
        let rows = self.first.iter().take(end).skip(start);
        rows.map(|(_, serial, place)| (*place, *serial)).collect()
    }
}

/// What a flow is sorted by.
fn key(sort: FlowSort, flow: &Brief<'_>, verdict: Verdict) -> [u64; 3] {
    let one = |part| [part, 0, 0];
    let both = |count: fn(&Sum) -> u64| flow.sums().iter().map(count).fold(0, u64::saturating_add);
    match sort {
        FlowSort::First => one(time(flow.first)),
        FlowSort::Last => one(time(flow.last)),
        FlowSort::Source => end(flow, flow.originator),
        FlowSort::Destination => end(flow, 1 - flow.originator),
        FlowSort::Protocol => one(flow.key.protocol.into()),
        FlowSort::Verdict => one(gravity(verdict)),
        FlowSort::State => one(word(flow.state())),
        FlowSort::Packets => one(both(|sum| sum.packets)),
        FlowSort::Bytes => one(both(|sum| sum.bytes)),
        FlowSort::Duration => one(time(Timestamp(flow.last.since(flow.first)))),
        FlowSort::Points => one(flow.point_count() as u64),
    }
}

/// Earlier times are smaller numbers, those before 1970 too.
fn time(time: Timestamp) -> u64 {
    time.0.cast_unsigned() ^ 1 << 63
}

/// Addresses of IPv4 before those of IPv6.
fn end(flow: &Brief<'_>, side: Side) -> [u64; 3] {
    let Endpoint { address, port } = flow.key.end(side);
    let (family, bits) = match address {
        IpAddr::V4(address) => (0, u128::from(address.to_bits())),
        IpAddr::V6(address) => (1, address.to_bits()),
    };
    [
        family << 63 | (bits >> 65) as u64,
        (bits >> 1) as u64,
        ((bits & 1) as u64) << 16 | u64::from(port),
    ]
}

/// The order of short words.
fn word(text: &str) -> u64 {
    let bytes = text.bytes().chain(std::iter::repeat(0)).take(8);
    bytes.fold(0, |word, byte| word << 8 | u64::from(byte))
}

fn gravity(verdict: Verdict) -> u64 {
    match verdict {
        Verdict::Symmetric => 0,
        Verdict::Unknown => 1,
        Verdict::Unanswered => 2,
        Verdict::OneWay => 3,
        Verdict::Moved => 4,
        Verdict::Asymmetric => 5,
    }
}
