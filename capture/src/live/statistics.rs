//! What interfaces delivered and lost, and what happened to them.

use super::Via;

/// What one interface delivered and lost since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceStatistics {
    /// Index into the interfaces of its source.
    pub interface: u32,
    /// Its name; `any` for all interfaces together. The name may hold control characters.
    pub name: String,
    /// How its frames are received.
    pub via: Via,
    /// It exists and is up.
    pub present: bool,
    /// Frames that were handed out.
    pub frames: u64,
    /// Frames that this host lost.
    pub dropped: Dropped,
}

/// Frames that this host lost, by the place that was full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The kernel's ring.
    pub kernel: u64,
    /// A socket's buffer.
    pub socket: u64,
    /// The own queue behind several receiving threads.
    pub queue: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.kernel
            .saturating_add(self.socket)
            .saturating_add(self.queue)
    }

    /// Counts those of another part of the same interface, too.
    pub(crate) fn add(&mut self, other: Self) {
        self.kernel = self.kernel.saturating_add(other.kernel);
        self.socket = self.socket.saturating_add(other.socket);
        self.queue = self.queue.saturating_add(other.queue);
    }
}

/// Something that happened to an interface: it is gone, back, or has another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was noticed, in nanoseconds since the Unix epoch.
    pub time: i64,
    /// What, in plain words and one line.
    pub text: String,
}
