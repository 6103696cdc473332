//! `decap`: the mirrored packets without their encapsulation, as a capture file.

use std::collections::HashMap;
use std::io;

use anyhow::{Context, Result, bail};
use mirrorscope_capture::writer::{
    Direction, InterfaceDescription, OutputFile, PcapWriter, PcapngWriter,
};
use mirrorscope_dissectors::{Direction as Way, LinkType};
use mirrorscope_engine::point::session_name;
use mirrorscope_engine::receive::{Frame, Mirrored, Receiver};
use mirrorscope_engine::session::{MAX_SESSIONS, SessionId};

use super::{APPLICATION, Outcome, capture_format, refuse_own_input, tell};
use crate::cli::{CaptureFormat, DecapArgs};
use crate::pipeline::{Consumer, Input};

/// Runs the command.
pub fn run(args: &DecapArgs) -> Result<Outcome> {
    let DecapArgs { output: target, .. } = args;
    refuse_own_input(&target.write, &args.input.source)?;
    let input = Input::open(&args.input)?;
    let file = OutputFile::create(&target.write)?;
    let sink = match capture_format(target) {
        CaptureFormat::Pcapng => Sink::Pcapng {
            writer: PcapngWriter::new(file, APPLICATION)?,
            interfaces: HashMap::new(),
        },
        CaptureFormat::Pcap => Sink::Pcap(Pcap::Waiting(file)),
    };
    let snaplen = args.snaplen.unwrap_or(u32::MAX);
    let output = Output {
        sink,
        snaplen,
        plain: args.plain,
        written: 0,
        skipped: 0,
        other_link: 0,
    };
    let mut decap = Decap {
        receiver: input.decapsulator(),
        output,
    };
    let sound = input.run(&mut decap)?;
    let Decap {
        mut receiver,
        mut output,
    } = decap;
    let mut result = Ok(());
    receiver.finish(|mirrored| output.keep(&mut result, mirrored));
    result?;
    let Output {
        written,
        skipped,
        other_link,
        ..
    } = output;
    if other_link > 0 {
        bail!(
            "{other_link} packets of another link type do not fit into one pcap file; write pcapng instead"
        );
    }
    output.finish()?;
    tell(&receiver.hints());
    if skipped > 0 {
        let frames = receiver.counts().frames;
        eprintln!(
            "mirrorscope: {skipped} of {frames} frames are not encapsulated and were left out (--plain writes them too)"
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

/// Takes frames, writes packets.
struct Decap {
    receiver: Receiver,
    output: Output,
}

impl Consumer for Decap {
    fn receiver(&mut self) -> Option<&mut Receiver> {
        Some(&mut self.receiver)
    }

    fn frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        let Self { receiver, output } = self;
        let mut result = Ok(());
        receiver.receive(frame, |mirrored| output.keep(&mut result, mirrored));
        result
    }
}

/// What is written, and what was left out.
struct Output {
    sink: Sink,
    snaplen: u32,
    plain: bool,
    written: u64,
    skipped: u64,
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
    fn keep(&mut self, result: &mut Result<()>, mirrored: &Mirrored<'_>) {
        if result.is_ok() {
            *result = self.write(mirrored).context("writing stopped");
        }
    }

    fn write(&mut self, mirrored: &Mirrored<'_>) -> io::Result<()> {
        // Labels and sessions of the link are an encapsulation too, though no mirror's.
        if mirrored.mirror.is_none() && mirrored.inner.offset == 0 && !self.plain {
            self.skipped += 1;
            return Ok(());
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
