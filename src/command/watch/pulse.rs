//! What is known of the analysis without asking it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// What is known of the analysis without asking it.
#[derive(Debug, Default)]
pub struct Pulse {
    frames: AtomicU64,
    changes: AtomicU64,
    live: AtomicBool,
}

/// What was new when somebody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Frames so far.
    pub frames: u64,
    /// How often something changed that is no packet.
    pub changes: u64,
}

impl Pulse {
    /// So many frames came, out of interfaces if `live`.
    pub fn tell(&self, frames: u64, live: bool) {
        self.frames.store(frames, Ordering::Relaxed);
        self.live.store(live, Ordering::Relaxed);
    }

    /// Something changed that is no packet.
    pub fn change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// What is new by now.
    pub fn beat(&self) -> Beat {
        Beat {
            frames: self.frames.load(Ordering::Relaxed),
            changes: self.changes.load(Ordering::Relaxed),
        }
    }

    /// Whether time goes on though nothing comes.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }
}
