//! Flows: sorted and chosen by the analysis; only those around the screen are at hand.

use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::verdict::Verdict;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

use super::cells::{alarming, end, or_dash};
use super::list::{draw_told, split};
use super::{Context, Effect, Page, View};
use crate::action::Action;
use crate::data::{Ask, FlowPage, FlowQuery, FlowSort};
use crate::look::Role;
use crate::widget::figure;
use crate::widget::table::{self, Click, Column, Preference, Rows, Sort, TableState};
use crate::widget::text::labelled;

/// Rows that are asked for in front of the screen and behind it.
const AROUND: usize = 200;
/// Rows that are asked for before the screen is known.
const FIRST: usize = 100;

/// The list of flows.
pub struct Flows {
    state: TableState,
    /// The filter as it was typed, and as it is meant.
    text: String,
    filter: Option<Filter>,
    /// What was asked last.
    asked: Option<FlowQuery>,
}

const ACTIONS: &[Action] = &[
    Action::Open,
    Action::Filter,
    Action::Sort,
    Action::Mark,
    Action::Export,
    Action::ToStream,
    Action::Search,
    Action::NextHit,
    Action::PreviousHit,
    Action::Reverse,
    Action::Columns,
    Action::SaveColumns,
    Action::MarkAll,
    Action::Related,
    Action::Copy,
];

