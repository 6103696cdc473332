//! Capture files into the engine: the only place where the crates meet.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use mirrorscope_capture::Files;
use mirrorscope_dissectors::{LinkType, Options};
use mirrorscope_engine::point::printable;
use mirrorscope_engine::receive::{Frame, Receiver, TimeSource};
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::{Limits, Scope, Timeouts};
use mirrorscope_engine::{Config, Endpoints, Engine};
use mirrorscope_tui::progress::{ProgressBar, State};

use crate::cli::{self, AnalysisArgs, InputArgs, SourceArgs};

/// Frames between two looks at the clock and at what else is not of every frame's concern.
const BATCH: u64 = 4096;

/// Open input with the settings that go with it.
pub struct Input {
    files: Files,
    count: u64,
    stop: Arc<AtomicBool>,
    registry: Registry,
    config: Config,
}

/// What was read.
struct Read {
    frames: u64,
    /// Frames of link types that are not supported.
    unsupported: BTreeMap<u16, u64>,
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
    /// Opens all files and reads the settings; fails before anything is read or written.
    pub fn open(args: &InputArgs) -> Result<Self> {
        let config = config(args)?;
        Self::open_with(&args.source, config)
    }

    /// Opens all files of packets that are taken as they are.
    pub fn open_plain(args: &SourceArgs) -> Result<Self> {
        Self::open_with(args, Config::default())
    }

    fn open_with(args: &SourceArgs, config: Config) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        on_interrupt(&stop)?;
        let files = Files::open(&args.files, Arc::clone(&stop))?;
        Ok(Self {
            files,
            count: args.count.unwrap_or(u64::MAX),
            stop,
            registry: Registry::default(),
            config,
        })
    }

    /// An engine with the settings.
    pub fn engine(&self, args: &AnalysisArgs) -> Engine {
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
        Engine::new(config, Arc::clone(&self.registry))
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
        let read = self.read(consumer)?;
        self.complain(&read)
    }

    /// The same for input that is read a second time, when what is wrong with it will be told; fails if it is
    /// interrupted.
    pub fn run_ahead(mut self, consumer: &mut impl Consumer) -> Result<()> {
        self.read(consumer)?;
        if self.stop.load(Ordering::Relaxed) {
            bail!("interrupted before anything was written");
        }
        Ok(())
    }

    fn read(&mut self, consumer: &mut impl Consumer) -> Result<Read> {
        let mut progress = ProgressBar::new();
        let mut unsupported: BTreeMap<u16, u64> = BTreeMap::new();
        let mut named: Vec<bool> = Vec::new();
        let mut frames = 0;
        while frames < self.count {
            if frames % BATCH == 0 && progress.is_due() {
                let read = self.files.progress();
                let state = State {
                    read: read.read,
                    total: read.total,
                    frames,
                    sessions: self.registry.len(),
                    flows: consumer.flows(),
                };
                progress.draw(&state);
            }
            let Some(frame) = self.files.next_frame() else {
                break;
            };
            frames += 1;
            let interface = frame.interface as usize;
            if named.get(interface) != Some(&true) {
                named.resize(named.len().max(interface + 1), false);
                named[interface] = true;
                let origin = frame.origin;
                if let Some(receiver) = consumer.receiver() {
                    receiver.name_interface(
                        frame.interface,
                        &origin.source,
                        origin.name.as_deref(),
                    );
                }
            }
            let Some(link) = LinkType::from_number(frame.link_type) else {
                *unsupported.entry(frame.link_type).or_default() += 1;
                continue;
            };
            let frame = Frame {
                time: Timestamp(frame.time),
                wire_len: frame.wire_len,
                link,
                interface: frame.interface,
                number: frame.number,
                bytes: frame.bytes,
            };
            consumer.frame(&frame)?;
        }
        Ok(Read {
            frames,
            unsupported,
        })
    }

    fn complain(&self, read: &Read) -> Result<bool> {
        let Read {
            frames,
            unsupported,
        } = read;
        let frames = *frames;
        let problems = self.files.problems();
        for problem in problems {
            eprintln!("mirrorscope: {}", printable(&problem.to_string()));
        }
        let skipped: u64 = unsupported.values().sum();
        let mut kinds: Vec<String> = Vec::new();
        for interface in self.files.interfaces() {
            let kind = format!(
                "{}: link type {}",
                printable(&interface.source),
                interface.link_type
            );
            if unsupported.contains_key(&interface.link_type) && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let supported = "supported are Ethernet, raw IP, Linux cooked v1 and v2, BSD loopback, PPP, Cisco HDLC, \
                         IEEE 802.11 with and without radiotap, MPLS";
        if skipped > 0 && skipped == frames {
            bail!("{} is not supported; {supported}", kinds.join(", "));
        }
        if skipped > 0 {
            eprintln!(
                "mirrorscope: {}: {skipped} of {frames} frames skipped; {supported}",
                kinds.join(", ")
            );
        }
        if self.stop.load(Ordering::Relaxed) {
            eprintln!("mirrorscope: interrupted after {frames} frames; the rest was not read");
        }
        Ok(problems.is_empty() && skipped == 0)
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

fn config(args: &InputArgs) -> Result<Config> {
    let mut sites = match &args.sites {
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("{}: cannot read the sites file", path.display()))?;
            Sites::parse(&text).with_context(|| path.display().to_string())?
        }
        None => Sites::default(),
    };
    for assignment in &args.site {
        sites.assign(assignment).context("--site")?;
    }
    sites.firewall = args.firewall;
    let mut dissect = Options::default();
    sites
        .decode(&mut dissect)
        .context("the sites file's ports")?;
    let mut taken: Vec<(u16, &str)> = Vec::new();
    for (protocol, ports) in &args.decode.ports {
        let option = protocol.port_option().unwrap_or_default();
        for port in ports {
            if let Some((_, other)) = taken.iter().find(|(known, _)| known == port) {
                bail!("port {port} is given to both --{other} and --{option}");
            }
        }
        taken.extend(ports.iter().map(|port| (*port, option)));
        dissect
            .set_ports(*protocol, ports)
            .with_context(|| format!("--{option}"))?;
    }
    for rule in &args.decode.decode_as {
        dissect
            .decode_as(rule)
            .with_context(|| format!("--decode-as {}", printable(rule)))?;
    }
    Ok(Config {
        dissect,
        sites,
        time: match args.clock {
            cli::Clock::Mirror => TimeSource::Mirror,
            cli::Clock::Arrival => TimeSource::Arrival,
        },
        ..Config::default()
    })
}
