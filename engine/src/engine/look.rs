//! A look at all flows, a moment at a time.
//!
//! Packets need not wait while very many flows are judged: whoever has the engine lets others look at it between packets
//! ([`Desk`]), at some hundred flows at once. What verdicts rest on is gathered first, from all flows; nothing is judged that is
//! younger than that. What mirrors lost is asked for anew with every handful of flows, so that it is never older than they
//! are: the network is not blamed for what a mirror lost meanwhile.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;

use super::page::Place;
use super::{Engine, Tables, wanted};
use crate::advice;
use crate::correlate::Judgement;
use crate::filter::{Chooses, Filter};
use crate::finding::{Collector, DroppedHere};
use crate::hint::Hint;
use crate::inventory::EndpointReport;
use crate::matrix;
use crate::observation::FlowObserved;
use crate::observer::Context;
use crate::point::PointId;
use crate::receive::TimeSource;
use crate::report::{Report, SessionReport, Totals};
use crate::table::Set;
use crate::time::Timestamp;
use crate::track::{self, PointEvidence, Tracker};

/// Flows that are observed in one moment, at least.
pub(super) const FLOWS: u32 = 64;
/// For so many points one flow more, so that asking what mirrors lost takes no larger share of many moments.
const POINTS: u32 = 4;
/// Places of the flow table that are passed over in one moment.
pub(super) const PLACES: u32 = 8192;
/// Stations that are put into words in one moment.
const STATIONS: usize = 256;
/// A look begins anew if points appear meanwhile, but not for ever.
const TRIES: u32 = 3;

/// Somebody who has an engine, and lets others look at it for a moment at a time.
pub trait Desk {
    /// Nobody wants to know any more.
    type Gone;

    /// Does something that takes a moment. Packets may come before the next one.
    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Self::Gone>;

    /// Whether nothing comes between two moments.
    fn is_still(&self) -> bool {
        false
    }
}

/// Nothing comes while it is borrowed.
impl Desk for &Engine {
    type Gone = Infallible;

    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Self::Gone> {
        Ok(work(self))
    }

    fn is_still(&self) -> bool {
        true
    }
}

/// What verdicts rest on besides what the points saw of a flow, as of a moment.
#[derive(Debug)]
pub(super) struct Basis {
    /// That moment: what came later is not judged yet.
    pub at: Timestamp,
    /// Packets still come.
    under_way: bool,
    /// The sites as they were described then.
    pub edition: u64,
    flows: track::Basis,
    routers: Arc<Set<[u8; 6]>>,
}

/// The same, and what is known of the mirrors by now.
#[derive(Clone, Debug)]
pub(super) struct Ground {
    pub context: Context,
    pub evidence: Vec<PointEvidence>,
    /// By how much the times of each point's packets are behind arrival, if mirrors tell the time.
    behind: Option<Vec<i64>>,
}

/// Some flows.
struct Handful {
    /// How they are to be judged.
    ground: Arc<Ground>,
    /// With their places in the table.
    flows: Vec<(u32, FlowObserved)>,
    /// The place of the next ones, if there are any.
    next: Option<u32>,
    edition: u64,
}

/// What is known in the end besides the flows.
struct Closing {
    ground: Arc<Ground>,
    sessions: Vec<SessionReport>,
    totals: Totals,
    dropped: Vec<DroppedHere>,
    hints: Vec<Hint>,
    edition: u64,
}

/// What is made of flows as they pass by.
struct Review {
    /// Names of the sessions.
    names: Vec<String>,
    totals: Totals,
    matching: u64,
    collector: Collector,
    matrix: matrix::Gather,
    advice: advice::Gather,
}

impl Ground {
    /// What became of a flow.
    pub fn judge(&self, flow: &FlowObserved) -> Judgement {
        let Some(behind) = &self.behind else {
            return self.context.judge(flow);
        };
        // Arrival is the only time that all points share, and that of the mirrors' health.
        let behind = |point: PointId| behind.get(point.0 as usize).copied().unwrap_or_default();
        let judgement = self.context.judge(&flow.later(behind));
        judgement.earlier(behind)
    }
}

impl Engine {
    /// What verdicts rest on now, of which nothing is gathered yet.
    pub(super) fn basis(&self) -> Basis {
        Basis {
            at: self.time_reached(),
            // A run that is told the time ends in the midst of what goes on, unlike a file.
            under_way: !self.finished || self.clock.is_some(),
            edition: self.receiver.points().edition(),
            flows: self.tables.flows.tracker.basis(),
            routers: Arc::new(self.tables.inventory.routers().collect()),
        }
    }

    /// All of it.
    pub(super) fn whole_basis(&self) -> Basis {
        let mut basis = self.basis();
        while self.gather(&mut basis) {}
        basis
    }

