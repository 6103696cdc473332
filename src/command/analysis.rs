//! What the analysing commands share: input through an engine, and views of it at the end or, live, every so often.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::report::{FlowReport, Report, SessionReport};
use mirrorscope_engine::session::MAX_SESSIONS;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::MAX_POINTS;
use mirrorscope_engine::{Engine, Threaded};

use super::{filter, refuse_own_input, tell};
use crate::cli::{AnalysisArgs, ExportArgs, TableArgs};
use crate::export::{Exports, Feed, Tell, on_standard_error};
use crate::pipeline::{Consumer, Course, Input, PATIENCE, Plan};

/// What is said if a thread of the analysis fails; why, it has said itself.
const BROKEN: &str = "the thread that follows flows failed";

/// What is known at a time.
pub struct View<'a> {
    /// All that was found so far.
    pub engine: &'a Engine,
    filter: Option<&'a Filter>,
    live: Option<(&'a LiveReport, &'a Activity)>,
    turn: Turn,
}

/// Which of the views it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// The only one.
    Only,
    /// One of several, after one at that time.
    After(Timestamp),
    /// The last of several, which tells everything.
    Last,
}

impl View<'_> {
    /// When it was taken, if it is one of several.
    pub fn at(&self) -> Option<Timestamp> {
        let several = self.turn != Turn::Only;
        self.live.filter(|_| several).map(|(live, _)| live.time)
    }

    /// Everything found so far.
    pub fn report(&self) -> Report {
        let mut report = match self.filter {
            Some(filter) => self.engine.report_matching(filter),
            None => self.engine.report(),
        };
        if let Some((live, activity)) = self.live {
            activity.annotate(&mut report.sessions);
            report.live = Some(live.clone());
        }
        report
    }

    /// Mirror sessions.
    pub fn sessions(&self) -> Vec<SessionReport> {
        let mut sessions = match self.filter {
            Some(filter) => self.engine.sessions_matching(filter),
            None => self.engine.sessions(),
        };
        if let Some((_, activity)) = self.live {
            activity.annotate(&mut sessions);
        }
        sessions
    }

    /// Flows; of a view between others those that had packets since the one before.
    pub fn flows(&self, mut sink: impl FnMut(FlowReport) -> Result<()>) -> Result<()> {
        let sink = |flow: FlowReport| match self.turn {
            Turn::After(before) if flow.last < before => Ok(()),
            _ => sink(flow),
        };
        match self.filter {
            Some(filter) => self.engine.flows_matching(filter, sink),
            None => self.engine.flows(sink),
        }
    }

    /// Whether no other view follows.
    fn is_last(&self) -> bool {
        !matches!(self.turn, Turn::After(_))
    }

    /// Tells on standard error what could be read with another option.
    pub fn tell_hints(&self) {
        if self.is_last() {
            tell(&self.engine.hints());
        }
    }

    /// Findings, and a word if the filter left no flow.
    pub fn findings(&self) -> Vec<Finding> {
        let Report {
            findings, totals, ..
        } = self.report();
        if totals.flows_matching == Some(0) && self.is_last() {
            eprintln!(
                "mirrorscope: none of {} flows matches the filter",
                totals.flows
            );
        }
        findings
    }
}

/// Runs all input through an engine, and shows what it finds: at the end, and with `--interval` before. Other tools get what
/// `export` says. True if nothing was wrong with the input.
pub fn run(
    args: &AnalysisArgs,
    export: Option<&ExportArgs>,
    show: impl FnMut(&View<'_>) -> Result<()>,
) -> Result<bool> {
    let (input, feed) = open(args, export, Plan::default(), on_standard_error())?;
    let mut analysis = Analysis {
        feed,
        engine: Threaded::new(input.engine(args), args.threads())
            .context("no second thread; --threads 1 needs none")?,
        filter: filter(args)?,
        show,
        since: Timestamp(0),
    };
    let done = input.run(&mut analysis)?;
    let Analysis {
        engine,
        feed,
        filter,
        mut show,
        ..
    } = analysis;
    let mut engine = engine.into_engine().context(BROKEN)?;
    engine.finish();
    tell_refused(&engine, args);
    show(&View {
        engine: &engine,
        filter: filter.as_ref(),
        live: done.live.as_ref().map(|(live, activity)| (live, activity)),
        turn: match args.input.live.interval {
            Some(_) => Turn::Last,
            None => Turn::Only,
        },
    })?;
    let arrived = match feed {
        Some(feed) => feed.close(&mut engine)?.wait()?,
        None => true,
    };
    Ok(done.sound && arrived)
}

/// Opens all input, and the ways to other tools; `plan` is what else the command does. A filter that cannot be used is told
/// before.
pub fn open<'a>(
    args: &'a AnalysisArgs,
    export: Option<&ExportArgs>,
    plan: Plan<'_>,
    tell: Tell,
) -> Result<(Input<'a>, Option<Feed>)> {
    let filter = filter(args)?;
    let exports = export.map(Exports::open).transpose()?.flatten();
    let files = exports.as_ref().map(Exports::files).unwrap_or_default();
    for file in &files {
        refuse_own_input(file, args.input.all_files())?;
    }
    let plan = Plan {
        writes: &files,
        network: exports.as_ref().map(Exports::network),
        ..plan
    };
    let input = Input::open(&args.input, plan)?;
    let start = |exports: Exports| exports.start(args.table.max_flows, filter, input.kind(), tell);
    let feed = exports.map(start).transpose()?;
    Ok((input, feed))
}

