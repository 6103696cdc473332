//! Whose packets are written: all, or those of the flows that a filter wants.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::track::{Tracked, Tracker};

use super::filter;
use crate::cli::{AnalysisArgs, InputArgs};
use crate::pipeline::{Input, Plan};

/// What a filter asks for may be known only at the end: then everything is read twice, which a pipe cannot be.
fn refuse_to_read_twice(filter: &Filter, input: &InputArgs) -> Result<()> {
    let Some(word) = filter.late_word() else {
        return Ok(());
    };
    if input.live.is_live() {
        bail!(
            "--filter: `{word}` is known only at the end of the capture, and what comes live cannot be read twice; filter by \
             host, port and protocol alone, or write everything and choose from the file"
        );
    }
    let passing = |path: &&PathBuf| {
        path.as_os_str() == "-" || path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir())
    };
    if let Some(path) = input.files.iter().find(passing) {
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
    /// Opens the input, and knows the flows that the filter wants, if there is one; reads all input before if only its
    /// end tells which these are. `writes` is what the command writes.
    pub fn open<'a>(args: &'a AnalysisArgs, writes: &[&Path]) -> Result<(Self, Input<'a>)> {
        let filter = filter(args)?;
        let twice = filter.as_ref().is_some_and(|filter| !filter.is_static());
        if let Some(filter) = &filter {
            refuse_to_read_twice(filter, &args.input)?;
        }
        let plan = Plan {
            twice,
            writes,
            ..Plan::default()
        };
        let mut input = Input::open(&args.input, plan)?;
        let choice = match filter {
            None => Self::All,
            Some(filter) if !twice => Self::ByKey(filter),
            Some(filter) => Self::ahead(&filter, &mut input, args)?,
        };
        Ok((choice, input))
    }

    fn ahead(filter: &Filter, input: &mut Input<'_>, args: &AnalysisArgs) -> Result<Self> {
        let engine = input.run_ahead(args)?;
        let mut serials = HashSet::new();
        let Ok(()) = engine.flows_matching::<Infallible>(filter, |flow| {
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
