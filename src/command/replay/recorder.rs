//! An engine, and where the frames of each flow are.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use mirrorscope_capture::{Again, Place};
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine};

use super::Source;
use super::frames::Frames;
use super::history::History;
use crate::cli::AnalysisArgs;
use crate::pipeline::{Consumer, Course, Input};

/// Takes frames, and knows them again.
pub struct Recorder {
    pub engine: Engine,
    /// Settings of the engine, as they are by now.
    config: Config,
    pub history: History,
    /// To read files again that are all read.
    again: Option<Again>,
    /// Nobody wants to see packets any more.
    stop: Arc<AtomicBool>,
}

impl Recorder {
    /// With memory for so many bytes of packets that cannot be read again, until `stop` is set.
    pub fn new(input: &Input<'_>, args: &AnalysisArgs, keep: usize, stop: Arc<AtomicBool>) -> Self {
        let config = input.settings(args);
        Self {
            engine: input.engine(args),
            history: History::new(keep, config.dissect.clone()),
            config,
            again: None,
            stop,
        }
    }

    /// Ends the capture: what was not complete by then is used as far as it is there.
    pub fn finish(&mut self) {
        let Self {
            engine, history, ..
        } = self;
        engine.finish_with(|mirrored, taken, _| {
            if let Some(taken) = taken {
                history.salvaged(mirrored, taken);
            }
        });
    }

    /// The frames that are there, and how they are read.
    pub fn source(&mut self, course: Option<&Course<'_>>) -> Source {
        let again = match course {
            Some(Course::Files(files) | Course::Read(files)) => Some(files.again()),
            Some(Course::Live { .. }) => None,
            None => self.again.clone(),
        };
        Source {
            frames: Frames::new(self.history.blocks(), again, Arc::clone(&self.stop)),
            config: self.config.clone(),
            interfaces: self.engine.receiver().interfaces().to_vec(),
        }
    }
}

impl Consumer for Recorder {
    fn receiver(&mut self) -> Option<&mut Receiver> {
        Some(self.engine.receiver())
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        Some(&mut self.engine)
    }

    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        self.frames_at(frames, &[])
    }

    fn frames_at(&mut self, frames: &[Frame<'_>], places: &[Option<Place>]) -> Result<()> {
        let mut batch = self.history.batch(frames, places);
        self.engine
            .frames_with(frames, |index, mirrored, taken, _| {
                batch.packet(index, mirrored, taken);
            });
        batch.finish();
        Ok(())
    }

    fn look(&mut self, course: &Course<'_>) -> Result<()> {
        if let Course::Read(files) = course {
            self.again = Some(files.again());
        }
        Ok(())
    }

    fn flows(&self) -> usize {
        self.engine.flow_count()
    }

    fn reload(&mut self, sites: Sites, _now: Timestamp) {
        self.config.sites = sites.clone();
        self.engine.reload(sites);
    }
}
