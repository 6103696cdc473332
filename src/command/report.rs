//! `report`: summary, mirror sessions and findings.

use anyhow::{Result, bail};

use super::{Outcome, analysis, page, reaches};
use crate::cli::{ReportArgs, ReportFormat};
use crate::output::{self, text};

/// Runs the command.
pub fn run(args: &ReportArgs) -> Result<Outcome> {
    if args.format == ReportFormat::Html {
        return html(args);
    }
    let mut found = false;
    let sound = analysis::run(&args.analysis, Some(&args.export), |view| {
        let report = view.report()?;
        found = reaches(&report.findings, args.fail_on);
        if args.export.takes_stdout() {
            return Ok(());
        }
        output::write(|out, screen| match args.format {
            ReportFormat::Text => {
                output::moment(out, screen, view.at())?;
                text::report(out, screen, &report)
            }
            ReportFormat::Json if view.at().is_some() => output::line(out, &report),
            _ => output::document(out, &report),
        })
    })?;
    Ok(Outcome::new(sound, found))
}

fn html(args: &ReportArgs) -> Result<Outcome> {
    if args.export.is_any() {
        bail!("--format html writes the page alone; export with another format, in another run");
    }
    let (page, sound) = page::page(&args.analysis)?;
    output::write(|out, _| page.write(out))?;
    let found = reaches(&page.report.findings, args.fail_on);
    Ok(Outcome::new(sound, found))
}
