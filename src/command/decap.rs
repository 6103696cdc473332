//! `decap`: the mirrored packets without their encapsulation, as a capture file.

use std::collections::HashMap;
use std::io;

use anyhow::{Context, Result, bail};
use mirrorscope_capture::writer::{
    Direction, InterfaceDescription, OutputFile, PcapWriter, PcapngWriter,
};
use mirrorscope_dissectors::{Direction as Way, LinkType};
use mirrorscope_engine::Engine;
use mirrorscope_engine::point::session_name;
use mirrorscope_engine::receive::{Delivery, Frame, Mirrored, Receiver};
use mirrorscope_engine::session::{MAX_SESSIONS, SessionId};

use super::choice::Choice;
use super::{APPLICATION, Outcome, capture_format, refuse_own_input, tell, tell_refused};
use crate::cli::{CaptureFormat, DecapArgs};
use crate::pipeline::Consumer;

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
    let file = OutputFile::create(&target.write)?;
    let sink = match capture_format(target) {
        CaptureFormat::Pcapng => Sink::Pcapng {
            writer: PcapngWriter::new(file, APPLICATION)?,
            interfaces: HashMap::new(),
        },
        CaptureFormat::Pcap => Sink::Pcap(Pcap::Waiting(file)),
    };
    let stripper = match &choice {
        Choice::All => Stripper::Receiver(Box::new(input.decapsulator())),
        Choice::ByKey(_) | Choice::Flows(_) => Stripper::Engine(Box::new(input.engine(analysis))),
    };
    let output = Output {
        sink,
        snaplen: args.snaplen.unwrap_or(u32::MAX),
        plain: args.plain,
        written: 0,
        skipped: 0,
        flowless: 0,
        other_link: 0,
    };
    let mut decap = Decap {
        stripper,
        choice,
        output,
    };
    let sound = input.run(&mut decap)?;
    let Decap {
        mut stripper,
        choice,
        mut output,
    } = decap;
    let mut result = Ok(());
    stripper.finish(&choice, |mirrored, wanted| {
        output.keep(&mut result, mirrored, wanted);
    });
    result?;
    let Output {
        written,
        skipped,
        flowless,
        other_link,
        ..
    } = output;
    if other_link > 0 {
        bail!(
            "{other_link} packets of another link type do not fit into one pcap file; write pcapng instead"
        );
    }
    output.finish()?;
    if let Stripper::Engine(engine) = &stripper {
        tell_refused(engine, analysis);
    }
    let receiver = stripper.receiver();
    tell(&receiver.hints());
    if skipped > 0 {
        let frames = receiver.counts().frames;
        eprintln!(
            "mirrorscope: {skipped} of {frames} frames are not encapsulated and were left out (--plain writes them too)"
        );
    }
    if flowless > 0 {
        eprintln!(
            "mirrorscope: {flowless} packets belong to no flow that a filter could choose (ARP, fragments whose first is missing) \
             and were left out"
        );
    }
    let refused = receiver.sessions().refused;
    if refused > 0 {
        eprintln!("mirrorscope: {refused} packets of sessions beyond {MAX_SESSIONS} were left out");
    }
    if target.write.as_os_str() != "-" {
        eprintln!("mirrorscope: {}: {written} packets", target.write.display());
    }
    Ok(Outcome::new(sound && refused == 0, false))
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
struct Decap {
    stripper: Stripper,
    choice: Choice,
    output: Output,
}

impl Consumer for Decap {
    fn receiver(&mut self) -> Option<&mut Receiver> {
        Some(self.stripper.receiver())
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        let Self {
            stripper,
            choice,
            output,
        } = self;
        let mut result = Ok(());
        stripper.frame(frame, choice, |mirrored, wanted| {
            output.keep(&mut result, mirrored, wanted);
        });
        result
    }

    fn flows(&self) -> usize {
        match &self.stripper {
            Stripper::Receiver(_) => 0,
            Stripper::Engine(engine) => engine.flow_count(),
        }
    }
}

/// What is written, and what was left out.
struct Output {
    sink: Sink,
    snaplen: u32,
    plain: bool,
    written: u64,
    skipped: u64,
    flowless: u64,
    other_link: u64,
}

/// The two formats.
enum Sink {
    Pcapng {
        writer: PcapngWriter<OutputFile>,
        interfaces: HashMap<(SessionId, LinkType), u32>,
    },
    Pcap(Pcap),
}

