//! The subcommands, one a file.

pub mod decap;
pub mod encap;
pub mod findings;
pub mod flows;
pub mod follow;
pub mod report;
pub mod sessions;

use std::path::Path;

use anyhow::{Result, bail};
use mirrorscope_engine::Engine;
use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::hint::Hint;
use mirrorscope_engine::session::MAX_SESSIONS;

use crate::cli::{AnalysisArgs, CaptureFormat, OutputArgs, Severity, SourceArgs};
use crate::pipeline::Input;

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

/// Runs all input through an engine; the flag tells whether the input was sound.
fn analyse(args: &AnalysisArgs) -> Result<(Engine, bool)> {
    let input = Input::open(&args.input)?;
    let mut engine = input.engine(args);
    let sound = input.run(&mut engine)?;
    engine.finish();
    tell_refused(&engine, args.max_flows);
    Ok((engine, sound))
}

/// Tells on standard error for how much there was no room.
fn tell_refused(engine: &Engine, max_flows: usize) {
    let (flows, sessions) = (engine.refused_by_flows(), engine.refused_by_sessions());
    if flows > 0 {
        eprintln!(
            "mirrorscope: {flows} packets belong to flows beyond the table and were not followed; \
             raise --max-flows (now {max_flows})"
        );
    }
    if sessions > 0 {
        eprintln!(
            "mirrorscope: {sessions} packets belong to sessions beyond {MAX_SESSIONS} and were left out"
        );
    }
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
fn refuse_own_input(output: &Path, source: &SourceArgs) -> Result<()> {
    let identity = |path: &Path| path.canonicalize().ok();
    let Some(written) = identity(output) else {
        return Ok(());
    };
    let is_read = || {
        source
            .files
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
