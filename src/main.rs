//! mirrorscope: receiver and analyzer for mirrored network traffic.

mod cli;
mod command;
mod export;
mod html;
mod output;
mod pipeline;
mod privilege;
mod random;
mod resolve;

use std::process::ExitCode;

use clap::Parser;
use mirrorscope_capture::memory::HugePages;

use cli::{Cli, Command};

/// Millions of flows are found more quickly in huge pages.
#[global_allocator]
static MEMORY: HugePages = HugePages;

/// Findings of at least the severity asked for.
const FOUND: u8 = 1;
/// Bad usage or input.
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Command::Watch(args) => command::watch::run(args),
        Command::Report(args) => command::report::run(args),
        Command::Sessions(args) => command::sessions::run(args),
        Command::Sites(args) => command::sites::run(args),
        Command::Endpoints(args) => command::endpoints::run(args),
        Command::Flows(args) => command::flows::run(args),
        Command::Findings(args) => command::findings::run(args),
        Command::Decap(args) => command::decap::run(args),
        Command::Follow(args) => command::follow::run(args),
        Command::Encap(args) => command::encap::run(args),
        Command::Interfaces(args) => command::interfaces::run(args),
        Command::Doctor(args) => command::doctor::run(args),
        Command::Config(args) => command::config::run(args),
        Command::Extcap(args) => command::extcap::run(args),
        Command::ResolveNames { user } => resolve::run(user.as_deref()),
    };
    match result {
        Ok(command::Outcome::Done) => ExitCode::SUCCESS,
        Ok(command::Outcome::Found) => ExitCode::from(FOUND),
        Ok(command::Outcome::Faulty) => ExitCode::from(FAILED),
        // Whoever read our output has seen enough.
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("mirrorscope: {}", output::error_text(&error));
            ExitCode::from(FAILED)
        }
    }
}
