//! A list of what the snapshot holds as a whole: sessions, findings, endpoints. What they share is here.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Block, Borders, Paragraph};

use super::{Context, Effect, Page, View};
use crate::action::Action;
use crate::data::Snapshot;
use crate::look::Role;
use crate::widget::table::{self, Click, Column, Preference, Rows, Sort, TableState};

/// Rows of the screen that a list keeps when what is selected is told below it.
const LIST: u16 = 6;
/// Rows for what is selected, at most.
const TOLD: u16 = 10;

/// What is listed.
pub trait Listed: 'static {
    /// A row.
    type Row: 'static;
    /// The title, and the table's name in the configuration when in lower case.
    const TITLE: &'static str;
    /// The table's name in the configuration.
    const NAME: &'static str;
    /// Why there may be no row.
    const EMPTY: &'static str;
    /// The column that it is sorted by at first, and whether the other way round.
    const ORDER: (&'static str, bool);
    /// What can be done here.
    const ACTIONS: &'static [Action] = &[
        Action::Open,
        Action::Sort,
        Action::Search,
        Action::NextHit,
        Action::PreviousHit,
        Action::Reverse,
        Action::Columns,
        Action::SaveColumns,
        Action::ToFlows,
        Action::Related,
        Action::Copy,
    ];
    /// Columns.
    const COLUMNS: &'static [Column<Self::Row>];

    /// Where rows come from.
    fn rows(snapshot: &Snapshot) -> &[Self::Row];
    /// What a row is known by.
    fn key(row: &Self::Row) -> String;
    /// What opens at a row.
    fn open(row: &Self::Row) -> Option<Page>;
    /// The filter that leads to the flows of a row.
    fn flows(row: &Self::Row) -> Option<String>;
    /// Another list, at what belongs to a row.
    fn related(_row: &Self::Row) -> Option<Page> {
        None
    }
    /// What is copied of a row.
    fn copy(row: &Self::Row) -> String;
    /// What is told of the selected row below the list, in lines of so many columns.
    fn tell(row: &Self::Row, columns: usize, cx: &Context<'_>) -> Vec<Line<'static>>;
}

/// A list.
pub struct List<L: Listed> {
    state: TableState,
    /// Rows in their order, of a generation of snapshots.
    order: Vec<usize>,
    of: Option<(u64, (usize, bool), usize)>,
    what: std::marker::PhantomData<L>,
}

impl<L: Listed> List<L> {
    /// An empty table for it.
    pub(super) fn state(chosen: Option<&Preference>) -> TableState {
        TableState::new(L::NAME, L::COLUMNS, L::ORDER, chosen)
    }

    /// A list as the user wants it.
    pub fn new(chosen: Option<&Preference>) -> Self {
        Self {
            state: Self::state(chosen),
            order: Vec::new(),
            of: None,
            what: std::marker::PhantomData,
        }
    }

    /// The same, at the row of that name.
    #[must_use]
    pub fn at(mut self, key: String) -> Self {
        self.state.select(key);
        self
    }

    /// Puts rows in order, if they are others than before.
    fn arrange(&mut self, cx: &Context<'_>) {
        let rows = L::rows(cx.snapshot);
        let now = (cx.snapshot.generation, self.state.order, rows.len());
        if self.of == Some(now) {
            return;
        }
        self.of = Some(now);
        // What is in order already is put in order quickly.
        if self.order.len() != rows.len() {
            self.order = (0..rows.len()).collect();
        }
        let (column, descending) = self.state.order;
        if let Some(Sort::By(order)) = L::COLUMNS.get(column).map(|column| &column.sort) {
            self.order.sort_by(|a, b| {
                let ordering = match (rows.get(*a), rows.get(*b)) {
                    (Some(one), Some(other)) => order(one, other).then_with(|| a.cmp(b)),
                    _ => a.cmp(b),
                };
                if descending {
                    ordering.reverse()
                } else {
                    ordering
                }
            });
        }
        let search = self.state.search.clone();
        self.look_for(&search, cx);
    }

