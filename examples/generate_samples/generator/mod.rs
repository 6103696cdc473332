//! Two imagined sites and the traffic between them, as their switches would mirror it. No chance is involved: a seed
//! stands in for it, so that two runs write the same bytes.

#![allow(clippy::unwrap_used, reason = "headers of fixed shape always fit")]

mod mirror;
mod net;
mod packet;
#[path = "../../../src/random.rs"]
mod random;
mod scenario;
mod tcp;
mod traffic;

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Writes all samples into a folder; gives their paths.
pub fn write(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let samples = scenario::all();
    samples
        .iter()
        .map(|sample| {
            let path = folder.join(sample.name);
            fs::write(&path, sample.capture())?;
            Ok(path)
        })
        .collect()
}
