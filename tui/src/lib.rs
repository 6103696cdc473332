//! The terminal side of mirrorscope: the interface of `watch`, what colours mean, and the progress line.
//!
//! [`run`] draws and takes keys; the analysis runs elsewhere and talks to it through the types of [`data`]. [`app::App`] is all
//! of the interface but the terminal: events in, requests and a picture out.

pub mod action;
pub mod app;
mod chrome;
pub mod config;
pub mod data;
pub mod event;
#[cfg(test)]
pub(crate) mod fixture;
mod keyboard;
pub mod keys;
mod latest;
pub mod look;
mod overlay;
pub mod picture;
pub mod progress;
mod screens;
mod status;
mod terminal;
pub mod theme;
pub mod view;
pub mod widget;
mod world;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::{self as input, KeyEventKind};

use app::{App, Options};
use data::{Answer, Ask, Snapshot};
use event::{Event, Request};
use keyboard::Keyboard;
use terminal::Terminal;

/// Between two looks at what the analysis says, while no key is pressed.
const INTERVAL: Duration = Duration::from_millis(50);

/// Shows the interface until the user ends it, or the process is told to end. Then [`Ask::Quit`] was sent.
pub fn run(asks: Sender<Ask>, answers: Receiver<Answer>, options: Options) -> io::Result<()> {
    let mut terminal = Terminal::new(options.mouse)?;
    let result = attend(&mut terminal, &asks, &answers, options);
    // An analysis that has ended need not be told.
    let _ = asks.send(Ask::Quit);
    drop((asks, answers));
    result
}

fn attend(
    terminal: &mut Terminal,
    asks: &Sender<Ask>,
    answers: &Receiver<Answer>,
    options: Options,
) -> io::Result<()> {
    let start = Instant::now();
    let keyboard = Keyboard::new()?;
    // To free a large snapshot takes longer than to draw one, and keys should not wait for it.
    let (old, freed) = mpsc::channel();
    let _ = thread::Builder::new()
        .name("snapshots".to_owned())
        .spawn(move || freed.into_iter().for_each(drop::<Arc<Snapshot>>));
    let mut app = App::new(options);
    let mut requests = app.start();
    loop {
        for request in requests.drain(..) {
            match request {
                Request::Ask(ask) => drop(asks.send(ask)),
                Request::Copy(text) => {
                    let copied = terminal::copy(&text)?;
                    app.copied(copied);
                }
                Request::SaveTable(name, chosen) => {
                    let saved = config::save_table(name, &chosen);
                    app.saved(saved.map_err(|error| error.to_string()));
                }
                // Filters are kept for convenience: where that cannot be, nobody needs to be told each time.
                Request::Remember(filter) => drop(config::remember(&filter)),
                Request::Redraw => terminal.clear()?,
                Request::Suspend => {
                    terminal.suspend()?;
                    app.touch();
                }
                Request::Quit => return Ok(()),
            }
        }
        if app.changed() {
            terminal.draw(&mut app)?;
        }
        // All that is there already is taken before the next drawing.
        let mut wait = INTERVAL;
        loop {
            let event = match keyboard.next(wait) {
                Ok(Some(event)) => event,
                Ok(None) => break,
                // Of one that is gone nothing can be read.
                Err(_) if terminal.ended() => return Ok(()),
                Err(error) => return Err(error),
            };
            if let Some(event) = translate(event) {
                requests.extend(app.update(start.elapsed(), event));
            }
            if !requests.is_empty() {
                break;
            }
            wait = Duration::ZERO;
        }
        if terminal.ended() {
            return Ok(());
        }
        if terminal.resume()? {
            app.touch();
        }
        // An analysis that has ended says nothing more; what is known stays on the screen.
        while let Ok(answer) = answers.try_recv() {
            let before = app.shown();
            let event = Event::Answer(Box::new(answer));
            requests.extend(app.update(start.elapsed(), event));
            // Without that thread it is dropped here.
            drop(old.send(before));
        }
        requests.extend(app.update(start.elapsed(), Event::Tick));
    }
}

fn translate(event: input::Event) -> Option<Event> {
    match event {
        input::Event::Key(key) if key.kind != KeyEventKind::Release => Some(Event::Key(key)),
        input::Event::Mouse(mouse) => Some(Event::Mouse(mouse)),
        input::Event::Paste(text) => Some(Event::Paste(text)),
        input::Event::Resize(..) => Some(Event::Resized),
        _ => None,
    }
}
