//! The thread that makes what others are told: it looks at the engine for a moment at a time, and rests in between while
//! packets come.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Result;
use mirrorscope_engine::Engine;
use mirrorscope_engine::depart::{self, Left, UnderWay};
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::look::{self, Desk};
use mirrorscope_engine::report::{FlowReport, Report};
use mirrorscope_engine::time::Timestamp;
use mirrorscope_tui::data::Weight;

use super::Tell;
use super::findings::Findings;
use super::metrics::{Metrics, Picture, Way};
use super::news::{End, News};
use super::outlet::{Ending, Outlet};
use crate::pipeline::{self, Course, Gone, Moments};

/// The way to the engine, and the engine while no packet comes.
type Line = pipeline::Line<Engine>;
type Moment<'m> = pipeline::Moment<'m, Engine>;

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);
/// The same for flows that gave way, where reading waits until there is room for them.
const SOON: Duration = Duration::from_millis(10);
/// Flows that are handed over at once.
const HANDFUL: usize = 256;
/// Flows that gave way and may wait to be told.
pub const ROOM: usize = 65_536;

/// What is told, and to whom.
pub struct Feeder {
    /// Tells people how it goes.
    pub tell: Tell,
    pub outlets: Vec<Outlet>,
    pub metrics: Option<Metrics>,
    pub filter: Option<Filter>,
    /// Flows are told.
    pub flows: bool,
    /// Findings are told.
    pub findings: Option<Findings>,
    pub kind: Kind,
    /// When flows are told that go on.
    pub under_way: UnderWay,
    /// Flows that gave way and are not told yet.
    pub left: Left,
    /// Most flows in the table.
    pub max_flows: usize,
    /// When it was looked for what can be had at once.
    pub ticked: Instant,
    /// When it was looked for flows that are over, and for findings.
    pub told: Instant,
    pub reported: Option<Instant>,
    /// What was found when all flows were looked at last, and when that was.
    pub report: Option<(Timestamp, Arc<Report>)>,
    /// Flows that nobody kept until they could be told.
    pub missed: u64,
}

/// What packets come from, as far as it matters to those who are fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Interfaces, whose packets wait for nobody.
    Live,
    /// A pipe, whose end nobody knows.
    Pipe,
    /// Files: all of them is told at the end, so that it is the same in every run.
    Files,
}

impl Kind {
    /// Flows are told when they are over, and findings when they appear.
    fn goes_on(self) -> bool {
        self != Self::Files
    }

    /// What is read may wait for those who are fed.
    pub fn waits(self) -> bool {
        self != Self::Live
    }
}

/// Looks at all flows; meanwhile those that are over are told, too.
struct Long<'f>(&'f mut Feeder, &'f Line);

impl Desk for Long<'_> {
    type Gone = Gone;

    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        let Self(feeder, line) = self;
        let done = Moments(line).at(work)?;
        feeder.tick_if_due(line)?;
        Ok(done)
    }
}

impl Feeder {
    /// Tells what is new until the reading is over. Fails if a way out is closed for good.
    pub fn run(mut self, line: &Line) -> Result<Self> {
        if self.flows && line.at(|moment| moment.lent.keep_departed(ROOM)).is_err() {
            return Ok(self);
        }
        while self.go_on(line).is_ok() {
            self.tell_notes();
            if let Some(over) = self.outlets.iter().position(Outlet::is_over) {
                let over = self.outlets.swap_remove(over).end();
                over.wait(|note| (self.tell)(Weight::Error, note))?;
            }
        }
        Ok(self)
    }

    fn go_on(&mut self, line: &Line) -> Result<(), Gone> {
        let begin = Instant::now();
        self.tick_if_due(line)?;
        let findings = self.kind.goes_on() && self.findings.is_some();
        let due = self.reported.is_none_or(|when| when.elapsed() >= TICK);
        if due && (findings || self.metrics.is_some()) {
            self.reported = Some(begin);
            let filter = self.filter.clone();
            let report = look::report(&mut Long(self, line), filter.as_ref())?;
            self.tell_report(line, report)?;
        }
        line.wait(self.tick().saturating_sub(begin.elapsed()))
    }

