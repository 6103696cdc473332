//! `flows`: every flow with its verdict.

use anyhow::Result;

use super::{Analysis, Outcome, tell};
use crate::cli::{ListArgs, ListFormat};
use crate::output::{self, csv, table};

/// Runs the command.
pub fn run(args: &ListArgs) -> Result<Outcome> {
    let analysis = Analysis::run(&args.analysis)?;
    tell(&analysis.engine.hints());
    output::write(|out, screen| match args.format {
        ListFormat::Table => {
            let mut rows = table::Flows::new(screen);
            analysis.flows(|flow| rows.add(out, &flow))?;
            rows.finish(out)
        }
        ListFormat::Json => analysis.flows(|flow| output::line(out, &flow)),
        ListFormat::Csv => {
            let mut rows = csv::Flows::new(out)?;
            analysis.flows(|flow| rows.add(&flow))?;
            rows.finish()
        }
    })?;
    Ok(Outcome::new(analysis.sound, false))
}
