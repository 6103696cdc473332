//! The subcommands, one a file.

mod analysis;
mod choice;
pub mod config;
pub mod decap;
pub mod doctor;
pub mod encap;
pub mod endpoints;
pub mod extcap;
pub mod findings;
pub mod flows;
pub mod follow;
mod fragments;
pub mod interfaces;
mod interval;
mod page;
mod replay;
pub mod report;
pub mod sessions;
pub mod sites;
mod view;
pub mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::hint::Hint;

use crate::cli::{AnalysisArgs, CaptureFormat, Severity};

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

/// The filter that was asked for.
fn filter(args: &AnalysisArgs) -> Result<Option<Filter>> {
    let text = args.filter.as_deref();
    text.map(Filter::parse).transpose().context("--filter")
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
fn capture_format(path: &Path, asked: Option<CaptureFormat>) -> CaptureFormat {
    let ending = path.extension();
    let named_pcap = ending.is_some_and(|ending| ending.eq_ignore_ascii_case("pcap"));
    asked.unwrap_or(if named_pcap {
        CaptureFormat::Pcap
    } else {
        CaptureFormat::Pcapng
    })
}

/// Reading and writing one file at once would destroy it.
fn refuse_own_input<'a>(output: &Path, files: impl IntoIterator<Item = &'a PathBuf>) -> Result<()> {
    let identity = |path: &Path| path.canonicalize().ok();
    let Some(written) = identity(output).filter(|path| path.is_file()) else {
        return Ok(());
    };
    let mut files = files.into_iter();
    if files.any(|file| identity(file).as_ref() == Some(&written)) {
        bail!(
            "{}: is an input file too; write to another name",
            output.display()
        );
    }
    Ok(())
}
