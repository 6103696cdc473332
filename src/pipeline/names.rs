//! What machines are called: inventories, and this host's own list.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use mirrorscope_engine::names::Names;
use mirrorscope_engine::point::printable;

use crate::cli::NamesArgs;

/// This host's own list.
const HOSTS: &str = "/etc/hosts";
/// The largest file that is read.
const LARGEST: u64 = 256 << 20;

/// All names that were asked for. What is wrong with a file is told on standard error.
pub fn names(args: &NamesArgs) -> Result<Arc<Names>> {
    let mut names = Names::default();
    if args.no_names {
        return Ok(Arc::new(names));
    }
    for path in &args.names {
        let file = printable(&path.to_string_lossy());
        let text = text(path).with_context(|| format!("{file}: cannot read the inventory"))?;
        let known = names.count();
        let problems = names.read(&text);
        for problem in &problems.told {
            eprintln!("mirrorscope: {file}: {problem}");
        }
        if problems.more > 0 {
            eprintln!("mirrorscope: {file}: {} more like these", problems.more);
        }
        if names.count() == known && !problems.is_empty() {
            bail!("{file}: no name can be read from it");
        }
    }
    // It is nobody's inventory: what is wrong with it is not told.
    if let Ok(text) = text(Path::new(HOSTS)) {
        let mut own = Names::default();
        own.read(&text);
        names.fall_back_on(&own);
    }
    Ok(Arc::new(names))
}

/// A file's text: UTF-8, or UTF-16 as PowerShell writes it. What is neither is replaced.
fn text(path: &Path) -> Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(LARGEST + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bail!("longer than {} MiB", LARGEST >> 20);
    }
    let wide = |order: fn([u8; 2]) -> u16, bytes: &[u8]| {
        let units = bytes.as_chunks().0.iter().map(|unit| order(*unit));
        String::from_utf16_lossy(&units.collect::<Vec<_>>())
    };
    Ok(match bytes.as_slice() {
        [0xff, 0xfe, rest @ ..] => wide(u16::from_le_bytes, rest),
        [0xfe, 0xff, rest @ ..] => wide(u16::from_be_bytes, rest),
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    })
}
