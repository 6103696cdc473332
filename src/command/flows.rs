//! `flows`: every flow with its verdict.

use anyhow::Result;

use super::{Outcome, analyse, tell};
use crate::cli::{ListArgs, ListFormat};
use crate::output::{self, csv, table};

/// Runs the command.
pub fn run(args: &ListArgs) -> Result<Outcome> {
    let (engine, sound) = analyse(&args.analysis)?;
    tell(&engine.hints());
    output::write(|out, screen| match args.format {
        ListFormat::Table => {
            let mut rows = table::Flows::new(screen);
            engine.flows(|flow| rows.add(out, &flow))?;
            rows.finish(out)
        }
        ListFormat::Json => engine.flows(|flow| output::line(out, &flow)),
        ListFormat::Csv => {
            let mut rows = csv::Flows::new(out)?;
            engine.flows(|flow| rows.add(&flow))?;
            rows.finish()
        }
    })?;
    Ok(Outcome::new(sound, false))
}
