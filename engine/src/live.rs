//! What a report says while packets still come: the interfaces with what they dropped, what changed, and the rates of
//! the last second.

use serde::Serialize;

use crate::activity::SessionChange;
use crate::time::{SECOND, Timestamp};

/// A run over live interfaces, at the moment of a report.
#[derive(Clone, Debug, Serialize)]
pub struct LiveReport {
    /// When it began to receive.
    pub started: Timestamp,
    /// The moment of the report.
    pub time: Timestamp,
    /// Seconds between the two.
    pub seconds: f64,
    /// Every interface that it listens on, and every one that frames came by.
    pub interfaces: Vec<InterfaceReport>,
    /// What changed among the mirror sessions and interfaces, the latest last.
    pub changes: Vec<SessionChange>,
}

impl LiveReport {
    /// A report of a run that began at `started`.
    pub fn new(started: Timestamp, time: Timestamp) -> Self {
        Self {
            started,
            time,
            seconds: time.since(started) as f64 / SECOND as f64,
            interfaces: Vec::new(),
            changes: Vec::new(),
        }
    }
}

/// One interface.
#[derive(Clone, Debug, Serialize)]
pub struct InterfaceReport {
    /// Its name.
    pub name: String,
    /// How it is listened on: `ring`, `endpoint` or `portable`.
    pub via: String,
    /// Whether it is there now.
    pub present: bool,
    /// Frames that were read.
    pub frames: u64,
    /// Frames that were not.
    pub dropped: DroppedReport,
}

/// Frames that reached this host and were not read, by what was full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DroppedReport {
    /// The ring that the kernel fills.
    pub kernel: u64,
    /// The buffer of a socket.
    pub socket: u64,
    /// The queue between the threads.
    pub queue: u64,
}

impl DroppedReport {
    /// All of them.
    pub fn all(self) -> u64 {
        self.kernel
            .saturating_add(self.socket)
            .saturating_add(self.queue)
    }
}

/// What a session brought lately.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Recent {
    /// Mirrored packets.
    pub packets: u64,
    /// Bytes on the wire, outer headers included.
    pub bytes: u64,
    /// Sequence numbers that did not arrive; of all sessions that share its counter.
    pub missing: u64,
    /// In so many seconds.
    pub seconds: f64,
}

impl Recent {
    /// Packets a second.
    pub fn pace(&self) -> f64 {
        per_second(self.packets, self.seconds)
    }

    /// Bits a second.
    pub fn bits(&self) -> f64 {
        per_second(self.bytes, self.seconds) * 8.0
    }
}

fn per_second(number: u64, seconds: f64) -> f64 {
    if seconds > 0.0 {
        number as f64 / seconds
    } else {
        0.0
    }
}
