//! `report --format html`: all that a page shows, gathered from one reading; packets of example flows are read once more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use mirrorscope_capture::{Again, Place};
use mirrorscope_engine::finding::Severity;
use mirrorscope_engine::page::{self, Digest, FlowQuery, FlowSort};
use mirrorscope_engine::point::printable;
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::report::Report;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine, one};
use mirrorscope_tui::data::Ladder;

use super::watch::frames::Frames;
use super::watch::history::History;
use super::watch::ladder;
use super::watch::replay::{Replay, Source};
use super::{analysis, filter};
use crate::cli::{AnalysisArgs, InputArgs};
use crate::html::{LISTED, Page};
use crate::pipeline::{Consumer, Course, Input, Plan};

/// Memory for packets that cannot be read again: what comes live, through a pipe or compressed.
const KEPT: usize = 64 << 20;
/// Flows whose packets are shown.
const LADDERS: usize = 3;

/// What was found, and a page of it; whether nothing was wrong with the input.
pub fn page(args: &AnalysisArgs) -> Result<(Page, bool)> {
    analysis::refuse_interval(args, "a page is one document")?;
    let filter = filter(args)?;
    let input = Input::open(&args.input, Plan::default())?;
    let mut gather = Gather::new(&input, args);
    let done = input.run(&mut gather)?;
    gather.finish();
    analysis::tell_refused(&gather.engine, args);
    let Ok((whole, digest)) = page::report_and_digest(&mut &gather.engine);
    let mut report = match &filter {
        Some(filter) => gather.engine.report_matching(filter),
        None => whole,
    };
    if let Some((live, activity)) = done.live {
        activity.annotate(&mut report.sessions);
        report.live = Some(live);
    }
    let query = FlowQuery {
        filter,
        sort: FlowSort::Verdict,
        descending: true,
        window: 0..LISTED,
    };
    let Ok(flows) = page::page(&mut &gather.engine, &digest, &query);
    let page = Page {
        input: names(&args.input),
        flows,
        endpoints: gather.engine.endpoints(),
        ladders: gather.ladders(&report, &digest),
        report,
    };
    Ok((page, done.sound))
}

/// What was read, fit to be shown.
fn names(args: &InputArgs) -> Vec<String> {
    let file = |path: &Path| match path.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => printable(
            &path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy(),
        ),
    };
    let files = args.files.iter().map(|path| file(path));
    let interfaces = args.live.interfaces.iter().map(|name| printable(name));
    files.chain(interfaces).collect()
}

/// An engine, and where the frames of each flow are.
struct Gather {
    engine: Engine,
    config: Config,
    history: History,
    again: Option<Again>,
}

impl Gather {
    fn new(input: &Input<'_>, args: &AnalysisArgs) -> Self {
        let config = input.settings(args);
        Self {
            engine: input.engine(args),
            history: History::new(KEPT, config.dissect.clone()),
            config,
            again: None,
        }
    }

    fn finish(&mut self) {
        let Self {
            engine, history, ..
        } = self;
        engine.finish_with(|mirrored, taken, _| {
            if let Some(taken) = taken {
                history.salvaged(mirrored, taken);
            }
        });
    }

    /// The packets of one flow of each of the gravest findings.
    fn ladders(&mut self, report: &Report, digest: &Digest) -> Vec<Result<Arc<Ladder>, String>> {
        let mut chosen: Vec<String> = Vec::new();
        let told = |severity| severity > Severity::Info;
        let findings = report.findings.iter().filter(|f| told(f.severity));
        for id in findings.filter_map(|finding| finding.examples.first()) {
            if chosen.len() < LADDERS && !chosen.contains(id) {
                chosen.push(id.clone());
            }
        }
        let Ok(flows) = one::flows(&mut &self.engine, digest, &chosen);
        let losses = self.engine.mirror_losses();
        let made = flows.into_iter().map(|flow| {
            ladder::ladder(Replay {
                flow,
                source: self.source(),
                losses: losses.clone(),
            })
        });
        made.collect()
    }

    fn source(&mut self) -> Source {
        // An interrupted run ends with what there is.
        let go_on = Arc::new(AtomicBool::new(false));
        Source {
            frames: Frames::new(self.history.blocks(), self.again.clone(), go_on),
            config: self.config.clone(),
            interfaces: self.engine.receiver().interfaces().to_vec(),
        }
    }
}

impl Consumer for Gather {
    fn receiver(&mut self) -> Option<&mut Receiver> {
        Some(self.engine.receiver())
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        Some(&mut self.engine)
    }

    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        self.frames_at(frames, &[])
    }

    fn frames_at(&mut self, frames: &[Frame<'_>], places: &[Option<Place>]) -> Result<()> {
        let mut batch = self.history.batch(frames, places);
        self.engine
            .frames_with(frames, |index, mirrored, taken, _| {
                batch.packet(index, mirrored, taken);
            });
        batch.finish();
        Ok(())
    }

    fn look(&mut self, course: &Course<'_>) -> Result<()> {
        if let Course::Read(files) = course {
            self.again = Some(files.again());
        }
        Ok(())
    }

    fn flows(&self) -> usize {
        self.engine.flow_count()
    }

    fn reload(&mut self, sites: Sites, _now: Timestamp) {
        self.config.sites = sites.clone();
        self.engine.reload(sites);
    }
}
