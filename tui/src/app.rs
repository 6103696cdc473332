//! The interface without a terminal: events in, requests and a picture out.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};

use crate::action::Action;
use crate::chrome::{self, Chrome};
use crate::data::{Answer, Ask, Snapshot, Weight};
use crate::event::{Event, Request};
use crate::keys::KeyMap;
use crate::look::Look;
use crate::overlay::{Help, History, Item, Menu, Of, Outcome, Overlay, Palette, Prompt};
use crate::screens::Screens;
use crate::status;
use crate::view::{self, Context, Effect, Page, Tables, View};
use crate::world::World;

/// Smaller screens get a notice.
const LEAST: (u16, u16) = (60, 15);
/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(6);
/// Two clicks within this time are one double click.
const DOUBLE: Duration = Duration::from_millis(400);
/// Rows that a turn of the wheel moves.
const WHEEL: usize = 3;

/// How the interface shall be.
#[derive(Clone, Debug)]
pub struct Options {
    /// Colours and signs.
    pub look: Look,
    /// Which key does what.
    pub keys: KeyMap,
    /// The mouse is listened to.
    pub mouse: bool,
    /// Ports of services have names.
    pub names: bool,
    /// Columns and order of tables.
    pub tables: Tables,
    /// Filters of earlier runs, the latest last.
    pub filters: Vec<String>,
    /// The filter that the list of flows begins with.
    pub filter: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            look: Look::default(),
            keys: KeyMap::default(),
            mouse: true,
            names: true,
            tables: Tables::new(),
            filters: Vec::new(),
            filter: String::new(),
        }
    }
}

/// The interface.
pub struct App {
    world: World,
    screens: Screens,
    keys: KeyMap,
    tables: Tables,
    chrome: Chrome,
    overlay: Option<Overlay>,
    filters: History,
    searches: History,
    notice: Option<Notice>,
    /// Hits of the last search, on the screen at hand.
    hits: usize,
    /// Where the screen at hand was drawn.
    body: Rect,
    /// The last click.
    clicked: Option<(Duration, Position)>,
    now: Duration,
    changed: bool,
}

/// Something that the user is told for a while.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub weight: Weight,
    pub text: String,
    until: Duration,
}

impl App {
    /// An interface that knows nothing yet.
    pub fn new(options: Options) -> Self {
        Self {
            world: World::new(options.look, options.names),
            screens: Screens::new(&options.tables, &options.filter),
            tables: options.tables,
            keys: options.keys,
            chrome: Chrome::default(),
            overlay: None,
            filters: History::new(options.filters),
            searches: History::default(),
            notice: None,
            hits: 0,
            body: Rect::ZERO,
            clicked: None,
            now: Duration::ZERO,
            changed: true,
        }
    }

    /// What is to be done before the first event.
    pub fn start(&mut self) -> Vec<Request> {
        let Some(top) = self.screens.top() else {
            return Vec::new();
        };
        let effects = top.opened(&self.world.context());
        self.perform(effects)
    }

    /// Whether the picture differs from what was drawn last.
    pub fn changed(&self) -> bool {
        self.changed
    }

    /// What is shown now.
    pub fn shown(&self) -> Arc<Snapshot> {
        self.world.shown()
    }

    /// The picture must be drawn again.
    pub fn touch(&mut self) {
        self.changed = true;
    }

    /// Takes what happened, so long after the start.
    pub fn update(&mut self, now: Duration, event: Event) -> Vec<Request> {
        self.now = now;
        match event {
            Event::Tick => {
                self.expire();
                Vec::new()
            }
            Event::Answer(answer) => self.answer(*answer),
            Event::Key(key) => {
                self.changed = true;
                self.key(key)
            }
            Event::Mouse(mouse) => self.mouse(mouse),
            Event::Paste(text) => {
                self.changed = true;
                let context = self.world.context();
                let overlay = self.overlay.as_mut();
                let outcome = overlay.map(|overlay| overlay.paste(&text, &context));
                outcome.map_or_else(Vec::new, |outcome| self.conclude(outcome))
            }
            Event::Resized => {
                self.changed = true;
                Vec::new()
            }
        }
    }

