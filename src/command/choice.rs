//! Whose packets are written: all, or those of the flows that a filter wants.

use std::collections::HashSet;
use std::convert::Infallible;
use std::path::PathBuf;

use anyhow::{Result, bail};
use mirrorscope_engine::Engine;
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::track::{Tracked, Tracker};

use super::filter;
use crate::cli::{AnalysisArgs, InputArgs};
use crate::pipeline::{Input, Plan};

/// What is known only at the end of a capture: then everything is read twice, which a pipe cannot be.
enum Late {
    /// A word of the filter.
    Word(String),
    /// The verdicts that packets are to be written with.
    Verdicts,
}

impl Late {
    fn what(&self) -> String {
        match self {
            Self::Word(word) => format!("--filter: `{word}` is"),
            Self::Verdicts => "--comment: verdicts are".to_owned(),
        }
    }

    /// Refuses input that cannot be read twice.
    fn check(&self, input: &InputArgs) -> Result<()> {
        let what = self.what();
        if input.live.is_live() {
            let instead = match self {
                Self::Word(_) => {
                    "filter by host, port and protocol alone, or write everything and choose from the file"
                }
                Self::Verdicts => {
                    "write what arrives (--keep outer), and then the packets with their verdicts from that file"
                }
            };
            bail!(
                "{what} known only at the end of the capture, and what comes live cannot be read twice; {instead}"
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
            let or = match self {
                Self::Word(_) => ", or filter by host, port and protocol alone",
                Self::Verdicts => "",
            };
            bail!(
                "{what} known only at the end of the capture, so that it must be read twice, and {name} cannot be; save it \
                 to a file first{or}"
            );
        }
        Ok(())
    }
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

/// A choice, and the input to choose from.
pub struct Opened<'a> {
    /// Whose packets.
    pub choice: Choice,
    /// The input, from its beginning.
    pub input: Input<'a>,
    /// What all of it comes to, if it was read before.
    pub ahead: Option<Engine>,
}

impl Choice {
    /// Opens the input, and knows the flows that the filter wants, if there is one; reads all input before if only its
    /// end tells which these are, or if `verdicts` are asked for.
    pub fn open<'a>(args: &'a AnalysisArgs, plan: Plan<'_>, verdicts: bool) -> Result<Opened<'a>> {
        let filter = filter(args)?;
        let word = filter.as_ref().and_then(Filter::late_word);
        let word = word.map(|word| Late::Word(word.to_owned()));
        if let Some(late) = word.or(verdicts.then_some(Late::Verdicts)) {
            late.check(&args.input)?;
        }
        let chooses_late = filter.as_ref().is_some_and(|filter| !filter.is_static());
        let twice = chooses_late || verdicts;
        let mut input = Input::open(&args.input, Plan { twice, ..plan })?;
        let ahead = twice.then(|| input.run_ahead(args)).transpose()?;
        let choice = match (filter, &ahead) {
            (None, _) => Self::All,
            (Some(filter), Some(ahead)) if chooses_late => Self::of(&filter, ahead),
            (Some(filter), _) => Self::ByKey(filter),
        };
        Ok(Opened {
            choice,
            input,
            ahead,
        })
    }

    /// The flows that a filter wants.
    fn of(filter: &Filter, engine: &Engine) -> Self {
        let mut serials = HashSet::new();
        let Ok(()) = engine.flows_matching::<Infallible>(filter, |flow| {
            serials.insert(flow.serial);
            Ok(())
        });
        Self::Flows(serials)
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
