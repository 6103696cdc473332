//! `decap`: the mirrored packets without their encapsulation, as a capture file.

pub mod output;

use std::collections::HashSet;

use anyhow::Result;
use mirrorscope_engine::Engine;
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::receive::{Frame, Mirrored, Receiver};
use mirrorscope_engine::session::MAX_SESSIONS;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;

use super::analysis::tell_refused;
use super::choice::Choice;
use super::{Outcome, refuse_own_input, tell};
use crate::cli::DecapArgs;
use crate::pipeline::Consumer;
use output::Output;

/// Runs the command.
pub fn run(args: &DecapArgs) -> Result<Outcome> {
    let DecapArgs {
        analysis,
        output: target,
        ..
    } = args;
    refuse_own_input(&target.write, &analysis.input.files)?;
    // A filter that cannot be used is told before anything is written.
    let (choice, input) = Choice::open(analysis, &[&target.write])?;
    let output = Output::create(args, input.is_live())?;
    let stripper = match &choice {
        Choice::All => Stripper::Receiver(Box::new(input.decapsulator())),
        Choice::ByKey(_) | Choice::Flows(_) => Stripper::Engine(Box::new(input.engine(analysis))),
    };
    let mut decap = Decap {
        stripper,
        choice,
        output,
    };
    let sound = input.run(&mut decap)?.sound;
    let complete = decap.end()?;
    let Decap {
        mut stripper,
        output,
        ..
    } = decap;
    if let Stripper::Engine(engine) = &stripper {
        tell_refused(engine, analysis);
    }
    let receiver = stripper.receiver();
    tell(&receiver.hints());
    output.tell_left_out(receiver.counts().frames);
    let refused = receiver.sessions().refused;
    if refused > 0 {
        eprintln!("mirrorscope: {refused} packets of sessions beyond {MAX_SESSIONS} were left out");
    }
    output.tell_written();
    Ok(Outcome::new(sound && complete && refused == 0, false))
}

/// What strips the packets: an engine if it matters which flow they belong to.
enum Stripper {
    Receiver(Box<Receiver>),
    Engine(Box<Engine>),
}

impl Stripper {
    fn receiver(&mut self) -> &mut Receiver {
        match self {
            Self::Receiver(receiver) => receiver,
            Self::Engine(engine) => engine.receiver(),
        }
    }

    /// Gives each packet to `sink`, and whether it is wanted; `None` if it belongs to no flow.
    fn frame(
        &mut self,
        frame: &Frame<'_>,
        choice: &Choice,
        mut sink: impl FnMut(&Mirrored<'_>, Option<bool>),
    ) {
        match self {
            Self::Receiver(receiver) => {
                receiver.receive(frame, |mirrored| sink(mirrored, Some(true)));
            }
            Self::Engine(engine) => engine.frame_with(frame, |mirrored, tracked, flows| {
                sink(mirrored, choice.wants(tracked, flows));
            }),
        }
    }

    fn finish(&mut self, choice: &Choice, mut sink: impl FnMut(&Mirrored<'_>, Option<bool>)) {
        match self {
            Self::Receiver(receiver) => receiver.finish(|mirrored| sink(mirrored, Some(true))),
            Self::Engine(engine) => engine.finish_with(|mirrored, tracked, flows| {
                sink(mirrored, choice.wants(tracked, flows));
            }),
        }
    }
}

/// Takes frames, writes packets.
pub struct Decap {
    stripper: Stripper,
    choice: Choice,
    output: Output,
}

impl Decap {
    /// Writes the packets of flows with these numbers, as an engine finds them.
    pub fn of_flows(engine: Engine, flows: HashSet<u64>, output: Output) -> Self {
        Self {
            stripper: Stripper::Engine(Box::new(engine)),
            choice: Choice::Flows(flows),
            output,
        }
    }

    /// Ends the capture and the file; tells how many packets are in it.
    pub fn finish(mut self) -> Result<u64> {
        self.end()?;
        Ok(self.output.written())
    }

    /// Ends the capture and the file; true if all is in it.
    fn end(&mut self) -> Result<bool> {
        let Self {
            stripper,
            choice,
            output,
        } = self;
        let mut result = Ok(());
        stripper.finish(choice, |mirrored, wanted| {
            output.keep(&mut result, mirrored, wanted);
        });
        result?;
        output.finish()
    }
}

impl Consumer for Decap {
    fn receiver(&mut self) -> Option<&mut Receiver> {
        Some(self.stripper.receiver())
    }

    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        let Self {
            stripper,
            choice,
            output,
        } = self;
        for frame in frames {
            let mut result = Ok(());
            output.arrived(frame.time);
            stripper.frame(frame, choice, |mirrored, wanted| {
                output.keep(&mut result, mirrored, wanted);
            });
            result?;
        }
        Ok(())
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        match &mut self.stripper {
            Stripper::Receiver(_) => None,
            Stripper::Engine(engine) => Some(engine),
        }
    }

    fn tick(&mut self) -> Result<()> {
        self.output.tick()
    }

    fn interval(&mut self, _live: &LiveReport, _activity: &Activity) -> Result<()> {
        self.output.tell_written();
        Ok(())
    }

    fn reload(&mut self, sites: Sites, now: Timestamp) {
        match &mut self.stripper {
            Stripper::Receiver(receiver) => {
                receiver.reload(sites, now);
            }
            Stripper::Engine(engine) => engine.reload(sites),
        }
    }

    fn flows(&self) -> usize {
        match &self.stripper {
            Stripper::Receiver(_) => 0,
            Stripper::Engine(engine) => engine.flow_count(),
        }
    }
}
