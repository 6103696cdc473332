//! Asks the analysis as the interface does.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;
use mirrorscope_engine::page::FlowQuery;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_tui::data::{
    Answer, Ask, Export, ExportForm, InputState, Ladder, Packet, PacketRef, Snapshot, Stream,
};

use tempfile::NamedTempFile;

use crate::cli::{Cli, Command};
use crate::command::{self, watch::analysis};
use crate::export::Closing;
use crate::pipeline::Plan;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where a recording is.
pub fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("samples")
        .join(name)
}

/// All recordings.
pub fn samples() -> Vec<PathBuf> {
    let files = std::fs::read_dir(sample("")).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "pcap"))
        .collect();
    files.sort();
    files
}

/// Runs another command.
pub fn command(arguments: &[&str]) {
    let cli = Cli::parse_from([&["mirrorscope"], arguments].concat());
    let done = match &cli.command {
        Command::Decap(args) => command::decap::run(args),
        Command::Encap(args) => command::encap::run(args),
        Command::Follow(args) => command::follow::run(args),
        _ => panic!("another command"),
    };
    done.unwrap();
}

/// A file compressed.
pub fn compressed(file: &Path) -> NamedTempFile {
    let packed = NamedTempFile::new().unwrap();
    let mut gzip = GzEncoder::new(packed.as_file(), Compression::fast());
    gzip.write_all(&std::fs::read(file).unwrap()).unwrap();
    gzip.finish().unwrap();
    packed
}

/// An analysis that waits for questions.
pub struct Watched {
    asks: Sender<Ask>,
    pub answers: Receiver<Answer>,
    analysis: Option<JoinHandle<Result<bool>>>,
}

impl Watched {
    /// Starts it as the command line says.
    pub fn start(arguments: &[&str]) -> Self {
        let cli = Cli::parse_from([&["mirrorscope", "watch"], arguments].concat());
        let (asks, questions) = mpsc::channel();
        let (answer, answers) = mpsc::channel();
        let analysis = thread::spawn(move || {
            let Command::Watch(args) = cli.command else {
                panic!("another command");
            };
            let plan = Plan {
                attends: true,
                ..Plan::default()
            };
            let open = command::watch::open(&args, plan, &answer)?;
            let closing = analysis::run(open, &args, questions, &answer)?;
            closing.map_or(Ok(true), Closing::wait)
        });
        Self {
            asks,
            answers,
            analysis: Some(analysis),
        }
    }

    /// Starts it over a file, with the sites of the lab, and waits until all is read. All flows are asked for.
    pub fn over(file: &Path, more: &[&str]) -> (Self, Arc<Snapshot>) {
        let sites = sample("two-sites.toml");
        let arguments = ["--sites", sites.to_str().unwrap(), file.to_str().unwrap()];
        let watched = Self::start(&[&arguments, more].concat());
        watched.ask(Ask::Flows(FlowQuery {
            window: 0..100_000,
            ..FlowQuery::default()
        }));
        let snapshot = watched.snapshot(|snapshot| {
            let done = matches!(&snapshot.input, InputState::Files { done: true, .. });
            done && snapshot.flows.rows.len() == snapshot.flows.matching
        });
        (watched, snapshot)
    }

    pub fn ask(&self, ask: Ask) {
        self.asks.send(ask).unwrap();
    }

    /// The first answer that somebody wants.
    pub fn wait<T>(&self, mut wanted: impl FnMut(Answer) -> Option<T>) -> T {
        loop {
            let mut answer = self.answers.recv_timeout(PATIENCE).unwrap();
            // While one waits, nobody is told of later ones.
            if let Answer::Snapshot(latest) = &mut answer {
                let Some(snapshot) = latest.take() else {
                    continue;
                };
                *latest = snapshot.into();
            }
            if let Some(answer) = wanted(answer) {
                return answer;
            }
        }
    }

    pub fn snapshot(&self, mut wanted: impl FnMut(&Snapshot) -> bool) -> Arc<Snapshot> {
        self.wait(|answer| match answer {
            Answer::Snapshot(latest) => latest.take().filter(|snapshot| wanted(snapshot)),
            _ => None,
        })
    }

    pub fn flows(&self, query: &FlowQuery) -> Arc<Snapshot> {
        self.ask(Ask::Flows(query.clone()));
        self.snapshot(|snapshot| snapshot.flows.query == *query)
    }

    pub fn ladder(&self, id: &str) -> Result<Arc<Ladder>, String> {
        self.ask(Ask::Ladder(id.to_owned()));
        self.wait(|answer| match answer {
            Answer::Ladder(flow, ladder) if flow == id => Some(ladder),
            _ => None,
        })
    }

    pub fn stream(&self, id: &str) -> Result<Arc<Stream>, String> {
        self.ask(Ask::Stream(id.to_owned()));
        self.wait(|answer| match answer {
            Answer::Stream(flow, stream) if flow == id => Some(stream),
            _ => None,
        })
    }

    pub fn packet(&self, packet: PacketRef) -> Result<Arc<Packet>, String> {
        self.ask(Ask::Packet(packet));
        self.wait(|answer| match answer {
            Answer::Packet(at, packet_) if at == packet => Some(packet_),
            _ => None,
        })
    }

    pub fn export(
        &self,
        flows: &[String],
        form: ExportForm,
        path: &Path,
    ) -> Result<String, String> {
        self.ask(Ask::Export(Export {
            flows: flows.to_vec(),
            form,
            path: path.to_owned(),
        }));
        self.wait(|answer| match answer {
            Answer::Exported(told) => Some(told),
            _ => None,
        })
    }

    /// Ends it. True if other tools got all that they were to get.
    pub fn quit(mut self) -> Result<bool> {
        // It may have ended by itself.
        let _ = self.asks.send(Ask::Quit);
        self.analysis.take().unwrap().join().unwrap()
    }
}

/// The flow between two ports.
pub fn flow(snapshot: &Snapshot, sport: u16, dport: u16) -> FlowReport {
    let mut flows = snapshot.flows.rows.iter();
    let flow = flows.find(|flow| (flow.sport, flow.dport) == (sport, dport));
    flow.unwrap().clone()
}
