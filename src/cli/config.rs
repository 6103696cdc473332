//! The command line of `config`.

use std::path::PathBuf;

use clap::Args;

pub const EXAMPLES: &str = "\
Examples:
  mirrorscope config                        where the file is, and whether it is right
  mirrorscope config --print-default        all settings with their defaults, explained
  mirrorscope config --check                what is wrong with it, by line and column
  mkdir -p ~/.config/mirrorscope && mirrorscope config --print-default > ~/.config/mirrorscope/config.toml

Exit status: 0 it can be used; 2 it cannot.";

/// Arguments of `config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Write a file that says what holds without one
    #[arg(long, conflicts_with = "check")]
    pub print_default: bool,

    /// Tell all that is wrong with a file; with that at its place if none is named
    #[arg(long, value_name = "FILE")]
    #[expect(
        clippy::option_option,
        reason = "the option may come without its value"
    )]
    pub check: Option<Option<PathBuf>>,
}
