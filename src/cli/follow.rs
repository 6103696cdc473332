//! The command line of `follow`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{AnalysisArgs, value};
use crate::command::follow::select::Selector;

pub const EXAMPLES: &str = "\
Examples:
  mirrorscope flows capture.pcap                                  flows with their ids
  mirrorscope follow --flow k7vtgx2q9m capture.pcap               one of them, both directions
  mirrorscope follow --flow 10.0.0.1:1234-10.0.0.2:80 dc1.pcap dc2.pcap
  mirrorscope follow --flow tcp,[2001:db8::1]:1234,[2001:db8::2]:80 --format hex capture.pcap
  mirrorscope follow --flow 1:LQU9qZlK+B5F3KDmev6m5PMibrg= --format yaml capture.pcap
  mirrorscope follow --flow k7vtgx2q9m --format raw --direction resp -w answer.bin capture.pcap
  mirrorscope follow --filter 'port 53 and unanswered' capture.pcap
  mirrorscope follow --save-all streams/ capture.pcap             every stream, with an index.csv

A flow is named by its id, by its Community ID, or by its two ends in either order; ends may be separated by a hyphen,
a comma or blanks, with or without tcp or udp in front. If several flows had the same ends one after the other, all of
them are shown.

A stream is put together from all observation points: bytes that one of them missed are taken from another. What no
point saw is a gap. Where segments contradict each other, --overlap decides which bytes count. Urgent data is part of
the stream; probes that keep a connection alive are not.";

/// Arguments of `follow`.
#[derive(Debug, Args)]
pub struct FollowArgs {
    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// Flow: its id, its Community ID, or its ends, such as 10.0.0.1:1234-10.0.0.2:80
    #[arg(long, value_name = "FLOW")]
    pub flow: Option<Selector>,

    /// How to write it
    #[arg(long, value_enum, default_value_t = FollowFormat::Ascii)]
    pub format: FollowFormat,

    /// Which direction alone; raw needs it
    #[arg(long, value_enum)]
    pub direction: Option<Side>,

    /// File to write, there only once it is complete; - for standard output [default: standard output]
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// What stands for missing bytes, in raw output and saved files
    #[arg(long, value_enum, default_value_t = Gaps::Skip)]
    pub gaps: Gaps,

    /// Write each direction of every TCP and UDP flow to a file of its own in DIR, with a list of them in index.csv
    #[arg(long, value_name = "DIR", conflicts_with_all = ["format", "direction", "write"])]
    pub save_all: Option<PathBuf>,

    /// Write to DIR even if there is something in it, over files of the same names
    #[arg(long, requires = "save_all")]
    pub force: bool,

    /// Which bytes count where segments contradict each other
    #[arg(long, value_enum, default_value_t = Overlap::First)]
    pub overlap: Overlap,

    /// Memory for streams; if more waits for missing bytes, these are given up. With K, M or G as in 512M
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = value::size)]
    pub stream_memory: usize,

    /// Most bytes of each direction [default: all]
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    pub stream_limit: Option<usize>,
}

/// Formats of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FollowFormat {
    /// Text; what is neither printable ASCII nor a line's end or a tab is shown as a dot
    Ascii,
    /// Offsets, hexadecimal and text
    Hex,
    /// The bytes of one direction as they are
    Raw,
    /// As tshark's `follow` has it: peers, and packets with their data; and gaps
    Yaml,
}

/// One direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// What the originator sent
    #[value(alias = "client")]
    Orig,
    /// What the responder sent
    #[value(alias = "server")]
    Resp,
}

/// What stands for missing bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Gaps {
    /// Nothing: what follows comes next
    Skip,
    /// As many zeros
    Zero,
}

/// Which bytes count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Overlap {
    /// Those that arrived first
    First,
    /// Those that arrived last, as long as the others are not written
    Last,
}
