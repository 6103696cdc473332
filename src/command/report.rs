//! `report`: summary, mirror sessions and findings.

use anyhow::Result;

use super::{Analysis, Outcome, reaches};
use crate::cli::{ReportArgs, TextFormat};
use crate::output::{self, text};

/// Runs the command.
pub fn run(args: &ReportArgs) -> Result<Outcome> {
    let analysis = Analysis::run(&args.analysis)?;
    let report = analysis.report();
    output::write(|out, screen| match args.format {
        TextFormat::Text => text::report(out, screen, &report),
        TextFormat::Json => output::document(out, &report),
    })?;
    Ok(Outcome::new(
        analysis.sound,
        reaches(&report.findings, args.fail_on),
    ))
}
