//! The programs that are compared: how each reads a capture, and how many flows it saw there.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::frame::Form;
use crate::recipe::Capture;
use crate::run::Run;
use crate::traffic::Places;

/// Names of sites and points of captures of two sites.
pub const SITES: &str = "tests/generated/two-sites-erspan.toml";

/// Flows of which some programs need too much.
const MANY: u64 = 1_000_000;

/// Why a program did not run that should have.
pub const NOT_INSTALLED: &str = "not installed";

/// A build of mirrorscope.
#[derive(Clone, Debug)]
pub struct Program {
    /// Told apart by it, if there are several.
    pub name: String,
    pub path: PathBuf,
}

/// The build of mirrorscope that stands beside this program.
pub fn built() -> PathBuf {
    let examples = std::env::current_exe().unwrap();
    examples.ancestors().nth(2).unwrap().join("mirrorscope")
}

/// A program with what it is asked to do.
#[derive(Clone, Debug)]
pub struct Tool {
    pub name: String,
    pub kind: Kind,
}

#[derive(Clone, Debug)]
pub enum Kind {
    /// A whole report as JSON, with so many threads.
    Report(PathBuf, u8),
    /// All streams, put together and written.
    Streams(PathBuf),
    /// The same, not written.
    Reassembly(PathBuf),
    Other(&'static Other),
}

/// A public tool.
#[derive(Debug)]
pub struct Other {
    name: &'static str,
    /// What it is called as, and what it is told: CAPTURE and FOLDER stand for the capture and a folder that is empty.
    line: &'static str,
    /// How many flows or packets it saw.
    saw: fn(&Run, &Path) -> Option<Saw>,
}

/// What a program says that it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saw {
    Flows(u64),
    Packets(u64),
    /// Directions of flows.
    Streams(u64),
    /// What was written of flows, of long ones more than once.
    Records(u64),
}

const OTHERS: [Other; 9] = [
    Other {
        name: "dd",
        line: "dd if=CAPTURE of=/dev/null bs=128K",
        saw: |_, _| None,
    },
    Other {
        name: "tcpdump",
        line: "tcpdump -r CAPTURE -w /dev/null",
        saw: |_, _| None,
    },
    Other {
        name: "capinfos",
        line: "capinfos -M -c CAPTURE",
        saw: |run, _| number_behind(&run.out(), "Number of packets:").map(Saw::Packets),
    },
    Other {
        name: "argus",
        line: "argus -X -r CAPTURE -w FOLDER/out",
        saw: argus_saw,
    },
    Other {
        name: "softflowd",
        line: "softflowd -d -r CAPTURE -n 127.0.0.1:9",
        saw: |run, _| number_behind(&run.out(), "Flows exported:").map(Saw::Flows),
    },
    Other {
        name: "nfpcapd",
        line: "nfpcapd -r CAPTURE -w FOLDER",
        saw: |_, folder| {
            let mut nfdump = Command::new("nfdump");
            let out = nfdump.arg("-R").arg(folder).arg("-I").output().ok()?;
            number_behind(&String::from_utf8_lossy(&out.stdout), "Flows:").map(Saw::Flows)
        },
    },
    Other {
        name: "tcptrace",
        line: "tcptrace -n -b CAPTURE",
        saw: |run, _| {
            Some(Saw::Flows(lines(run, |line| {
                line.contains("> ") && line.contains('<')
            })))
        },
    },
    Other {
        name: "tcpflow",
        line: "tcpflow -r CAPTURE -o FOLDER",
        saw: |_, folder| {
            let files = fs::read_dir(folder).ok()?.flatten();
            let names = files.map(|file| file.file_name().into_string().unwrap_or_default());
            // Each direction has a file, named after both ends.
            let streams = names.filter(|name| name.contains('-')).count() as u64;
            Some(Saw::Streams(streams))
        },
    },
    Other {
        name: "tshark",
        line: "tshark -n -r CAPTURE -q -z conv,tcp",
        saw: |run, _| Some(Saw::Flows(lines(run, |line| line.contains("<->")))),
    },
];

/// Records of flows, not argus's own.
fn argus_saw(_: &Run, folder: &Path) -> Option<Saw> {
    let mut racount = Command::new("racount");
    racount.args(["-M", "proto", "-r"]).arg(folder.join("out"));
    let out = racount.output().ok()?;
    let out = String::from_utf8_lossy(&out.stdout).into_owned();
    let flows = ["tcp ", "udp "].map(|proto| number_behind(&out, proto).unwrap_or(0));
    Some(Saw::Records(flows.iter().sum()))
}

/// How many lines of what it said are of a kind.
fn lines(run: &Run, of: fn(&str) -> bool) -> u64 {
    let lines = BufReader::new(File::open(run.out_path()).unwrap()).lines();
    lines.map_while(Result::ok).filter(|line| of(line)).count() as u64
}

/// The number that follows a word.
fn number_behind(text: &str, word: &str) -> Option<u64> {
    let (_, rest) = text.split_once(word)?;
    rest.split_whitespace().next()?.parse().ok()
}

