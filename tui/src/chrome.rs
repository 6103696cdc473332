//! What is around every screen: the path and the tabs above it, the status and the keys below it.

use mirrorscope_engine::finding::Severity;
use mirrorscope_engine::point::printable;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use crate::action::{ACTIONS, Action, Info};
use crate::app::Notice;
use crate::data::{InputState, Snapshot, Weight};
use crate::keys::KeyMap;
use crate::look::{Look, Role};
use crate::screens::Screens;
use crate::view::{Context, TABS};
use crate::widget::figure;
use crate::world::World;

/// Blanks between two things in a line.
const GAP: &str = "  ";

/// Where things of the first line are.
#[derive(Debug, Default)]
pub struct Chrome {
    tabs: Vec<(usize, Rect)>,
}

impl Chrome {
    /// The tab at a place.
    pub fn tab_at(&self, at: Position) -> Option<usize> {
        let tab = self.tabs.iter().find(|(_, area)| area.contains(at));
        tab.map(|(index, _)| *index)
    }

    /// Draws the path, if something is open, and the tabs.
    pub fn head(&mut self, frame: &mut Frame<'_>, area: Rect, screens: &Screens, cx: &Context<'_>) {
        self.tabs.clear();
        let path = path(screens, cx);
        let path_width = path.width() as u16;
        let names = |tab: usize, name: &str| format!(" {} {name} ", tab + 1);
        let numbers = |tab: usize, _: &str| format!(" {} ", tab + 1);
        if screens.stack().len() < 2 {
            self.tabs(frame, area, 0, screens, cx.look, names);
            return;
        }
        frame.render_widget(path, area);
        let free = area.width.saturating_sub(path_width + 2);
        let all = |label: &dyn Fn(usize, &str) -> String| -> u16 {
            let tabs = TABS.iter().enumerate();
            tabs.map(|(tab, name)| label(tab, name).width() as u16)
                .sum()
        };
        let (long, short) = (all(&names), all(&numbers));
        if long <= free {
            self.tabs(frame, area, area.width - long, screens, cx.look, names);
        } else if short <= free {
            self.tabs(frame, area, area.width - short, screens, cx.look, numbers);
        }
    }

    fn tabs(
        &mut self,
        frame: &mut Frame<'_>,
        area: Rect,
        from: u16,
        screens: &Screens,
        look: &Look,
        label: impl Fn(usize, &str) -> String,
    ) {
        let mut x = area.x + from;
        for (tab, name) in TABS.iter().enumerate() {
            let label = label(tab, name);
            let place = Rect::new(x, area.y, label.width() as u16, 1).intersection(area);
            x += place.width;
            let style = if tab == screens.current() {
                look.style(Role::Selected)
            } else {
                look.style(Role::Faint)
            };
            frame.render_widget(Span::styled(label, style), place);
            self.tabs.push((tab, place));
        }
    }
}

/// The titles of what is open, the one on top last.
fn path<'a>(screens: &Screens, cx: &Context<'_>) -> Line<'a> {
    let look = cx.look;
    let stack = screens.stack();
    let mut spans = vec![Span::raw(" ")];
    for (index, view) in stack.iter().enumerate() {
        if index > 0 {
            let then = format!(" {} ", look.signs.then());
            spans.push(Span::styled(then, look.style(Role::Faint)));
        }
        let role = if index + 1 == stack.len() {
            Role::Heading
        } else {
            Role::Faint
        };
        let title = look.signs.text(&printable(&view.title(cx)));
        spans.push(Span::styled(title, look.style(role)));
    }
    Line::from(spans)
}

/// Draws how the input goes, what is lost, and what there is to tell.
pub fn status(frame: &mut Frame<'_>, area: Rect, world: &World, notice: Option<&Notice>) {
    let look = &world.look;
    let mut spans = vec![Span::raw(" ")];
    if world.held() {
        spans.push(Span::styled(
            look.signs.either("⏸ held", "|| held"),
            look.style(Role::Warning),
        ));
        spans.push(Span::raw(GAP));
    }
    if let Some(notice) = notice {
        let role = match notice.weight {
            Weight::Info => Role::Info,
            Weight::Error => Role::Error,
        };
        let text = look.signs.text(&printable(&notice.text));
        spans.push(Span::styled(text, look.style(role)));
    } else {
        input(world.snapshot(), look, &mut spans);
    }
    if !world.marked.is_empty() {
        let marked = format!("{GAP}{} {} marked", look.signs.mark(), world.marked.len());
        spans.push(Span::styled(marked, look.style(Role::Marked)));
    }
    frame.render_widget(Line::from(spans), area);
}

