//! `report`: summary, mirror sessions and findings.

use anyhow::Result;

use super::{Outcome, analysis, reaches};
use crate::cli::{ReportArgs, TextFormat};
use crate::output::{self, text};

/// Runs the command.
pub fn run(args: &ReportArgs) -> Result<Outcome> {
    let mut found = false;
    let sound = analysis::run(&args.analysis, Some(&args.export), |view| {
        let report = view.report();
        found = reaches(&report.findings, args.fail_on);
        if args.export.takes_stdout() {
            return Ok(());
        }
        output::write(|out, screen| match args.format {
            TextFormat::Text => {
                output::moment(out, screen, view.at())?;
                text::report(out, screen, &report)
            }
            TextFormat::Json if view.at().is_some() => output::line(out, &report),
            TextFormat::Json => output::document(out, &report),
        })
    })?;
    Ok(Outcome::new(sound, found))
}