    pub(super) fn gather(&self, basis: &mut Basis) -> bool {
        self.tables.flows.tracker.gather(&mut basis.flows, PLACES)
    }

    /// What is known of the mirrors now.
    pub(super) fn ground(&self, basis: &Basis) -> Ground {
        let points = self.receiver.points().all();
        let evidence = basis.flows.evidence(points.len());
        let assigned = self.receiver.sessions().sequences.assign();
        let context = Context::new(self.facts(&assigned, &evidence), basis.at)
            .under_way(basis.under_way)
            .of_tenants(self.tables.flows.tracker.tenants())
            .with_translated(basis.flows.translated())
            .with_routers(Arc::clone(&basis.routers))
            .with_names(&self.names);
        let mirrors_tell = self.time == TimeSource::Mirror;
        let ids = || (0..points.len()).map(|index| PointId(index as u32));
        Ground {
            context,
            evidence,
            behind: mirrors_tell.then(|| ids().map(|id| self.behind(id)).collect()),
        }
    }

    /// Every flow, in order of appearance.
    pub(super) fn observed<'a>(
        &'a self,
        ground: &'a Ground,
    ) -> impl Iterator<Item = FlowObserved> + 'a {
        let points = self.receiver.points().all();
        self.tables.flows.tracker.flows(points, &ground.evidence)
    }

    /// Flows that are observed in one moment.
    pub(super) fn at_once(&self) -> u32 {
        FLOWS.max(self.receiver.points().all().len() as u32 / POINTS)
    }

    /// Some flows from a place on.
    fn handful(&self, basis: &Basis, known: Option<Arc<Ground>>, first: u32) -> Handful {
        let ground = known.unwrap_or_else(|| Arc::new(self.ground(basis)));
        let points = self.receiver.points();
        let tracker = &self.tables.flows.tracker;
        let next = first + self.at_once();
        let flows = tracker.observed(first..next, points.all(), &ground.evidence);
        Handful {
            flows: flows.collect(),
            next: (next < tracker.places()).then_some(next),
            edition: points.edition(),
            ground,
        }
    }

    /// Some flows, as far as they are still in the table.
    pub(super) fn still(&self, ground: &Ground, places: &[Place]) -> Vec<(u32, FlowObserved)> {
        let points = self.receiver.points().all();
        let tracker = &self.tables.flows.tracker;
        let still = places
            .iter()
            .filter(|(place, serial)| tracker.is_still(*place, *serial));
        still
            .flat_map(|(place, _)| tracker.observed(*place..place + 1, points, &ground.evidence))
            .collect()
    }

    fn closing(&self, basis: &Basis) -> Closing {
        let ground = self.ground(basis);
        let sessions = self.sessions();
        let doubled = ground.evidence.iter().map(|point| point.doubled).sum();
        Closing {
            totals: self.totals(&sessions, doubled),
            dropped: self.dropped_here(),
            hints: self.hints(),
            edition: self.receiver.points().edition(),
            ground: Arc::new(ground),
            sessions,
        }
    }
}

impl Review {
    fn new(engine: &Engine, ground: &Ground, filtered: bool) -> Self {
        let inventory = &engine.tables.inventory;
        let changes = inventory.changes(|from, to| engine.follows(from, to));
        let conflicts = inventory.conflicts();
        Self {
            names: engine.session_names(),
            totals: Totals::default(),
            matching: 0,
            collector: Collector::of_endpoints(changes, conflicts, filtered),
            matrix: matrix::Gather::new(&ground.context),
            advice: advice::Gather::default(),
        }
    }

    /// Takes a flow; what became of it if it is wanted.
    fn add(
        &mut self,
        filter: Option<&dyn Chooses>,
        ground: &Ground,
        flow: &FlowObserved,
    ) -> Option<Judgement> {
        let context = &ground.context;
        let judgement = ground.judge(flow);
        if !filter.is_none_or(|filter| wanted(filter, context, &self.names, flow, &judgement)) {
            return None;
        }
        self.matching += 1;
        let verdict = judgement.verdict.as_str();
        *self.totals.verdicts.entry(verdict).or_default() += 1;
        if let Some(cause) = judgement.cause {
            *self.totals.causes.entry(cause.as_str()).or_default() += 1;
        }
        self.collector.add(context, flow, &judgement);
        self.matrix.add(flow, &judgement);
        self.advice.add(context, flow, &judgement);
        Some(judgement)
    }

