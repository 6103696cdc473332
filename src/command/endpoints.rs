//! `endpoints`: which address lives where, since when, and who moved.

use anyhow::Result;
use mirrorscope_engine::inventory::EndpointReport;

use super::{Outcome, analysis};
use crate::cli::{EndpointsArgs, Host, SessionFormat};
use crate::output::{self, csv, table};

/// Runs the command.
pub fn run(args: &EndpointsArgs) -> Result<Outcome> {
    if args.format == SessionFormat::Csv {
        analysis::refuse_interval(&args.analysis, "CSV is one table")?;
    }
    let sound = analysis::run(&args.analysis, None, |view| {
        view.tell_hints()?;
        let mut endpoints = view.endpoints()?;
        if !args.host.is_empty() {
            endpoints.retain(|endpoint| args.host.iter().any(|host| is(endpoint, host)));
        }
        let evicted = view.evicted_endpoints()?;
        if evicted > 0 {
            eprintln!("mirrorscope: {evicted} endpoints gave way to others; raise --max-endpoints");
        }
        output::write(|out, screen| match args.format {
            SessionFormat::Table => {
                output::moment(out, screen, view.at())?;
                table::endpoints(out, screen, &endpoints)
            }
            SessionFormat::Json => endpoints
                .iter()
                .try_for_each(|endpoint| output::line_at(out, view.at(), endpoint)),
            SessionFormat::Csv => csv::endpoints(out, &endpoints),
        })
    })?;
    Ok(Outcome::new(sound, false))
}

/// Whether an endpoint is the one that was asked for.
fn is(endpoint: &EndpointReport, host: &Host) -> bool {
    match host {
        Host::Net(net) => endpoint
            .addresses
            .iter()
            .any(|own| net.contains(&own.address)),
        Host::Mac(mac) => endpoint.mac == *mac,
    }
}
