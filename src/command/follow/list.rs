//! The list of streams: a line for each direction, with what is missing there.

use std::io::Write;

use anyhow::Result;
use mirrorscope_engine::flow::Side;
use mirrorscope_engine::stream::{Event, Gap};

use super::collect::{Collected, Followed, Store, Which};
use crate::output::csv::{Files, Streams};

/// Keeps nothing of the streams.
pub struct Nothing;

impl Store for Nothing {
    fn event(&mut self, _flow: Which, _event: Event<'_>) -> Result<()> {
        Ok(())
    }
}

/// A direction in the list.
pub struct Row<'a> {
    pub flow: &'a Followed,
    /// The place of the flow among all that are listed.
    pub place: usize,
    /// 0 is what the originator sent.
    pub way: usize,
    pub side: Side,
}

/// Writes a line for each direction of which something was sent. `file` gives the file that it is in, if `files` says that
/// there are any.
pub fn write<S>(
    out: &mut dyn Write,
    collected: &mut Collected<S>,
    files: Files,
    mut file: impl FnMut(&mut S, Row<'_>) -> Result<Option<String>>,
) -> Result<()> {
    let Collected {
        engine,
        flows,
        store,
        ..
    } = collected;
    let losses = engine.mirror_losses();
    let mut rows = Streams::new(out, files)?;
    for (place, flow) in flows.iter().enumerate() {
        let about = flow.conversation(engine.receiver());
        let sides = [flow.originator(), 1 - flow.originator()];
        for (way, side) in sides.into_iter().enumerate() {
            let gap = flow.first_gap(side).map(|gap| Gap {
                cause: losses.cause(&gap, flow.points()),
                ..gap
            });
            if flow.counts(side).delivered == 0 && gap.is_none() {
                continue;
            }
            let row = Row {
                flow,
                place,
                way,
                side,
            };
            let file = file(store, row)?;
            rows.add(&about, way, file.as_deref(), gap.as_ref())?;
        }
    }
    rows.finish()
}
