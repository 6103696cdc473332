//! The way of packets that are stripped: which of them go on, and to where.

use anyhow::Result;
use mirrorscope_engine::receive::{Frame, Mirrored, Receiver};
use mirrorscope_engine::track::Tracked;

use super::copies::Copies;
use super::gate::Gate;
use super::injection::Injection;
use super::outer::Outer;
use super::output::{Outgoing, Output};
use super::sessions::Chosen;
use super::verdicts::Verdicts;

/// The way of packets.
pub struct Way {
    /// Which go on.
    pub gate: Gate,
    /// Whose, if somebody chooses while they come.
    pub chosen: Option<Chosen>,
    /// What is said of them in files.
    pub verdicts: Verdicts,
    /// If frames are to be written as they arrived.
    pub outer: Option<Outer>,
    /// If each packet is to be written once.
    pub copies: Option<Copies>,
    /// Into files.
    pub output: Option<Output>,
    /// Files tell what came of each session, and what is missing: not if they have some chosen flows of it.
    pub counts: bool,
    /// Onto interfaces.
    pub injection: Option<Injection>,
}

impl Way {
    /// All of them go into files, as they are.
    pub fn into_file(output: Output, verdicts: Verdicts) -> Self {
        Self {
            gate: Gate::new(true),
            chosen: None,
            verdicts,
            outer: None,
            copies: None,
            output: Some(output),
            counts: false,
            injection: None,
        }
    }

    /// A frame comes next.
    pub fn begin(&mut self, frame: &Frame<'_>, receiver: &Receiver) {
        if let Some(output) = &mut self.output {
            output.arrived(frame.time);
            if self.counts && output.may_end() {
                output.count(receiver);
            }
        }
    }

    /// Takes a packet, which a frame brought or completed; without a frame, its rest was waited for in vain. `wanted` is `None`
    /// if it belongs to no flow that could be.
    pub fn take(
        &mut self,
        result: &mut Result<()>,
        frame: Option<&Frame<'_>>,
        mirrored: &Mirrored<'_>,
        tracked: Option<Tracked>,
        wanted: Option<bool>,
    ) {
        // Also of packets that are not wanted: their frames wait for nothing any more.
        let frames = self.outer.as_mut().map(|outer| match frame {
            Some(frame) => outer.of(frame, mirrored),
            None => outer.given_up(mirrored),
        });
        if !self.gate.admits(mirrored, wanted) {
            return;
        }
        if let Some(chosen) = &mut self.chosen
            && !chosen.has(mirrored)
        {
            return;
        }
        if let Some(injection) = &mut self.injection {
            injection.put(mirrored, tracked);
        }
        let Some(output) = &mut self.output else {
            return;
        };
        if let Some(copies) = &mut self.copies
            && copies.has(mirrored, tracked)
        {
            return;
        }
        let packet = Outgoing {
            mirrored,
            frames: &frames.unwrap_or_default(),
            comment: tracked.and_then(|tracked| self.verdicts.get(tracked.flow)),
        };
        output.keep(result, &packet);
    }

    /// All packets of a frame were taken.
    pub fn end(&mut self, frame: &Frame<'_>) {
        if let Some(outer) = &mut self.outer {
            outer.end(frame);
        }
    }

    /// Has sent what was taken so far.
    pub fn hand_over(&mut self) {
        if let Some(injection) = &mut self.injection {
            injection.hand_over();
        }
    }

    /// Once a second, of live packets.
    pub fn tick(&mut self, receiver: &Receiver) -> Result<()> {
        if let Some(injection) = &mut self.injection {
            injection.tell_notes();
        }
        if let Some(output) = &mut self.output {
            output.count(receiver);
            output.tick()?;
        }
        Ok(())
    }

    /// Sites were described anew.
    pub fn reload(&mut self) {
        if let Some(injection) = &mut self.injection {
            injection.reload();
        }
    }

    /// Ends files and sending; true if nothing is missing.
    pub fn finish(&mut self, receiver: &Receiver) -> Result<bool> {
        let mut complete = true;
        // The file first: it has to wait for nothing.
        if let Some(output) = &mut self.output {
            if self.counts {
                output.count(receiver);
            }
            complete &= output.finish()?;
        }
        if let Some(injection) = &mut self.injection {
            complete &= injection.finish();
        }
        Ok(complete)
    }

    /// Tells what did not go on, of so many frames, and what was written.
    pub fn tell(&self, frames: u64) {
        self.gate.tell(frames);
        let forgotten = self.outer.as_ref().map_or(0, |outer| outer.forgotten);
        if forgotten > 0 {
            eprintln!(
                "mirrorscope: {forgotten} frames waited too long for the rest of their datagrams and were left out"
            );
        }
        let copies = self.copies.as_ref().map_or(0, |copies| copies.told);
        if let Some(output) = &self.output {
            if copies > 0 {
                eprintln!("mirrorscope: {copies} copies of packets were left out (--dedup)");
            }
            output.tell_written();
        }
    }
}
