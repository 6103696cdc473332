//! `flows`: every flow with its verdict.

use anyhow::Result;

use super::{Analysis, Outcome, tell};
use crate::cli::{FlowFormat, FlowsArgs};
use crate::output::{self, csv, detail, table, zeek};

/// Runs the command.
pub fn run(args: &FlowsArgs) -> Result<Outcome> {
    let analysis = Analysis::run(&args.analysis)?;
    tell(&analysis.engine.hints());
    output::write(|out, screen| match args.format {
        FlowFormat::Table => {
            let mut rows = table::Flows::new(screen);
            analysis.flows(|flow| rows.add(out, &flow))?;
            rows.finish(out)
        }
        FlowFormat::Detail => {
            let mut pages = detail::Pages::new(screen);
            analysis.flows(|flow| pages.add(out, &flow))?;
            pages.finish(out)
        }
        FlowFormat::Json => analysis.flows(|flow| output::line(out, &flow)),
        FlowFormat::Csv => {
            let mut rows = csv::Flows::new(out)?;
            analysis.flows(|flow| rows.add(&flow))?;
            rows.finish()
        }
        FlowFormat::Zeek => {
            let mut log = zeek::Log::new(out, analysis.engine.period())?;
            analysis.flows(|flow| log.add(&flow))?;
            log.finish()
        }
        FlowFormat::ZeekJson => analysis.flows(|flow| zeek::line(out, &flow)),
    })?;
    Ok(Outcome::new(analysis.sound, false))
}
