//! Where the lanes of a ladder stand in the width that there is.

use ratatui::text::{Line, Span};

use super::role_sign;
use crate::data::Lane;
use crate::look::{Look, Role};
use crate::widget::text::clean;

/// Columns of the time and what is in front of it.
const TIME: u16 = 12;
/// What is left for words beside the lanes, at least and at most; between that, three tenths of the width.
const WORDS: (u16, u16) = (22, 60);
/// Columns of a lane, at least and at most.
const NARROWEST: u16 = 5;
const WIDEST: u16 = 16;

/// Where things stand.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) width: u16,
    /// Columns of the time; the lanes follow it.
    pub(super) time: u16,
    /// Columns from one lane to the next; 0 if there is no room for lanes.
    pub(super) step: u16,
    /// Lanes.
    pub(super) count: u16,
    names: Names,
}

/// How the lanes are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// In one line.
    Line,
    /// In two lines by turns.
    Turns,
    /// By number, with a legend.
    Numbers,
}

impl Plan {
    pub(super) fn new(lanes: &[Lane], width: u16) -> Self {
        let count = lanes.len() as u16;
        let widest = lanes
            .iter()
            .map(|lane| Span::raw(&lane.point).width() as u16);
        // The sign of its role stands in front of a name.
        let widest = widest.max().unwrap_or(0) + 2;
        let words = (width / 10 * 3).clamp(WORDS.0, WORDS.1);
        let room = width.saturating_sub(TIME + words);
        let step = (room / count.max(1)).min(widest.clamp(NARROWEST, WIDEST) + 1);
        let step = if step < NARROWEST { 0 } else { step };
        let names = if step > widest {
            Names::Line
        } else if step * 2 > widest && step > 0 {
            Names::Turns
        } else {
            Names::Numbers
        };
        Self {
            width,
            time: TIME,
            step,
            count,
            names,
        }
    }

    /// Columns that the lanes take.
    pub(super) fn lanes_width(&self) -> u16 {
        self.step * self.count
    }

    /// The column of a lane among those of the lanes.
    pub(super) fn column(&self, lane: usize) -> usize {
        lane * usize::from(self.step) + usize::from(self.step) / 2
    }

    /// The lane at a column of the whole line.
    pub(super) fn lane_at(&self, column: u16) -> Option<usize> {
        let column = column.checked_sub(self.time)?;
        let lane = column.checked_div(self.step)?;
        (lane < self.count).then_some(usize::from(lane))
    }

    /// The lines that say which lane is which.
    pub(super) fn heads(&self, lanes: &[Lane], clock: &str, look: &Look) -> Vec<Line<'static>> {
        if self.names == Names::Numbers {
            return self.legend(lanes, clock, look);
        }
        let mut heads = vec![self.sites(lanes, look)];
        let turns = if self.names == Names::Turns { 2 } else { 1 };
        for turn in 0..turns {
            let mut canvas = Canvas::new(self.width, look.style(Role::Heading));
            for (index, lane) in lanes.iter().enumerate() {
                if index % turns == turn {
                    let name = name(lane, look);
                    let half = Span::raw(&name).width() / 2;
                    canvas.put(self.column(index).saturating_sub(half), &name);
                } else if turn == 1 {
                    canvas.put(self.column(index), look.signs.either("│", "|"));
                }
            }
            heads.push(canvas.line(&self.front(if turn + 1 == turns { clock } else { "" })));
        }
        heads
    }

    fn front(&self, text: &str) -> String {
        let width = usize::from(self.time);
        format!("{text:>last$}  ", last = width - 2)
    }

    /// The sites, each over its lanes, between the two ends.
    fn sites(&self, lanes: &[Lane], look: &Look) -> Line<'static> {
        let mut canvas = Canvas::new(self.width, look.style(Role::Faint));
        let mut start = 0;
        for run in lanes.chunk_by(|one, other| one.site == other.site) {
            let Some(first) = run.first() else { continue };
            let (from, to) = (self.column(start), self.column(start + run.len() - 1));
            let name = clean(&first.site, look.signs);
            for column in from..=to {
                canvas.put(column, look.signs.either("╌", "-"));
            }
            let name = format!(" {name} ");
            let half = Span::raw(&name).width() / 2;
            canvas.put(usize::midpoint(from, to).saturating_sub(half), &name);
            start += run.len();
        }
        canvas.line(&self.front(""))
    }

    /// Lanes by number, and which number is which point.
    fn legend(&self, lanes: &[Lane], clock: &str, look: &Look) -> Vec<Line<'static>> {
        let mut heads: Vec<Line<'_>> = Vec::new();
        for (index, lane) in lanes.iter().enumerate() {
            let site = clean(&lane.site, look.signs);
            let words = format!("{} {} ({site})", index + 1, name(lane, look));
            match heads.last_mut() {
                Some(line) if line.width() + 3 + Span::raw(&words).width() <= self.width.into() => {
                    line.push_span(Span::raw(format!("   {words}")));
                }
                _ => heads.push(Line::styled(words, look.style(Role::Faint))),
            }
        }
        let mut canvas = Canvas::new(self.width, look.style(Role::Heading));
        if self.step > 0 {
            for index in 0..lanes.len() {
                canvas.put(self.column(index), &(index + 1).to_string());
            }
        }
        heads.push(canvas.line(&self.front(clock)));
        heads
    }
}

/// What a lane is called: its point, behind the sign of what stands there.
fn name(lane: &Lane, look: &Look) -> String {
    let name = clean(&lane.point, look.signs);
    format!("{} {name}", role_sign(look, lane.role))
}

/// A line that is written here and there.
struct Canvas {
    cells: Vec<String>,
    style: ratatui::style::Style,
}

impl Canvas {
    fn new(width: u16, style: ratatui::style::Style) -> Self {
        Self {
            cells: vec![" ".to_owned(); usize::from(width)],
            style,
        }
    }

    /// Writes from a column on; a wide character takes the place of two.
    fn put(&mut self, column: usize, text: &str) {
        let mut at = column;
        for c in text.chars() {
            let wide = Span::raw(c.to_string()).width();
            if let Some(cell) = self.cells.get_mut(at) {
                *cell = c.to_string();
            }
            for behind in at + 1..at + wide {
                if let Some(cell) = self.cells.get_mut(behind) {
                    cell.clear();
                }
            }
            at += wide;
        }
    }

    fn line(&self, front: &str) -> Line<'static> {
        let text = format!("{front}{}", self.cells.concat());
        Line::styled(text.trim_end().to_owned(), self.style)
    }
}
