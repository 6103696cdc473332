//! Packets into the engine: the only place where the crates meet.

mod config;
mod engine;
mod files;
mod frames;
mod line;
mod live;
mod names;
mod signals;
mod teller;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use mirrorscope_capture::live::Live;
use mirrorscope_capture::{Files, Place};
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::{Limits, Scope, Timeouts};
use mirrorscope_engine::{Config, Endpoints, Engine};
use mirrorscope_tui::data::Weight;

use crate::cli::{self, AnalysisArgs, InputArgs};
use crate::export::Kind;
use crate::privilege::{self, Needs, Network};
use crate::resolve::Resolver;

pub use config::sites_again;
pub use engine::{BROKEN, Moments};
pub use files::read as read_files;
pub use line::{Desk, Gone, Line, Moment, Owner, Spent, line};
pub use signals::Signals;
pub use teller::{Complaints, StandardError, Teller};

/// How long a silent interface is waited for before anything else is looked at.
pub const PATIENCE: Duration = Duration::from_millis(100);

/// Open input with the settings that go with it.
pub struct Input<'a> {
    source: Source<'a>,
    /// The same files, to be read before.
    ahead: Option<Files>,
    count: u64,
    signals: Arc<Signals>,
    registry: Registry,
    config: Config,
    /// Who asks for names, if that is wanted.
    resolver: Option<Resolver>,
    /// It answers questions meanwhile.
    attends: bool,
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
    /// Folders that it may be asked to write to.
    pub may_write: &'a [PathBuf],
    /// It holds what took privileges to open, so that they must be given up before packets are read from files, too.
    pub privileged: bool,
    /// Who it talks to meanwhile.
    pub network: Option<&'a Network>,
    /// It answers questions meanwhile: no silent pipe holds it up, and signals leave it the time to give the terminal back.
    pub attends: bool,
}

