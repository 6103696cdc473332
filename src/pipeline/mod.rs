//! Packets into the engine: the only place where the crates meet.

mod config;
mod files;
mod frames;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use mirrorscope_capture::Files;
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::track::{Limits, Scope, Timeouts};
use mirrorscope_engine::{Config, Endpoints, Engine};

use crate::cli::{self, AnalysisArgs, InputArgs};
use crate::privilege::{self, Needs};

/// Open input with the settings that go with it.
pub struct Input {
    files: Files,
    /// The same files, to be read before.
    ahead: Option<Files>,
    count: u64,
    stop: Arc<AtomicBool>,
    registry: Registry,
    config: Config,
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
    /// Takes one frame.
    fn frame(&mut self, frame: &Frame<'_>) -> Result<()>;
    /// Flows so far, for the progress line.
    fn flows(&self) -> usize {
        0
    }
    /// Does what is to be done once a second while packets come live.
    fn tick(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Consumer for Engine {
    fn receiver(&mut self) -> Option<&mut Receiver> {
        Some(Engine::receiver(self))
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        Engine::frame(self, frame);
        Ok(())
    }

    fn flows(&self) -> usize {
        Engine::flow_count(self)
    }
}

impl Input {
    /// Opens all input and reads the settings; fails before anything is read or written.
    pub fn open(args: &InputArgs, plan: Plan<'_>) -> Result<Self> {
        let config = config::config(args)?;
        Self::open_files(&args.files, args.count, config, plan)
    }

    /// Opens all files of packets that are taken as they are.
    pub fn open_plain(files: &[PathBuf], count: Option<u64>, plan: Plan<'_>) -> Result<Self> {
        Self::open_files(files, count, Config::default(), plan)
    }

    fn open_files(
        paths: &[PathBuf],
        count: Option<u64>,
        config: Config,
        plan: Plan<'_>,
    ) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        on_interrupt(&stop)?;
        let open = || Files::open(paths, Arc::clone(&stop));
        let ahead = plan.twice.then(open).transpose()?;
        let files = open()?;
        if privilege::is_sudo() {
            privilege::drop(&Needs {
                write: plan.writes.iter().map(PathBuf::from).collect(),
                ..Needs::default()
            })?;
        }
        Ok(Self {
            files,
            ahead,
            count: count.unwrap_or(u64::MAX),
            stop,
            registry: Registry::default(),
            config,
        })
    }

    /// Whether packets come live, not from files.
    pub fn is_live(&self) -> bool {
        false
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

    /// Feeds all frames to `consumer`. Tells what was wrong with the input on standard error; true if nothing was.
    pub fn run(mut self, consumer: &mut impl Consumer) -> Result<bool> {
        let read = files::read(&mut self.files, self.count, &self.registry, consumer)?;
        let sound = read.complain(&self.files)?;
        if self.stop.load(Ordering::Relaxed) {
            eprintln!(
                "mirrorscope: interrupted after {} frames; the rest was not read",
                read.frames
            );
        }
        Ok(sound)
    }

    /// Reads everything before `run`, which will tell what is wrong with the input; fails if it is interrupted.
    pub fn run_ahead(&mut self, args: &AnalysisArgs) -> Result<Engine> {
        let registry = Registry::default();
        let mut engine = self.engine_for(args, &registry);
        if let Some(mut files) = self.ahead.take() {
            files::read(&mut files, self.count, &registry, &mut engine)?;
        }
        if self.stop.load(Ordering::Relaxed) {
            bail!("interrupted before anything was written");
        }
        engine.finish();
        Ok(engine)
    }
}

/// The first Ctrl-C (or a terminal that goes away) ends the reading, the second one the program.
fn on_interrupt(stop: &Arc<AtomicBool>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(stop))?;
        signal_hook::flag::register(signal, Arc::clone(stop))?;
    }
    Ok(())
}
