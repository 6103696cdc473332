//! The verdict of each packet's flow, in words to be written with the packet.

use std::collections::HashMap;
use std::convert::Infallible;

use mirrorscope_engine::Engine;
use mirrorscope_engine::report::FlowReport;

/// Comments by the number of a flow.
#[derive(Debug, Default)]
pub struct Verdicts(HashMap<u64, Box<str>>);

impl Verdicts {
    /// Those of a capture that was read to its end.
    pub fn of(engine: &Engine) -> Self {
        let mut verdicts = Self::default();
        let Ok(()) = engine.flows::<Infallible>(|flow| {
            verdicts.add(&flow);
            Ok(())
        });
        verdicts
    }

    /// Adds that of a flow.
    pub fn add(&mut self, flow: &FlowReport) {
        let comment = comment(flow).into_boxed_str();
        self.0.insert(flow.serial, comment);
    }

    /// The numbers of the flows.
    pub fn flows(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }

    /// What to say of a flow's packets.
    pub fn get(&self, flow: u64) -> Option<&str> {
        self.0.get(&flow).map(AsRef::as_ref)
    }
}

/// The verdict comes first: a column of a packet list is narrow.
pub fn comment(flow: &FlowReport) -> String {
    let FlowReport {
        verdict, why, id, ..
    } = flow;
    format!("{}: {why} (flow {id})", verdict.as_str())
}
