//! `sessions`: which mirror sessions arrive, and how healthy they are.

use anyhow::Result;

use super::{Analysis, Outcome, tell};
use crate::cli::{SessionFormat, SessionsArgs};
use crate::output::{self, csv, table};

/// Runs the command.
pub fn run(args: &SessionsArgs) -> Result<Outcome> {
    let analysis = Analysis::run(&args.analysis)?;
    tell(&analysis.engine.hints());
    let sessions = analysis.sessions();
    output::write(|out, screen| match args.format {
        SessionFormat::Table => table::sessions(out, screen, &sessions),
        SessionFormat::Json => sessions
            .iter()
            .try_for_each(|session| output::line(out, session)),
        SessionFormat::Csv => csv::sessions(out, &sessions),
    })?;
    Ok(Outcome::new(analysis.sound, false))
}
