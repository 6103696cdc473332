//! `report`: summary, mirror sessions and findings.

use anyhow::Result;

use super::{Outcome, analyse, reaches};
use crate::cli::{ReportArgs, TextFormat};
use crate::output::{self, text};

/// Runs the command.
pub fn run(args: &ReportArgs) -> Result<Outcome> {
    let (engine, sound) = analyse(&args.analysis)?;
    let report = engine.report();
    output::write(|out, screen| match args.format {
        TextFormat::Text => text::report(out, screen, &report),
        TextFormat::Json => output::document(out, &report),
    })?;
    Ok(Outcome::new(sound, reaches(&report.findings, args.fail_on)))
}
