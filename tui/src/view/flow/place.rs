//! Where a reader of a flow is, and where keys lead from there.

use super::FlowView;
use crate::data::{PacketRef, Rung};
use crate::view::ladder::{Row, words};

/// Where a reader is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The frame in which the selected packet was seen first.
    frame: PacketRef,
    sight: usize,
    /// It is the last one.
    last: bool,
}

impl FlowView {
    /// To the line that stands for a packet, in the direction of the movement.
    pub(super) fn settle(&mut self, forwards: bool) {
        let is_rung = |row: Option<&Row>| matches!(row, Some(Row::Rung(_)));
        let mut at = self.cursor.selected;
        while !is_rung(self.rows.get(at)) {
            let next = if forwards {
                at.checked_add(1)
            } else {
                at.checked_sub(1)
            };
            match next.filter(|&next| next < self.rows.len()) {
                Some(next) => at = next,
                None => break,
            }
        }
        if !is_rung(self.rows.get(at)) {
            let rungs = self.rows.iter().position(|row| is_rung(Some(row)));
            at = rungs.unwrap_or_default();
        }
        self.cursor.selected = at;
        self.settle_sight();
    }

    /// A packet that a firewall cannot match is looked at there.
    pub(super) fn settle_sight(&mut self) {
        let offending = |rung: &Rung| {
            let sights = &mut rung.sights.iter();
            sights.position(|sight| sight.out_of_state.is_some())
        };
        self.sight = self.rung().and_then(offending).unwrap_or_default();
    }

    /// What is selected, to be found again among more packets.
    pub(super) fn place(&self) -> Option<Place> {
        let frame = self.rung()?.sights.first()?.frame;
        Some(Place {
            frame,
            sight: self.sight,
            last: self.cursor.selected + 1 == self.rows.len(),
        })
    }

    /// Selects what was selected before; who was at the end stays there.
    pub(super) fn return_to(&mut self, before: Place) {
        let is_it = |rung: &Rung| {
            rung.sights
                .first()
                .is_some_and(|first| first.frame == before.frame)
        };
        let same = self.like(is_it).first().copied();
        if let Some(line) = same.filter(|_| !before.last) {
            self.go(line);
            self.sight = before.sight;
        } else {
            self.cursor.selected = self.rows.len().saturating_sub(1);
            self.settle(false);
        }
    }

    /// To the left or right among the points that saw the packet.
    pub(super) fn turn(&mut self, by: isize) {
        let Some(rung) = self.rung() else { return };
        let mut order: Vec<usize> = (0..rung.sights.len()).collect();
        order.sort_by_key(|&index| rung.sights.get(index).map(|sight| (sight.lane, index)));
        let at = order.iter().position(|&index| index == self.sight);
        let to = at.unwrap_or_default().saturating_add_signed(by);
        if let Some(&sight) = order.get(to.min(order.len().saturating_sub(1))) {
            self.sight = sight;
        }
    }

    /// The lines of packets that are like this.
    pub(super) fn like(&self, wanted: impl Fn(&Rung) -> bool) -> Vec<usize> {
        let Some(ladder) = self.ladder.get() else {
            return Vec::new();
        };
        let is_it = |row: &Row| match *row {
            Row::Rung(index) => ladder.rows.get(index).is_some_and(&wanted),
            Row::Silence(_) | Row::Forgotten(_) => false,
        };
        let rows = self.rows.iter().enumerate();
        rows.filter(|(_, row)| is_it(row))
            .map(|(at, _)| at)
            .collect()
    }

    /// To a line.
    pub(super) fn go(&mut self, line: usize) {
        self.cursor.selected = line;
        self.settle(true);
    }

    /// Finds the lines that have what is searched for.
    pub(super) fn look_for(&mut self) {
        let has = |rung: &Rung| words(rung).to_lowercase().contains(&self.wanted);
        self.hits = if self.wanted.is_empty() {
            Vec::new()
        } else {
            self.like(has)
        };
    }

    /// To the next hit of the search, or the one before.
    pub(super) fn turn_hit(&mut self, forwards: bool) {
        let at = self.cursor.selected;
        let hit = if forwards {
            let mut hits = self.hits.iter();
            hits.find(|hit| **hit > at).or(self.hits.first())
        } else {
            let mut hits = self.hits.iter().rev();
            hits.find(|hit| **hit < at).or(self.hits.last())
        };
        if let Some(&line) = hit {
            self.go(line);
        }
    }
}
