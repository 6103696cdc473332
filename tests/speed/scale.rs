//! What a packet costs by the number of flows, sessions and points, by how deep it is wrapped and how long it is; and what a
//! flow needs of memory.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;

use crate::conversation::Sizes;
use crate::frame::Form;
use crate::machine;
use crate::recipe::Load;
use crate::run::{Run, median};
use crate::tool::{Program, SITES};
use crate::traffic::{Lives, Mix, Places};

/// How the cost of a packet grows.
#[derive(Args)]
pub struct Scale {
    /// Where captures are written, to be taken away at once: up to 5 GB
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,

    /// The build of mirrorscope [default: the one that was just built]
    #[arg(long, value_name = "PATH", default_value_os_t = crate::tool::built())]
    program: PathBuf,

    /// These alone: flows, sessions, points, nesting, size, memory
    #[arg(
        long,
        value_delimiter = ',',
        value_parser = ["flows", "sessions", "points", "nesting", "size", "memory"],
        default_value = "flows,sessions,points,nesting,size,memory"
    )]
    by: Vec<String>,

    /// Most flows
    #[arg(long, default_value_t = 10_000_000)]
    flows: u32,

    /// Packets of each run are divided by it
    #[arg(long, value_name = "N", default_value_t = 1)]
    part: u64,

    /// How often each is run, up to a million flows
    #[arg(long, default_value_t = 3)]
    rounds: usize,
}

const BASE: Load = Load {
    form: Form::Erspan2,
    mix: Mix {
        flows: 20_000,
        packets: 4_000_000,
        sizes: Sizes::Even(100),
        udp: 0,
        lives: Lives::Endless,
        places: Places::Row(1),
    },
    mtu: None,
    sessions: 1,
};

/// Bytes of `--max-flow-memory` for each flow, where most flows are to be packed.
const BOUND: u64 = 360;

/// `--max-flow-memory` that no number of flows takes here.
const ROOM: &str = "64G";

/// Less is not given to any number of flows: memory is taken in pieces.
const LEAST: u64 = 16 << 20;

/// What a run took.
struct Cost {
    /// Seconds of a processor.
    cpu: f64,
    memory: f64,
}

impl Scale {
    pub fn run(&self) {
        machine::print(&[Program {
            name: String::new(),
            path: self.program.clone(),
        }]);
        for by in &self.by {
            match by.as_str() {
                "flows" => self.flows(),
                "sessions" => self.series("sessions", &[1, 10, 100, 900], |load, sessions| {
                    load.sessions = sessions as u16;
                }),
                "points" => self.series(
                    "points that see each packet",
                    &[1, 2, 4, 8],
                    |load, points| {
                        load.mix.places = Places::Row(points as u8);
                        load.mix.packets /= u64::from(points);
                    },
                ),
                "nesting" => self.series(
                    "layers of VXLAN in ERSPAN",
                    &[0, 1, 2, 3],
                    |load, layers| {
                        load.form = Form::Nested(layers as u8);
                    },
                ),
                "size" => self.series(
                    "bytes of payload",
                    &[6, 100, 400, 1000, 1400],
                    |load, len| {
                        load.mix.sizes = Sizes::Even(len as u16);
                    },
                ),
                _ => self.memory(),
            }
        }
    }

    /// The middle of several runs over a file in the page cache.
    fn cost(&self, load: &Load, rounds: usize) -> Cost {
        let path = self
            .folder
            .join(format!("scale-{}.pcap", std::process::id()));
        let written = generator(load)
            .stdout(File::create(&path).unwrap())
            .status();
        assert!(written.unwrap().success());
        let runs: Vec<Run> = (0..rounds)
            .map(|_| {
                let mut command = self.command(1, ROOM);
                command.arg(&path);
                let run = Run::of(command).unwrap();
                assert!(run.success, "{}", run.err());
                check(load, &run);
                run
            })
            .collect();
        std::fs::remove_file(&path).unwrap();
        Cost {
            cpu: median(runs.iter().map(|run| run.cpu)),
            memory: median(runs.iter().map(|run| run.memory as f64)),
        }
    }

    fn command(&self, threads: u8, bytes: &str) -> Command {
        let mut command = Command::new(&self.program);
        let flows = (2 * self.flows).to_string();
        command.args([
            "report",
            "--format",
            "json",
            "--threads",
            &threads.to_string(),
        ]);
        command.args(["--max-flows", &flows, "--max-flow-memory", bytes]);
        command
    }

