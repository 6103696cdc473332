//! `endpoints`: which address lives where, since when, and who moved.

use anyhow::Result;
use mirrorscope_engine::inventory::EndpointReport;

use super::{Analysis, Outcome, tell};
use crate::cli::{EndpointsArgs, Host, SessionFormat};
use crate::output::{self, csv, table};

/// Runs the command.
pub fn run(args: &EndpointsArgs) -> Result<Outcome> {
    let analysis = Analysis::run(&args.analysis)?;
    tell(&analysis.engine.hints());
    let mut endpoints = analysis.engine.endpoints();
    if !args.host.is_empty() {
        endpoints.retain(|endpoint| args.host.iter().any(|host| is(endpoint, host)));
    }
    let evicted = analysis.engine.evicted_endpoints();
    if evicted > 0 {
        eprintln!("mirrorscope: {evicted} endpoints gave way to others; raise --max-endpoints");
    }
    output::write(|out, screen| match args.format {
        SessionFormat::Table => table::endpoints(out, screen, &endpoints),
        SessionFormat::Json => endpoints
            .iter()
            .try_for_each(|endpoint| output::line(out, endpoint)),
        SessionFormat::Csv => csv::endpoints(out, &endpoints),
    })?;
    Ok(Outcome::new(analysis.sound, false))
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
