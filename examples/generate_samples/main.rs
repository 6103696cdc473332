//! Writes the captures under `samples/`, the same bytes in every run.
//!
//! `cargo run --release --example generate_samples -- samples/`

#![expect(clippy::unwrap_used, reason = "headers of fixed shape always fit")]

mod mirror;
mod net;
mod packet;
mod random;
mod scenario;
mod tcp;
mod traffic;

use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: generate_samples FOLDER");
        return ExitCode::from(2);
    };
    for sample in scenario::all() {
        let path = folder.join(sample.name);
        let capture = sample.capture();
        if let Err(error) = fs::write(&path, &capture) {
            eprintln!("generate_samples: {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
        println!("{}: {} bytes", path.display(), capture.len());
    }
    ExitCode::SUCCESS
}
