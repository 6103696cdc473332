//! The subcommands, one a file.

pub mod decap;
pub mod findings;
pub mod flows;
pub mod report;
pub mod sessions;

use anyhow::Result;
use mirrorscope_engine::Engine;
use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::hint::Hint;
use mirrorscope_engine::session::MAX_SESSIONS;

use crate::cli::{AnalysisArgs, Severity};
use crate::pipeline::Input;

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
    let (flows, sessions) = (engine.refused_by_flows(), engine.refused_by_sessions());
    if flows > 0 {
        eprintln!(
            "mirrorscope: {flows} packets belong to flows beyond the table and were not followed; \
             raise --max-flows (now {})",
            args.max_flows
        );
    }
    if sessions > 0 {
        eprintln!(
            "mirrorscope: {sessions} packets belong to sessions beyond {MAX_SESSIONS} and were left out"
        );
    }
    Ok((engine, sound))
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
