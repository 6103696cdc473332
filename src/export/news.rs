//! What is told to others.

pub use mirrorscope_engine::depart::End;
use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::time::Timestamp;

/// Some of it.
#[derive(Debug)]
pub enum News {
    /// Flows, each with why it is told.
    Flows(Vec<(FlowReport, End)>),
    /// Findings that are new or have grown.
    Findings(Vec<Told>),
}

impl News {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Flows(flows) => flows.len(),
            Self::Findings(findings) => findings.len(),
        }
    }
}

/// A finding as it is told.
#[derive(Clone, Debug)]
pub struct Told {
    pub finding: Finding,
    /// How often it was told before.
    pub before: u32,
    /// When it is told.
    pub at: Timestamp,
}
