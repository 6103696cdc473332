//! Some of the flows in an order, chosen from all of them.
//!
//! A report takes a pass over all flows; it leaves a [`Digest`], which has the verdicts. A page is chosen by that and by what a
//! flow says of itself at once. Of flows that are passed over only a key is kept, and only of as many as the asked rows and
//! those before them are; words are made for the rows alone.

use std::net::IpAddr;
use std::ops::Range;

use super::Engine;
use crate::filter::{Filter, Judged};
use crate::flow::{Endpoint, Side};
use crate::observation::{FlowObserved, Sum};
use crate::observer::Context;
use crate::report::{FlowReport, Report};
use crate::table::Map;
use crate::time::Timestamp;
use crate::track::{Brief, PointEvidence};
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

/// What was made of all flows at a moment: of each its verdict. Flows that come later it does not know.
#[derive(Debug)]
pub struct Digest {
    pub(super) ground: Ground,
    /// By the numbers of the flows, which ascend.
    pub(super) verdicts: Vec<(u64, Verdict, Option<Cause>)>,
}

/// What verdicts rest on.
#[derive(Debug)]
pub(super) struct Ground {
    pub context: Context,
    pub evidence: Vec<PointEvidence>,
    /// Names of the sessions.
    pub names: Vec<String>,
}

impl Engine {
    /// Everything found so far, and what pages of the flows are made of.
    pub fn report_and_digest(&self) -> (Report, Digest) {
        let mut verdicts = Vec::new();
        let (report, ground) = self.report_on(None, |flow, judgement| {
            verdicts.push((flow.serial, judgement.verdict, judgement.cause));
        });
        (report, Digest { ground, verdicts })
    }

    /// A page of the flows that a digest knows.
    pub fn page(&self, digest: &Digest, query: &FlowQuery) -> FlowPage {
        let mut sought = Sought::new(query);
        let mut undecided = Vec::new();
        let mut known = digest.verdicts.iter().peekable();
        for flow in self.tables.tracker.briefs() {
            while known.next_if(|known| known.0 < flow.serial).is_some() {}
            let Some(&(serial, verdict, cause)) = known.next_if(|known| known.0 == flow.serial)
            else {
                continue;
            };
            let judged = Judged {
                context: &digest.ground.context,
                flow: &flow,
                verdict,
                cause,
            };
            let filter = query.filter.as_ref();
            match filter.map_or(Some(true), |filter| judged.is_wanted(filter)) {
                Some(true) => sought.add(&flow, verdict),
                Some(false) => {}
                None => undecided.push(serial),
            }
        }
        if let Some(filter) = &query.filter {
            for (flow, report) in self.in_words(&digest.ground, &undecided) {
                if filter.decide(&report) == Some(true) {
                    sought.add(&flow.brief(), report.verdict);
                }
            }
        }
        let chosen = sought.rows();
        let mut ascending = chosen.clone();
        ascending.sort_unstable();
        let mut rows: Vec<FlowReport> = self
            .in_words(&digest.ground, &ascending)
            .map(|(_, report)| report)
            .collect();
        let places: Map<u64, usize> = chosen.into_iter().zip(0..).collect();
        rows.sort_unstable_by_key(|report| places.get(&report.serial).copied());
        FlowPage {
            query: query.clone(),
            matching: sought.matching,
            total: digest.verdicts.len(),
            rows,
        }
    }

    /// Flows in words; their numbers ascend.
    fn in_words<'a>(
        &'a self,
        ground: &'a Ground,
        serials: &'a [u64],
    ) -> impl Iterator<Item = (FlowObserved, FlowReport)> + 'a {
        let points = self.receiver.points().all();
        let wanted = |serial| serials.binary_search(&serial).is_ok();
        let tracker = &self.tables.tracker;
        let flows = tracker.flows_where(points, &ground.evidence, wanted);
        flows.map(|flow| {
            let judgement = self.judge(&ground.context, &flow);
            let report = FlowReport::new(&ground.context, &ground.names, &flow, &judgement);
            (flow, report)
        })
    }
}

/// What a flow is sorted by, and its number.
type Key = ([u64; 3], u64);

/// The rows of a page, while flows are passed over.
struct Sought<'a> {
    query: &'a FlowQuery,
    /// The first so many in order; up to twice as many until they are sorted out.
    first: Vec<Key>,
    matching: usize,
}

impl<'a> Sought<'a> {
    fn new(query: &'a FlowQuery) -> Self {
        Self {
            query,
            first: Vec::new(),
            matching: 0,
        }
    }

    /// Takes a flow that the filter wants.
    fn add(&mut self, flow: &Brief<'_>, verdict: Verdict) {
        self.matching += 1;
        let rows = self.query.window.end;
        if self.query.window.is_empty() {
            return;
        }
        let mut key = key(self.query.sort, flow, verdict);
        if self.query.descending {
            key = key.map(|part| !part);
        }
        self.first.push((key, flow.serial));
        if self.first.len() >= rows.saturating_mul(2) {
            self.first.select_nth_unstable(rows);
            self.first.truncate(rows);
        }
    }

    /// The numbers of the flows in the window, in order.
    fn rows(&mut self) -> Vec<u64> {
        self.first.sort_unstable();
        let Range { start, end } = self.query.window;
        let rows = self.first.iter().take(end).skip(start);
        rows.map(|(_, serial)| *serial).collect()
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