    fn row<'a>(&self, index: usize, cx: &Context<'a>) -> Option<&'a L::Row> {
        L::rows(cx.snapshot).get(*self.order.get(index)?)
    }

    fn selected<'a>(&self, cx: &Context<'a>) -> Option<&'a L::Row> {
        self.row(self.state.index(), cx)
    }

    /// Lets the table act on the rows in their order.
    fn with_rows<T>(
        &mut self,
        cx: &Context<'_>,
        act: impl FnOnce(&mut TableState, &Rows<'_, L::Row>) -> T,
    ) -> T {
        self.arrange(cx);
        let (rows, order) = (L::rows(cx.snapshot), &self.order);
        act(
            &mut self.state,
            &Rows {
                len: order.len(),
                get: &|index| rows.get(*order.get(index)?),
                key: L::key,
            },
        )
    }

    fn look_for(&mut self, wanted: &str, cx: &Context<'_>) {
        wanted.clone_into(&mut self.state.search);
        let holds = |index: &usize| {
            let row = self.row(*index, cx);
            row.is_some_and(|row| self.state.holds(row, L::COLUMNS, cx))
        };
        let all = 0..self.order.len();
        self.state.hits = all.filter(holds).collect();
    }

    fn visit_hit(&mut self, forward: bool, cx: &Context<'_>) {
        if let Some(index) = self.state.hit(forward) {
            self.with_rows(cx, |state, rows| state.go(index, rows));
        }
    }
}

impl<L: Listed> View for List<L> {
    fn title(&self, _cx: &Context<'_>) -> String {
        L::TITLE.to_owned()
    }

    fn actions(&self) -> &'static [Action] {
        L::ACTIONS
    }

    fn act(&mut self, action: Action, cx: &Context<'_>) -> Vec<Effect> {
        if self.with_rows(cx, |state, rows| state.navigate(action, rows)) {
            return Vec::new();
        }
        match action {
            Action::Reverse => self.state.reverse(),
            Action::NextHit => self.visit_hit(true, cx),
            Action::PreviousHit => self.visit_hit(false, cx),
            _ => {
                let Some(row) = self.selected(cx) else {
                    return Vec::new();
                };
                let effect = match action {
                    Action::Open => L::open(row).map(Effect::Open),
                    Action::ToFlows => {
                        L::flows(row).map(|filter| Effect::Open(Page::Flows(filter)))
                    }
                    Action::Related => L::related(row).map(Effect::Open),
                    Action::Copy => Some(Effect::Copy(L::copy(row))),
                    _ => None,
                };
                return effect.into_iter().collect();
            }
        }
        Vec::new()
    }

    fn click(&mut self, at: Position, twice: bool, cx: &Context<'_>) -> Vec<Effect> {
        match self.with_rows(cx, |state, rows| state.click(at, rows)) {
            Click::Row if twice => self.act(Action::Open, cx),
            _ => Vec::new(),
        }
    }

    fn search(&mut self, wanted: &str, cx: &Context<'_>) -> usize {
        self.arrange(cx);
        self.look_for(wanted, cx);
        if !self.state.hits.contains(&self.state.index()) {
            self.visit_hit(true, cx);
        }
        self.state.hits.len()
    }

    fn table(&mut self) -> Option<&mut TableState> {
        Some(&mut self.state)
    }

    fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
        self.arrange(cx);
        let told = self.selected(cx).map(|row| {
            let columns = usize::from(area.width.saturating_sub(2));
            L::tell(row, columns, cx)
        });
        let (list, below) = split(area, told.as_ref().map_or(0, Vec::len));
        self.with_rows(cx, |state, rows| {
            table::draw(frame, list, state, L::COLUMNS, rows, cx, L::EMPTY);
        });
        draw_told(frame, below, told.unwrap_or_default(), cx);
    }
}

/// The list, and below it so many lines of what is selected, as far as there is room.
pub(super) fn split(area: Rect, lines: usize) -> (Rect, Rect) {
    let most = TOLD
        .min(area.height / 2)
        .min(area.height.saturating_sub(LIST));
    // A line is drawn between the two.
    let below = match lines {
        0 => 0,
        lines => u16::try_from(lines + 1).unwrap_or(most).min(most),
    };
    let [list, below] = area.layout(&Layout::vertical([
        Constraint::Min(0),
        Constraint::Length(below),
    ]));
    (list, below)
}

/// Draws what is told of the selected row.
pub(super) fn draw_told(
    frame: &mut Frame<'_>,
    area: Rect,
    lines: Vec<Line<'static>>,
    cx: &Context<'_>,
) {
    if area.height == 0 {
        return;
    }
    let block = Block::new()
        .borders(Borders::TOP)
        .border_set(cx.look.signs.border())
        .border_style(cx.look.style(Role::Border));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let inner = Rect {
        x: inner.x + 1,
        width: inner.width.saturating_sub(2),
        ..inner
    };
    frame.render_widget(Paragraph::new(lines), inner);
}
