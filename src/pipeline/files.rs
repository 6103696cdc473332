//! Capture files, read to their end.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use mirrorscope_capture::Files;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::session::Registry;
use mirrorscope_tui::progress::{Done, ProgressBar, State};

use super::Consumer;
use super::frames::Frames;

/// Frames between two looks at the clock and at what else is not of every frame's concern.
const LOOK: u64 = 4096;

/// What was read.
pub struct Read {
    /// Frames.
    pub frames: u64,
    /// Those of link types that are not supported.
    unsupported: BTreeMap<u16, u64>,
}

/// Feeds at most `count` frames to `consumer`.
pub fn read(
    files: &mut Files,
    count: u64,
    registry: &Registry,
    consumer: &mut impl Consumer,
) -> Result<Read> {
    let mut progress = ProgressBar::new();
    let mut frames = Frames::default();
    let mut look = 0;
    while frames.taken < count {
        if frames.taken >= look {
            look = frames.taken + LOOK;
            if progress.is_due() {
                let read = files.progress();
                progress.draw(&State {
                    done: Done::Files {
                        read: read.read,
                        total: read.total,
                    },
                    frames: frames.taken,
                    sessions: registry.len(),
                    flows: consumer.flows(),
                });
            }
        }
        let batch = files.next_frames(frames.left(count));
        if frames.take(batch, consumer)?.is_none() {
            break;
        }
    }
    Ok(Read {
        frames: frames.taken,
        unsupported: frames.unsupported,
    })
}

impl Read {
    /// Tells what was wrong on standard error; true if nothing was.
    pub fn complain(&self, files: &Files) -> Result<bool> {
        let problems = files.problems();
        for problem in problems {
            eprintln!("mirrorscope: {}", printable(&problem.to_string()));
        }
        let skipped: u64 = self.unsupported.values().sum();
        let mut kinds: Vec<String> = Vec::new();
        for interface in files.interfaces() {
            let kind = format!(
                "{}: link type {}",
                printable(&interface.source),
                interface.link_type
            );
            if self.unsupported.contains_key(&interface.link_type) && !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let supported = "supported are Ethernet, raw IP, Linux cooked v1 and v2, BSD loopback, PPP, Cisco HDLC, \
                         IEEE 802.11 with and without radiotap, MPLS";
        if skipped > 0 && skipped == self.frames {
            bail!("{} is not supported; {supported}", kinds.join(", "));
        }
        if skipped > 0 {
            eprintln!(
                "mirrorscope: {}: {skipped} of {} frames skipped; {supported}",
                kinds.join(", "),
                self.frames
            );
        }
        Ok(problems.is_empty() && skipped == 0)
    }
}