impl Tool {
    /// All that there are, with these builds of mirrorscope; or those of these names.
    pub fn all(programs: &[Program], wanted: Option<&[String]>) -> Vec<Self> {
        let ours = programs.iter().flat_map(|program| {
            let Program { name, path } = program;
            let named = |what: &str| match programs.len() {
                1 => format!("mirrorscope{what}"),
                _ => format!("mirrorscope{what} ({name})"),
            };
            let report = |what, threads| Self {
                name: named(what),
                kind: Kind::Report(path.clone(), threads),
            };
            let streams = Self {
                name: named(", streams"),
                kind: Kind::Streams(path.clone()),
            };
            let reassembly = Self {
                name: named(", streams not written"),
                kind: Kind::Reassembly(path.clone()),
            };
            [
                report("", 1),
                report(", 2 threads", 2),
                report(", 3 threads", 3),
                report(", 4 threads", 4),
                reassembly,
                streams,
            ]
        });
        let others = OTHERS.iter().map(|other| Self {
            name: other.name.to_owned(),
            kind: Kind::Other(other),
        });
        let chosen = |tool: &Self| wanted.is_none_or(|names| names.iter().any(|n| tool.is(n)));
        ours.chain(others).filter(chosen).collect()
    }

    /// Short names, as they are typed.
    pub fn is(&self, name: &str) -> bool {
        match &self.kind {
            Kind::Report(_, threads) => {
                name == format!("mirrorscope{threads}") || name == "mirrorscope"
            }
            Kind::Streams(_) => name == "streams",
            Kind::Reassembly(_) => name == "reassembly",
            Kind::Other(other) => name == other.name,
        }
    }

    /// Why it is of no use for a capture.
    pub fn why_not(&self, capture: &Capture) -> Option<String> {
        let flows = capture.facts.made.flows;
        let program = match &self.kind {
            Kind::Other(other) => other.name,
            Kind::Report(path, threads) => {
                let mut asked = Command::new(path);
                asked.args(["report", "--threads", &threads.to_string(), "/dev/null"]);
                let said = asked.output().map(|out| out.stderr).unwrap_or_default();
                let said = String::from_utf8_lossy(&said);
                return said
                    .contains("'--threads")
                    .then(|| format!("no {threads} threads"));
            }
            Kind::Streams(_) => {
                return (flows > MANY).then(|| format!("would write {} files", 2 * flows));
            }
            Kind::Reassembly(_) => return None,
        };
        if program == "tshark" && flows > MANY {
            return Some("would need more than 10 GB of memory".to_owned());
        }
        if !is_there(program) {
            return Some(NOT_INSTALLED.to_owned());
        }
        let bare = capture.recipe.load.form == Form::Bare;
        // Every stream a file: the ones that read no encapsulation have nothing to do.
        (program == "tcpflow" && !bare).then(|| "reads no encapsulation".to_owned())
    }

    /// How it is called.
    pub fn command(&self, capture: &Capture, folder: &Path) -> Command {
        let (program, mut arguments): (&Path, Vec<OsString>) = match &self.kind {
            Kind::Other(other) => {
                let mut words = other.line.split_whitespace();
                let program = Path::new(words.next().unwrap());
                let fill = |word: &str| match word.split_once("FOLDER") {
                    Some((_, "")) => folder.into(),
                    Some((_, rest)) => folder.join(rest.trim_start_matches('/')).into(),
                    None => word
                        .replace("CAPTURE", capture.path.to_str().unwrap())
                        .into(),
                };
                let mut words: Vec<OsString> = words.map(fill).collect();
                // Without any in it, only the mirror's own would be counted.
                if other.name == "tshark" && capture.recipe.load.mix.udp > 0 {
                    words.extend(["-z", "conv,udp"].map(OsString::from));
                }
                (program, words)
            }
            Kind::Report(path, threads) => {
                let threads = threads.to_string();
                let words = ["report", "--format", "json", "--threads", &threads];
                (path, words.map(OsString::from).into())
            }
            Kind::Streams(path) => {
                let words = [OsString::from("follow"), "--save-all".into(), folder.into()];
                (path, words.into())
            }
            Kind::Reassembly(path) => (path, ["follow", "--list"].map(OsString::from).into()),
        };
        if !matches!(self.kind, Kind::Other(_)) {
            if capture.recipe.load.mix.places == Places::TwoSites {
                arguments.extend(["--sites", SITES].map(OsString::from));
            }
            arguments.push(capture.path.clone().into());
        }
        let mut command = Command::new(program);
        command.args(arguments);
        command
    }

    /// What it saw, by what it said or wrote.
    pub fn saw(&self, run: &Run, folder: &Path) -> Option<Saw> {
        match &self.kind {
            Kind::Other(other) => (other.saw)(run, folder),
            Kind::Report(..) => {
                let report: Value = serde_json::from_str(&run.out()).ok()?;
                report["totals"]["flows"].as_u64().map(Saw::Flows)
            }
            Kind::Streams(_) => {
                let list = BufReader::new(File::open(folder.join("index.csv")).ok()?);
                Some(Saw::Streams(list.lines().skip(1).count() as u64))
            }
            // Behind the names of the columns.
            Kind::Reassembly(_) => Some(Saw::Streams(lines(run, |_| true).checked_sub(1)?)),
        }
    }
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian has some of them where only root looks.
    let system = ["/usr/sbin".into(), "/sbin".into()];
    std::env::split_paths(&path)
        .chain(system)
        .any(|folder: PathBuf| folder.join(program).is_file())
}
