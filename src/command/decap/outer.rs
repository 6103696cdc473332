//! The frames that a packet came in: mostly one, but IP may have split it on its way to the collector.

use std::collections::VecDeque;

use mirrorscope_dissectors::{LinkType, Options};
use mirrorscope_engine::receive::{Delivery, Frame, Mirrored};
use mirrorscope_engine::time::Timestamp;

use crate::command::fragments::{Fragments, Key};

/// Bytes of frames that wait for the rest of their datagram; beyond that the oldest are forgotten.
const ROOM: usize = 64 << 20;

/// Frames that may be parts of a datagram.
pub struct Outer {
    fragments: Fragments,
    parts: VecDeque<Part>,
    /// The number of the first of them.
    first: u64,
    /// Bytes of all of them.
    held: usize,
    /// The frame at hand brought a packet, or completed one.
    told: bool,
    /// Frames that were wanted when they were forgotten already.
    pub forgotten: u64,
}

/// A frame that waits.
struct Part {
    time: Timestamp,
    wire_len: u32,
    link: LinkType,
    bytes: Box<[u8]>,
}

impl Outer {
    /// None yet; `options` tell what frames are.
    pub fn new(options: Options) -> Self {
        Self {
            fragments: Fragments::new(options),
            parts: VecDeque::new(),
            first: 0,
            held: 0,
            told: false,
            forgotten: 0,
        }
    }

    /// The frames of a packet, which `frame` brought or completed; none if they are forgotten.
    pub fn of<'a>(&'a mut self, frame: &Frame<'a>, mirrored: &Mirrored<'_>) -> Vec<Frame<'a>> {
        if mirrored.shown.delivery != Delivery::Whole {
            return Vec::new();
        }
        let own = frame.bytes.as_ptr_range();
        let inner = mirrored.inner.bytes.as_ptr();
        if own.start <= inner && inner <= own.end {
            self.told = true;
            return vec![*frame];
        }
        // It was put together, now or when its rest had been waited for in vain: the frame at hand may then be part of another.
        let arrived = mirrored.shown.arrival == frame.time;
        match self.fragments.key(frame).filter(|_| arrived) {
            Some(key) => {
                self.told = true;
                let numbers = self.fragments.take(&key);
                let mut frames = self.parts(&numbers);
                frames.push(*frame);
                frames
            }
            None => self.given_up(mirrored),
        }
    }

    /// The frames of a packet whose rest was waited for in vain.
    pub fn given_up(&mut self, mirrored: &Mirrored<'_>) -> Vec<Frame<'_>> {
        let numbers = self.fragments.take_since(mirrored.shown.arrival);
        self.parts(&numbers)
    }

    /// A frame was taken; if it brought no packet, it may be part of one.
    pub fn end(&mut self, frame: &Frame<'_>) {
        if std::mem::take(&mut self.told) {
            return;
        }
        if let Some(key) = self.fragments.key(frame) {
            self.add(key, frame);
        }
    }

    fn add(&mut self, key: Key, frame: &Frame<'_>) {
        let number = self.first + self.parts.len() as u64;
        self.fragments.add(key, number, frame.time);
        self.held += frame.bytes.len();
        self.parts.push_back(Part {
            time: frame.time,
            wire_len: frame.wire_len,
            link: frame.link,
            bytes: frame.bytes.into(),
        });
        while self.held > ROOM
            && let Some(part) = self.parts.pop_front()
        {
            self.held -= part.bytes.len();
            self.first += 1;
        }
    }

    fn parts(&mut self, numbers: &[u64]) -> Vec<Frame<'_>> {
        let forgotten = numbers.iter().filter(|number| **number < self.first);
        self.forgotten += forgotten.count() as u64;
        let parts = numbers.iter().filter_map(|number| {
            let index = number.checked_sub(self.first)?;
            let part = self.parts.get(usize::try_from(index).ok()?)?;
            Some(Frame {
                time: part.time,
                wire_len: part.wire_len,
                link: part.link,
                interface: 0,
                number: 0,
                bytes: &part.bytes,
            })
        });
        parts.collect()
    }
}
