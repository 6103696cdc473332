//! The interface without a terminal: events in, requests and a picture out.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crossterm::event::{KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};

use crate::action::Action;
use crate::chrome::{self, Chrome};
use crate::data::{Answer, Ask, Weight};
use crate::event::{Event, Request};
use crate::keys::KeyMap;
use crate::look::Look;
use crate::screens::Screens;
use crate::view::{self, Effect, Tables};
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
    /// Columns and order of tables.
    pub tables: Tables,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            look: Look::default(),
            keys: KeyMap::default(),
            mouse: true,
            tables: Tables::new(),
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
            world: World::new(options.look),
            screens: Screens::new(&options.tables),
            tables: options.tables,
            keys: options.keys,
            chrome: Chrome::default(),
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
            Event::Paste(_) => Vec::new(),
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
            Answer::Snapshot(snapshot) => {
                self.world.learn(snapshot);
                self.changed |= !self.world.held();
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
            action => self.at_top(|view, cx| view.act(action, cx)),
        }
    }

    fn turn(&mut self, turn: impl FnOnce(&mut Screens)) -> Vec<Request> {
        turn(&mut self.screens);
        self.at_top(|view, cx| view.resumed(cx))
    }

    /// Lets the screen at hand do something.
    fn at_top(
        &mut self,
        act: impl FnOnce(&mut dyn view::View, &view::Context<'_>) -> Vec<Effect>,
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
                    requests.extend(self.perform(effects));
                }
                Effect::Back => {
                    if self.screens.pop() {
                        requests.extend(self.at_top(|view, cx| view.resumed(cx)));
                    }
                }
                Effect::Ask(ask) => requests.push(Request::Ask(ask)),
                Effect::Copy(text) => requests.push(Request::Copy(text)),
                Effect::Export(_) => {}
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
        let rows = [
            Constraint::Length(1),
            Constraint::Min(0),
            Constraint::Length(1),
            Constraint::Length(1),
        ];
        let [head, body, status, keys] = area.layout(&Layout::vertical(rows));
        self.body = body;
        let context = self.world.context();
        self.chrome.head(frame, head, &self.screens, &context);
        if let Some(top) = self.screens.top() {
            top.draw(frame, body, &context);
        }
        chrome::status(frame, status, &self.world, self.notice.as_ref());
        let has = self.has();
        chrome::keys(frame, keys, &self.keys, &has, &self.world.look);
    }
}

fn is_everywhere(action: Action) -> bool {
    action.info().is_some_and(|info| info.everywhere)
}
