//! Columns: declared once, chosen by the user, fitted to the screen.

use std::cmp::Ordering;

use ratatui::text::Line;

use crate::data::FlowSort;
use crate::view::Context;

/// Blanks between two columns.
pub(super) const GAP: u16 = 2;

/// A column of a table of `R`.
pub struct Column<R> {
    /// Its name in the configuration, and its head.
    pub name: &'static str,
    /// The fewest and the most columns of the screen that it takes.
    pub width: (u16, u16),
    /// It holds numbers: they stand at the right.
    pub figures: bool,
    /// What has a higher one goes first when the screen is narrow; 0 stays.
    pub priority: u8,
    /// It is there unless the user says otherwise.
    pub shown: bool,
    /// What it says of a row.
    pub cell: fn(&R, &Context<'_>) -> Line<'static>,
    /// How rows are sorted by it.
    pub sort: Sort<R>,
}

/// How rows are sorted by a column.
pub enum Sort<R> {
    /// Not at all.
    No,
    /// Here.
    By(fn(&R, &R) -> Ordering),
    /// By the analysis.
    Asked(FlowSort),
}

impl<R> Column<R> {
    /// A column of text that nobody sorts by.
    pub const fn new(
        name: &'static str,
        width: (u16, u16),
        priority: u8,
        cell: fn(&R, &Context<'_>) -> Line<'static>,
    ) -> Self {
        Self {
            name,
            width,
            figures: false,
            priority,
            shown: true,
            cell,
            sort: Sort::No,
        }
    }

    /// It holds numbers.
    #[must_use]
    pub const fn figures(mut self) -> Self {
        self.figures = true;
        self
    }

    /// It is there only if the user chooses it.
    #[must_use]
    pub const fn hidden(mut self) -> Self {
        self.shown = false;
        self
    }

    /// Rows are sorted by it here.
    #[must_use]
    pub const fn by(mut self, order: fn(&R, &R) -> Ordering) -> Self {
        self.sort = Sort::By(order);
        self
    }

    /// The analysis sorts by it.
    #[must_use]
    pub const fn asked(mut self, order: FlowSort) -> Self {
        self.sort = Sort::Asked(order);
        self
    }
}

/// What a user chose of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preference {
    /// Names of its columns.
    pub columns: Option<Vec<String>>,
    /// The column that it is sorted by.
    pub sort: Option<String>,
    /// The other way round.
    pub descending: bool,
}

/// A column that asks for room.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    pub least: u16,
    pub most: u16,
    pub priority: u8,
}

/// How wide each column becomes; `None` for those that have no room. What is left over stays at the right.
pub(super) fn widths(wishes: &[Wish], room: u16) -> Vec<Option<u16>> {
    let mut widths: Vec<Option<u16>> = wishes.iter().map(|wish| Some(wish.decent())).collect();
    // What matters least goes, so that the rest can be read; then the rest makes do with less.
    leave_out(wishes, &mut widths, room, 1);
    if total(&widths) > u32::from(room) {
        for (wish, width) in wishes.iter().zip(&mut widths) {
            *width = width.map(|_| wish.least);
        }
        leave_out(wishes, &mut widths, room, 0);
    }
    let mut spare = u32::from(room).saturating_sub(total(&widths));
    // One column of the screen to each in turn, those that matter most first.
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|index| wishes.get(*index).map(|wish| wish.priority));
    while spare > 0 {
        let before = spare;
        for &index in &order {
            if let (Some(wish), Some(Some(width))) = (wishes.get(index), widths.get_mut(index))
                && *width < wish.most
                && spare > 0
            {
                *width += 1;
                spare -= 1;
            }
        }
        if spare == before {
            break;
        }
    }
    widths
}

impl Wish {
    /// What it needs to be read well: those that matter most get more than the least.
    fn decent(self) -> u16 {
        match self.priority {
            0 | 1 => self.most.min(self.least.saturating_mul(2)),
            _ => self.least,
        }
    }
}

/// Leaves out columns of higher priority than `above` until the others fit, or none is left.
fn leave_out(wishes: &[Wish], widths: &mut [Option<u16>], room: u16, above: u8) {
    while total(widths) > u32::from(room) {
        let left = wishes.iter().zip(widths.iter()).enumerate();
        let left = left.filter(|(_, (wish, width))| width.is_some() && wish.priority > above);
        let Some((index, _)) = left.max_by_key(|(index, (wish, _))| (wish.priority, *index)) else {
            return;
        };
        if let Some(width) = widths.get_mut(index) {
            *width = None;
        }
    }
}

fn total(widths: &[Option<u16>]) -> u32 {
    let shown = widths.iter().flatten();
    let taken: u32 = shown.map(|width| u32::from(width + GAP)).sum();
    taken.saturating_sub(u32::from(GAP))
}
