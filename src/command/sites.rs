//! `sites`: writes a sites file from what is seen, or checks one.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use mirrorscope_engine::site::Sites;

use super::{Outcome, analysis};
use crate::cli::{SitesArgs, SitesCommand};
use crate::output::{self, sites};

/// Runs the command.
pub fn run(args: &SitesArgs) -> Result<Outcome> {
    match &args.command {
        Some(SitesCommand::Check { file }) => check(file),
        None => propose(args),
    }
}

fn propose(args: &SitesArgs) -> Result<Outcome> {
    analysis::refuse_interval(&args.analysis, "a sites file is written once, at the end")?;
    let sound = analysis::run(&args.analysis, None, |view| {
        view.tell_hints()?;
        let text = view.propose_sites()?;
        output::write(|out, _| Ok(out.write_all(text.as_bytes())?))
    })?;
    Ok(Outcome::new(sound, false))
}

fn check(file: &Path) -> Result<Outcome> {
    let text = if file.as_os_str() == "-" {
        io::read_to_string(io::stdin())
    } else {
        fs::read_to_string(file)
    };
    let name = file.display().to_string();
    let text = text.with_context(|| format!("{name}: cannot read the sites file"))?;
    let (described, problems) = Sites::check(&text);
    output::write(|out, screen| {
        if let Some(described) = &described {
            sites::summary(out, screen, &name, described)?;
        }
        sites::problems(out, screen, &name, &problems)
    })?;
    Ok(Outcome::new(described.is_some(), false))
}
