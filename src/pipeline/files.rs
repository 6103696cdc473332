//! Capture files, read to their end.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Result, bail};
use mirrorscope_capture::Files;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::session::Registry;
use mirrorscope_tui::data::Weight;
use mirrorscope_tui::progress::{Done, State};

use super::frames::Frames;
use super::{Consumer, Course, Teller};

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
    teller: &mut dyn Teller,
) -> Result<Read> {
    let mut frames = Frames::default();
    let mut look = 0;
    let mut looked = Instant::now();
    while frames.taken < count {
        // Through a pipe few may come for long.
        if frames.taken >= look || looked.elapsed() >= consumer.patience() {
            look = frames.taken + LOOK;
            looked = Instant::now();
            consumer.look(&Course::Files(files))?;
            if teller.wants_progress() {
                let read = files.progress();
                teller.progress(&State {
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
            if !files.is_idle() {
                break;
            }
            look = frames.taken;
        }
    }
    teller.make_room();
    consumer.look(&Course::Read(files))?;
    Ok(Read {
        frames: frames.taken,
        unsupported: frames.unsupported,
    })
}

impl Read {
    /// Tells what was wrong; true if nothing was.
    pub fn complain(&self, files: &Files, teller: &mut dyn Teller) -> Result<bool> {
        let problems = files.problems();
        for problem in problems {
            teller.tell(Weight::Error, &printable(&problem.to_string()));
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
            let text = format!(
                "{}: {skipped} of {} frames skipped; {supported}",
                kinds.join(", "),
                self.frames
            );
            teller.tell(Weight::Error, &text);
        }
        Ok(problems.is_empty() && skipped == 0)
    }
}
