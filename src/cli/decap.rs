//! `decap` on the command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

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
pub struct DecapArgs {
    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Write at most this many bytes of each packet
    #[arg(short = 's', long, value_name = "BYTES")]
    pub snaplen: Option<u32>,

    /// What to write of a mirrored packet
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Keep::Inner)]
    pub keep: Keep,

    /// Write something about each packet with it (pcapng)
    #[arg(long, value_enum, value_name = "WHAT")]
    pub comment: Option<Comment>,

    /// Write frames that came without encapsulation too, as they are
    #[arg(long)]
    pub plain: bool,

    /// When another file begins.
    #[command(flatten)]
    pub rotation: RotationArgs,
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
    #[arg(long, value_name = "SIZE", value_parser = value::extent, help_heading = ROTATION)]
    pub rotate_size: Option<u64>,

    /// Begin another file so long after the last one, such as 10m or 1h
    #[arg(long, value_name = "TIME", value_parser = value::span, help_heading = ROTATION)]
    pub rotate_time: Option<i64>,

    /// Keep this many files and delete the oldest, those of earlier runs with the same name among them
    #[arg(long, value_name = "N", requires = "rotation", help_heading = ROTATION)]
    pub keep_files: Option<NonZeroUsize>,

    /// Memory for live packets that wait for a slow disk
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = value::size, hide_short_help = true, help_heading = ROTATION)]
    pub write_buffer: usize,
}
