//! Which packets go on, and how many do not.

use mirrorscope_engine::receive::{Delivery, Mirrored};

/// Lets packets through.
#[derive(Debug)]
pub struct Gate {
    /// Packets without encapsulation pass, too.
    plain: bool,
    skipped: u64,
    flowless: u64,
}

/// Whether a frame came without any encapsulation. Labels and sessions of the link are one too, though no mirror's.
pub fn is_bare(mirrored: &Mirrored<'_>) -> bool {
    mirrored.mirror.is_none() && mirrored.inner.offset == 0
}

impl Gate {
    /// Nothing has come yet.
    pub fn new(plain: bool) -> Self {
        Self {
            plain,
            skipped: 0,
            flowless: 0,
        }
    }

    /// Whether a packet passes. `wanted` is `None` if it belongs to no flow that could be.
    pub fn admits(&mut self, mirrored: &Mirrored<'_>, wanted: Option<bool>) -> bool {
        // Fragments pass as the mirror brought them.
        if mirrored.shown.delivery != Delivery::Whole {
            return false;
        }
        if is_bare(mirrored) && !self.plain {
            self.skipped += 1;
            return false;
        }
        self.flowless += u64::from(wanted.is_none());
        wanted == Some(true)
    }

    /// Tells what did not pass, of so many frames.
    pub fn tell(&self, frames: u64) {
        let Self {
            skipped, flowless, ..
        } = self;
        if *skipped > 0 {
            eprintln!(
                "mirrorscope: {skipped} of {frames} frames are not encapsulated and were left out (--plain writes them too)"
            );
        }
        if *flowless > 0 {
            eprintln!(
                "mirrorscope: {flowless} packets belong to no flow that a filter could choose (ARP, fragments whose first is missing) \
                 and were left out"
            );
        }
    }
}
