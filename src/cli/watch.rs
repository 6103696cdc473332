//! The command line of `watch`.

use clap::Args;

use super::{AnalysisArgs, ExportArgs, value};

pub const EXAMPLES: &str = "\
Examples:
  mirrorscope watch --sites sites.toml capture.pcap
  mirrorscope watch dc1.pcap.gz dc2.pcap.zst
  mirrorscope watch --filter 'host 10.20.0.50 and not symmetric' capture.pcap
  sudo mirrorscope watch --sites sites.toml -i eth1
  ssh collector tcpdump -U -w - -i eth1 | mirrorscope watch --keep-packets 1G -
  sudo mirrorscope watch -i eth1 --metrics 9464 --log eve:/var/log/mirrorscope/eve.json

Inside, ? lists the keys of the screen at hand. A file is shown while it is read, and its packets are read again when they are
asked for. What comes live, through a pipe or out of a compressed file cannot be read again: the latest packets are kept in
memory, up to --keep-packets.

`kill -HUP` reads the sites file again.";

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// What other tools get meanwhile.
    #[command(flatten)]
    pub export: ExportArgs,

    /// Memory for packets that cannot be read again; then the oldest are forgotten
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = value::size)]
    pub keep_packets: usize,
}