/// Some output has no parts.
pub fn refuse_interval(args: &AnalysisArgs, why: &str) -> Result<()> {
    if args.input.live.interval.is_some() {
        bail!("--interval cannot be used here: {why}");
    }
    Ok(())
}

/// An engine, and who looks at it.
struct Analysis<F> {
    engine: Threaded,
    feed: Option<Feed>,
    filter: Option<Filter>,
    show: F,
    /// When it was shown last.
    since: Timestamp,
}

impl<F: FnMut(&View<'_>) -> Result<()>> Consumer for Analysis<F> {
    fn receiver(&mut self) -> Option<&mut Receiver> {
        self.engine.receiver()
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        self.engine.engine()
    }

    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        self.engine.frames(frames);
        Ok(())
    }

    fn flows(&self) -> usize {
        self.engine.flow_count()
    }

    fn look(&mut self, course: &Course<'_>) -> Result<()> {
        match &mut self.feed {
            Some(feed) => feed.lend(&mut self.engine, course),
            None => Ok(()),
        }
    }

    fn patience(&self) -> Duration {
        self.feed.as_ref().map_or(PATIENCE, Feed::patience)
    }

    fn reload(&mut self, sites: Sites, _now: Timestamp) {
        if let Some(engine) = self.engine.engine() {
            engine.reload(sites);
        }
    }

    fn interval(&mut self, live: &LiveReport, activity: &Activity) -> Result<()> {
        (self.show)(&View {
            engine: self.engine.engine().context(BROKEN)?,
            filter: self.filter.as_ref(),
            live: Some((live, activity)),
            turn: Turn::After(self.since),
        })?;
        self.since = live.time;
        Ok(())
    }
}

/// Tells on standard error what found no room in the engine.
pub fn tell_refused(engine: &Engine, args: &AnalysisArgs) {
    tell_of_evicted(engine, &args.table);
    let (points, sessions) = (engine.refused_by_flows(), engine.refused_by_sessions());
    if points > 0 {
        eprintln!(
            "mirrorscope: {points} packets were seen at points beyond the {MAX_POINTS} that are kept of one flow"
        );
    }
    if sessions > 0 {
        eprintln!(
            "mirrorscope: {sessions} packets belong to sessions beyond {MAX_SESSIONS} and were left out"
        );
    }
}

/// Tells which flows are missing for want of room.
fn tell_of_evicted(engine: &Engine, table: &TableArgs) {
    let forgotten = engine.forgotten_by_firewalls();
    if forgotten > 0 {
        eprintln!(
            "mirrorscope: {forgotten} connections gave way to others in the tables of firewalls; what is out of state of them \
             is not judged; raise --max-flows (now {})",
            table.max_flows
        );
    }
    let evicted = engine.evicted();
    if evicted.flows() == 0 {
        return;
    }
    eprintln!(
        "mirrorscope: the flow table was full: {} of {} flows gave way to others ({} that nobody had answered, {} that \
         were over, {} alive); raise --max-flows (now {}) or --max-flow-memory (now {} MiB)",
        evicted.flows(),
        engine.flows_born(),
        evicted.unanswered,
        evicted.over,
        evicted.alive,
        table.max_flows,
        table.max_flow_memory >> 20,
    );
}
