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
  mirrorscope follow --list capture.pcap                          every stream: its bytes, and what is missing where
  mirrorscope follow --save-all streams/ capture.pcap             every stream, with an index.csv

One of --flow, --filter, --list and --save-all is needed. A flow is named by its id, by its Community ID (as Zeek and Suricata
log it), or by its two ends in either order; ends may be separated by a hyphen, a comma or blanks, with or without tcp
or udp in front. If several flows had the same ends one after the other, all of them are shown; raw wants one, by its id.

In text and hexadecimal, > marks what the originator sent, the side that opened the flow, and < what the responder sent.

A stream is put together from all observation points: bytes that one of them missed are taken from another. What no
point saw is a gap. Where segments contradict each other, --overlap decides which bytes count. Urgent data is part of
the stream; probes that keep a connection alive are not.";

/// Arguments of `follow`.
#[derive(Debug, Args)]
pub struct FollowArgs {
    /// The flow to show: its id, its Community ID, or its ends, such as 10.0.0.1:1234-10.0.0.2:80
    #[arg(long, value_name = "FLOW")]
    pub flow: Option<Selector>,

    /// How to show the bytes
    #[arg(long, value_enum, default_value_t = FollowFormat::Ascii)]
    pub format: FollowFormat,

    /// Show this direction alone; --format raw needs it
    #[arg(long, value_enum)]
    pub direction: Option<Side>,

    /// Write to FILE, which is there only once it is complete; - for standard output [default: standard output]
    #[arg(short = 'w', long = "write", value_name = "FILE")]
    pub write: Option<PathBuf>,

    /// What stands for missing bytes, in raw output and saved files
    #[arg(long, value_enum, default_value_t = Gaps::Skip)]
    pub gaps: Gaps,

    /// List each direction of every TCP and UDP flow, or of those that --flow or --filter wants, as CSV: its ends, how many
    /// bytes are there and how many are missing, in how many gaps, where and why the first; no bytes are kept
    #[arg(long, conflicts_with_all = ["format", "direction", "gaps", "save_all"])]
    pub list: bool,

    /// Write each direction of every TCP and UDP flow, or of those that --filter wants, to a file of its own in DIR,
    /// with a list of them in index.csv
    #[arg(long, value_name = "DIR", conflicts_with_all = ["format", "direction", "write"])]
    pub save_all: Option<PathBuf>,

    /// Write to DIR even if there is something in it, over files of the same names
    #[arg(long, requires = "save_all")]
    pub force: bool,

    /// Which bytes count where the same place of a stream was sent twice with different bytes
    #[arg(long, value_enum, default_value_t = Overlap::First)]
    pub overlap: Overlap,

    /// Memory for all streams together, such as 512M; if what waits for missing bytes needs more, these become gaps
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = value::size)]
    pub stream_memory: usize,

    /// Leave out what is beyond so many bytes of a direction, such as 10M [default: all are shown]
    #[arg(long, value_name = "SIZE", value_parser = value::size)]
    pub stream_limit: Option<usize>,

    /// Input and how to follow flows: last, so that its headings come behind what is of this command alone.
    #[command(flatten)]
    pub analysis: AnalysisArgs,
}

/// Formats of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FollowFormat {
    /// Text; what is neither printable ASCII nor a line's end or a tab is shown as a dot
    Ascii,
    /// Offset in its direction, hexadecimal and text
    Hex,
    /// The bytes of one direction as they are
    Raw,
    /// YAML as tshark's `follow` has it: peers, packets with their data in base 64; and gaps
    Yaml,
}

/// One direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// What the originator sent, the side that opened the flow; also: client
    #[value(alias = "client")]
    Orig,
    /// What the responder sent; also: server
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
