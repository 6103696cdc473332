//! Some of the flows in an order, found in the one pass over all flows that a report takes.
//!
//! Of flows that are passed over only a key is kept, and only of as many as the asked rows and those before them are.
//! What the rows say is made at the end, for them alone.

use std::net::IpAddr;
use std::ops::Range;

use super::Engine;
use crate::correlate::Judgement;
use crate::filter::{Filter, Judged};
use crate::flow::{Endpoint, Side};
use crate::observation::FlowObserved;
use crate::observer::Context;
use crate::report::{FlowReport, Report, conn_state};
use crate::time::Timestamp;
use crate::track::PointEvidence;
use crate::verdict::Verdict;

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

impl Engine {
    /// Everything found so far, and a page of the flows. The report is that of all flows, whatever the page's filter.
    pub fn report_and_page(&self, query: &FlowQuery) -> (Report, FlowPage) {
        let mut sought = Sought::new(query);
        let (report, rows) = self.report_on(None, Some(&mut sought));
        let page = FlowPage {
            query: query.clone(),
            matching: sought.matching,
            total: sought.total,
            rows,
        };
        (report, page)
    }

    /// Flows in words, in the order of these numbers.
    pub(super) fn in_words(
        &self,
        context: &Context,
        evidence: &[PointEvidence],
        names: &[String],
        serials: &[u64],
    ) -> Vec<FlowReport> {
        let points = self.receiver.points().all();
        let mut wanted: Vec<(u64, usize)> = serials.iter().copied().zip(0..).collect();
        wanted.sort_unstable();
        let place = |serial| {
            let found = wanted.binary_search_by_key(&serial, |(serial, _)| *serial);
            found.ok().and_then(|index| wanted.get(index))
        };
        let tracker = &self.tables.tracker;
        let flows = tracker.flows_where(points, evidence, |serial| place(serial).is_some());
        let mut rows: Vec<(usize, FlowReport)> = flows
            .filter_map(|flow| {
                let (_, row) = place(flow.serial)?;
                let judgement = self.judge(context, &flow);
                Some((*row, FlowReport::new(context, names, &flow, &judgement)))
            })
            .collect();
        rows.sort_unstable_by_key(|(row, _)| *row);
        rows.into_iter().map(|(_, flow)| flow).collect()
    }
}

/// What a flow is sorted by, and its number.
type Key = ([u64; 3], u64);

/// The rows of a page, while flows are passed over.
pub(super) struct Sought<'a> {
    query: &'a FlowQuery,
    /// The first so many in order; up to twice as many until they are sorted out.
    first: Vec<Key>,
    matching: usize,
    total: usize,
}

impl<'a> Sought<'a> {
    fn new(query: &'a FlowQuery) -> Self {
        Self {
            query,
            first: Vec::new(),
            matching: 0,
            total: 0,
        }
    }

    /// Looks at a flow.
    pub(super) fn look(
        &mut self,
        context: &Context,
        names: &[String],
        flow: &FlowObserved,
        judgement: &Judgement,
    ) {
        self.total += 1;
        if let Some(filter) = &self.query.filter
            && !Judged::new(context, names, flow, judgement).is_wanted(filter)
        {
            return;
        }
        self.matching += 1;
        let rows = self.query.window.end;
        if self.query.window.is_empty() {
            return;
        }
        let mut key = key(self.query.sort, flow, judgement);
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
    pub(super) fn rows(&mut self) -> Vec<u64> {
        self.first.sort_unstable();
        let Range { start, end } = self.query.window;
        let rows = self.first.iter().take(end).skip(start);
        rows.map(|(_, serial)| *serial).collect()
    }
}

/// What a flow is sorted by.
fn key(sort: FlowSort, flow: &FlowObserved, judgement: &Judgement) -> [u64; 3] {
    let one = |part| [part, 0, 0];
    let [a, b] = flow.sums;
    match sort {
        FlowSort::First => one(time(flow.first)),
        FlowSort::Last => one(time(flow.last)),
        FlowSort::Source => end(flow, flow.originator),
        FlowSort::Destination => end(flow, flow.responder()),
        FlowSort::Protocol => one(flow.key.protocol.into()),
        FlowSort::Verdict => one(gravity(judgement.verdict)),
        FlowSort::State => one(word(conn_state(flow))),
        FlowSort::Packets => one(a.packets.saturating_add(b.packets)),
        FlowSort::Bytes => one(a.bytes.saturating_add(b.bytes)),
        FlowSort::Duration => one(time(Timestamp(flow.last.since(flow.first)))),
        FlowSort::Points => one(flow.observations.len() as u64),
    }
}

/// Earlier times are smaller numbers, those before 1970 too.
fn time(time: Timestamp) -> u64 {
    time.0.cast_unsigned() ^ 1 << 63
}

/// Addresses of IPv4 before those of IPv6.
fn end(flow: &FlowObserved, side: Side) -> [u64; 3] {
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
