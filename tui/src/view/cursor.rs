//! Where a reader is in a list that is longer than the screen.

use crate::action::Action;

/// The selected line, and which lines are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The line that keys act on.
    pub(super) selected: usize,
    /// The first line that is shown.
    pub(super) top: usize,
    /// Lines that were shown when it was drawn last.
    page: usize,
}

impl Cursor {
    /// Moves as an action says, among `len` lines; false if the action is no movement.
    pub(super) fn act(&mut self, action: Action, len: usize) -> bool {
        let last = len.saturating_sub(1);
        let page = self.page.saturating_sub(1).max(1);
        let to = match action {
            Action::Up => self.selected.saturating_sub(1),
            Action::Down => self.selected + 1,
            Action::PageUp => self.selected.saturating_sub(page),
            Action::PageDown => self.selected + page,
            Action::First => 0,
            Action::Last => last,
            _ => return false,
        };
        self.selected = to.min(last);
        true
    }

    /// Scrolls so that the selected line is among `height`; gives the lines that are shown of `len`.
    pub(super) fn show(&mut self, len: usize, height: u16) -> std::ops::Range<usize> {
        self.page = usize::from(height);
        self.selected = self.selected.min(len.saturating_sub(1));
        // Where there is no room for a line, none is shown.
        let lowest = (self.selected + 1).saturating_sub(self.page.max(1));
        let furthest = len.saturating_sub(self.page);
        self.top = self.top.clamp(lowest, self.selected).min(furthest);
        self.top..len.min(self.top + self.page)
    }

    /// The line at a row of the area that it was drawn into, of `len`.
    pub(super) fn line_at(&self, row: u16, len: usize) -> Option<usize> {
        let line = self.top + usize::from(row);
        (usize::from(row) < self.page && line < len).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_line_stays_on_the_screen() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.show(100, 10), 0..10);
        cursor.act(Action::PageDown, 100);
        assert_eq!(cursor.show(100, 10), 0..10);
        cursor.act(Action::Down, 100);
        assert_eq!(cursor.show(100, 10), 1..11);
        cursor.act(Action::Last, 100);
        assert_eq!(cursor.show(100, 10), 90..100);
        assert_eq!(cursor.line_at(9, 100), Some(99));
        assert_eq!(cursor.line_at(10, 100), None);
        // What is shown became shorter, and the screen higher.
        assert_eq!(cursor.show(20, 15), 5..20);
        assert_eq!(cursor.selected, 19);
        assert_eq!(cursor.show(0, 15), 0..0);
    }
}
