//! The input line at the bottom: for a filter, a search, a file name.

use std::path::PathBuf;

use crossterm::event::{KeyCode, KeyEvent};
use mirrorscope_engine::filter::{Filter, FilterError};
use mirrorscope_engine::finding::Severity;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::Outcome;
use super::complete::{Completion, complete};
use super::input::Typed;
use crate::data::{Export, ExportForm, FlowId};
use crate::look::{Look, Role};
use crate::view::Context;
use crate::widget::text::{clean, fit};

/// Filters that are remembered.
const REMEMBERED: usize = 100;

/// What was typed before, the latest last.
#[derive(Clone, Debug, Default)]
pub struct History(Vec<String>);

impl History {
    /// Texts that are known already.
    pub fn new(texts: Vec<String>) -> Self {
        let mut history = Self(texts);
        history.shorten();
        history
    }

    /// Remembers a text once, as the latest one.
    pub fn add(&mut self, text: &str) {
        if !text.is_empty() {
            self.0.retain(|known| known != text);
            self.0.push(text.to_owned());
            self.shorten();
        }
    }

    /// All of them, the latest last.
    pub fn texts(&self) -> &[String] {
        &self.0
    }

    fn shorten(&mut self) {
        let surplus = self.0.len().saturating_sub(REMEMBERED);
        self.0.drain(..surplus);
    }
}

/// What is asked for.
#[derive(Debug)]
enum For {
    Filter,
    Search,
    Export(Vec<FlowId>),
}

/// The input line.
#[derive(Debug)]
pub struct Prompt {
    what: For,
    typed: Typed,
    history: History,
    /// The place in the history; behind its end is what was typed.
    at: usize,
    /// What was typed before the history was walked.
    own: String,
    wrong: Option<FilterError>,
    offered: Completion,
    /// Which offer stands in the line, and what stood before the cursor instead.
    chosen: Option<(usize, String)>,
}

impl Prompt {
    fn new(what: For, text: &str, history: History) -> Self {
        Self {
            what,
            typed: Typed::new(text),
            at: history.texts().len(),
            history,
            own: String::new(),
            wrong: None,
            offered: Completion::default(),
            chosen: None,
        }
    }

    /// Asks for a filter.
    pub fn filter(text: &str, history: &History, cx: &Context<'_>) -> Self {
        let mut prompt = Self::new(For::Filter, text, history.clone());
        prompt.look(cx);
        prompt
    }

    /// Asks what to search for.
    pub fn search(history: &History) -> Self {
        Self::new(For::Search, "", history.clone())
    }

    /// Asks for the name of a file.
    pub fn export(flows: Vec<FlowId>) -> Self {
        Self::new(For::Export(flows), "flows.pcapng", History::default())
    }