    /// Two captures that differ in how often known flows go on: the difference is what known flows cost, the rest what new
    /// ones do, and the report of them.
    fn flows(&self) {
        println!("### by number of flows\n");
        println!("| flows | ns/packet, all | ns/packet, known flows | ns/new flow | MiB |");
        println!("| --: | --: | --: | --: | --: |");
        let mut flows = 1_000;
        while flows <= self.flows {
            let rounds = if flows > 1_000_000 { 1 } else { self.rounds };
            let few = 2 * u64::from(flows) + 4_000_000 / self.part;
            let many = few + 12_000_000 / self.part;
            let [first, second] = [few, many].map(|packets| {
                let mix = Mix {
                    flows,
                    packets,
                    ..BASE.mix
                };
                self.cost(&Load { mix, ..BASE }, rounds)
            });
            let known = (second.cpu - first.cpu) / (many - few) as f64;
            let new = (first.cpu - known * few as f64) / f64::from(flows) * 1e9;
            println!(
                "| {flows} | {:.0} | {:.0} | {} | {:.0} |",
                second.cpu / many as f64 * 1e9,
                known * 1e9,
                // Of fewer flows, it is less than what differs from run to run.
                if flows < 1_000_000 {
                    String::new()
                } else {
                    format!("{new:.0}")
                },
                second.memory / f64::from(1 << 20),
            );
            flows *= 10;
        }
        println!();
    }

    /// One thing grows.
    fn series(&self, what: &str, steps: &[u32], change: fn(&mut Load, u32)) {
        println!("### by {what}\n\n| {what} | ns/frame | MiB |\n| --: | --: | --: |");
        for &step in steps {
            let mut load = BASE;
            load.mix.packets /= self.part;
            load.mix.flows = (load.mix.flows / self.part as u32).max(1);
            change(&mut load, step);
            let cost = self.cost(&load, self.rounds);
            let points = match load.mix.places {
                Places::Row(points) => u64::from(points),
                Places::TwoSites => 1,
            };
            println!(
                "| {step} | {:.0} | {:.0} |",
                cost.cpu / (load.mix.packets * points) as f64 * 1e9,
                cost.memory / f64::from(1 << 20),
            );
        }
        println!();
    }

    /// Resident memory with many flows, less that with few: through a pipe, so that no part of a mapped file is counted. Once
    /// with room for all in full, once with a bound that most of them must be packed for.
    fn memory(&self) {
        println!("### memory of a flow seen at two points\n");
        println!("| points | bound | flows | MiB | bytes/flow | ns/frame |");
        println!("| --- | --: | --: | --: | --: | --: |");
        for (name, sites) in [
            ("not described", false),
            ("a firewall and the interconnect", true),
        ] {
            for bound in [None, Some(BOUND)] {
                self.memory_at(name, sites, bound);
            }
        }
        println!();
    }

    fn memory_at(&self, name: &str, sites: bool, bound: Option<u64>) {
        let few = self.flows / 1000;
        let run = |flows: u32| {
            let mix = Mix {
                flows,
                packets: 3 * u64::from(flows),
                places: Places::Row(2),
                ..BASE.mix
            };
            let load = Load { mix, ..BASE };
            let bytes = bound.map(|each| LEAST.max(each * u64::from(flows)).to_string());
            let mut command = self.command(1, bytes.as_deref().unwrap_or(ROOM));
            if sites {
                command.args(["--sites", SITES]);
            }
            let mut source = generator(&load).stdout(Stdio::piped()).spawn().unwrap();
            command.arg("-");
            let run = Run::with_input(command, source.stdout.take().unwrap().into()).unwrap();
            assert!(
                source.wait().unwrap().success() && run.success,
                "{}",
                run.err()
            );
            check(&load, &run);
            run
        };
        let bytes = bound.map_or("all in full".to_owned(), |each| format!("{each} a flow"));
        let first = run(few).memory as f64;
        let mut each = 0.0;
        for many in [self.flows / 10, self.flows] {
            let needs = each * f64::from(many);
            if needs > machine::available() as f64 {
                let needs = needs / 1e9;
                println!("| {name} | {bytes} | {many} | would need {needs:.0} GB | | |");
                continue;
            }
            let run = run(many);
            let memory = run.memory as f64;
            each = (memory - first) / f64::from(many - few);
            println!(
                "| {name} | {bytes} | {many} | {:.0} | {each:.0} | {:.0} |",
                memory / f64::from(1 << 20),
                run.cpu / (6.0 * f64::from(many)) * 1e9
            );
        }
    }
}

/// A process of its own that writes a load: the kernel counts what memory this one needs as that of the programs which it
/// starts, too.
fn generator(load: &Load) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .arg("stream")
        .arg(serde_json::to_string(load).unwrap());
    command
}

/// Writes a load to standard output.
pub fn stream(load: &str) {
    let load: Load = serde_json::from_str(load).unwrap();
    let out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let (mut out, _) = load.write(out).unwrap();
    out.flush().unwrap();
}

/// All flows were followed, to the end.
fn check(load: &Load, run: &Run) {
    let report: serde_json::Value = serde_json::from_str(&run.out()).unwrap();
    let totals = &report["totals"];
    let flows = Some(u64::from(load.mix.flows));
    assert_eq!(totals["flows"].as_u64(), flows, "flows of {load:?}");
    assert_eq!(totals["evicted"]["packets"], 0, "{load:?}");
}
