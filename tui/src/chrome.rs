//! What is around every screen: the path and the tabs above it, the status and the keys below it.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use crate::action::{ACTIONS, Action, Info};
use crate::keys::KeyMap;
use crate::look::{Look, Role};
use crate::screens::Screens;
use crate::view::{Context, TABS};
use crate::widget::text::{clean, fit};

/// Blanks between two things in a line.
const GAP: &str = "  ";

/// Columns of a title, at most.
const TITLE: usize = 44;

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
        let path = path(screens, usize::from(area.width), cx);
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

/// The titles of what is open, the one on top last. What was opened first goes where there is no room.
fn path(screens: &Screens, columns: usize, cx: &Context<'_>) -> Line<'static> {
    let look = cx.look;
    let titles = screens.stack().iter().map(|view| {
        let title = clean(&view.title(cx), look.signs);
        fit(&title, TITLE, look.signs)
    });
    let mut titles: Vec<String> = titles.collect();
    let then = format!(" {} ", look.signs.then());
    let width = |titles: &[String]| {
        titles
            .iter()
            .map(|t| t.width() + then.width())
            .sum::<usize>()
    };
    while titles.len() > 1 && width(&titles) > columns {
        titles.remove(0);
    }
    if titles.len() < screens.stack().len() {
        titles.insert(0, look.signs.more().to_owned());
    }
    let mut spans = vec![Span::raw(" ")];
    let last = titles.len().saturating_sub(1);
    for (index, title) in titles.into_iter().enumerate() {
        if index > 0 {
            spans.push(Span::styled(then.clone(), look.style(Role::Faint)));
        }
        let role = if index == last {
            Role::Heading
        } else {
            Role::Faint
        };
        spans.push(Span::styled(title, look.style(role)));
    }
    Line::from(spans)
}

/// Draws the keys that matter most on the screen at hand, and always the one that leads to all others. Nothing is behind
/// the first screen.
pub fn keys(
    frame: &mut Frame<'_>,
    area: Rect,
    map: &KeyMap,
    (has, first): (&[Action], bool),
    look: &Look,
) {
    let own = has.iter().filter_map(|action| action.info());
    let everywhere = ACTIONS.iter().filter(|info| info.everywhere);
    let everywhere = everywhere.filter(|info| !has.contains(&info.action));
    let told = own.chain(everywhere).filter(|info| !info.short.is_empty());
    let told = told.filter(|info| !(first && info.action == Action::Back));
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
