//! Frames on their way into the history: whose they are is known when the engine has taken them.

use mirrorscope_capture::Place;
use mirrorscope_engine::receive::{Delivery, Frame, Mirrored};
use mirrorscope_engine::track::Tracked;

use super::History;

/// A batch of frames of which the engine tells one packet after the other.
pub struct Batch<'a> {
    history: &'a mut History,
    frames: &'a [Frame<'a>],
    places: &'a [Option<Place>],
    /// The frame whose packets are told.
    at: usize,
    /// The flow that its last entry is of.
    last: Option<u64>,
    /// A packet of it was told.
    told: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        history: &'a mut History,
        frames: &'a [Frame<'a>],
        places: &'a [Option<Place>],
    ) -> Self {
        Self {
            history,
            frames,
            places,
            at: 0,
            last: None,
            told: false,
        }
    }

    /// Takes a packet that a frame, by its index, completed. Frames come in their order; those before it completed nothing.
    pub fn packet(&mut self, index: usize, mirrored: &Mirrored<'_>, taken: Option<Tracked>) {
        while self.at < index {
            self.next();
        }
        let Some(frame) = self.frames.get(self.at) else {
            return;
        };
        let own = frame.bytes.as_ptr_range();
        let inner = mirrored.inner.bytes.as_ptr();
        let whole = own.start <= inner && inner <= own.end;
        if whole || mirrored.shown.delivery != Delivery::Whole {
            self.told = true;
            if let Some(taken) = taken {
                self.add(taken.flow);
            }
            return;
        }
        // The bytes are those of a datagram that was put together, or of one that was given up: then the frame at hand
        // may still be a part of another.
        let arrived = mirrored.shown.arrival == frame.time;
        let key = self.history.fragments.key(frame).filter(|_| arrived);
        self.told |= key.is_some();
        match (key, taken) {
            (Some(key), Some(taken)) => {
                for number in self.history.fragments.take(&key) {
                    self.history.assign(number, taken.flow);
                }
                self.add(taken.flow);
            }
            (None, Some(taken)) => self.history.salvaged(mirrored, taken),
            (_, None) => {}
        }
    }

    /// All packets are told.
    pub fn finish(mut self) {
        while self.at < self.frames.len() {
            self.next();
        }
    }

    /// Adds the frame at hand to a flow.
    fn add(&mut self, flow: u64) {
        if self.last == Some(flow) {
            return;
        }
        if self.last.is_some() {
            self.history.add_again(flow);
        } else {
            let frame = self.frames.get(self.at);
            let added = frame.and_then(|frame| self.history.add(frame, self.place(), Some(flow)));
            if added.is_none() {
                return;
            }
        }
        self.last = Some(flow);
    }

    fn place(&self) -> Option<Place> {
        self.places.get(self.at).copied().flatten()
    }

    /// Goes on to the next frame. One that completed nothing may be a part of something.
    fn next(&mut self) {
        if let Some(frame) = self.frames.get(self.at)
            && !self.told
            && let Some(key) = self.history.fragments.key(frame)
            && let Some(number) = self.history.add(frame, self.place(), None)
        {
            self.history.fragments.add(key, number, frame.time);
        }
        self.at += 1;
        self.last = None;
        self.told = false;
    }
}

impl History {
    /// A datagram was given up, and used as far as it is there.
    pub fn salvaged(&mut self, mirrored: &Mirrored<'_>, taken: Tracked) {
        for number in self.fragments.take_since(mirrored.shown.arrival) {
            self.assign(number, taken.flow);
        }
    }
}
