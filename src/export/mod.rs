//! Other tools are fed while the command runs, and when it ends.
//!
//! What leaves the process has a thread of its own. The thread that takes packets makes what is to be told, about once a
//! second, and hands it over; it waits for nobody.

mod metrics;
mod pace;

use std::time::Instant;

use anyhow::Result;
use mirrorscope_engine::Engine;
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::report::Report;

use crate::cli::ExportArgs;
use crate::pipeline::Course;
use crate::privilege::Network;
use metrics::{Metrics, Picture, Port};
use pace::Pace;

/// All that was asked for: opened while that may still be done.
pub struct Exports {
    metrics: Option<Port>,
    network: Network,
}

impl Exports {
    /// Opens it. Nothing is served or sent yet.
    pub fn open(args: &ExportArgs) -> Result<Self> {
        let metrics = args.metrics.map(Port::open).transpose()?;
        Ok(Self {
            network: Network {
                serves: metrics.is_some(),
                ..Network::default()
            },
            metrics,
        })
    }

    /// Who is talked to.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Starts the threads. The table of flows has room for so many.
    pub fn start(self, max_flows: usize) -> Result<Feed> {
        if let Some(port) = &self.metrics {
            eprintln!("mirrorscope: {}", port.told()?);
        }
        Ok(Feed {
            metrics: self.metrics.map(Port::start).transpose()?,
            max_flows,
            pace: Pace::default(),
        })
    }
}

/// What feeds the others.
pub struct Feed {
    metrics: Option<Metrics>,
    max_flows: usize,
    pace: Pace,
}

impl Feed {
    /// Whether it is time to look at the engine.
    pub fn is_due(&self) -> bool {
        self.metrics.is_some() && self.pace.ticks()
    }

    /// Looks at the engine, and tells what is new.
    pub fn look(&mut self, engine: &mut Engine, course: &Course<'_>, filter: Option<&Filter>) {
        let begin = Instant::now();
        self.pace.looked(begin);
        let report = self.pace.is_due().then(|| {
            let mut report = match filter {
                Some(filter) => engine.report_matching(filter),
                None => engine.report(),
            };
            if let Course::Live { activity, .. } = course {
                activity.annotate(&mut report.sessions);
            }
            self.pace.done(begin);
            report
        });
        let live = match course {
            Course::Live { report, .. } => Some(report()),
            Course::Files(_) | Course::Read(_) => None,
        };
        self.show(engine, live, report);
    }

    fn show(&self, engine: &Engine, live: Option<LiveReport>, report: Option<Report>) {
        let Some(metrics) = &self.metrics else { return };
        metrics.show(Picture {
            live,
            report: report.map(|report| (engine.time_reached(), report.into())),
            flows: engine.flow_count(),
            flow_bytes: engine.flow_bytes(),
            max_flows: self.max_flows,
            ..Picture::default()
        });
    }
}