    /// Lines of the screen that it takes.
    pub fn lines(&self) -> u16 {
        match self.what {
            For::Filter => 3,
            For::Search | For::Export(_) => 2,
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, cx: &Context<'_>) -> Outcome {
        match key.code {
            KeyCode::Esc => return self.leave(),
            KeyCode::Enter => return self.enter(),
            KeyCode::Tab => self.offer(true),
            KeyCode::BackTab => self.offer(false),
            KeyCode::Up => self.walk(self.at.saturating_sub(1)),
            KeyCode::Down => self.walk(self.at + 1),
            KeyCode::Char('c') if key.modifiers == crossterm::event::KeyModifiers::CONTROL => {
                return self.leave();
            }
            _ => {
                self.typed.key(key);
                self.chosen = None;
            }
        }
        self.changed(cx)
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str, cx: &Context<'_>) -> Outcome {
        self.typed.paste(text);
        self.chosen = None;
        self.changed(cx)
    }

    fn leave(&self) -> Outcome {
        match self.what {
            For::Search => Outcome::Forget,
            For::Filter | For::Export(_) => Outcome::Close,
        }
    }

    fn enter(&mut self) -> Outcome {
        let text = self.typed.text().trim().to_owned();
        match &self.what {
            For::Search => Outcome::Found(text),
            For::Filter if text.is_empty() || Filter::parse(&text).is_ok() => Outcome::Filter(text),
            For::Filter => Outcome::Stay,
            For::Export(_) if text.is_empty() => Outcome::Close,
            For::Export(flows) => Outcome::Export(Export {
                flows: flows.clone(),
                form: form(&text),
                path: place(&text),
            }),
        }
    }

    fn changed(&mut self, cx: &Context<'_>) -> Outcome {
        match self.what {
            For::Filter => self.look(cx),
            For::Search => return Outcome::Seek(self.typed.text().to_owned()),
            For::Export(_) => {}
        }
        Outcome::Stay
    }

    /// Reads what was typed so far, and looks for what may follow.
    fn look(&mut self, cx: &Context<'_>) {
        let text = self.typed.text();
        self.wrong = match text.trim() {
            "" => None,
            _ => Filter::parse(text).err(),
        };
        if self.chosen.is_none() {
            let (before, _) = self.typed.around();
            self.offered = complete(&before, cx.snapshot);
            if self.offered.words.is_empty() {
                self.offered = self.mended(before.chars().count());
            }
        }
    }

    /// What was probably meant by a wrong word that ends at the cursor.
    fn mended(&self, cursor: usize) -> Completion {
        let wrong = self.wrong.as_ref();
        let wrong = wrong.filter(|wrong| wrong.column() - 1 + wrong.length() == cursor);
        let suggestion = wrong.and_then(|wrong| Some((wrong.length(), wrong.suggestion()?)));
        suggestion.map_or_else(Completion::default, |(typed, word)| Completion {
            typed,
            words: vec![word.to_owned()],
        })
    }

    /// Puts the next offer into the line, or the one before.
    fn offer(&mut self, forward: bool) {
        let count = self.offered.words.len();
        if count == 0 {
            return;
        }
        let (before, behind) = self.typed.around();
        let (next, front) = match self.chosen.take() {
            Some((chosen, front)) if forward => ((chosen + 1) % count, front),
            Some((chosen, front)) => ((chosen + count - 1) % count, front),
            None => {
                let keep = before.chars().count().saturating_sub(self.offered.typed);
                let front = before.chars().take(keep).collect();
                (if forward { 0 } else { count - 1 }, front)
            }
        };
        if let Some(word) = self.offered.words.get(next) {
            let text = format!("{front}{word}");
            let cursor = text.chars().count();
            self.typed.set(text + &behind, cursor);
        }
        self.chosen = Some((next, front));
    }

    /// To a text of the history; behind its end to what was typed.
    fn walk(&mut self, to: usize) {
        let texts = self.history.texts();
        if self.at == texts.len() {
            self.typed.text().clone_into(&mut self.own);
        }
        self.at = to.min(texts.len());
        let text = texts.get(self.at).unwrap_or(&self.own).clone();
        let cursor = text.chars().count();
        self.typed.set(text, cursor);
        self.chosen = None;
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look) {
        let wrong = self
            .wrong
            .as_ref()
            .map(|wrong| (wrong.column() - 1, wrong.length()));
        match &self.what {
            For::Filter => {
                let rows = [Constraint::Length(1); 3];
                let [offers, said, line] = area.layout(&Layout::vertical(rows));
                self.draw_offers(frame, offers, look);
                let said_text = match &self.wrong {
                    Some(wrong) => Line::styled(fault(wrong, look), look.style(Role::Warning)),
                    None => Line::styled(
                        " tab: complete   enter: choose   empty: all flows   up: earlier   esc: leave",
                        look.style(Role::Faint),
                    ),
                };
                frame.render_widget(said_text, said);
                self.typed.draw(frame, line, "filter", wrong, look);
            }
            For::Search => {
                let rows = [Constraint::Length(1); 2];
                let [said, line] = area.layout(&Layout::vertical(rows));
                let text = " enter: keep the hits, then n and N lead to them   esc: leave";
                frame.render_widget(Line::styled(text, look.style(Role::Faint)), said);
                self.typed.draw(frame, line, "search", None, look);
            }
            For::Export(flows) => {
                let rows = [Constraint::Length(1); 2];
                let [said, line] = area.layout(&Layout::vertical(rows));
                let what = match form(self.typed.text()) {
                    ExportForm::Pcapng => "packets without encapsulation; any other ending: a page",
                    ExportForm::Page => "a page of text (.html: for a browser, .pcapng: packets)",
                };
                let flows = match flows.len() {
                    1 => "1 flow".to_owned(),
                    number => format!("{number} flows"),
                };
                let text = format!(" {flows} as {what}   esc: leave");
                frame.render_widget(Line::styled(text, look.style(Role::Faint)), said);
                self.typed.draw(frame, line, "export to", None, look);
            }
        }
    }

    fn draw_offers(&self, frame: &mut Frame<'_>, area: Rect, look: &Look) {
        let chosen = self.chosen.as_ref().map(|(chosen, _)| *chosen);
        let mut spans = vec![Span::raw(" ")];
        let mut left = usize::from(area.width).saturating_sub(2);
        // The chosen one is among those that are shown.
        let from = chosen.map_or(0, |chosen| chosen.saturating_sub(3));
        for (index, word) in self.offered.words.iter().enumerate().skip(from) {
            let word = fit(&clean(word, look.signs), 40, look.signs);
            if word.width() + 2 > left {
                spans.push(Span::styled(look.signs.more(), look.style(Role::Faint)));
                break;
            }
            left -= word.width() + 2;
            let role = if chosen == Some(index) {
                Role::Selected
            } else {
                Role::Info
            };
            spans.push(Span::styled(word, look.style(role)));
            spans.push(Span::raw("  "));
        }
        frame.render_widget(Line::from(spans), area);
    }
}

/// What is wrong with a filter, in one line.
fn fault(wrong: &FilterError, look: &Look) -> String {
    let text = wrong.to_string();
    let first = text.lines().next().unwrap_or_default();
    format!(
        " {} {}",
        look.signs.severity(Severity::Warning),
        look.signs.text(first)
    )
}

/// The path that a text means: `~/` is the home directory, as in a shell.
fn place(text: &str) -> PathBuf {
    let home = || etcetera::home_dir().ok();
    let at_home = text.strip_prefix("~/").zip(home());
    at_home.map_or_else(|| PathBuf::from(text), |(rest, home)| home.join(rest))
}

/// The form that a file's name asks for.
fn form(name: &str) -> ExportForm {
    let name = name.trim().to_ascii_lowercase();
    if name.ends_with(".pcapng") {
        ExportForm::Pcapng
    } else {
        ExportForm::Page
    }
}
