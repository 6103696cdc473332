//! `config`: the configuration of the terminal interface: the default one, and what is wrong with one.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow};
use mirrorscope_tui::config::{Config, default_path, print_default};

use super::Outcome;
use crate::cli::ConfigArgs;
use crate::output;

/// Runs the command.
pub fn run(args: &ConfigArgs) -> Result<Outcome> {
    if args.print_default {
        let text = print_default();
        output::write(|out, _| Ok(out.write_all(text.as_bytes())?))?;
        return Ok(Outcome::Done);
    }
    let named = args.check.clone().flatten();
    check(named)
}

fn check(named: Option<PathBuf>) -> Result<Outcome> {
    let must_exist = named.is_some();
    let path = named
        .or_else(default_path)
        .ok_or_else(|| anyhow!("no home directory is known; name a file"))?;
    let name = path.display().to_string();
    if !must_exist && !path.exists() {
        output::write(|out, _| {
            Ok(writeln!(
                out,
                "{name}: there is no such file; the defaults hold"
            )?)
        })?;
        return Ok(Outcome::Done);
    }
    let text = fs::read_to_string(&path).with_context(|| format!("{name}: cannot be read"))?;
    let problems = Config::parse(&text).err().unwrap_or_default();
    output::write(|out, _| {
        if problems.is_empty() {
            writeln!(out, "{name}: all is right")?;
        }
        for problem in &problems {
            writeln!(out, "{name}:{problem}")?;
        }
        Ok(())
    })?;
    Ok(if problems.is_empty() {
        Outcome::Done
    } else {
        Outcome::Faulty
    })
}