/// A pcap file has one link type: that of its first packet.
enum Pcap {
    Waiting(OutputFile),
    Open(PcapWriter<OutputFile>, LinkType),
    Failed,
}

impl Output {
    /// Writes one packet, unless an earlier one failed.
    fn keep(&mut self, result: &mut Result<()>, mirrored: &Mirrored<'_>, wanted: Option<bool>) {
        if result.is_ok() {
            *result = self.write(mirrored, wanted).context("writing stopped");
        }
    }

    fn write(&mut self, mirrored: &Mirrored<'_>, wanted: Option<bool>) -> io::Result<()> {
        // Fragments are written as the mirror brought them.
        if mirrored.delivery != Delivery::Whole {
            return Ok(());
        }
        // Labels and sessions of the link are an encapsulation too, though no mirror's.
        if mirrored.mirror.is_none() && mirrored.inner.offset == 0 && !self.plain {
            self.skipped += 1;
            return Ok(());
        }
        match wanted {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => {
                self.flowless += 1;
                return Ok(());
            }
        }
        let bytes = mirrored.inner.bytes;
        let bytes = bytes.get(..self.snaplen as usize).unwrap_or(bytes);
        let (time, length) = (mirrored.time.0, mirrored.inner_len);
        let link = mirrored.inner.link;
        match &mut self.sink {
            Sink::Pcapng { writer, interfaces } => {
                let key = (mirrored.session, link);
                let interface = match interfaces.get(&key) {
                    Some(interface) => *interface,
                    None => {
                        *interfaces
                            .entry(key)
                            .or_insert(describe(writer, mirrored, self.snaplen)?)
                    }
                };
                writer.write(
                    interface,
                    time,
                    length,
                    bytes,
                    mirrored
                        .mirror
                        .and_then(|m| m.facts.direction)
                        .map(|said| direction(mirrored.place.direction(said))),
                )?;
            }
            Sink::Pcap(pcap) => {
                if let Some(writer) = pcap.writer(link, self.snaplen)? {
                    writer.write(time, length, bytes)?;
                } else {
                    self.other_link += 1;
                    return Ok(());
                }
            }
        }
        self.written += 1;
        Ok(())
    }

    fn finish(self) -> Result<()> {
        let file = match self.sink {
            Sink::Pcapng { writer, .. } => writer.finish()?,
            Sink::Pcap(Pcap::Open(writer, _)) => writer.finish()?,
            // No packet told the link type; an empty file still has one.
            Sink::Pcap(Pcap::Waiting(file)) => {
                PcapWriter::new(file, LinkType::Ethernet.number(), 0)?.finish()?
            }
            Sink::Pcap(Pcap::Failed) => return Ok(()),
        };
        Ok(file.commit()?)
    }
}

impl Pcap {
    /// The writer, if the link type fits.
    fn writer(
        &mut self,
        link: LinkType,
        snaplen: u32,
    ) -> io::Result<Option<&mut PcapWriter<OutputFile>>> {
        if let Self::Waiting(_) = self
            && let Self::Waiting(file) = std::mem::replace(self, Self::Failed)
        {
            let snaplen = if snaplen == u32::MAX { 0 } else { snaplen };
            *self = Self::Open(PcapWriter::new(file, link.number(), snaplen)?, link);
        }
        Ok(match self {
            Self::Open(writer, open) if *open == link => Some(writer),
            _ => None,
        })
    }
}

/// Adds the interface block of a session.
fn describe(
    writer: &mut PcapngWriter<OutputFile>,
    mirrored: &Mirrored<'_>,
    snaplen: u32,
) -> io::Result<u32> {
    let name = session_name(&mirrored.key, mirrored.interface);
    let description = format!(
        "{} at {} ({})",
        mirrored.place.role.as_str(),
        mirrored.place.name,
        mirrored.place.site
    );
    writer.add_interface(&InterfaceDescription {
        name: &name,
        description: &description,
        link_type: mirrored.inner.link.number(),
        snaplen: if snaplen == u32::MAX { 0 } else { snaplen },
    })
}

/// The switch's ingress is what the mirrored station sends: outbound as the station's own capture would call it,
/// but pcapng means the capturing interface, which is the switch's port.
fn direction(way: Way) -> Direction {
    match way {
        Way::Ingress => Direction::Inbound,
        Way::Egress => Direction::Outbound,
    }
}