fn pair(orig: String, resp: String, cx: &Context<'_>) -> Line<'static> {
    Line::from(vec![
        Span::styled(orig, cx.look.style(Role::Originator)),
        Span::styled("/", cx.look.style(Role::Faint)),
        Span::styled(resp, cx.look.style(Role::Responder)),
    ])
}

const COLUMNS: &[Column<FlowReport>] = &[
    Column::<FlowReport>::new("verdict", (12, 12), 1, |f, cx| {
        let sign = cx.look.signs.verdict(f.verdict);
        let style = cx.look.style(f.verdict.into());
        Line::from(Span::styled(
            format!("{sign} {}", f.verdict.as_str()),
            style,
        ))
    })
    .asked(FlowSort::Verdict),
    Column::<FlowReport>::new("proto", (5, 5), 4, |f, _| f.proto.clone().into())
        .asked(FlowSort::Protocol),
    Column::<FlowReport>::new("originator", (15, 47), 0, |f, cx| {
        Span::styled(end(f, true, cx), cx.look.style(Role::Originator)).into()
    })
    .asked(FlowSort::Source),
    Column::<FlowReport>::new("responder", (15, 47), 0, |f, cx| {
        Span::styled(end(f, false, cx), cx.look.style(Role::Responder)).into()
    })
    .asked(FlowSort::Destination),
    Column::<FlowReport>::new("packets", (7, 13), 2, |f, cx| {
        let figures = [f.orig.packets, f.resp.packets].map(figure::number);
        let [orig, resp] = figures;
        pair(orig, resp, cx)
    })
    .figures()
    .asked(FlowSort::Packets),
    Column::<FlowReport>::new("bytes", (9, 17), 6, |f, cx| {
        let [orig, resp] = [f.orig.bytes, f.resp.bytes].map(figure::number);
        pair(orig, resp, cx)
    })
    .figures()
    .asked(FlowSort::Bytes),
    Column::<FlowReport>::new("state", (6, 6), 3, |f, _| f.state.into()).asked(FlowSort::State),
    Column::<FlowReport>::new("points", (6, 6), 8, |f, _| {
        f.points.len().to_string().into()
    })
    .figures()
    .asked(FlowSort::Points),
    Column::<FlowReport>::new("first", (12, 12), 5, |f, _| figure::clock(f.first).into())
        .asked(FlowSort::First),
    Column::<FlowReport>::new("duration", (9, 10), 7, |f, _| {
        figure::span(f.last.since(f.first)).into()
    })
    .figures()
    .asked(FlowSort::Duration),
    Column::<FlowReport>::new("last", (12, 12), 10, |f, _| figure::clock(f.last).into())
        .asked(FlowSort::Last),
    Column::<FlowReport>::new("again", (5, 9), 9, |f, cx| {
        let ends = f.tcp.as_ref().map(|tcp| [&tcp.orig, &tcp.resp]);
        match ends.map(|ends| ends.map(|end| end.retransmissions)) {
            Some([orig, resp]) => alarming(
                u64::from(orig) + u64::from(resp),
                format!("{orig}/{resp}"),
                cx,
            ),
            None => or_dash(None::<u64>, cx),
        }
    })
    .figures(),
    Column::<FlowReport>::new("history", (8, 16), 11, |f, cx| {
        or_dash((!f.history.is_empty()).then_some(&f.history), cx)
    }),
    Column::<FlowReport>::new("id", (10, 10), 9, |f, _| f.id.clone().into()),
    Column::<FlowReport>::new("tenant", (6, 16), 12, |f, cx| {
        or_dash(f.tenant.as_ref(), cx)
    })
    .hidden(),
    Column::<FlowReport>::new("community-id", (30, 30), 13, |f, _| {
        f.community_id.clone().into()
    })
    .hidden(),
    Column::<FlowReport>::new("why", (20, 120), 12, |f, _| f.why.clone().into()),
];

/// An empty table for them.
pub(super) fn state(chosen: Option<&Preference>) -> TableState {
    TableState::new("flows", COLUMNS, ("first", false), chosen)
}

impl Flows {
    /// All flows, or those of a filter that can be read.
    pub fn new(filter: &str, chosen: Option<&Preference>) -> Self {
        let parsed = Filter::parse(filter).ok();
        Self {
            state: state(chosen),
            text: parsed
                .as_ref()
                .map_or_else(String::new, |_| filter.to_owned()),
            filter: parsed,
            asked: None,
        }
    }

    /// What it wants to see.
    fn query(&self) -> FlowQuery {
        let (column, descending) = self.state.order;
        let sort = match COLUMNS.get(column).map(|column| &column.sort) {
            Some(Sort::Asked(sort)) => *sort,
            _ => FlowSort::default(),
        };
        let shown = self.state.window();
        let height = shown.len().max(FIRST);
        FlowQuery {
            filter: self.filter.clone(),
            sort,
            descending,
            window: shown.start.saturating_sub(AROUND)..shown.start + height + AROUND,
        }
    }

    /// Asks if what is at hand does not hold what the screen is to show.
    fn ask(&mut self, always: bool) -> Vec<Effect> {
        let query = self.query();
        let shown = self.state.window();
        let enough = self.asked.as_ref().is_some_and(|asked| {
            same(asked, &query)
                && asked.window.start <= shown.start
                && asked.window.end >= shown.end
        });
        if enough && !always {
            return Vec::new();
        }
        self.asked = Some(query.clone());
        vec![Effect::Ask(Ask::Flows(query))]
    }

    /// The page, if it is of what was asked.
    fn page<'a>(&self, cx: &Context<'a>) -> Option<&'a FlowPage> {
        let page = &cx.snapshot.flows;
        let asked = self.asked.as_ref()?;
        same(&page.query, asked).then_some(page)
    }

    fn row<'a>(&self, index: usize, cx: &Context<'a>) -> Option<&'a FlowReport> {
        let page = self.page(cx)?;
        page.rows.get(index.checked_sub(page.query.window.start)?)
    }

    fn selected<'a>(&self, cx: &Context<'a>) -> Option<&'a FlowReport> {
        self.row(self.state.index(), cx)
    }

    fn with_rows<T>(
        &mut self,
        cx: &Context<'_>,
        act: impl FnOnce(&mut TableState, &Rows<'_, FlowReport>) -> T,
    ) -> T {
        let page = self.page(cx);
        let start = page.map_or(0, |page| page.query.window.start);
        let get = |index: usize| page?.rows.get(index.checked_sub(start)?);
        act(
            &mut self.state,
            &Rows {
                len: page.map_or(0, |page| page.matching),
                get: &get,
                key: |flow| flow.id.clone(),
            },
        )
    }

    fn visit_hit(&mut self, forward: bool, cx: &Context<'_>) {
        if let Some(index) = self.state.hit(forward) {
            self.with_rows(cx, |state, rows| state.go(index, rows));
        }
    }
}

/// Whether two queries give the same rows, but for the window.
fn same(a: &FlowQuery, b: &FlowQuery) -> bool {
    (&a.filter, a.sort, a.descending) == (&b.filter, b.sort, b.descending)
}

impl View for Flows {
    fn title(&self, _cx: &Context<'_>) -> String {
        if self.text.is_empty() {
            "Flows".to_owned()
        } else {
            format!("Flows: {}", self.text)
        }
    }

    fn opened(&mut self, _cx: &Context<'_>) -> Vec<Effect> {
        self.ask(true)
    }

    fn resumed(&mut self, _cx: &Context<'_>) -> Vec<Effect> {
        self.ask(true)
    }

