//! `encap`: plain packets wrapped as a mirror would, and what happens to them on the way to the collector.

mod impair;
mod original;
mod plan;
mod select;

use std::io;

use anyhow::{Context, Result};
use mirrorscope_capture::writer::{
    InterfaceDescription, OutputFile, Packet, PcapWriter, PcapngWriter,
};
use mirrorscope_dissectors::{LinkType, Options, decapsulate};
use mirrorscope_engine::receive::Frame;
use serde::Serialize;

use super::{APPLICATION, Outcome, capture_format, refuse_own_input};
use crate::cli::{CaptureFormat, EncapArgs, Summary};
use crate::pipeline::{self, Consumer, Input};
use impair::{Arrival, Damage, Faults, Path};
use original::Original;
use plan::{Plan, Wire};
use select::Selection;

/// Runs the command.
pub fn run(args: &EncapArgs) -> Result<Outcome> {
    let plan = Plan::new(args)?;
    refuse_own_input(&args.output.write, &args.files)?;
    let writes = pipeline::Plan {
        writes: &[&args.output.write],
        ..pipeline::Plan::default()
    };
    let input = Input::open_plain(&args.files, args.count, writes)?;
    let mut encap = Encap {
        options: Options::default(),
        selection: Selection::new(&args.select),
        path: Path::new(Faults {
            loss: args.path.loss,
            loss_burst: args.path.loss_burst,
            duplicate: args.path.duplicate,
            reorder: args.path.reorder,
            reorder_distance: args.path.reorder_distance,
            seed: args.path.seed,
        }),
        delay: args.path.delay,
        newest: i64::MIN,
        sink: Sink::open(args, &plan::name(args.encapsulation))?,
        done: Done::default(),
        plan,
    };
    let sound = input.run(&mut encap)?.sound;
    encap.path.end();
    encap.deliver()?;
    let Encap {
        sink,
        path,
        mut done,
        ..
    } = encap;
    sink.finish()?;
    done.damage = path.damage();
    match args.summary {
        Summary::Text => {
            eprintln!(
                "mirrorscope: {}: {}",
                args.output.write.display(),
                done.text()
            );
        }
        Summary::Json => eprintln!("{}", serde_json::to_string(&done)?),
    }
    Ok(Outcome::new(sound, false))
}

/// What was done, in packets where nothing else is said.
#[derive(Debug, Default, Serialize)]
struct Done {
    /// In the files.
    read: u64,
    /// Neither Ethernet nor IP.
    left_out: u64,
    /// Not seen by the mirror: of the other direction, or from another sender.
    not_selected: u64,
    /// Wrapped and sent.
    mirrored: u64,
    /// Cut by the mirror.
    truncated: u64,
    #[serde(flatten)]
    damage: Damage,
    /// Frames written, fragments among them.
    frames: u64,
    /// Fragments written.
    fragments: u64,
}

impl Done {
    /// What was done, for people.
    fn text(&self) -> String {
        let always = [(self.read, "packets read"), (self.mirrored, "mirrored")];
        let damage = self.damage;
        let unusual = [
            (self.left_out, "left out for want of an EtherType"),
            (self.not_selected, "not selected"),
            (self.truncated, "truncated"),
            (damage.lost, "lost"),
            (damage.duplicated, "duplicated"),
            (damage.reordered, "reordered"),
        ];
        let unusual = unusual.into_iter().filter(|(count, _)| *count > 0);
        let packets: Vec<String> = always
            .into_iter()
            .chain(unusual)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let fragments = match self.fragments {
            0 => String::new(),
            fragments => format!(", {fragments} of them fragments"),
        };
        let frames = self.frames;
        format!("{}; {frames} frames written{fragments}", packets.join(", "))
    }
}

/// Takes packets, writes frames.
struct Encap {
    plan: Plan,
    options: Options,
    selection: Selection,
    path: Path<Mirrored>,
    delay: i64,
    /// Time of the newest arrival.
    newest: i64,
    sink: Sink,
    done: Done,
}

/// A mirrored packet on its way: its frames, and when they would arrive.
#[derive(Debug)]
struct Mirrored {
    time: i64,
    frames: Vec<Wire>,
}

impl Consumer for Encap {
    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        frames.iter().try_for_each(|frame| self.frame(frame))
    }
}

impl Encap {
    fn frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        self.done.read += 1;
        let stripped = decapsulate(frame.link, frame.bytes, &self.options);
        let packet = stripped.packet();
        if !self.selection.takes(&packet) {
            self.done.not_selected += 1;
            return Ok(());
        }
        let Some(original) = Original::new(frame, &packet, self.plan.take()) else {
            self.done.left_out += 1;
            return Ok(());
        };
        let number = self.done.mirrored;
        let port = plan::source_port(&packet);
        self.path.send(Mirrored {
            time: frame.time.0.saturating_add(self.delay),
            frames: self.plan.wrap(number, frame.time, &original, port),
        });
        self.done.mirrored += 1;
        self.done.truncated += u64::from(original.truncated);
        self.deliver()
    }

    /// Writes what arrives.
    fn deliver(&mut self) -> Result<()> {
        while let Some(arrival) = self.path.arrival() {
            let Arrival {
                packet: Mirrored { time, frames },
                late,
                twice,
            } = arrival;
            let time = if late { time.max(self.newest) } else { time };
            self.newest = self.newest.max(time);
            for _ in 0..=u8::from(twice) {
                for wire in &frames {
                    self.sink.write(time, wire).context("writing stopped")?;
                }
                self.done.frames += frames.len() as u64;
                if frames.len() > 1 {
                    self.done.fragments += frames.len() as u64;
                }
            }
        }
        Ok(())
    }
}

/// The two formats.
enum Sink {
    Pcapng(PcapngWriter<OutputFile>, u32),
    Pcap(PcapWriter<OutputFile>),
}

impl Sink {
    fn open(args: &EncapArgs, encapsulation: &str) -> Result<Self> {
        let link_type = LinkType::Ethernet.number();
        let file = OutputFile::create(&args.output.write)?;
        Ok(
            match capture_format(&args.output.write, args.output.format) {
                CaptureFormat::Pcapng => {
                    let mut writer = PcapngWriter::new(file, APPLICATION)?;
                    let interface = writer.add_interface(&InterfaceDescription {
                        name: encapsulation,
                        description: "packets wrapped by mirrorscope encap",
                        link_type,
                        snaplen: 0,
                        filter: "",
                    })?;
                    Self::Pcapng(writer, interface)
                }
                CaptureFormat::Pcap => Self::Pcap(PcapWriter::new(file, link_type, 0)?),
            },
        )
    }

    fn write(&mut self, time: i64, wire: &Wire) -> io::Result<()> {
        match self {
            Self::Pcapng(writer, interface) => writer.write(&Packet {
                interface: *interface,
                time,
                wire_len: wire.len,
                bytes: &wire.bytes,
                direction: None,
                comment: None,
            }),
            Self::Pcap(writer) => writer.write(time, wire.len, &wire.bytes),
        }
    }

    fn finish(self) -> Result<()> {
        let file = match self {
            Self::Pcapng(writer, _) => writer.finish()?,
            Self::Pcap(writer) => writer.finish()?,
        };
        Ok(file.commit()?)
    }
}
