//! The sites as a picture: a box for each with its points, what passes them, and what goes in by one and out by another.

use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::matrix::WaysRow;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Block;
use unicode_width::UnicodeWidthStr as _;

use crate::look::Role;
use crate::picture::{self, Place, Site};
use crate::view::Context;
use crate::widget::figure;
use crate::widget::text::{clean, fit};

/// Columns of a box, at least and at most.
const BOX: (u16, u16) = (32, 46);
/// Columns between two boxes.
const BETWEEN: u16 = 10;

/// The picture with the room that it gets.
pub struct Picture {
    model: picture::Picture,
    /// Boxes side by side.
    across: usize,
    width: u16,
}

impl Picture {
    /// The picture of all sites, in so many columns; with the way of a finding's flows.
    pub fn new(finding: Option<&Finding>, columns: u16, cx: &Context<'_>) -> Self {
        let model = picture::Picture::new(&cx.snapshot.report, finding);
        let most = model.sites.len().max(1);
        let across = usize::from((columns + BETWEEN) / (BOX.0 + BETWEEN)).clamp(1, most);
        let each = (columns + BETWEEN) / across.max(1) as u16;
        Self {
            model,
            across,
            width: each.saturating_sub(BETWEEN).min(BOX.1).min(columns),
        }
    }

    fn box_height(row: &[Site]) -> u16 {
        let lines = row.iter().map(|site| {
            site.places.len() + usize::from(site.more > 0) + usize::from(site.flows.is_some())
        });
        lines.max().unwrap_or_default() as u16 + 2
    }

    /// Rows that all of it takes.
    pub fn height(&self) -> u16 {
        let boxes: u16 = self
            .model
            .sites
            .chunks(self.across)
            .map(Self::box_height)
            .sum();
        boxes + self.model.ways.len() as u16
    }

    /// Rows below which it is not worth to begin.
    pub fn least(&self) -> u16 {
        let first = self.model.sites.chunks(self.across).next();
        first.map_or(u16::MAX - 1, Self::box_height)
    }

    /// Draws as much of it as there is room for.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
        let mut y = area.y;
        for row in self.model.sites.chunks(self.across) {
            let height = Self::box_height(row);
            if y + height > area.bottom() {
                break;
            }
            for (index, site) in row.iter().enumerate() {
                let x = area.x + index as u16 * (self.width + BETWEEN);
                let place = Rect::new(x, y, self.width, height).intersection(area);
                draw_site(frame, place, site, cx);
                if let Some(next) = row.get(index + 1) {
                    let between = Rect::new(place.right(), y + 1, BETWEEN, height - 2);
                    self.draw_between(frame, between.intersection(area), (site, next), cx);
                }
            }
            y += height;
        }
        for (way, y) in self.model.ways.iter().zip(y..area.bottom()) {
            let place = Rect {
                y,
                height: 1,
                ..area
            };
            frame.render_widget(in_words(way, cx), place);
        }
    }

    /// Draws what goes in by one of two neighbours and out by the other.
    fn draw_between(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        (left, right): (&Site, &Site),
        cx: &Context<'_>,
    ) {
        let flows = |from: &Site, to: &Site| {
            let mut ways = self.model.ways.iter();
            let way = ways.find(|way| {
                way.requests.as_ref() == Some(&from.name) && way.answers.as_ref() == Some(&to.name)
            });
            way.map_or(0, |way| way.flows)
        };
        let signs = cx.look.signs;
        let style = cx.look.style(Role::Error);
        let room = usize::from(area.width.saturating_sub(2));
        let line = signs.either("━", "=").repeat(room.saturating_sub(1));
        let arrows = [
            (
                flows(left, right),
                format!("{line}{}", signs.either("▶", ">")),
            ),
            (
                flows(right, left),
                format!("{}{line}", signs.either("◀", "<")),
            ),
        ];
        let mut y = area.y;
        for (flows, arrow) in arrows {
            if flows == 0 || y + 2 > area.bottom() {
                continue;
            }
            let unit = if flows == 1 { "flow" } else { "flows" };
            for text in [format!("{} {unit}", figure::number(flows)), arrow] {
                let place = Rect {
                    y,
                    height: 1,
                    ..area
                };
                frame.render_widget(Line::styled(text, style).centered(), place);
                y += 1;
            }
        }
    }
}

fn draw_site(frame: &mut Frame<'_>, area: Rect, site: &Site, cx: &Context<'_>) {
    let signs = cx.look.signs;
    let room = usize::from(area.width.saturating_sub(4));
    let name = fit(&clean(&site.name, signs), room, signs);
    let block = Block::bordered()
        .border_set(signs.border())
        .border_style(cx.look.style(Role::Border))
        .title(format!(" {name} "))
        .title_style(cx.look.style(Role::Heading));
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let mut lines: Vec<Line<'_>> = site
        .places
        .iter()
        .map(|place| draw_place(place, room, cx))
        .collect();
    if site.more > 0 {
        let text = format!(" and {} more points", site.more);
        lines.push(Line::styled(text, cx.look.style(Role::Faint)));
    }
    if let Some((requests, answers)) = site.flows {
        lines.push(Line::styled(
            format!(" requests {requests}, answers {answers} flows"),
            cx.look.style(Role::Faint),
        ));
    }
    for (line, y) in lines.into_iter().zip(inner.y..inner.bottom()) {
        frame.render_widget(
            line,
            Rect {
                y,
                height: 1,
                ..inner
            },
        );
    }
}

fn draw_place<'a>(place: &Place, room: usize, cx: &Context<'_>) -> Line<'a> {
    /// Columns for the role, and for what passed.
    const ROLE: usize = 9;
    const PASSED: usize = 10;
    let signs = cx.look.signs;
    let columns = room.saturating_sub(ROLE + PASSED);
    let name = fit(&clean(&place.name, signs), columns.saturating_sub(1), signs);
    let blanks = " ".repeat(columns.saturating_sub(name.width()));
    let (passed, role) = match (place.requests, place.answers) {
        (true, true) => (format!("{} both", signs.either("⇄", "<>")), Role::Good),
        (true, false) => (
            format!("{} requests", signs.either("→", ">")),
            Role::Originator,
        ),
        (false, true) => (
            format!("{} answers", signs.either("←", "<")),
            Role::Responder,
        ),
        (false, false) => (String::new(), Role::Text),
    };
    Line::from(vec![
        Span::raw(format!(" {name}{blanks}")),
        Span::styled(format!("{:<ROLE$}", place.role), cx.look.style(Role::Faint)),
        Span::styled(passed, cx.look.style(role)),
    ])
}

fn in_words<'a>(way: &WaysRow, cx: &Context<'_>) -> Line<'a> {
    let signs = cx.look.signs;
    let name = |site: &Option<String>| match site {
        Some(site) => clean(site, signs),
        None => "a place that is not mirrored".to_owned(),
    };
    let (requests, answers) = (name(&way.requests), name(&way.answers));
    let (sign, role, text) = if way.requests == way.answers {
        (
            signs.good(),
            Role::Good,
            format!("in and out by {requests}"),
        )
    } else {
        let text = format!("in by {requests}, out by {answers}");
        (signs.either("✖", "X"), Role::Error, text)
    };
    let unit = if way.flows == 1 { "flow " } else { "flows" };
    Line::from(vec![
        Span::styled(format!("{sign} "), cx.look.style(role)),
        Span::raw(format!("{:>6} {unit}  {text}", figure::number(way.flows))),
    ])
}