    /// Tells findings, and what readers of metrics see of them.
    fn tell_report(&mut self, line: &Line, mut report: Report) -> Result<(), Gone> {
        let annotate = move |moment: &mut Moment<'_>| {
            if let Some(Course::Live { activity, .. }) = moment.course {
                activity.annotate(&mut report.sessions);
            }
            (moment.lent.time_reached(), report)
        };
        let ((at, report), _) = line.at(annotate)?;
        if self.kind.goes_on() {
            self.tell_findings(&report, at, self.kind.waits());
        }
        self.report = Some((at, report.into()));
        self.glance(line)
    }

    fn tick(&self) -> Duration {
        if self.flows && self.kind.waits() {
            SOON
        } else {
            TICK
        }
    }

    /// What is done all the time, also in the midst of a long look.
    fn tick_if_due(&mut self, line: &Line) -> Result<(), Gone> {
        if self.ticked.elapsed() < self.tick() {
            return Ok(());
        }
        if self.flows {
            self.tell_departed(line)?;
        }
        self.glance(line)?;
        self.ticked = Instant::now();
        Ok(())
    }

    /// Shows readers of metrics what can be had at once, and what was found at the last long look.
    fn glance(&mut self, line: &Line) -> Result<(), Gone> {
        let Some(metrics) = &self.metrics else {
            return Ok(());
        };
        let (picture, _) = line.at(|moment| Picture {
            live: match moment.course {
                Some(Course::Live { report, .. }) => Some(report()),
                Some(Course::Files(_) | Course::Read(_)) | None => None,
            },
            ..of_table(moment.lent)
        })?;
        metrics.show(self.completed(picture));
        Ok(())
    }

    /// A picture of the table of flows, and of all else.
    fn completed(&self, table: Picture) -> Picture {
        Picture {
            report: self.report.clone(),
            max_flows: self.max_flows,
            outlets: self.outlets.iter().map(way).collect(),
            ..table
        }
    }

    fn tell_departed(&mut self, line: &Line) -> Result<(), Gone> {
        let due = self.kind.goes_on() && self.told.elapsed() >= TICK;
        if due {
            self.told = Instant::now();
        }
        let mut under_way = self.under_way;
        let mut left = std::mem::take(&mut self.left);
        let mut handful = Handful::new(self, self.kind.waits());
        let over = due.then_some(&mut under_way);
        let missed = depart::departed(&mut Moments(line), over, &mut left, |flow, end| {
            handful.add(flow, end);
        });
        handful.give();
        self.left = left;
        self.under_way = under_way;
        self.note_missed(missed?);
        Ok(())
    }

    fn note_missed(&mut self, missed: u64) {
        if missed > 0 && self.missed == 0 {
            (self.tell)(
                Weight::Error,
                "flows give way to others faster than they can be told; those that are not are counted",
            );
        }
        self.missed += missed;
    }

    fn tell_findings(&mut self, report: &Report, at: Timestamp, patient: bool) {
        let Some(findings) = &mut self.findings else {
            return;
        };
        let news = findings.news(&report.findings, at);
        if !news.is_empty() {
            self.give(News::Findings(news), patient);
        }
    }

    fn give(&self, news: News, patient: bool) {
        let news = Arc::new(news);
        for outlet in &self.outlets {
            outlet.give(&news, patient);
        }
    }

    fn tell_notes(&self) {
        for note in self.outlets.iter().flat_map(Outlet::take_notes) {
            (self.tell)(Weight::Error, &note);
        }
    }

    /// Tells all that was not told yet; it goes out by and by.
    pub fn finish(mut self, engine: &mut Engine) -> Closing {
        if self.flows {
            let left = std::mem::take(&mut self.left);
            let mut handful = Handful::new(&self, true);
            let missed = engine.untold(left, |flow, end| handful.add(flow, end));
            handful.give();
            self.note_missed(missed);
        }
        if self.findings.is_some() || self.metrics.is_some() {
            let report = match &self.filter {
                Some(filter) => engine.report_matching(filter),
                None => engine.report(),
            };
            let at = engine.time_reached();
            self.tell_findings(&report, at, true);
            self.report = Some((at, report.into()));
        }
        // Who reads later finds it as it was in the end.
        if let Some(metrics) = &self.metrics {
            metrics.show(self.completed(of_table(engine)));
        }
        Closing {
            outlets: self.outlets.into_iter().map(Outlet::end).collect(),
            missed: self.missed,
            tell: self.tell,
        }
    }
}

/// What is still on its way when all was told.
pub struct Closing {
    outlets: Vec<Ending>,
    missed: u64,
    tell: Tell,
}

impl Closing {
    /// Waits until it is out, or nothing goes out any more. True if nothing was lost.
    pub fn wait(self) -> Result<bool> {
        let tell = |text: &str| (self.tell)(Weight::Error, text);
        if self.missed > 0 {
            tell(&format!(
                "{} flows gave way before they were told",
                self.missed
            ));
        }
        let mut whole = self.missed == 0;
        for outlet in self.outlets {
            let name = outlet.name.clone();
            let lost = outlet.wait(tell)?;
            if lost > 0 {
                tell(&format!("{name}: {lost} records were lost"));
            }
            whole &= lost == 0;
        }
        Ok(whole)
    }
}

/// A picture of the table of flows.
fn of_table(engine: &Engine) -> Picture {
    Picture {
        flows: engine.flow_count(),
        flow_bytes: engine.flow_bytes(),
        ..Picture::default()
    }
}

/// Flows that are handed over together.
struct Handful<'f> {
    feeder: &'f Feeder,
    /// Who gives may wait.
    patient: bool,
    flows: Vec<(FlowReport, End)>,
}

impl<'f> Handful<'f> {
    fn new(feeder: &'f Feeder, patient: bool) -> Self {
        Self {
            feeder,
            patient,
            flows: Vec::new(),
        }
    }

    fn add(&mut self, flow: FlowReport, end: End) {
        let filter = self.feeder.filter.as_ref();
        if filter.is_some_and(|filter| filter.decide(&flow) != Some(true)) {
            return;
        }
        self.flows.push((flow, end));
        if self.flows.len() == HANDFUL {
            self.give();
        }
    }

    fn give(&mut self) {
        if !self.flows.is_empty() {
            let flows = std::mem::take(&mut self.flows);
            self.feeder.give(News::Flows(flows), self.patient);
        }
    }
}

/// How it goes with somebody who is fed.
fn way(outlet: &Outlet) -> Way {
    let counts = &outlet.counts;
    Way {
        name: outlet.name.clone(),
        delivered: counts.delivered.load(Ordering::Relaxed),
        lost: counts.lost.load(Ordering::Relaxed),
        reached: counts.reached.load(Ordering::Relaxed),
    }
}
