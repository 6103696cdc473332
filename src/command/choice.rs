//! Whose packets are written: all, or those of the flows that a filter wants.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::PathBuf;

use anyhow::{Result, bail};
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::track::{Tracked, Tracker};

use super::filter;
use crate::cli::{AnalysisArgs, SourceArgs};
use crate::pipeline::Input;

/// What a filter asks for may be known only at the end: then everything is read twice, which a pipe cannot be.
fn refuse_to_read_twice(filter: &Filter, source: &SourceArgs) -> Result<()> {
    let Some(word) = filter.late_word() else {
        return Ok(());
    };
    let passing = |path: &&PathBuf| {
        path.as_os_str() == "-" || path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir())
    };
    if let Some(path) = source.files.iter().find(passing) {
        let name = if path.as_os_str() == "-" {
            "standard input".into()
        } else {
            path.to_string_lossy()
        };
        bail!(
            "--filter: `{word}` is known only at the end of the capture, so that it must be read twice, and {name} \
             cannot be; save it to a file first, or filter by host, port and protocol alone"
        );
    }
    Ok(())
}

/// Whose packets are written.
pub enum Choice {
    /// All, those that belong to no flow among them.
    All,
    /// Flows whose addresses, ports and protocol a filter wants.
    ByKey(Filter),
    /// Flows with these serial numbers.
    Flows(HashSet<u64>),
}

impl Choice {
    /// The flows that the filter wants, if there is one; reads all input if only its end tells which these are.
    pub fn new(args: &AnalysisArgs) -> Result<Self> {
        let Some(filter) = filter(args)? else {
            return Ok(Self::All);
        };
        if filter.is_static() {
            return Ok(Self::ByKey(filter));
        }
        refuse_to_read_twice(&filter, &args.input.source)?;
        let input = Input::open(&args.input)?;
        let mut engine = input.engine(args);
        input.run_ahead(&mut engine)?;
        engine.finish();
        let mut serials = HashSet::new();
        let Ok(()) = engine.flows_matching::<Infallible>(&filter, |flow| {
            serials.insert(flow.serial);
            Ok(())
        });
        Ok(Self::Flows(serials))
    }

    /// Whether a packet is wanted; `None` if it belongs to no flow.
    pub fn wants(&self, tracked: Option<Tracked>, flows: &Tracker) -> Option<bool> {
        match self {
            Self::All => Some(true),
            Self::ByKey(filter) => Some(filter.decide(&flows.flow(tracked?)?.key) == Some(true)),
            Self::Flows(serials) => Some(serials.contains(&tracked?.flow)),
        }
    }
}
