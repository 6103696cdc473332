//! `watch`: the terminal interface, over files or over what comes live.
//!
//! Four threads: the first draws and takes keys. One takes packets, and is never kept from it for longer than a moment. One
//! makes what is drawn, out of many such moments. The last answers questions for which packets must be fetched and taken
//! once more.

mod analysis;
mod export;
mod job;
mod notices;
mod packet;
mod pulse;
mod rates;
mod stream;
#[cfg(test)]
mod tests;
mod views;

use std::env;
use std::io::{IsTerminal, stdout};
use std::sync::mpsc::{self, Sender};
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use mirrorscope_tui::app::Options;
use mirrorscope_tui::config::{self, Config};
use mirrorscope_tui::data::Answer;

use super::Outcome;
use crate::cli::WatchArgs;
use crate::export::{Closing, Feed};
use crate::pipeline::{Input, Plan};

/// Runs the command.
pub fn run(args: &WatchArgs) -> Result<Outcome> {
    require_terminal()?;
    super::analysis::refuse_interval(&args.analysis, "the screen shows what is new by itself")?;
    let options = Options {
        filter: args.analysis.filter.clone().unwrap_or_default(),
        ..Config::load()?.options()
    };
    // Exports go here; chosen columns and filters are kept beside the configuration.
    let folders = env::current_dir().into_iter().chain(config::directory());
    let folder: Vec<_> = folders.filter(|folder| folder.exists()).collect();
    let plan = Plan {
        attends: true,
        may_write: &folder,
        ..Plan::default()
    };
    let (asks, questions) = mpsc::channel();
    let (answer, answers) = mpsc::channel();
    let open = open(args, plan, &answer)?;
    thread::scope(|scope| {
        let analysis = thread::Builder::new()
            .name("analysis".to_owned())
            .spawn_scoped(scope, move || analysis::run(open, args, questions, &answer))
            .context("cannot start the thread that analyses")?;
        let shown = mirrorscope_tui::run(asks, answers, options);
        let analysed = analysis.join();
        shown.context("the terminal")?;
        let closing = analysed.map_err(|_| anyhow!("the analysis broke off"))??;
        // The terminal is for text again.
        let arrived = closing.map(Closing::wait).transpose()?;
        Ok(Outcome::new(arrived.unwrap_or(true), false))
    })
}

/// Opens all input, and the ways to other tools, who are told of it. `plan` says the rest.
fn open<'a>(
    args: &'a WatchArgs,
    plan: Plan<'_>,
    answers: &Sender<Answer>,
) -> Result<(Input<'a>, Option<Feed>)> {
    if args.export.takes_stdout() {
        bail!("--log: standard output is the screen's; log to a file");
    }
    let answers = answers.clone();
    let tell = move |weight, text: &str| {
        // An interface that has ended left the terminal to others.
        if answers
            .send(Answer::Notice(weight, text.to_owned()))
            .is_err()
        {
            eprintln!("mirrorscope: {text}");
        }
    };
    let export = Some(&args.export);
    super::analysis::open(&args.analysis, export, plan, Box::new(tell))
}

/// What cannot be shown is told as text.
fn require_terminal() -> Result<()> {
    let instead = "`mirrorscope report` writes what was found as text";
    if !stdout().is_terminal() {
        bail!("standard output is no terminal; {instead}");
    }
    // Keys come from there when packets come by standard input.
    let keys = std::fs::File::open("/dev/tty");
    if keys.is_err() {
        bail!("there is no terminal to take keys from; {instead}");
    }
    Ok(())
}
