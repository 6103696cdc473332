//! What the analysing commands share: input through an engine, and views of it at the end or, live, every so often.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::session::MAX_SESSIONS;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::MAX_POINTS;
use mirrorscope_engine::{Engine, Threaded};

use super::interval::Views;
use super::view::{Eyes, Live, Turn, View};
use super::{filter, refuse_own_input};
use crate::cli::{AnalysisArgs, ExportArgs, TableArgs};
use crate::export::{Exports, Feed, Tell, on_standard_error};
use crate::pipeline::{BROKEN, Consumer, Course, Input, PATIENCE, Plan};

/// Runs all input through an engine, and shows what it finds: at the end, and with `--interval` before, from another thread.
/// Other tools get what `export` says. True if nothing was wrong with the input.
pub fn run(
    args: &AnalysisArgs,
    export: Option<&ExportArgs>,
    mut show: impl FnMut(&View<'_>) -> Result<()> + Send,
) -> Result<bool> {
    let (input, feed) = open(args, export, Plan::default(), on_standard_error())?;
    let engine = Threaded::new(input.engine(args), args.threads())
        .context("no further thread; --threads 1 needs none")?;
    let filter = filter(args)?;
    let several = args.input.live.interval.is_some();
    let (done, engine, feed) = thread::scope(|scope| {
        let views = if several {
            Some(Views::start(scope, filter.as_ref(), &mut show)?)
        } else {
            None
        };
        let mut analysis = Analysis {
            engine,
            feed,
            views,
        };
        let done = input.run(&mut analysis);
        let Analysis {
            mut engine,
            feed,
            views,
        } = analysis;
        let shown = views.map(|views| views.finish(&mut engine)).transpose();
        let done = done?;
        shown?;
        anyhow::Ok((done, engine, feed))
    })?;
    let mut engine = engine.into_engine().context(BROKEN)?;
    engine.finish();
    tell_refused(&engine, args);
    let live = done.live.as_ref();
    let live = live.map(|(live, activity)| Live::new(live, activity));
    show(&View {
        eyes: Eyes::Still(&engine),
        filter: filter.as_ref(),
        live: live.as_ref(),
        turn: if several { Turn::Last } else { Turn::Only },
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
struct Analysis<'scope> {
    engine: Threaded,
    feed: Option<Feed>,
    views: Option<Views<'scope>>,
}

impl Consumer for Analysis<'_> {
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
        if let Some(views) = &mut self.views {
            views.lend(&mut self.engine, course)?;
        }
        if let Some(feed) = &mut self.feed {
            feed.lend(&mut self.engine, course)?;
        }
        Ok(())
    }

    fn patience(&self) -> Duration {
        let views = self.views.as_ref().map(Views::patience);
        let feed = self.feed.as_ref().map(Feed::patience);
        views.into_iter().chain(feed).min().unwrap_or(PATIENCE)
    }

    fn reload(&mut self, sites: Sites, _now: Timestamp) {
        if let Some(engine) = self.engine.engine() {
            engine.reload(sites);
        }
    }

    fn interval(&mut self, live: &LiveReport, activity: &Activity) -> Result<()> {
        if let Some(views) = &mut self.views {
            views.ask(live, activity);
        }
        Ok(())
    }

    fn is_showing(&self) -> bool {
        self.views.as_ref().is_some_and(Views::is_showing)
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
