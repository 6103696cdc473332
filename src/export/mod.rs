//! Other tools are fed while the command runs, and when it ends.
//!
//! The thread that takes packets lends the engine for a moment at a time, and waits for nobody. Another one makes what is to
//! be told. Each way out has a thread and a queue of its own behind it. At the end there are no packets that would have to wait.

mod chunk;
mod feeder;
mod findings;
mod form;
mod ipfix;
mod metrics;
pub mod news;
mod outlet;
mod plan;
mod sink;
mod target;

use std::path::Path;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use mirrorscope_engine::Engine;
use mirrorscope_engine::depart::{Left, UnderWay};
use mirrorscope_engine::filter::Filter;
use mirrorscope_tui::data::Weight;

use crate::cli::ExportArgs;
use crate::pipeline::{self, Course, Desk, Owner};
use crate::privilege::Network;
pub use feeder::{Closing, Kind};
use feeder::{Feeder, ROOM};
use findings::Findings;
use metrics::Port;
use outlet::Outlet;
use plan::Way;
pub use target::{Listen, Place, Target};

/// The thread failed.
const BROKEN: &str = "the thread that feeds others failed";

/// All that was asked for: ports are taken and names asked for while that may still be done.
pub struct Exports {
    metrics: Option<Port>,
    ways: Vec<Way>,
    active: i64,
    host: String,
    network: Network,
}

impl Exports {
    /// Makes ready; `None` if there is nobody to feed. Nothing is served, written or sent yet.
    pub fn open(args: &ExportArgs) -> Result<Option<Self>> {
        let metrics = args.metrics.as_ref().map(Port::open).transpose()?;
        let ways = Way::all(args)?;
        let mut network = Network {
            serves: metrics.is_some(),
            ..Network::default()
        };
        for way in &ways {
            way.needs(&mut network);
        }
        let any = metrics.is_some() || !ways.is_empty();
        Ok(any.then(|| Self {
            host: plan::host(),
            active: if args.ipfix.is_empty() {
                0
            } else {
                args.ipfix_active_timeout
            },
            network,
            metrics,
            ways,
        }))
    }

    /// Who is talked to.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Files that are written.
    pub fn files(&self) -> Vec<&Path> {
        self.ways.iter().filter_map(Way::file).collect()
    }

    /// Starts the threads. The table of flows has room for `max_flows`; packets come from sources of this `kind`.
    pub fn start(
        self,
        max_flows: usize,
        filter: Option<Filter>,
        kind: Kind,
        tell: Tell,
    ) -> Result<Feed> {
        if let Some(port) = &self.metrics {
            tell(Weight::Info, &port.told()?);
        }
        let flows = self.ways.iter().any(Way::takes_flows);
        let findings = self.ways.iter().any(Way::takes_findings);
        let ways = self.ways.into_iter();
        let outlets: Result<Vec<Outlet>> = ways.map(|way| way.start(&self.host)).collect();
        let feeder = Feeder {
            tell,
            outlets: outlets?,
            metrics: self.metrics.map(Port::start).transpose()?,
            filter,
            flows,
            findings: findings.then(Findings::default),
            kind,
            under_way: UnderWay::every(self.active),
            left: Left::default(),
            max_flows,
            ticked: Instant::now(),
            told: Instant::now(),
            reported: None,
            report: None,
            missed: 0,
        };
        let (line, desk) = pipeline::line();
        let thread = Builder::new().name("feeder".to_owned());
        let thread = thread.spawn(move || feeder.run(&line));
        Ok(Feed {
            desk,
            thread: Some(thread.context("no thread to feed others")?),
            kind,
        })
    }
}

/// The side of the packets.
pub struct Feed {
    desk: Desk<Engine>,
    thread: Option<JoinHandle<Result<Feeder>>>,
    kind: Kind,
}

/// Tells people how it goes.
pub type Tell = Box<dyn Fn(Weight, &str) + Send>;

/// On standard error.
pub fn on_standard_error() -> Tell {
    Box::new(|_, text| eprintln!("mirrorscope: {text}"))
}

impl Feed {
    /// Lets the other thread look at the engine for a moment at a time. Fails if there is nobody to feed any more.
    pub fn lend(&mut self, engine: &mut impl Owner<Engine>, course: &Course<'_>) -> Result<()> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            self.join()?;
        }
        let waits = self.kind.waits();
        self.desk.lend(engine, course, |engine| {
            let waiting = |engine: &mut Engine| engine.departed_waiting() > ROOM / 2;
            waits && engine.lent().is_ok_and(waiting)
        })
    }

    /// How long packets may be waited for.
    pub fn patience(&self) -> Duration {
        self.desk.patience()
    }

    fn join(&mut self) -> Result<Feeder> {
        let thread = self.thread.take().context(BROKEN)?;
        thread.join().map_err(|_| anyhow!(BROKEN))?
    }

    /// Tells all that was not told yet; it goes out by and by.
    pub fn close(mut self, engine: &mut Engine) -> Result<Closing> {
        // The other thread looks no more when nobody lends.
        self.desk = pipeline::line().1;
        Ok(self.join()?.finish(engine))
    }
}
