//! `decap`: the mirrored packets without their encapsulation, as a capture file, or on interfaces.

mod copies;
pub mod gate;
mod injection;
mod interfaces;
mod outer;
pub mod output;
pub mod sessions;
pub mod verdicts;
mod way;
mod writer;

use std::path::Path;

use anyhow::{Result, bail};
use mirrorscope_engine::Engine;
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::receive::{Frame, Mirrored, Receiver};
use mirrorscope_engine::session::MAX_SESSIONS;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::Tracked;

use super::analysis::tell_refused;
use super::choice::{Choice, Opened};
use super::{Outcome, capture_format, refuse_own_input, tell};
use crate::cli::{AnalysisArgs, CaptureFormat, Comment, DecapArgs, Keep};
use crate::pipeline::{Complaints, Consumer, Input, Plan};
use copies::Copies;
use gate::Gate;
use injection::{Injection, Ports};
use outer::Outer;
use output::Output;
use sessions::Chosen;
use verdicts::Verdicts;
use way::Way;

/// Runs the command.
pub fn run(args: &DecapArgs) -> Result<Outcome> {
    let (mut decap, input) = prepare(args, None)?;
    let sound = input.run(&mut decap)?.sound;
    let complete = decap.end()?;
    decap.tell(&args.analysis);
    Ok(decap.outcome(sound && complete))
}

/// The same for another program, which lets somebody choose whose packets are to be seen.
pub fn run_for_another(args: &DecapArgs, chosen: Option<Chosen>) -> Result<Outcome> {
    let (mut decap, input) = prepare(args, chosen)?;
    let sound = input.run_with(&mut decap, &mut Complaints)?.sound;
    let complete = decap.end()?;
    Ok(decap.outcome(sound && complete))
}

fn prepare(args: &DecapArgs, chosen: Option<Chosen>) -> Result<(Decap, Input<'_>)> {
    let analysis = &args.analysis;
    let file = args.write.as_deref();
    if let Some(file) = file {
        refuse_own_input(file, analysis.input.all_files())?;
        if capture_format(file, args.format) == CaptureFormat::Pcap {
            refuse_what_pcap_cannot(args)?;
        }
    }
    let ports = Ports::open(args)?;
    // A filter that cannot be used is told before anything is written.
    let writes: Vec<&Path> = file.into_iter().collect();
    let plan = Plan {
        writes: &writes,
        privileged: ports.is_some(),
        ..Plan::default()
    };
    let verdicts = args.comment == Some(Comment::Verdict);
    let Opened {
        choice,
        input,
        ahead,
    } = Choice::open(analysis, plan, verdicts)?;
    let verdicts = ahead.filter(|_| verdicts);
    let verdicts = verdicts.map(|engine| Verdicts::of(&engine));
    let settings = input.settings(analysis);
    let live = input.is_live();
    let output = file.map(|file| Output::create(file, args, settings.names, live));
    let output = output.transpose()?;
    let stop = input.signals().flag();
    let injection = ports
        .is_some()
        .then(|| Injection::start(ports, args, &settings.sites, live, stop));
    let stripper = match &choice {
        Choice::All if verdicts.is_none() && !args.dedup => {
            Stripper::Receiver(Box::new(input.decapsulator()))
        }
        _ => Stripper::Engine(Box::new(input.engine(analysis))),
    };
    let decap = Decap {
        stripper,
        choice,
        way: Way {
            gate: Gate::new(args.plain),
            chosen,
            verdicts: verdicts.unwrap_or_default(),
            outer: (args.keep != Keep::Inner).then(|| Outer::new(settings.dissect)),
            copies: args.dedup.then(Copies::default),
            output,
            counts: true,
            injection: injection.transpose()?,
        },
    };
    Ok((decap, input))
}

