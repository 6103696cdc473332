//! Live capture on the command line: what to listen on, for how long, and how.

use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use super::value;

const LIVE: &str = "Live capture";

/// What to listen on, for how long, and how.
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
#[derive(Debug, Args)]
pub struct LiveArgs {
    /// Listen on this interface instead of reading files: its name, index or address, or any; may be repeated
    #[arg(
        short = 'i',
        long = "interface",
        value_name = "IFACE",
        conflicts_with = "files",
        help_heading = LIVE
    )]
    pub interfaces: Vec<String>,

    /// How packets are received [default: ring]
    #[arg(long, value_enum, conflicts_with = "files", help_heading = LIVE)]
    pub via: Option<Via>,

    /// Stop after this time, such as 30s or 2h
    #[arg(long = "for", value_name = "TIME", value_parser = value::span, requires = "live", help_heading = LIVE)]
    pub duration: Option<i64>,

    /// Print what is known every so often, such as 5s, and once more at the end
    #[arg(long, value_name = "TIME", value_parser = value::span, requires = "live", help_heading = LIVE)]
    pub interval: Option<i64>,

    /// Pass everything that arrives, not mirror encapsulations alone
    #[arg(long, requires = "live", help_heading = LIVE)]
    pub all: bool,

    /// Mirror sources that may send: addresses or prefixes, with commas between; the kernel drops what others send
    #[arg(
        long,
        value_name = "PREFIX",
        value_delimiter = ',',
        value_parser = value::net,
        requires = "live",
        help_heading = LIVE
    )]
    pub capture_filter: Vec<IpNet>,

    /// Receive frames for other stations too: where the interface is the destination of a SPAN port, not of an address
    #[arg(long, requires = "live", help_heading = LIVE)]
    pub promiscuous: bool,

    /// Memory in which the kernel keeps packets of an interface until they are read
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = value::size, hide_short_help = true, help_heading = LIVE)]
    pub buffer: usize,

    /// Threads that receive from an interface; the kernel spreads flows over them, each to one thread
    #[arg(long, value_name = "N", default_value = "1", hide_short_help = true, help_heading = LIVE)]
    pub receive_threads: NonZeroUsize,

    /// Memory for packets between several such threads and the analysis
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = value::size, hide_short_help = true, help_heading = LIVE)]
    pub queue: usize,

    /// Let other programs go before the thread that takes packets: a small buffer may overflow meanwhile
    #[arg(long, requires = "live", hide_short_help = true, help_heading = LIVE)]
    pub no_realtime: bool,

    /// Take the network card's time stamps, where it makes them
    #[arg(long, requires = "live", hide_short_help = true, help_heading = LIVE)]
    pub hardware_time: bool,

    /// Do not hold the mirror's ports open; the host then answers each mirrored packet with ICMP unreachable
    #[arg(long, requires = "live", hide_short_help = true, help_heading = LIVE)]
    pub no_endpoint: bool,
}

impl LiveArgs {
    /// Whether packets come live, not from files.
    pub fn is_live(&self) -> bool {
        !self.interfaces.is_empty() || self.via.is_some()
    }
}

/// How packets are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// Shared memory with the kernel (Linux): fastest, sees all frames of an interface; needs `CAP_NET_RAW`
    Ring,
    /// Sockets, as the mirror's destination: UDP needs no privilege, GRE needs `CAP_NET_RAW`
    Endpoint,
    /// The system's common way to read frames, where there is no ring
    Portable,
}