    fn expire(&mut self) {
        if self.notice.as_ref().is_some_and(|n| n.until <= self.now) {
            self.notice = None;
            self.changed = true;
        }
    }

    fn answer(&mut self, answer: Answer) -> Vec<Request> {
        match answer {
            Answer::Snapshot(latest) => {
                if let Some(snapshot) = latest.take()
                    && self.world.learn(snapshot)
                {
                    self.changed = true;
                    return self.at_top(|view, cx| view.learned(cx));
                }
            }
            Answer::Exported(Ok(text)) => self.tell(Weight::Info, text),
            Answer::Exported(Err(text)) | Answer::Failed(text) => self.tell(Weight::Error, text),
            Answer::Notice(weight, text) => self.tell(weight, text),
            answer => {
                let context = self.world.context();
                for view in self.screens.all() {
                    self.changed |= view.answer(&answer, &context);
                }
            }
        }
        Vec::new()
    }

    fn key(&mut self, key: KeyEvent) -> Vec<Request> {
        if let Some(overlay) = &mut self.overlay {
            let outcome = overlay.key(key, &self.keys, &self.world.context());
            return self.conclude(outcome);
        }
        let has = self.has();
        let can = |action: Action| has.contains(&action) || is_everywhere(action);
        match self.keys.action(key, can) {
            Some(action) => self.act(action),
            None => Vec::new(),
        }
    }

    /// What the screen at hand has besides what is everywhere.
    fn has(&mut self) -> Vec<Action> {
        let searched = self.hits > 0;
        let hit = |action: &Action| matches!(action, Action::NextHit | Action::PreviousHit);
        let has = self.screens.top().map_or(&[][..], |view| view.actions());
        let has = has.iter().filter(|action| searched || !hit(action));
        has.copied().collect()
    }

    /// Does something.
    pub fn act(&mut self, action: Action) -> Vec<Request> {
        self.changed = true;
        match action {
            Action::Quit => vec![Request::Quit],
            Action::Suspend => vec![Request::Suspend],
            Action::Redraw => vec![Request::Redraw],
            Action::ReloadSites => vec![Request::Ask(Ask::ReloadSites)],
            Action::Back => self.perform(vec![Effect::Back]),
            Action::Tab(number) => self.turn(|screens| screens.switch(usize::from(number) - 1)),
            Action::NextTab => self.turn(|screens| screens.turn(1)),
            Action::PreviousTab => self.turn(|screens| screens.turn(view::TABS.len() - 1)),
            Action::Names => {
                self.world.names = !self.world.names;
                Vec::new()
            }
            Action::Pause => {
                self.world.hold(!self.world.held());
                Vec::new()
            }
            Action::Help => {
                let title = self.title();
                let help = Help::new(title, &self.has(), &self.keys);
                self.open(Overlay::Help(help))
            }
            Action::Palette => {
                let has = self.has();
                let can = |action: Action| has.contains(&action) || is_everywhere(action);
                let palette = Palette::new(&self.keys, can);
                self.open(Overlay::Palette(palette))
            }
            Action::Filter => {
                let text = self.screens.top().and_then(|view| view.filter());
                let text = text.unwrap_or_default().to_owned();
                let prompt = Prompt::filter(&text, &self.filters, &self.world.context());
                self.open(Overlay::Prompt(prompt))
            }
            Action::Search => {
                let prompt = Prompt::search(&self.searches);
                self.open(Overlay::Prompt(prompt))
            }
            Action::Sort => self.menu(Of::Order),
            Action::Columns => self.menu(Of::Columns),
            Action::SaveColumns => {
                let table = self.screens.top().and_then(|view| view.table());
                let Some((name, chosen)) = table.map(|table| (table.name, table.preference()))
                else {
                    return Vec::new();
                };
                self.tables.insert(name.to_owned(), chosen.clone());
                vec![Request::SaveTable(name, chosen)]
            }
            action => self.at_top(|view, cx| view.act(action, cx)),
        }
    }

    fn open(&mut self, overlay: Overlay) -> Vec<Request> {
        self.overlay = Some(overlay);
        Vec::new()
    }

