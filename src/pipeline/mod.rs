//! Packets into the engine: the only place where the crates meet.

mod config;
mod files;
mod frames;
mod live;
mod signals;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};
use mirrorscope_capture::Files;
use mirrorscope_capture::live::Live;
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::{Limits, Scope, Timeouts};
use mirrorscope_engine::{Config, Endpoints, Engine};

use crate::cli::{self, AnalysisArgs, InputArgs};
use crate::privilege::{self, Needs};
use signals::Signals;

/// Open input with the settings that go with it.
pub struct Input<'a> {
    source: Source<'a>,
    /// The same files, to be read before.
    ahead: Option<Files>,
    count: u64,
    signals: Signals,
    registry: Registry,
    config: Config,
}

enum Source<'a> {
    Files(Box<Files>),
    Live(Box<Live>, &'a InputArgs),
}

/// How the input ended.
pub struct Done {
    /// Nothing was wrong with it.
    pub sound: bool,
    /// How a live run went.
    pub live: Option<(LiveReport, Activity)>,
}

/// What a command does besides reading its input once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan<'a> {
    /// It reads all of it before, too.
    pub twice: bool,
    /// Files that it writes, or folders.
    pub writes: &'a [&'a Path],
}

/// Something that takes frames.
pub trait Consumer {
    /// The receiver in it, if it has one, which must know the interfaces by name.
    fn receiver(&mut self) -> Option<&mut Receiver> {
        None
    }
    /// Takes frames, one after the other.
    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()>;
    /// Flows so far, for the progress line.
    fn flows(&self) -> usize {
        0
    }
    /// The engine in it, if it has one, whose sessions are watched while packets come live.
    fn engine(&mut self) -> Option<&mut Engine> {
        None
    }
    /// Does what is to be done about once a second while packets come live.
    fn tick(&mut self) -> Result<()> {
        Ok(())
    }
    /// Shows what is known by now: asked for at every `--interval`.
    fn interval(&mut self, _live: &LiveReport, _activity: &Activity) -> Result<()> {
        Ok(())
    }
    /// Describes the sites anew, from a time on.
    fn reload(&mut self, _sites: Sites, _now: Timestamp) {}
}

impl Consumer for Engine {
    fn receiver(&mut self) -> Option<&mut Receiver> {
        Some(Engine::receiver(self))
    }

    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        Engine::frames(self, frames);
        Ok(())
    }

    fn flows(&self) -> usize {
        Engine::flow_count(self)
    }
}

impl<'a> Input<'a> {
    /// Opens all input, reads the settings, and gives up what privileges that took; fails before anything is read or
    /// written.
    pub fn open(args: &'a InputArgs, plan: Plan<'_>) -> Result<Self> {
        let config = config::config(args)?;
        if !args.live.is_live() {
            let user = args.user.as_deref();
            return Self::open_files(&args.files, args.count, config, plan, user);
        }
        let signals = Signals::of_listener()?;
        let options = config::capture(&args.live, &config.dissect);
        privilege::take();
        let live = Box::new(Live::open(&options, signals.flag())?);
        privilege::drop(&Needs {
            user: args.user.clone(),
            write: plan.writes.iter().map(PathBuf::from).collect(),
            read: args.sites.iter().cloned().collect(),
        })?;
        Ok(Self {
            source: Source::Live(live, args),
            ahead: None,
            count: args.count.unwrap_or(u64::MAX),
            signals,
            registry: Registry::default(),
            config,
        })
    }

    /// Opens all files of packets that are taken as they are.
    pub fn open_plain(files: &[PathBuf], count: Option<u64>, plan: Plan<'_>) -> Result<Self> {
        Self::open_files(files, count, Config::default(), plan, None)
    }

    fn open_files(
        paths: &[PathBuf],
        count: Option<u64>,
        config: Config,
        plan: Plan<'_>,
        user: Option<&str>,
    ) -> Result<Self> {
        let signals = Signals::of_files()?;
        let open = || Files::open(paths, signals.flag());
        let ahead = plan.twice.then(open).transpose()?;
        let files = open()?;
        if privilege::is_sudo() || user.is_some() {
            privilege::drop(&Needs {
                user: user.map(str::to_owned),
                write: plan.writes.iter().map(PathBuf::from).collect(),
                read: Vec::new(),
            })?;
        }
        Ok(Self {
            source: Source::Files(Box::new(files)),
            ahead,
            count: count.unwrap_or(u64::MAX),
            signals,
            registry: Registry::default(),
            config,
        })
    }

    /// Whether packets come live, not from files.
    pub fn is_live(&self) -> bool {
        matches!(self.source, Source::Live(..))
    }

    /// An engine with the settings.
    pub fn engine(&self, args: &AnalysisArgs) -> Engine {
        self.engine_for(args, &self.registry)
    }

    fn engine_for(&self, args: &AnalysisArgs, registry: &Registry) -> Engine {
        let config = Config {
            scope: match args.scope {
                cli::Scope::None => Scope::None,
                cli::Scope::Vlan => Scope::Vlan,
                cli::Scope::Segment => Scope::Segment,
            },
            limits: Limits {
                flows: args.table.max_flows,
                bytes: args.table.max_flow_memory,
            },
            endpoints: Endpoints(args.table.max_endpoints),
            timeouts: Timeouts {
                established: args.table.tcp_timeout,
                closing: args.table.tcp_close_timeout,
                half_open: args.table.tcp_half_open_timeout,
                udp: args.table.udp_timeout,
                icmp: args.table.icmp_timeout,
                other: args.table.other_timeout,
            },
            ..self.config.clone()
        };
        Engine::new(config, Arc::clone(registry))
    }

    /// A receiver alone with the settings.
    pub fn decapsulator(&self) -> Receiver {
        Receiver::new(
            self.config.dissect.clone(),
            self.config.sites.clone(),
            Arc::clone(&self.registry),
        )
        .timed_by(self.config.time)
    }

    /// Feeds all frames to `consumer`. Tells what was wrong with the input on standard error.
    pub fn run(self, consumer: &mut impl Consumer) -> Result<Done> {
        let Self {
            source,
            count,
            signals,
            registry,
            ..
        } = self;
        let mut files = match source {
            Source::Files(files) => files,
            Source::Live(mut live, args) => {
                let live = live::read(&mut live, args, &signals, &registry, consumer)?;
                return Ok(Done {
                    sound: true,
                    live: Some(live),
                });
            }
        };
        let read = files::read(&mut files, count, &registry, consumer)?;
        let sound = read.complain(&files)?;
        if signals.stopped() {
            eprintln!(
                "mirrorscope: interrupted after {} frames; the rest was not read",
                read.frames
            );
        }
        Ok(Done { sound, live: None })
    }

    /// Reads everything before `run`, which will tell what is wrong with the input; fails if it is interrupted.
    pub fn run_ahead(&mut self, args: &AnalysisArgs) -> Result<Engine> {
        let registry = Registry::default();
        let mut engine = self.engine_for(args, &registry);
        if let Some(mut files) = self.ahead.take() {
            files::read(&mut files, self.count, &registry, &mut engine)?;
        }
        if self.signals.stopped() {
            bail!("interrupted before anything was written");
        }
        engine.finish();
        Ok(engine)
    }
}