    fn finish(self, filter: Option<&dyn Chooses>, closing: Closing) -> Report {
        let Closing {
            ground,
            sessions,
            totals,
            dropped,
            hints,
            ..
        } = closing;
        let context = &ground.context;
        Report {
            filter: filter.and_then(Chooses::in_words),
            totals: Totals {
                verdicts: self.totals.verdicts,
                causes: self.totals.causes,
                flows_matching: filter.map(|_| self.matching),
                ..totals
            },
            findings: self.collector.finish(context, &sessions, &dropped),
            sites_matrix: self.matrix.finish(),
            advice: self.advice.finish(context),
            sessions,
            hints,
            live: None,
        }
    }
}

/// Passes over all places of the flow table, so many in a moment, until `step` says that it has enough.
pub(super) fn fold<D: Desk, S: Send + 'static>(
    desk: &mut D,
    at_once: u32,
    mut sum: S,
    step: impl Fn(&Tracker, Range<u32>, &mut S) -> bool + Clone + Send + 'static,
) -> Result<S, D::Gone> {
    let mut next = Some(0);
    while let Some(first) = next {
        let step = step.clone();
        (sum, next) = desk.at(move |engine| {
            let tracker = &engine.tables.flows.tracker;
            let end = first + at_once;
            let more = step(tracker, first..end, &mut sum) && end < tracker.places();
            (sum, more.then_some(end))
        })?;
    }
    Ok(sum)
}

/// What verdicts rest on, as of now.
pub(super) fn basis<D: Desk>(desk: &mut D) -> Result<Arc<Basis>, D::Gone> {
    let basis = desk.at(Engine::basis)?;
    gathered(desk, basis)
}

/// Gathers what all flows tell together.
pub(super) fn gathered<D: Desk>(desk: &mut D, mut basis: Basis) -> Result<Arc<Basis>, D::Gone> {
    let mut more = true;
    while more {
        (basis, more) = desk.at(move |engine| {
            let more = engine.gather(&mut basis);
            (basis, more)
        })?;
    }
    Ok(Arc::new(basis))
}

/// The report of the flows that a filter wants.
pub fn report<D: Desk>(desk: &mut D, filter: Option<&Filter>) -> Result<Report, D::Gone> {
    let filter = filter.map(|filter| filter as &dyn Chooses);
    let (report, ..) = report_with(desk, filter, |_, _, _| ())?;
    Ok(report)
}

/// The report of the flows that somebody wants; `judged` gets them.
pub(super) fn report_with<D: Desk>(
    desk: &mut D,
    filter: Option<&dyn Chooses>,
    mut judged: impl FnMut(u32, &FlowObserved, &Judgement),
) -> Result<(Report, Arc<Basis>, Arc<Ground>), D::Gone> {
    let mut tries = 0;
    'anew: loop {
        tries += 1;
        let basis = basis(desk)?;
        let of = Arc::clone(&basis);
        let filtered = filter.is_some();
        let (mut review, mut ground) = desk.at(move |engine| {
            let ground = engine.ground(&of);
            (Review::new(engine, &ground, filtered), Arc::new(ground))
        })?;
        let known = ground.context.points.len();
        let mut next = Some(0);
        while let Some(first) = next {
            let of = Arc::clone(&basis);
            let reached = desk.is_still().then_some(ground);
            let handful = desk.at(move |engine| engine.handful(&of, reached, first))?;
            ground = handful.ground;
            let appeared = ground.context.points.len() > known && tries < TRIES;
            if appeared || handful.edition != basis.edition {
                continue 'anew;
            }
            for (place, flow) in &handful.flows {
                if let Some(judgement) = review.add(filter, &ground, flow) {
                    judged(*place, flow, &judgement);
                }
            }
            next = handful.next;
        }
        let of = Arc::clone(&basis);
        let closing = desk.at(move |engine| engine.closing(&of))?;
        if closing.edition != basis.edition {
            continue;
        }
        let ground = Arc::clone(&closing.ground);
        return Ok((review.finish(filter, closing), basis, ground));
    }
}

/// The endpoints so far, by address.
pub fn endpoints<D: Desk>(desk: &mut D) -> Result<Vec<EndpointReport>, D::Gone> {
    let stations = desk.at(|engine| engine.tables.inventory.keys())?;
    let mut endpoints = Vec::new();
    for some in stations.chunks(STATIONS) {
        let some = some.to_vec();
        endpoints.extend(desk.at(move |engine| {
            let Tables {
                flows, inventory, ..
            } = &engine.tables;
            let points = engine.receiver.points().all();
            let reports = inventory.some(&some).map(|endpoint| {
                let tenant = flows.tracker.tenants().name(endpoint.scope);
                EndpointReport::new(&endpoint, points, tenant.map(str::to_owned), &engine.names)
            });
            reports.collect::<Vec<_>>()
        })?);
    }
    endpoints.sort_by_cached_key(|endpoint| {
        let first = endpoint.addresses.first().map(|own| own.address);
        (first.is_none(), first, endpoint.mac.clone())
    });
    Ok(endpoints)
}
