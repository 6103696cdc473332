//! Writes a large ERSPAN capture, the same bytes for the same options: for measuring.
//!
//! `cargo run --release --example generate_load -- OUT.pcap --packets 5000000 --flows 20000`

mod load;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use mirrorscope_capture::writer::OutputFile;

/// Writes a large ERSPAN II capture of TCP flows that pass two mirrored points.
#[derive(Parser)]
struct Options {
    /// The pcap file to write
    #[arg(value_name = "OUT")]
    out: PathBuf,

    /// Mirrored packets, half of them at each point
    #[arg(long, default_value_t = 5_000_000)]
    packets: u64,

    /// TCP flows, at most a few less than 2^31
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..0x7fff_0000))]
    flows: u32,

    /// Seed of the order and the sizes of packets
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate_load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    let load = load::Load {
        packets: options.packets,
        flows: options.flows,
        seed: options.seed,
        first: 0,
        train: 1,
        small: false,
    };
    let file = load
        .write(OutputFile::create(&options.out)?)
        .with_context(|| options.out.display().to_string())?;
    file.commit()?;
    Ok(())
}
