//! Where things stand in a ladder.

use crate::html::words::units;

/// In front of the lanes: times.
pub(super) const TIME: i32 = 96;
/// From one lane to the next.
pub(super) const STEP: i32 = 112;
/// An arrow reaches so far beyond the lanes that it joins.
pub(super) const REACH: i32 = 34;
/// The height of a leap over a lane.
pub(super) const LEAP: i32 = 7;
/// Above the first packet: sites, points and roles.
pub(super) const TOP: i32 = 70;
/// A packet, and each further line of its words.
const ROW: i32 = 28;
pub(super) const LINE: i32 = 17;
/// For the words beside the lanes.
const WORDS: i32 = 330;

/// Rows of different heights.
pub(super) struct Plan {
    lanes: i32,
    /// The middle of each row's arrow.
    rows: Vec<i32>,
    height: i32,
}

impl Plan {
    /// For so many lanes, and packets with so many lines of notes.
    pub(super) fn new(lanes: usize, notes: impl Iterator<Item = usize>) -> Self {
        let mut height = TOP;
        let rows = notes.map(|notes| {
            let middle = height + ROW / 2;
            height += ROW + LINE * units(notes);
            middle
        });
        Self {
            lanes: units(lanes),
            rows: rows.collect(),
            height: height + 20,
        }
    }

    pub(super) fn width(&self) -> i32 {
        self.words() + WORDS
    }

    pub(super) fn height(&self) -> i32 {
        self.height
    }

    /// The middle of a row.
    pub(super) fn row(&self, row: usize) -> i32 {
        self.rows.get(row).copied().unwrap_or_default()
    }

    /// Where words begin.
    pub(super) fn words(&self) -> i32 {
        TIME + STEP * self.lanes + 14
    }
}

/// The middle of a lane.
pub(super) fn lane(lane: usize) -> i32 {
    TIME + STEP * units(lane) + STEP / 2
}
