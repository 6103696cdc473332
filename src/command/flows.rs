//! `flows`: every flow with its verdict.

use anyhow::Result;

use super::{Outcome, analysis};
use crate::cli::{FlowFormat, FlowsArgs};
use crate::output::{self, csv, detail, table, zeek};

/// Runs the command.
pub fn run(args: &FlowsArgs) -> Result<Outcome> {
    if matches!(
        args.format,
        FlowFormat::Csv | FlowFormat::Zeek | FlowFormat::ZeekJson
    ) {
        analysis::refuse_interval(&args.analysis, "this format has each flow once")?;
    }
    let sound = analysis::run(&args.analysis, Some(&args.export), |view| {
        view.tell_hints()?;
        if args.export.takes_stdout() {
            return Ok(());
        }
        output::write(|out, screen| match args.format {
            FlowFormat::Table => {
                output::moment(out, screen, view.at())?;
                let mut rows = table::Flows::new(screen);
                view.flows(|flow| rows.add(out, &flow))?;
                rows.finish(out)
            }
            FlowFormat::Detail => {
                output::moment(out, screen, view.at())?;
                let mut pages = detail::Pages::new(screen);
                view.flows(|flow| pages.add(out, &flow))?;
                pages.finish(out)
            }
            FlowFormat::Json => view.flows(|flow| output::line_at(out, view.at(), &flow)),
            FlowFormat::Csv => {
                let mut rows = csv::Flows::new(out)?;
                view.flows(|flow| rows.add(&flow))?;
                rows.finish()
            }
            FlowFormat::Zeek => {
                let mut log = zeek::Log::new(out, view.period()?)?;
                view.flows(|flow| log.add(&flow))?;
                log.finish()
            }
            FlowFormat::ZeekJson => view.flows(|flow| zeek::line(out, &flow)),
        })
    })?;
    Ok(Outcome::new(sound, false))
}