    /// The title of the screen at hand.
    fn title(&mut self) -> String {
        let context = self.world.context();
        let top = self.screens.top();
        top.map_or_else(String::new, |view| view.title(&context))
    }

    fn menu(&mut self, of: Of) -> Vec<Request> {
        let Some(table) = self.screens.top().and_then(|view| view.table()) else {
            return Vec::new();
        };
        let columns = table.columns.iter().enumerate();
        let fits = |(_, column): &(usize, &crate::widget::table::Shown)| match of {
            Of::Order => column.sortable,
            Of::Columns => !column.fixed,
        };
        let items = columns.filter(fits).map(|(number, column)| Item {
            name: column.name.to_owned(),
            number,
            on: match of {
                Of::Order => table.order.0 == number,
                Of::Columns => column.shown,
            },
        });
        let menu = Menu::new(of, items.collect());
        self.open(Overlay::Menu(menu))
    }

    /// Does what a key in an overlay led to.
    fn conclude(&mut self, outcome: Outcome) -> Vec<Request> {
        if !matches!(
            outcome,
            Outcome::Stay | Outcome::Seek(_) | Outcome::Column(_)
        ) {
            self.overlay = None;
        }
        match outcome {
            Outcome::Stay | Outcome::Close => Vec::new(),
            Outcome::Act(action) => self.act(action),
            Outcome::Filter(text) => self.choose(&text),
            Outcome::Seek(text) => self.seek(&text),
            Outcome::Forget => self.seek(""),
            Outcome::Found(text) => {
                self.searches.add(&text);
                if self.hits == 0 && !text.is_empty() {
                    self.tell(Weight::Info, format!("no hit for {text}"));
                }
                Vec::new()
            }
            Outcome::Export(export) => {
                self.tell(
                    Weight::Info,
                    format!("writing {}", export.path.to_string_lossy()),
                );
                vec![Request::Ask(Ask::Export(export))]
            }
            Outcome::Sort(column) => {
                if let Some(table) = self.screens.top().and_then(|view| view.table()) {
                    table.sort_by(column);
                }
                self.at_top(|view, cx| view.resumed(cx))
            }
            Outcome::Column(column) => {
                if let Some(table) = self.screens.top().and_then(|view| view.table()) {
                    table.toggle(column);
                }
                Vec::new()
            }
        }
    }

    /// Chooses flows: on the screen at hand, if it shows any, or on one that opens.
    fn choose(&mut self, text: &str) -> Vec<Request> {
        self.filters.add(text);
        let mut requests = match text {
            "" => Vec::new(),
            text => vec![Request::Remember(text.to_owned())],
        };
        let here = self
            .screens
            .top()
            .is_some_and(|view| view.filter().is_some());
        requests.extend(if here {
            self.at_top(|view, cx| view.set_filter(text, cx))
        } else {
            self.perform(vec![Effect::Open(Page::Flows(text.to_owned()))])
        });
        requests
    }

    /// Searches on the screen at hand.
    fn seek(&mut self, text: &str) -> Vec<Request> {
        let context = self.world.context();
        let top = self.screens.top();
        self.hits = top.map_or(0, |view| view.search(text, &context));
        Vec::new()
    }

    fn turn(&mut self, turn: impl FnOnce(&mut Screens)) -> Vec<Request> {
        turn(&mut self.screens);
        self.hits = 0;
        self.at_top(|view, cx| view.resumed(cx))
    }

