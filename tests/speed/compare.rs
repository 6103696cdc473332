//! The tools in turns over a capture, and the table of what they took.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::Value;

use crate::recipe::Capture;
use crate::run::{Run, median};
use crate::tool::{Kind, NOT_INSTALLED, Saw, Tool};

/// A tool that takes longer runs once: next to its time, nothing that chance adds counts.
const LONG: f64 = 20.0;
/// What the others are set against.
const YARDSTICK: &str = "tcpdump";
/// Begins what is told of a tool that failed.
const FAILS: &str = "fails: ";

/// What the runs of a tool over a capture were.
struct Row<'a> {
    tool: &'a Tool,
    runs: Vec<Run>,
    saw: Option<Saw>,
    /// Why there are none.
    why_not: Option<String>,
}

/// Runs all tools over a capture, `rounds` times in turns, and prints the table; gives what is wrong.
pub fn compare(capture: &Capture, tools: &[Tool], rounds: usize, scratch: &Path) -> Vec<String> {
    // Into the page cache.
    let mut file = File::open(&capture.path).unwrap();
    let mut bytes = vec![0; 1 << 16];
    while file.read(&mut bytes).unwrap() > 0 {}
    let mut rows: Vec<Row<'_>> = tools
        .iter()
        .map(|tool| Row {
            tool,
            runs: Vec::new(),
            saw: None,
            why_not: tool.why_not(capture),
        })
        .collect();
    for round in 0..rounds {
        // Whoever comes first in one round comes last in the next.
        let count = rows.len();
        for place in 0..count {
            let place = if round % 2 == 0 {
                place
            } else {
                count - 1 - place
            };
            rows[place].run(capture, scratch);
        }
    }
    println!("{}", heading(capture));
    println!(
        "| program | wall s | of tcpdump's | CPU s | of tcpdump's | ns/packet | MiB | saw | runs |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: | --: |");
    let yardstick = rows.iter().find(|row| row.tool.is(YARDSTICK));
    let yardstick = yardstick.and_then(|row| Some((row.wall()?, row.cpu()?)));
    for row in &rows {
        row.print(capture, yardstick);
    }
    println!();
    rows.iter()
        .flat_map(|row| row.faults(capture))
        .chain(differences(&rows))
        .collect()
}

fn heading(capture: &Capture) -> String {
    let facts = &capture.facts;
    format!(
        "### {}: {}\n\n{} flows, {} frames, {:.2} GB\n",
        capture.recipe.name,
        capture.recipe.about,
        facts.made.flows,
        facts.frames,
        facts.len as f64 / 1e9,
    )
}

impl Row<'_> {
    fn run(&mut self, capture: &Capture, scratch: &Path) {
        let is_long = self.runs.first().is_some_and(|run| run.wall > LONG);
        if self.why_not.is_some() || is_long {
            return;
        }
        let folder = tempfile::tempdir_in(scratch).unwrap();
        let run = Run::of(self.tool.command(capture, folder.path())).unwrap();
        if !run.success {
            let said = run.err().lines().last().unwrap_or_default().to_owned();
            self.why_not = Some(format!("{FAILS}{said}"));
        }
        self.saw = self.tool.saw(&run, folder.path());
        self.runs.push(run);
    }

    /// Seconds on the wall.
    fn wall(&self) -> Option<f64> {
        (!self.runs.is_empty()).then(|| median(self.runs.iter().map(|run| run.wall)))
    }

    /// Seconds of processors.
    fn cpu(&self) -> Option<f64> {
        (!self.runs.is_empty()).then(|| median(self.runs.iter().map(|run| run.cpu)))
    }

    fn print(&self, capture: &Capture, yardstick: Option<(f64, f64)>) {
        let name = &self.tool.name;
        let (Some(wall), Some(cpu), None) = (self.wall(), self.cpu(), &self.why_not) else {
            let why = self.why_not.as_deref().unwrap_or_default();
            println!("| {name} | {why} | | | | | | | |");
            return;
        };
        let memory = median(self.runs.iter().map(|run| run.memory as f64)) / f64::from(1 << 20);
        let of = |cost: f64, yardstick: Option<f64>| {
            yardstick.map_or(String::new(), |yardstick| {
                format!("{:.2}", cost / yardstick)
            })
        };
        let saw = match self.saw {
            Some(Saw::Flows(flows)) => format!("{flows} flows"),
            Some(Saw::Packets(packets)) => format!("{packets} packets"),
            Some(Saw::Streams(streams)) => format!("{streams} streams"),
            Some(Saw::Records(records)) => format!("{records} records"),
            None => String::new(),
        };
        let packets = capture.facts.frames as f64;
        println!(
            "| {name} | {wall:.2} | {} | {cpu:.2} | {} | {:.0} | {memory:.0} | {saw} | {} |",
            of(wall, yardstick.map(|(wall, _)| wall)),
            of(cpu, yardstick.map(|(_, cpu)| cpu)),
            cpu * 1e9 / packets,
            self.runs.len(),
        );
    }

    /// What mirrorscope, and tshark, counted otherwise than it was made.
    fn faults(&self, capture: &Capture) -> Vec<String> {
        let of = |what: &str| format!("{}, {}: {what}", capture.recipe.name, self.tool.name);
        match (&self.tool.kind, &self.why_not) {
            // Those that must run.
            (Kind::Report(_, 1) | Kind::Reassembly(_), Some(why)) if self.runs.is_empty() => {
                return vec![of(why)];
            }
            (Kind::Streams(_), Some(why)) if why.starts_with(FAILS) => return vec![of(why)],
            (_, Some(why)) if why == NOT_INSTALLED || !self.runs.is_empty() => {
                return vec![of(why)];
            }
            (Kind::Report(..), None) => {}
            (Kind::Other(_), None) if self.tool.is("tshark") => {
                let made = Saw::Flows(capture.facts.made.flows);
                let other = self.saw.filter(|saw| *saw != made);
                return other
                    .map(|saw| of(&format!("{saw:?}, not {made:?}")))
                    .into_iter()
                    .collect();
            }
            _ => return Vec::new(),
        }
        let (made, facts) = (&capture.facts.made, &capture.facts);
        let asymmetric = (made.asymmetric > 0).then_some(made.asymmetric);
        let wanted = [
            ("frames", Some(facts.frames)),
            ("malformed", Some(0)),
            ("flows", Some(made.flows)),
        ];
        let mut faults = Vec::new();
        for run in &self.runs {
            let report: Value = serde_json::from_str(&run.out()).unwrap_or_default();
            let totals = &report["totals"];
            for (name, wanted) in wanted {
                if totals[name].as_u64() != wanted {
                    faults.push(of(&format!("{name}: {}, not {wanted:?}", totals[name])));
                }
            }
            let verdicts = &totals["verdicts"];
            if verdicts["asymmetric"].as_u64() != asymmetric {
                faults.push(of(&format!(
                    "verdicts: {verdicts}, not {asymmetric:?} asymmetric"
                )));
            }
        }
        faults
    }
}

/// Reports that are not the same byte for byte: there is nothing in them that may differ.
fn differences(rows: &[Row<'_>]) -> Vec<String> {
    let reports = rows
        .iter()
        .filter(|row| matches!(row.tool.kind, Kind::Report(..)));
    let mut reports = reports.flat_map(|row| {
        row.runs
            .iter()
            .filter(|r| r.success)
            .map(move |run| (row, run))
    });
    let Some((_, first)) = reports.next() else {
        return Vec::new();
    };
    reports
        .filter(|(_, run)| run.out() != first.out())
        .map(|(row, _)| format!("{}: another report than the first", row.tool.name))
        .collect()
}
