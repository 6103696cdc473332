//! Writes the captures under `samples/`, the same bytes in every run.
//!
//! `cargo run --release --example generate_samples -- samples/`

mod generator;

use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: generate_samples FOLDER");
        return ExitCode::from(2);
    };
    match generator::write(&folder) {
        Ok(paths) => {
            for path in paths {
                println!("{}", path.display());
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("generate_samples: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}
