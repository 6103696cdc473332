//! The subcommands, one a file.

mod choice;
pub mod decap;
pub mod doctor;
pub mod encap;
pub mod endpoints;
pub mod findings;
pub mod flows;
pub mod follow;
pub mod interfaces;
pub mod report;
pub mod sessions;
pub mod sites;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mirrorscope_engine::Engine;
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::hint::Hint;
use mirrorscope_engine::report::{FlowReport, Report, SessionReport};
use mirrorscope_engine::session::MAX_SESSIONS;
use mirrorscope_engine::track::MAX_POINTS;

use crate::cli::{AnalysisArgs, CaptureFormat, OutputArgs, Severity, TableArgs};
use crate::pipeline::{Input, Plan};

/// What pcapng files say of who wrote them.
const APPLICATION: &str = concat!("mirrorscope ", env!("CARGO_PKG_VERSION"));

/// How a command ended; the exit status follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All done.
    Done,
    /// There are findings of the severity asked for.
    Found,
    /// Something was wrong with the input; what could be read was used.
    Faulty,
}

impl Outcome {
    /// Faulty input weighs more than what was found in the rest of it.
    fn new(sound: bool, found: bool) -> Self {
        match (sound, found) {
            (false, _) => Self::Faulty,
            (true, true) => Self::Found,
            (true, false) => Self::Done,
        }
    }
}

/// All input, run through an engine.
struct Analysis {
    engine: Engine,
    filter: Option<Filter>,
    /// Nothing was wrong with the input.
    sound: bool,
}

impl Analysis {
    fn run(args: &AnalysisArgs) -> Result<Self> {
        let filter = filter(args)?;
        let input = Input::open(&args.input, Plan::default())?;
        let mut engine = input.engine(args);
        let sound = input.run(&mut engine)?;
        engine.finish();
        tell_refused(&engine, args);
        Ok(Self {
            engine,
            filter,
            sound,
        })
    }

    fn report(&self) -> Report {
        match &self.filter {
            Some(filter) => self.engine.report_matching(filter),
            None => self.engine.report(),
        }
    }

    fn sessions(&self) -> Vec<SessionReport> {
        match &self.filter {
            Some(filter) => self.engine.sessions_matching(filter),
            None => self.engine.sessions(),
        }
    }

    fn flows(&self, sink: impl FnMut(FlowReport) -> Result<()>) -> Result<()> {
        match &self.filter {
            Some(filter) => self.engine.flows_matching(filter, sink),
            None => self.engine.flows(sink),
        }
    }
}

/// The filter that was asked for.
fn filter(args: &AnalysisArgs) -> Result<Option<Filter>> {
    let text = args.filter.as_deref();
    text.map(Filter::parse).transpose().context("--filter")
}

/// Tells on standard error what found no room in the engine.
fn tell_refused(engine: &Engine, args: &AnalysisArgs) {
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

/// Tells on standard error what could be read with another option; a report has it among its own lines.
fn tell(hints: &[Hint]) {
    for hint in hints {
        eprintln!("mirrorscope: {}", hint.summary);
    }
}

/// Whether there is a finding of at least a severity.
fn reaches(findings: &[Finding], fail_on: Option<Severity>) -> bool {
    use mirrorscope_engine::finding::Severity as Found;
    let least = match fail_on {
        None => return false,
        Some(Severity::Info) => Found::Info,
        Some(Severity::Warning) => Found::Warning,
        Some(Severity::Error) => Found::Error,
    };
    findings.iter().any(|f| f.severity >= least)
}

/// The format that was asked for, or that the file's name tells.
fn capture_format(output: &OutputArgs) -> CaptureFormat {
    let named_pcap = output
        .write
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("pcap"));
    output.format.unwrap_or(if named_pcap {
        CaptureFormat::Pcap
    } else {
        CaptureFormat::Pcapng
    })
}

/// Reading and writing one file at once would destroy it.
fn refuse_own_input(output: &Path, files: &[PathBuf]) -> Result<()> {
    let identity = |path: &Path| path.canonicalize().ok();
    let Some(written) = identity(output) else {
        return Ok(());
    };
    let is_read = || {
        files
            .iter()
            .any(|file| identity(file).as_ref() == Some(&written))
    };
    if written.is_file() && is_read() {
        bail!(
            "{}: is an input file too; write to another name",
            output.display()
        );
    }
    Ok(())
}