/// How the reading goes, for a consumer that wants to know.
pub enum Course<'a> {
    /// Of files.
    Files(&'a Files),
    /// Of files, which are all read.
    Read(&'a Files),
    /// Of interfaces.
    Live {
        /// How the run goes.
        report: &'a dyn Fn() -> LiveReport,
        /// What changed among the sessions.
        activity: &'a Activity,
    },
}

/// Something that takes frames.
pub trait Consumer {
    /// The receiver in it, if it has one, which must know the interfaces by name.
    fn receiver(&mut self) -> Option<&mut Receiver> {
        None
    }
    /// Takes frames, one after the other.
    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()>;
    /// The same, with the places where they can be read again.
    fn frames_at(&mut self, frames: &[Frame<'_>], _places: &[Option<Place>]) -> Result<()> {
        self.frames(frames)
    }
    /// Asked every few thousand frames, and when none came for [`Self::patience`].
    fn look(&mut self, _course: &Course<'_>) -> Result<()> {
        Ok(())
    }
    /// The longest time between two looks.
    fn patience(&self) -> Duration {
        PATIENCE
    }
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
    /// Shows what is known by now, or has somebody show it: asked for at every `--interval`.
    fn interval(&mut self, _live: &LiveReport, _activity: &Activity) -> Result<()> {
        Ok(())
    }
    /// Whether somebody still shows it: nothing else is drawn on the screen meanwhile.
    fn is_showing(&self) -> bool {
        false
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
        let user = args.user.as_deref();
        // It is another process, which must begin before this one gives up what that takes.
        let resolver = args
            .naming
            .asks_for_names()
            .then(|| Resolver::start(&config.names, user));
        let resolver = resolver.transpose()?;
        if !args.live.is_live() {
            let input = Self::open_files(&args.files, args.count, config, plan, user)?;
            return Ok(Self { resolver, ..input });
        }
        let signals = Arc::new(if plan.attends {
            Signals::of_screen()?
        } else {
            Signals::of_listener()?
        });
        let options = config::capture(&args.live, &config.dissect);
        privilege::take();
        let live = Box::new(Live::open(&options, signals.flag())?);
        privilege::drop(&Needs {
            user: args.user.clone(),
            write: plan.writes.iter().map(PathBuf::from).collect(),
            may_write: plan.may_write.to_vec(),
            read: args.sites.iter().cloned().collect(),
            network: plan.network.cloned().unwrap_or_default(),
            realtime: options.realtime,
        })?;
        Ok(Self {
            source: Source::Live(live, args),
            ahead: None,
            count: args.count.unwrap_or(u64::MAX),
            signals,
            registry: Registry::default(),
            config,
            resolver,
            attends: plan.attends,
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
        let signals = Arc::new(if plan.attends {
            Signals::of_screen()?
        } else {
            Signals::of_files()?
        });
        let open = || Files::open(paths, signals.flag());
        let ahead = plan.twice.then(open).transpose()?;
        let mut files = open()?;
        // Others who are fed look at what is known while a pipe is silent.
        if plan.attends || plan.network.is_some() {
            files.return_when_idle();
        }
        if privilege::is_sudo() || user.is_some() || plan.privileged {
            privilege::drop(&Needs {
                user: user.map(str::to_owned),
                write: plan.writes.iter().map(PathBuf::from).collect(),
                may_write: plan.may_write.to_vec(),
                read: Vec::new(),
                network: plan.network.cloned().unwrap_or_default(),
                realtime: false,
            })?;
        }
        Ok(Self {
            source: Source::Files(Box::new(files)),
            ahead,
            count: count.unwrap_or(u64::MAX),
            signals,
            registry: Registry::default(),
            config,
            resolver: None,
            attends: plan.attends,
        })
    }

    /// Whether packets come live, not from files.
    pub fn is_live(&self) -> bool {
        matches!(self.source, Source::Live(..))
    }

    /// What packets come from, for those who are fed meanwhile.
    pub fn kind(&self) -> Kind {
        match &self.source {
            Source::Live(..) => Kind::Live,
            Source::Files(files) if files.progress().total.is_none() => Kind::Pipe,
            Source::Files(_) => Kind::Files,
        }
    }

    /// What the process is asked to do by signals.
    pub fn signals(&self) -> Arc<Signals> {
        Arc::clone(&self.signals)
    }

    /// An engine with the settings.
    pub fn engine(&self, args: &AnalysisArgs) -> Engine {
        Engine::new(self.settings(args), Arc::clone(&self.registry))
    }

    /// The settings of an engine.
    pub fn settings(&self, args: &AnalysisArgs) -> Config {
        Config {
            scope: match args.scope {
                cli::Scope::None => Scope::None,
                cli::Scope::Vlan => Scope::Vlan,
                cli::Scope::Segment => Scope::Segment,
            },
            limits: Limits::new(args.table.max_flows, args.table.max_flow_memory),
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
        }
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

    /// Feeds all frames to `consumer`. Tells on standard error how it goes, and what was wrong with the input.
    pub fn run(self, consumer: &mut impl Consumer) -> Result<Done> {
        self.run_with(consumer, &mut StandardError::new())
    }

    /// The same, with somebody else who is told.
    pub fn run_with(self, consumer: &mut impl Consumer, teller: &mut dyn Teller) -> Result<Done> {
        let Self {
            source,
            count,
            signals,
            registry,
            mut resolver,
            attends,
            ..
        } = self;
        let mut files = match source {
            Source::Files(files) => files,
            Source::Live(mut live, args) => {
                let with = (teller, resolver.as_mut());
                let live = live::read(&mut live, args, &signals, &registry, consumer, with)?;
                return Ok(Done {
                    sound: true,
                    live: Some(live),
                });
            }
        };
        let read = files::read(&mut files, count, &registry, consumer, teller)?;
        let sound = read.complain(&files, teller)?;
        if let (Some(resolver), Some(engine)) = (&mut resolver, consumer.engine()) {
            resolver.finish(engine, attends);
        }
        if signals.stopped() {
            let text = format!(
                "interrupted after {} frames; the rest was not read",
                read.frames
            );
            teller.tell(Weight::Info, &text);
        }
        Ok(Done { sound, live: None })
    }

    /// Reads everything before `run`, which will tell what is wrong with the input; fails if it is interrupted.
    pub fn run_ahead(&mut self, args: &AnalysisArgs) -> Result<Engine> {
        let registry = Registry::default();
        let mut engine = Engine::new(self.settings(args), Arc::clone(&registry));
        if let Some(mut files) = self.ahead.take() {
            let mut teller = StandardError::new();
            files::read(&mut files, self.count, &registry, &mut engine, &mut teller)?;
        }
        if self.signals.stopped() {
            bail!("interrupted before anything was written");
        }
        engine.finish();
        Ok(engine)
    }
}