    fn actions(&self) -> &'static [Action] {
        ACTIONS
    }

    fn act(&mut self, action: Action, cx: &Context<'_>) -> Vec<Effect> {
        if self.with_rows(cx, |state, rows| state.navigate(action, rows)) {
            // Where the screen will be is known before it is drawn.
            let height = self.state.window().len();
            self.with_rows(cx, |state, rows| state.settle(rows, height));
            return self.ask(false);
        }
        match action {
            Action::Reverse => {
                self.state.reverse();
                return self.ask(true);
            }
            Action::NextHit => self.visit_hit(true, cx),
            Action::PreviousHit => self.visit_hit(false, cx),
            Action::MarkAll => {
                let page = self.page(cx);
                let rows = page.map_or(&[][..], |page| &page.rows);
                let flows: Vec<String> = rows.iter().map(|flow| flow.id.clone()).collect();
                let told = page.filter(|page| page.matching > flows.len()).map(|page| {
                    Effect::Notice(format!(
                        "the {} flows at hand of {}",
                        flows.len(),
                        page.matching
                    ))
                });
                return std::iter::once(Effect::Mark(flows)).chain(told).collect();
            }
            Action::Export => {
                let selected = self.selected(cx).map(|flow| flow.id.clone());
                return cx.export(selected.as_slice());
            }
            _ => {
                let Some(flow) = self.selected(cx) else {
                    return Vec::new();
                };
                return match action {
                    Action::Open => vec![Effect::Open(Page::Flow(flow.id.clone()))],
                    Action::ToStream => vec![Effect::Open(Page::Stream(flow.id.clone()))],
                    Action::Copy => vec![Effect::Copy(flow.id.clone())],
                    Action::Related => {
                        let filter = format!("host {} and host {}", flow.src, flow.dst);
                        vec![Effect::Open(Page::Flows(filter))]
                    }
                    Action::Mark => {
                        let mark = Effect::Mark(vec![flow.id.clone()]);
                        let mut effects = vec![mark];
                        effects.extend(self.act(Action::Down, cx));
                        effects
                    }
                    _ => Vec::new(),
                };
            }
        }
        Vec::new()
    }

    fn click(&mut self, at: Position, twice: bool, cx: &Context<'_>) -> Vec<Effect> {
        match self.with_rows(cx, |state, rows| state.click(at, rows)) {
            Click::Head => self.ask(true),
            Click::Row if twice => self.act(Action::Open, cx),
            _ => Vec::new(),
        }
    }

    fn search(&mut self, wanted: &str, cx: &Context<'_>) -> usize {
        wanted.clone_into(&mut self.state.search);
        // Only rows that are at hand can be searched.
        let page = self.page(cx);
        let start = page.map_or(0, |page| page.query.window.start);
        let rows = page.map_or(&[][..], |page| &page.rows).iter();
        let hits = (start..).zip(rows);
        let hits = hits.filter(|(_, row)| self.state.holds(*row, COLUMNS, cx));
        self.state.hits = hits.map(|(index, _)| index).collect();
        if !self.state.hits.contains(&self.state.index()) {
            self.visit_hit(true, cx);
        }
        self.state.hits.len()
    }

    fn filter(&self) -> Option<&str> {
        Some(&self.text)
    }

    fn set_filter(&mut self, text: &str, _cx: &Context<'_>) -> Vec<Effect> {
        self.filter = Filter::parse(text).ok();
        self.text = self
            .filter
            .as_ref()
            .map_or_else(String::new, |_| text.to_owned());
        self.state.restart();
        self.ask(true)
    }

    fn table(&mut self) -> Option<&mut TableState> {
        Some(&mut self.state)
    }

    fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
        let told = self.selected(cx).map(|flow| {
            let columns = usize::from(area.width.saturating_sub(2));
            tell(flow, columns, cx)
        });
        let (list, below) = split(area, told.as_ref().map_or(0, Vec::len));
        let empty = match (self.page(cx), &self.filter) {
            (None, _) => "asking …".to_owned(),
            (Some(page), Some(_)) => format!("none of {} flows matches the filter", page.total),
            (Some(_), None) => "no flow yet".to_owned(),
        };
        self.with_rows(cx, |state, rows| {
            table::draw(frame, list, state, COLUMNS, rows, cx, &empty);
        });
        draw_told(frame, below, told.unwrap_or_default(), cx);
    }
}

/// What is told of the selected flow: why the verdict is what it is, and what each point saw.
fn tell(flow: &FlowReport, columns: usize, cx: &Context<'_>) -> Vec<Line<'static>> {
    let role = match flow.verdict {
        Verdict::Symmetric => Role::Faint,
        verdict => verdict.into(),
    };
    let mut lines = labelled(
        flow.verdict.as_str(),
        &flow.why,
        columns,
        (role, Role::Text),
        cx.look,
    );
    let seen = flow
        .points
        .iter()
        .map(|at| format!("{} {}/{}", at.point, at.orig.packets, at.resp.packets));
    let seen: Vec<String> = seen.collect();
    let roles = (Role::Faint, Role::Faint);
    lines.extend(labelled(
        "seen at",
        &seen.join(", "),
        columns,
        roles,
        cx.look,
    ));
    lines
}
