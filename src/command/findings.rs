//! `findings`: what is worth telling, and nothing else.

use anyhow::Result;
use mirrorscope_engine::report::Report;

use super::{Analysis, Outcome, reaches, tell};
use crate::cli::{ReportArgs, TextFormat};
use crate::output::{self, text};

/// Runs the command.
pub fn run(args: &ReportArgs) -> Result<Outcome> {
    let analysis = Analysis::run(&args.analysis)?;
    tell(&analysis.engine.hints());
    let Report {
        findings, totals, ..
    } = analysis.report();
    if totals.flows_matching == Some(0) {
        eprintln!(
            "mirrorscope: none of {} flows matches the filter",
            totals.flows
        );
    }
    output::write(|out, screen| match args.format {
        TextFormat::Text => text::findings(out, screen, &findings),
        TextFormat::Json => findings
            .iter()
            .try_for_each(|finding| output::line(out, finding)),
    })?;
    Ok(Outcome::new(
        analysis.sound,
        reaches(&findings, args.fail_on),
    ))
}
