//! `findings`: what is worth telling, and nothing else.

use anyhow::Result;

use super::{Outcome, analyse, reaches, tell};
use crate::cli::{ReportArgs, TextFormat};
use crate::output::{self, text};

/// Runs the command.
pub fn run(args: &ReportArgs) -> Result<Outcome> {
    let (engine, sound) = analyse(&args.analysis)?;
    tell(&engine.hints());
    let findings = engine.report().findings;
    output::write(|out, screen| match args.format {
        TextFormat::Text => text::findings(out, screen, &findings),
        TextFormat::Json => findings
            .iter()
            .try_for_each(|finding| output::line(out, finding)),
    })?;
    Ok(Outcome::new(sound, reaches(&findings, args.fail_on)))
}
