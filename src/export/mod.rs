//! Other tools are fed while the command runs, and when it ends.
//!
//! What leaves the process has a thread of its own. The thread that takes packets makes what is to be told, about once a
//! second, and hands it over; it waits for nobody. At the end there are no packets to wait for it.

mod chunk;
mod findings;
mod form;
mod ipfix;
mod metrics;
pub mod news;
mod outlet;
mod pace;
mod plan;
mod sink;
mod target;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Result;
use mirrorscope_engine::Engine;
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::report::{FlowReport, Report};

use crate::cli::ExportArgs;
use crate::pipeline::Course;
use crate::privilege::Network;
use findings::Findings;
use metrics::{Metrics, Picture, Port, Way as OutletState};
use news::{End, News};
use outlet::Outlet;
use pace::Pace;
use plan::Way;
pub use target::{Place, Target};

/// Flows that are handed over at once.
const HANDFUL: usize = 256;

/// All that was asked for: ports are taken and names asked for while that may still be done.
pub struct Exports {
    metrics: Option<Port>,
    ways: Vec<Way>,
    host: String,
    network: Network,
}

impl Exports {
    /// Makes ready. Nothing is served, written or sent yet.
    pub fn open(args: &ExportArgs) -> Result<Self> {
        let metrics = args.metrics.map(Port::open).transpose()?;
        let ways = Way::all(args)?;
        let mut network = Network {
            serves: metrics.is_some(),
            ..Network::default()
        };
        for way in &ways {
            way.needs(&mut network);
        }
        Ok(Self {
            host: plan::host(),
            network,
            metrics,
            ways,
        })
    }

    /// Who is talked to.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Files that are written.
    pub fn files(&self) -> Vec<&Path> {
        self.ways.iter().filter_map(Way::file).collect()
    }

    /// Starts the threads. The table of flows has room for so many.
    pub fn start(self, max_flows: usize) -> Result<Feed> {
        if let Some(port) = &self.metrics {
            eprintln!("mirrorscope: {}", port.told()?);
        }
        let ways = self.ways.into_iter();
        let outlets: Result<Vec<Outlet>> = ways.map(|way| way.start(&self.host)).collect();
        Ok(Feed {
            outlets: outlets?,
            metrics: self.metrics.map(Port::start).transpose()?,
            findings: Findings::default(),
            max_flows,
            pace: Pace::default(),
        })
    }
}

/// What feeds the others.
pub struct Feed {
    outlets: Vec<Outlet>,
    metrics: Option<Metrics>,
    findings: Findings,
    max_flows: usize,
    pace: Pace,
}

impl Feed {
    /// Whether it is time to look at the engine.
    pub fn is_due(&self) -> bool {
        (self.metrics.is_some() || !self.outlets.is_empty()) && self.pace.ticks()
    }

    /// Looks at the engine, and tells what is new. Fails if a way out is closed for good.
    pub fn look(
        &mut self,
        engine: &mut Engine,
        course: &Course<'_>,
        filter: Option<&Filter>,
    ) -> Result<()> {
        let begin = Instant::now();
        self.pace.looked(begin);
        self.tell_notes();
        if let Some(over) = self.outlets.iter().position(Outlet::is_over) {
            self.outlets.swap_remove(over).finish()?;
        }
        let report = self.pace.is_due().then(|| {
            let report = report(engine, filter);
            self.pace.done(begin);
            report
        });
        let live = match course {
            Course::Live { report, .. } => Some(report()),
            Course::Files(_) | Course::Read(_) => None,
        };
        // Of files, what is told is the same in every run: all at the end.
        if let (Some(report), Some(_)) = (&report, &live) {
            self.tell_findings(engine, report, false);
        }
        if let Some(metrics) = &self.metrics {
            let report = report.map(|mut report| {
                if let Course::Live { activity, .. } = course {
                    activity.annotate(&mut report.sessions);
                }
                report
            });
            metrics.show(self.picture(engine, live, report));
        }
        Ok(())
    }

    fn picture(
        &self,
        engine: &Engine,
        live: Option<LiveReport>,
        report: Option<Report>,
    ) -> Picture {
        let outlets = self.outlets.iter().map(|outlet| OutletState {
            name: outlet.name.clone(),
            delivered: outlet.counts.delivered.load(Ordering::Relaxed),
            lost: outlet.counts.lost.load(Ordering::Relaxed),
            reached: outlet.counts.reached.load(Ordering::Relaxed),
        });
        Picture {
            live,
            report: report.map(|report| (engine.time_reached(), report.into())),
            flows: engine.flow_count(),
            flow_bytes: engine.flow_bytes(),
            max_flows: self.max_flows,
            outlets: outlets.collect(),
            ..Picture::default()
        }
    }

    fn tell_findings(&mut self, engine: &Engine, report: &Report, patient: bool) {
        let news = self.findings.news(&report.findings, engine.time_reached());
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
            eprintln!("mirrorscope: {note}");
        }
    }

    /// Tells all that was not told yet, and waits until it is out. True if nothing was lost.
    pub fn finish(mut self, engine: &Engine, filter: Option<&Filter>) -> Result<bool> {
        if self.outlets.is_empty() {
            return Ok(true);
        }
        let mut handful = Vec::with_capacity(HANDFUL);
        flows(engine, filter, |flow| {
            handful.push((flow, End::Run));
            if handful.len() == HANDFUL {
                self.give(News::Flows(std::mem::take(&mut handful)), true);
            }
        });
        self.give(News::Flows(handful), true);
        self.tell_findings(engine, &report(engine, filter), true);
        let mut whole = true;
        for outlet in self.outlets {
            let name = outlet.name.clone();
            let lost = outlet.finish()?;
            if lost > 0 {
                eprintln!("mirrorscope: {name}: {lost} records were lost");
            }
            whole &= lost == 0;
        }
        Ok(whole)
    }
}

fn report(engine: &Engine, filter: Option<&Filter>) -> Report {
    match filter {
        Some(filter) => engine.report_matching(filter),
        None => engine.report(),
    }
}

fn flows(engine: &Engine, filter: Option<&Filter>, mut sink: impl FnMut(FlowReport)) {
    let sink = |flow| {
        sink(flow);
        Ok::<(), std::convert::Infallible>(())
    };
    let Ok(()) = match filter {
        Some(filter) => engine.flows_matching(filter, sink),
        None => engine.flows(sink),
    };
}
