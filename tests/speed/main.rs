//! How fast mirrorscope is beside the public tools, on captures that are made here. `tests/compare/speed` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a measurement that cannot go on should stop there"
)]

mod compare;
mod conversation;
mod frame;
mod machine;
#[path = "../../src/random.rs"]
mod random;
mod recipe;
mod run;
mod scale;
mod tool;
mod traffic;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Args, Parser, Subcommand};
use recipe::{Capture, RECIPES, Recipe};
use tool::{Program, Tool};

/// Measures mirrorscope beside tcpdump, tshark, argus and others.
#[derive(Parser)]
#[command(name = "speed")]
struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// All tools over the captures, in turns
    Compare(Compare),
    /// What a packet costs by flows, sessions, points, layers and length; what a flow takes of memory
    Scale(scale::Scale),
    /// Writes the captures
    Make(Captures),
    /// Writes one load to standard output
    #[command(hide = true)]
    Stream { load: String },
}

#[derive(Args)]
struct Captures {
    /// Where the captures are kept, to be used again
    #[arg(long, default_value_os_t = std::env::temp_dir().join("mirrorscope-speed"))]
    folder: PathBuf,

    /// These alone: erspan2, vxlan, bare, short, small, fragments, sites
    #[arg(long = "captures", value_name = "NAMES", value_delimiter = ',', value_parser = recipe)]
    only: Vec<Recipe>,

    /// One N-th of their flows and packets
    #[arg(long, value_name = "N", default_value_t = 1)]
    part: u32,
}

#[derive(Args)]
struct Compare {
    #[command(flatten)]
    captures: Captures,

    /// These alone: mirrorscope (or mirrorscope1 to mirrorscope4), reassembly, streams, dd, tcpdump,
    /// capinfos, argus, softflowd, nfpcapd, tcptrace, tcpflow, tshark
    #[arg(long, value_delimiter = ',')]
    tools: Option<Vec<String>>,

    /// How often each runs, unless it takes longer than 20 seconds
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// Builds of mirrorscope to compare, as NAME=PATH [default: the one that was just built]
    #[arg(long = "program", value_parser = program)]
    programs: Vec<Program>,

    /// Where tools write what they make, to be taken away at once [default: /dev/shm, else a temporary folder]
    #[arg(long)]
    scratch: Option<PathBuf>,
}

fn recipe(name: &str) -> Result<Recipe, String> {
    let recipe = RECIPES.iter().find(|recipe| recipe.name == name).copied();
    recipe.ok_or_else(|| format!("none of {}", RECIPES.map(|recipe| recipe.name).join(", ")))
}

fn program(text: &str) -> Result<Program, &'static str> {
    let (name, path) = text.split_once('=').ok_or("not NAME=PATH")?;
    Ok(Program {
        name: name.to_owned(),
        path: path.into(),
    })
}

fn main() -> ExitCode {
    let faults = match Options::parse().task {
        Task::Compare(compare) => compare.run(),
        Task::Scale(scale) => {
            scale.run();
            Vec::new()
        }
        Task::Make(captures) => {
            captures.make();
            Vec::new()
        }
        Task::Stream { load } => {
            scale::stream(&load);
            Vec::new()
        }
    };
    for fault in &faults {
        eprintln!("{fault}");
    }
    ExitCode::from(u8::from(!faults.is_empty()))
}

impl Captures {
    fn recipes(&self) -> Vec<Recipe> {
        if self.only.is_empty() {
            RECIPES.to_vec()
        } else {
            self.only.clone()
        }
    }

    /// Writes those that are not there.
    fn make(&self) {
        std::fs::create_dir_all(&self.folder).unwrap();
        for recipe in self.recipes() {
            self.open(recipe);
        }
    }

    fn open(&self, recipe: Recipe) -> Capture {
        let about = recipe.part(self.part).load.mix.packets * 450;
        assert!(
            recipe.is_there(&self.folder, self.part) || machine::free(&self.folder) > 2 * about,
            "{}: no room for {} GB",
            self.folder.display(),
            about >> 30
        );
        recipe.capture(&self.folder, self.part).unwrap()
    }

    /// The same from a process of its own: the kernel counts the memory that a process once had as that of the programs that
    /// it starts, too.
    fn make_apart(&self) {
        let names: Vec<&str> = self.recipes().iter().map(|recipe| recipe.name).collect();
        let made = Command::new(std::env::current_exe().unwrap())
            .arg("make")
            .args([
                "--captures",
                &names.join(","),
                "--part",
                &self.part.to_string(),
            ])
            .arg("--folder")
            .arg(&self.folder)
            .status();
        assert!(made.unwrap().success());
    }
}

impl Compare {
    fn run(&self) -> Vec<String> {
        let mut programs = self.programs.clone();
        if programs.is_empty() {
            programs.push(Program {
                name: String::new(),
                path: tool::built(),
            });
        }
        let tools = Tool::all(&programs, self.tools.as_deref());
        let memory = PathBuf::from("/dev/shm");
        let scratch = self.scratch.clone().unwrap_or(if memory.is_dir() {
            memory
        } else {
            std::env::temp_dir()
        });
        self.captures.make_apart();
        machine::print(&programs);
        let mut faults = Vec::new();
        for recipe in self.captures.recipes() {
            let capture = self.captures.open(recipe);
            faults.extend(compare::compare(&capture, &tools, self.rounds, &scratch));
        }
        faults
    }
}
