//! Frames from any source to a consumer.

use std::collections::BTreeMap;

use anyhow::Result;
use arrayvec::ArrayVec;
use mirrorscope_capture::{self as capture, Place};
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::Timestamp;

use super::Consumer;

/// Hands frames over.
#[derive(Default)]
pub struct Frames {
    /// How many came.
    pub taken: u64,
    /// Those of link types that are not supported.
    pub unsupported: BTreeMap<u16, u64>,
    /// What frames begin with, for each interface that the consumer knows by name.
    links: Vec<Option<LinkType>>,
}

impl Frames {
    /// How many may follow until `count` have come.
    pub fn left(&self, count: u64) -> usize {
        usize::try_from(count.saturating_sub(self.taken)).unwrap_or(usize::MAX)
    }

    /// Hands a batch over. Gives the time of the last frame in it, if there is one.
    pub fn take<'a>(
        &mut self,
        batch: impl Iterator<Item = capture::Frame<'a>>,
        consumer: &mut impl Consumer,
    ) -> Result<Option<i64>> {
        let mut last = None;
        let mut frames = ArrayVec::<Frame<'_>, { capture::BATCH }>::new();
        let mut places = ArrayVec::<Option<Place>, { capture::BATCH }>::new();
        for frame in batch {
            self.taken += 1;
            last = Some(frame.time);
            let known = self.links.get(frame.interface as usize);
            let known = known.copied().flatten();
            let Some(link) = known.or_else(|| self.meet(&frame, consumer)) else {
                continue;
            };
            frames.push(Frame {
                time: Timestamp(frame.time),
                wire_len: frame.wire_len,
                link,
                interface: frame.interface,
                number: frame.number,
                bytes: frame.bytes,
            });
            places.push(frame.place);
        }
        consumer.frames_at(&frames, &places)?;
        Ok(last)
    }

    /// What a frame begins with whose interface is new, or of a link type that is not supported.
    #[cold]
    fn meet(
        &mut self,
        frame: &capture::Frame<'_>,
        consumer: &mut impl Consumer,
    ) -> Option<LinkType> {
        let (index, origin) = (frame.interface as usize, frame.origin);
        if let Some(receiver) = consumer.receiver() {
            receiver.name_interface(frame.interface, &origin.source, origin.name.as_deref());
        }
        let link = LinkType::from_number(origin.link_type);
        if link.is_none() {
            *self.unsupported.entry(origin.link_type).or_default() += 1;
        }
        self.links.resize(self.links.len().max(index + 1), None);
        self.links[index] = link;
        link
    }
}
