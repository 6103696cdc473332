//! `decap` on the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use mirrorscope_capture::inject::Pace;

use super::{AnalysisArgs, CaptureFormat, value};

/// Examples of `decap`.
pub const EXAMPLES: &str = "\
Examples:
  mirrorscope decap -w inner.pcapng capture.pcap        one interface for each mirror session, named
  mirrorscope decap -w inner.pcap capture.pcap          plain pcap, all sessions together
  mirrorscope decap -w - capture.pcap | tshark -r -     into another program
  mirrorscope decap --filter asymmetric -w bad.pcapng capture.pcap      packets of some flows only
  mirrorscope decap --sites sites.toml --comment verdict -w inner.pcapng capture.pcap
        interfaces named after sites and points, each packet with its flow's verdict (docs/wireshark.md)
  mirrorscope decap --keep both -w both.pcapng capture.pcap    each packet with and without its encapsulation
  mirrorscope decap -i eth1 --to tap:mirror0 --dedup           live, for zeek -i mirror0 or tcpdump -i mirror0
  mirrorscope decap --sites sites.toml --to dc1=veth1 --to dc2=veth2 --pace max capture.pcap
        an interface for each site; without --pace with the pauses of the capture (docs/reinject.md)
  mirrorscope decap -i eth1 -w /var/tmp/mirror.pcapng --rotate-size 100M --keep-files 20
        live, in at most 20 files of 100 MiB: mirror_00001_20261121212759.pcapng, mirror_00002_…
  mirrorscope decap -i eth1 -w mirror.pcapng --rotate-time 1h --keep-files 24     live, the last day
  mirrorscope decap --rotate-size 10M -w part.pcapng big.pcap               a large capture in parts

Of live packets, and with rotation, files hold whole packets at any time, also if mirrorscope is killed. If the disk is full,
what is written stays, and live packets are counted until there is room again; the exit status is then 2.";

const ROTATION: &str = "Rotation";

/// A capture file to write.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// File to write, there only once it is complete (or stopped by Ctrl-C); - for standard output
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub write: PathBuf,

    /// File format [default: pcap if the name ends in .pcap, else pcapng]
    #[arg(long, value_enum)]
    pub format: Option<CaptureFormat>,
}

/// Arguments of `decap`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("destination").args(["write", "to"]).required(true).multiple(true))]
pub struct DecapArgs {
    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// File to write, there only once it is complete (or stopped by Ctrl-C); - for standard output
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// File format [default: pcap if the name ends in .pcap, else pcapng]
    #[arg(long, value_enum, requires = "write")]
    pub format: Option<CaptureFormat>,

    /// Put packets on this interface, as Ethernet frames; tap:NAME makes one. With WHO=, those of a site, point or session;
    /// may be repeated
    #[arg(long, value_name = "[WHO=]IFACE", value_parser = to)]
    pub to: Vec<To>,

    /// How fast: recorded, max, or a rate such as 1000pps or 50Mbit [default: recorded; live, as packets come]
    #[arg(long, value_name = "PACE", value_parser = value::pace, requires = "to")]
    pub pace: Option<Pace>,

    /// Each packet once, however many points saw it and however often a mirror brought it: once for each file and interface
    #[arg(long)]
    pub dedup: bool,

    /// Write at most this many bytes of each packet
    #[arg(short = 's', long, value_name = "BYTES", requires = "write")]
    pub snaplen: Option<u32>,

    /// What to write of a mirrored packet
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Keep::Inner)]
    pub keep: Keep,

    /// Write something about each packet with it (pcapng)
    #[arg(long, value_enum, value_name = "WHAT", requires = "write")]
    pub comment: Option<Comment>,

    /// Write frames that came without encapsulation too, as they are
    #[arg(long)]
    pub plain: bool,

    /// When another file begins.
    #[command(flatten)]
    pub rotation: RotationArgs,

    /// Memory for live packets that wait for a slow disk, or a slow interface
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = value::size, hide_short_help = true)]
    pub write_buffer: usize,
}

/// Where packets are put.
#[derive(Clone, Debug)]
pub struct To {
    /// The site, point or session whose packets these are; all, if it is not said.
    pub who: Option<String>,
    /// The interface.
    pub interface: String,
}

fn to(text: &str) -> Result<To, &'static str> {
    let (who, interface) = match text.rsplit_once('=') {
        Some((who, interface)) => (Some(who.to_owned()), interface),
        None => (None, text),
    };
    if interface.is_empty() || who.as_ref().is_some_and(String::is_empty) {
        return Err("not an interface, nor a site, point or session with its interface: dc1=veth1");
    }
    Ok(To {
        who,
        interface: interface.to_owned(),
    })
}

/// What is written of a mirrored packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Keep {
    /// The packet without its encapsulation
    Inner,
    /// The whole frame as it arrived, with all of its parts if IP split it: it can be analysed again
    Outer,
    /// Both, one behind the other, on interfaces that tell them apart
    Both,
}

/// What is written about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Comment {
    /// The verdict of its flow and why; files are read twice for it
    Verdict,
}

/// When another file begins.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("rotation").args(["rotate_size", "rotate_time"]).multiple(true))]
pub struct RotationArgs {
    /// Begin another file before one would be larger than this; a number and the time are added to the name
    #[arg(long, value_name = "SIZE", value_parser = value::extent, requires = "write", help_heading = ROTATION)]
    pub rotate_size: Option<u64>,

    /// Begin another file so long after the last one, such as 10m or 1h
    #[arg(long, value_name = "TIME", value_parser = value::span, requires = "write", help_heading = ROTATION)]
    pub rotate_time: Option<i64>,

    /// Keep this many files and delete the oldest, those of earlier runs with the same name among them
    #[arg(long, value_name = "N", requires = "rotation", help_heading = ROTATION)]
    pub keep_files: Option<NonZeroUsize>,
}