fn input(snapshot: &Snapshot, look: &Look, spans: &mut Vec<Span<'_>>) {
    let totals = &snapshot.report.totals;
    let mut dropped = 0;
    match &snapshot.input {
        InputState::Files {
            names,
            read,
            total,
            done,
            problems,
        } => {
            let name = match names.as_slice() {
                [] => "no file".to_owned(),
                [one] => look.signs.text(&printable(one)),
                [first, more @ ..] => {
                    let first = look.signs.text(&printable(first));
                    format!("{first} and {} more", more.len())
                }
            };
            spans.push(Span::raw(name));
            if !done {
                let share = match total {
                    Some(total @ 1..) => format!("{:.0} %", *read as f64 / *total as f64 * 100.0),
                    _ => figure::bytes(*read),
                };
                spans.push(Span::styled(
                    format!("{GAP}reading {share}"),
                    look.style(Role::Info),
                ));
            }
            if !problems.is_empty() {
                let sign = look.signs.severity(Severity::Warning);
                let text = format!("{GAP}{sign} {} problems", problems.len());
                spans.push(Span::styled(text, look.style(Role::Warning)));
            }
        }
        InputState::Live { done } => {
            let live = snapshot.report.live.as_ref();
            let interfaces = live.map_or(&[][..], |live| &live.interfaces);
            let names: Vec<String> = interfaces.iter().map(|i| printable(&i.name)).collect();
            spans.push(Span::raw(look.signs.text(&names.join(", "))));
            dropped = interfaces.iter().map(|i| i.dropped.all()).sum();
            if *done {
                spans.push(Span::styled(
                    format!("{GAP}ended"),
                    look.style(Role::Warning),
                ));
            } else if let Some(rate) = snapshot.rates.back() {
                let text = format!(
                    "{GAP}{}/s{GAP}{}",
                    figure::number(rate.frames),
                    figure::bits(rate.bytes)
                );
                spans.push(Span::styled(text, look.style(Role::Info)));
            }
        }
    }
    let counts = format!(
        "{GAP}{} frames{GAP}{} flows",
        figure::number(totals.frames),
        figure::number(totals.flows)
    );
    spans.push(Span::styled(counts, look.style(Role::Faint)));
    if dropped > 0 {
        let sign = look.signs.severity(Severity::Warning);
        let text = format!("{GAP}{sign} {} dropped here", figure::number(dropped));
        spans.push(Span::styled(text, look.style(Role::Warning)));
    }
}

/// Draws the keys that matter most on the screen at hand, and always the one that leads to all others.
pub fn keys(frame: &mut Frame<'_>, area: Rect, map: &KeyMap, has: &[Action], look: &Look) {
    let own = has.iter().filter_map(|action| action.info());
    let everywhere = ACTIONS.iter().filter(|info| info.everywhere);
    let everywhere = everywhere.filter(|info| !has.contains(&info.action));
    let told = own.chain(everywhere).filter(|info| !info.short.is_empty());
    let mut told: Vec<(String, &Info)> = told
        .filter_map(|info| Some((map.names(info.action).into_iter().next()?, info)))
        .collect();
    let width = |(key, info): &(String, &Info)| key.width() + 1 + info.short.width() + GAP.len();
    let help = told
        .iter()
        .position(|(_, info)| info.action == Action::Help);
    let help = help.map(|index| told.remove(index));
    let mut left = usize::from(area.width).saturating_sub(1 + help.as_ref().map_or(0, width));
    told.retain(|one| {
        let fits = width(one) <= left;
        left -= if fits { width(one) } else { 0 };
        fits
    });
    let mut spans = vec![Span::raw(" ")];
    for (key, info) in told.into_iter().chain(help) {
        spans.push(Span::styled(key, look.style(Role::Key)));
        let text = format!(" {}{GAP}", info.short);
        spans.push(Span::styled(text, look.style(Role::Faint)));
    }
    frame.render_widget(Line::from(spans), area);
}

/// Draws that there is no room.
pub fn too_small(frame: &mut Frame<'_>, least: (u16, u16)) {
    let area = frame.area();
    let text = format!(
        "{}×{} is too small: {}×{} are needed",
        area.width, area.height, least.0, least.1
    );
    let middle = Rect {
        y: area.y + area.height / 2,
        height: area.height.min(1),
        ..area
    };
    frame.render_widget(Line::raw(text).centered(), middle);
}
