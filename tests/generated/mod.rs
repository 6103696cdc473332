//! Two imagined sites and the traffic between them, as their switches would mirror it. No chance is involved: a seed
//! stands in for it, so that two runs write the same bytes.

#![allow(clippy::unwrap_used, reason = "headers of fixed shape always fit")]

mod mirror;
mod net;
mod packet;
#[path = "../../src/random.rs"]
pub mod random;
mod scenario;
mod tcp;
mod traffic;

use std::path::{Path, PathBuf};
use std::sync::Once;
use std::{fs, io};

/// Where a capture is written.
macro_rules! path {
    ($name:literal) => {
        concat!(env!("CARGO_TARGET_TMPDIR"), "/generated/", $name)
    };
}

/// All is well, by ERSPAN; see `scenario.rs` for what happens in each.
pub const HEALTHY: &str = path!("healthy-erspan.pcap");
pub const HEALTHY_VXLAN: &str = path!("healthy-vxlan.pcap");
/// A machine moves, and its answers take another way than the requests.
pub const ASYMMETRIC: &str = path!("asymmetric-erspan.pcap");
pub const ASYMMETRIC_VXLAN: &str = path!("asymmetric-vxlan.pcap");
/// About 5 % of the mirrored packets are lost.
pub const MIRROR_LOSS: &str = path!("mirror-loss-erspan.pcap");
/// Their sites, as ERSPAN mirrors them.
pub const SITES: &str = "tests/generated/two-sites-erspan.toml";

/// Writes the captures where these names say, the same bytes in every run.
pub fn write() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| write_to(Path::new(path!(""))).unwrap());
}

fn write_to(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for sample in scenario::all() {
        // Another test may read the one of an earlier run meanwhile.
        let new: PathBuf = folder.join(format!("{}.{}", sample.name, std::process::id()));
        fs::write(&new, sample.capture())?;
        fs::rename(&new, folder.join(sample.name))?;
    }
    Ok(())
}
