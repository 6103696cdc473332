//! Writers for pcap and pcapng, and the file they write into.

mod encoder;
mod names;
mod output;
mod own;
mod pcap;
mod pcapng;
mod queue;
mod series;

pub use encoder::{Format, Packet};
pub use output::OutputFile;
pub use pcap::PcapWriter;
pub use pcapng::{Direction, InterfaceDescription, PcapngWriter, Statistics};
pub use queue::Queue;
pub use series::{Options, Rotation, Series, Totals};

use std::io;

use pcap_file::PcapError;

/// What `pcap-file` says about a write, as the plain I/O error that it is.
fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

/// A frame's captured length as both formats write it.
fn captured(bytes: &[u8]) -> io::Result<u32> {
    u32::try_from(bytes.len())
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "frame of 4 GiB or more"))
}

/// Nanoseconds since the epoch, none before it: neither format can say 1969.
fn since_epoch(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}

#[cfg(test)]
mod tests;
