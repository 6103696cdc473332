//! `sessions`: which mirror sessions arrive, and how healthy they are.

use anyhow::Result;

use super::{Outcome, analysis};
use crate::cli::{SessionFormat, SessionsArgs};
use crate::output::{self, csv, table};

/// Runs the command.
pub fn run(args: &SessionsArgs) -> Result<Outcome> {
    if args.format == SessionFormat::Csv {
        analysis::refuse_interval(&args.analysis, "CSV is one table")?;
    }
    let sound = analysis::run(&args.analysis, None, |view| {
        view.tell_hints()?;
        let sessions = view.sessions()?;
        output::write(|out, screen| match args.format {
            SessionFormat::Table => {
                output::moment(out, screen, view.at())?;
                table::sessions(out, screen, &sessions)
            }
            SessionFormat::Json => sessions
                .iter()
                .try_for_each(|session| output::line_at(out, view.at(), session)),
            SessionFormat::Csv => csv::sessions(out, &sessions),
        })
    })?;
    Ok(Outcome::new(sound, false))
}
