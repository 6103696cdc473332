//! `findings`: what is worth telling, and nothing else.

use anyhow::Result;

use super::{Outcome, analysis, reaches};
use crate::cli::{FindingsArgs, TextFormat};
use crate::output::{self, text};

/// Runs the command.
pub fn run(args: &FindingsArgs) -> Result<Outcome> {
    let mut found = false;
    let sound = analysis::run(&args.analysis, Some(&args.export), |view| {
        view.tell_hints()?;
        let findings = view.findings()?;
        found = reaches(&findings, args.fail_on);
        if args.export.takes_stdout() {
            return Ok(());
        }
        output::write(|out, screen| match args.format {
            TextFormat::Text => {
                output::moment(out, screen, view.at())?;
                text::findings(out, screen, &findings)
            }
            TextFormat::Json => findings
                .iter()
                .try_for_each(|finding| output::line_at(out, view.at(), finding)),
        })
    })?;
    Ok(Outcome::new(sound, found))
}