/// A pcap file has packets and their times, and nothing else.
fn refuse_what_pcap_cannot(args: &DecapArgs) -> Result<()> {
    if args.comment.is_some() {
        bail!("--comment: a pcap file has no room for comments; write pcapng instead");
    }
    if args.keep == Keep::Both {
        bail!(
            "--keep both: a pcap file has no interfaces that would tell packets with and without encapsulation apart; write pcapng \
             instead"
        );
    }
    Ok(())
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

    /// Gives each packet to `sink`, how it was taken, and whether it is wanted; `None` if it belongs to no flow.
    fn frame(
        &mut self,
        frame: &Frame<'_>,
        choice: &Choice,
        mut sink: impl FnMut(&Mirrored<'_>, Option<Tracked>, Option<bool>),
    ) {
        match self {
            Self::Receiver(receiver) => {
                receiver.receive(frame, |mirrored| sink(mirrored, None, Some(true)));
            }
            Self::Engine(engine) => engine.frame_with(frame, |mirrored, tracked, flows| {
                sink(mirrored, tracked, choice.wants(tracked, flows));
            }),
        }
    }

    fn finish(
        &mut self,
        choice: &Choice,
        mut sink: impl FnMut(&Mirrored<'_>, Option<Tracked>, Option<bool>),
    ) {
        match self {
            Self::Receiver(receiver) => {
                receiver.finish(|mirrored| sink(mirrored, None, Some(true)));
            }
            Self::Engine(engine) => engine.finish_with(|mirrored, tracked, flows| {
                sink(mirrored, tracked, choice.wants(tracked, flows));
            }),
        }
    }
}

/// Takes frames, writes packets.
pub struct Decap {
    stripper: Stripper,
    choice: Choice,
    way: Way,
}

impl Decap {
    /// Writes the packets of flows with these numbers, as an engine finds them, with what is said of them.
    pub fn of_flows(engine: Engine, verdicts: Verdicts, output: Output) -> Self {
        Self {
            stripper: Stripper::Engine(Box::new(engine)),
            choice: Choice::Flows(verdicts.flows().collect()),
            way: Way::into_file(output, verdicts),
        }
    }

    /// Ends the capture and the file; tells how many packets are in it.
    pub fn finish(mut self) -> Result<u64> {
        self.end()?;
        Ok(self.way.output.as_ref().map_or(0, Output::written))
    }

    /// Ends the capture, the file and the sending; true if nothing is missing.
    fn end(&mut self) -> Result<bool> {
        let Self {
            stripper,
            choice,
            way,
        } = self;
        let mut result = Ok(());
        stripper.finish(choice, |mirrored, tracked, wanted| {
            way.take(&mut result, None, mirrored, tracked, wanted);
        });
        result?;
        way.finish(stripper.receiver())
    }

    /// How it ended, if that is what became of the input and the output.
    fn outcome(&mut self, sound: bool) -> Outcome {
        let refused = self.stripper.receiver().sessions().refused;
        Outcome::new(sound && refused == 0, false)
    }

    /// Tells what was left out, and what was written.
    fn tell(&mut self, args: &AnalysisArgs) {
        if let Stripper::Engine(engine) = &self.stripper {
            tell_refused(engine, args);
        }
        let receiver = self.stripper.receiver();
        tell(&receiver.hints());
        let refused = receiver.sessions().refused;
        if refused > 0 {
            eprintln!(
                "mirrorscope: {refused} packets of sessions beyond {MAX_SESSIONS} were left out"
            );
        }
        self.way.tell(receiver.counts().frames);
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
            way,
        } = self;
        for frame in frames {
            way.begin(frame, stripper.receiver());
            let mut result = Ok(());
            stripper.frame(frame, choice, |mirrored, tracked, wanted| {
                way.take(&mut result, Some(frame), mirrored, tracked, wanted);
            });
            result?;
            way.end(frame);
        }
        way.hand_over();
        Ok(())
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        match &mut self.stripper {
            Stripper::Receiver(_) => None,
            Stripper::Engine(engine) => Some(engine),
        }
    }

    fn tick(&mut self) -> Result<()> {
        self.way.tick(self.stripper.receiver())
    }

    fn interval(&mut self, _live: &LiveReport, _activity: &Activity) -> Result<()> {
        if let Some(output) = &self.way.output {
            output.tell_written();
        }
        Ok(())
    }

    fn reload(&mut self, sites: Sites, now: Timestamp) {
        match &mut self.stripper {
            Stripper::Receiver(receiver) => {
                receiver.reload(sites, now);
            }
            Stripper::Engine(engine) => engine.reload(sites),
        }
        self.way.reload();
    }

    fn flows(&self) -> usize {
        match &self.stripper {
            Stripper::Receiver(_) => 0,
            Stripper::Engine(engine) => engine.flow_count(),
        }
    }
}
