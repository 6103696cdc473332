//! Flows into files: their packets without encapsulation, or a page of what is known of them.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Error, Result, bail};
use mirrorscope_capture::writer::{Format, OutputFile, Rotation};
use mirrorscope_engine::OneFlow;
use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::flow::FlowKey;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::track::{Tracked, Tracker};

use super::replay::Source;
use crate::command::decap::output::{Output, Settings};
use crate::output::text::{count, findings as write_findings, heading};
use crate::output::{Screen, detail};

/// Nothing is overwritten that somebody did not ask to be overwritten.
pub fn refuse_existing(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        bail!("{}: is there already; choose another name", path.display());
    }
    Ok(())
}

/// Writes the packets of some flows; says what was written.
pub fn packets(path: &Path, flows: &[OneFlow], mut source: Source) -> Result<String> {
    refuse_existing(path)?;
    let settings = Settings {
        path,
        format: Format::Pcapng,
        rotation: Rotation::default(),
        snaplen: None,
        plain: true,
        live: None,
    };
    let mut output = Output::new(&settings, &[])?;
    let mut result = Ok(());
    let serials: Vec<u64> = flows.iter().map(|flow| flow.serial).collect();
    let keys: HashSet<FlowKey> = flows.iter().map(|flow| flow.key).collect();
    let wanted = |taken: Option<Tracked>, flows: &Tracker| {
        let flow = flows.flow(taken?)?;
        Some(keys.contains(&flow.key))
    };
    let mut engine = source.engine();
    for number in source.frames.of(&serials) {
        let taken = source.frames.fetch(number, |frame| {
            output.arrived(frame.time);
            engine.frame_with(frame, |mirrored, taken, flows| {
                output.keep(&mut result, mirrored, wanted(taken, flows));
            });
        });
        taken.map_err(Error::msg)?;
    }
    engine.finish_with(|mirrored, taken, flows| {
        output.keep(&mut result, mirrored, wanted(taken, flows));
    });
    result?;
    output.finish()?;
    Ok(format!(
        "{}: {} of {}",
        printable(&path.to_string_lossy()),
        count(output.written(), "packet"),
        count(flows.len() as u64, "flow")
    ))
}

/// Writes a page of some flows, and the findings that they have a part in; says what was written.
pub fn page(path: &Path, flows: &[FlowReport], findings: &[Finding]) -> Result<String> {
    refuse_existing(path)?;
    let screen = Screen::of_file();
    let mut file = OutputFile::create(path)?;
    let mut pages = detail::Pages::new(screen);
    for flow in flows {
        pages.add(&mut file, flow)?;
    }
    pages.finish(&mut file)?;
    if !findings.is_empty() {
        heading(&mut file, screen, "Findings")?;
        write_findings(&mut file, screen, findings)?;
    }
    file.commit()?;
    Ok(format!(
        "{}: {}",
        printable(&path.to_string_lossy()),
        count(flows.len() as u64, "flow")
    ))
}