    /// Lets the screen at hand do something.
    fn at_top(
        &mut self,
        act: impl FnOnce(&mut dyn View, &Context<'_>) -> Vec<Effect>,
    ) -> Vec<Request> {
        let Some(top) = self.screens.top() else {
            return Vec::new();
        };
        let effects = act(top.as_mut(), &self.world.context());
        self.perform(effects)
    }

    fn perform(&mut self, effects: Vec<Effect>) -> Vec<Request> {
        let mut requests = Vec::new();
        for effect in effects {
            self.changed = true;
            match effect {
                Effect::Open(page) => {
                    let mut view = view::open(page, &self.tables);
                    let effects = view.opened(&self.world.context());
                    self.screens.push(view);
                    self.hits = 0;
                    requests.extend(self.perform(effects));
                }
                Effect::Back => {
                    if self.screens.pop() {
                        self.hits = 0;
                        requests.extend(self.at_top(|view, cx| view.resumed(cx)));
                    }
                }
                Effect::Ask(ask) => requests.push(Request::Ask(ask)),
                Effect::Copy(text) => requests.push(Request::Copy(text)),
                Effect::Export(flows) => {
                    let prompt = Prompt::export(flows);
                    self.overlay = Some(Overlay::Prompt(prompt));
                }
                Effect::Mark(flows) => self.world.mark(flows),
                Effect::Notice(text) => self.tell(Weight::Info, text),
            }
        }
        requests
    }

    /// Tells something for a while.
    fn tell(&mut self, weight: Weight, text: String) {
        self.changed = true;
        self.notice = Some(Notice {
            weight,
            text,
            until: self.now + NOTICE,
        });
    }

    /// Where columns were written to, or why not.
    pub fn saved(&mut self, saved: Result<String, String>) {
        match saved {
            Ok(path) => self.tell(
                Weight::Info,
                format!("columns and order are kept in {path}"),
            ),
            Err(why) => self.tell(Weight::Error, format!("columns are not kept: {why}")),
        }
    }

    /// Whether a text found its way to the clipboard.
    pub fn copied(&mut self, copied: bool) {
        if copied {
            self.tell(Weight::Info, "copied".to_owned());
        } else {
            let text = "too long for a terminal's clipboard".to_owned();
            self.tell(Weight::Error, text);
        }
    }

    fn mouse(&mut self, mouse: MouseEvent) -> Vec<Request> {
        if let Some(overlay) = &mut self.overlay {
            self.changed = true;
            let outcome = overlay.mouse(mouse);
            return self.conclude(outcome);
        }
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollDown => self.wheel(Action::Down),
            MouseEventKind::ScrollUp => self.wheel(Action::Up),
            MouseEventKind::Down(MouseButton::Left) => self.click(at),
            _ => Vec::new(),
        }
    }

    fn wheel(&mut self, action: Action) -> Vec<Request> {
        (0..WHEEL).flat_map(|_| self.act(action)).collect()
    }

    fn click(&mut self, at: Position) -> Vec<Request> {
        self.changed = true;
        let twice = self
            .clicked
            .is_some_and(|(when, place)| place == at && self.now.saturating_sub(when) < DOUBLE);
        self.clicked = (!twice).then_some((self.now, at));
        if let Some(tab) = self.chrome.tab_at(at) {
            return self.turn(|screens| screens.switch(tab));
        }
        if self.body.contains(at) {
            return self.at_top(|view, cx| view.click(at, twice, cx));
        }
        Vec::new()
    }

    /// Draws everything.
    pub fn draw(&mut self, frame: &mut Frame<'_>) {
        self.changed = false;
        let area = frame.area();
        if area.width < LEAST.0 || area.height < LEAST.1 {
            chrome::too_small(frame, LEAST);
            return;
        }
        // The status and the keys, or what an overlay says in their place.
        let lines = self.overlay.as_ref().map_or(0, Overlay::lines).max(2);
        let rows = [
            Constraint::Length(1),
            Constraint::Min(0),
            Constraint::Length(lines),
        ];
        let [head, body, bottom] = area.layout(&Layout::vertical(rows));
        self.body = body;
        let context = self.world.context();
        self.chrome.head(frame, head, &self.screens, &context);
        if let Some(top) = self.screens.top() {
            top.draw(frame, body, &context);
        }
        if self.overlay.as_ref().map_or(0, Overlay::lines) == 0 {
            let [status_line, keys] = bottom.layout(&Layout::vertical([Constraint::Length(1); 2]));
            status::draw(frame, status_line, &self.world, self.notice.as_ref());
            let has = self.has();
            let first = self.screens.stack().len() < 2;
            chrome::keys(frame, keys, &self.keys, (&has, first), &self.world.look);
        }
        if let Some(overlay) = &mut self.overlay {
            overlay.draw(frame, body, bottom, &self.world.look);
        }
    }
}

fn is_everywhere(action: Action) -> bool {
    action.info().is_some_and(|info| info.everywhere)
}
