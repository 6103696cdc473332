//! The interface over a recording, driven by keys: what it shows, and its pictures in the documentation.

use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use mirrorscope_engine::page::FlowQuery;
use mirrorscope_tui::app::{App, Options};
use mirrorscope_tui::data::{Answer, Ask, InputState};
use mirrorscope_tui::event::{Event, Request};
use mirrorscope_tui::keys;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};

use super::driver::{Watched, sample};
use super::svg;

/// Size of the pictures: wide enough for all columns, and still readable on a page.
const PICTURE: (u16, u16) = (120, 36);

/// The interface, and the analysis behind it.
struct Screen {
    watched: Watched,
    app: App,
    terminal: Terminal<TestBackend>,
    /// Questions that are not answered yet, besides that for flows.
    open: usize,
    /// The flows that were asked for last.
    asked: Option<FlowQuery>,
    /// Those that are known, once all is read.
    known: Option<FlowQuery>,
}

impl Screen {
    /// Opens it over a recording, and waits until that is read.
    fn over(name: &str, (width, height): (u16, u16)) -> Self {
        // Tests run in the package's folder; names are shown as they are given.
        let file = format!("samples/{name}");
        let arguments = ["--sites", "samples/two-sites.toml", &file];
        let mut screen = Self {
            watched: Watched::start(&arguments),
            app: App::new(Options::default()),
            terminal: Terminal::new(TestBackend::new(width, height)).unwrap(),
            open: 0,
            asked: None,
            known: None,
        };
        let requests = screen.app.start();
        screen.take(requests);
        screen.settle();
        screen
    }

    /// Presses keys by their names, and waits for what they ask for.
    fn keys<const N: usize>(&mut self, names: [&str; N]) -> &mut Self {
        for name in names {
            let key = keys::parse(name).unwrap();
            self.press(KeyEvent::new(*key.codes.first(), key.modifiers));
        }
        self
    }

    /// Types a text.
    fn text(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            self.press(KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE));
        }
        self
    }

    fn press(&mut self, key: KeyEvent) {
        self.send(Event::Key(key));
        self.settle();
    }

    fn send(&mut self, event: Event) {
        let requests = self.app.update(Duration::ZERO, event);
        self.take(requests);
    }

    fn take(&mut self, requests: Vec<Request>) {
        for request in requests {
            let Request::Ask(ask) = request else { continue };
            match &ask {
                Ask::Flows(query) => self.asked = Some(query.clone()),
                Ask::Quit | Ask::ReloadSites => {}
                _ => self.open += 1,
            }
            self.watched.ask(ask);
        }
    }

    fn settle(&mut self) {
        while self.open > 0
            || self.known.is_none()
            || self.asked.is_some() && self.asked != self.known
        {
            let mut answer = self.watched.wait(Some);
            match &mut answer {
                Answer::Snapshot(latest) => {
                    let Some(snapshot) = latest.take() else {
                        continue;
                    };
                    let done = matches!(&snapshot.input, InputState::Files { done: true, .. });
                    self.known = done.then(|| snapshot.flows.query.clone());
                    *latest = snapshot.into();
                }
                Answer::Notice(..) | Answer::Failed(_) => {}
                _ => self.open -= 1,
            }
            self.send(Event::Answer(Box::new(answer)));
        }
    }

    fn buffer(&mut self) -> &Buffer {
        self.terminal.draw(|frame| self.app.draw(frame)).unwrap();
        self.terminal.backend().buffer()
    }

    /// What it shows as text.
    fn shown(&mut self) -> String {
        let buffer = self.buffer();
        let width = usize::from(buffer.area.width);
        let rows = buffer.content().chunks(width);
        let lines = rows.map(|row| row.iter().map(Cell::symbol).collect::<String>());
        lines
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect()
    }
}

/// A picture of the documentation; `UPDATE_PICTURE=1` writes it anew.
fn picture(name: &str, screen: &mut Screen) -> Option<PathBuf> {
    let path = sample("..").join(format!("docs/watch-{name}.svg"));
    let drawn = svg::picture(screen.buffer());
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        std::fs::write(&path, &drawn).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    (committed != drawn).then_some(path)
}

#[test]
fn the_pictures_are_what_is_really_shown() {
    let mut screen = Screen::over("asymmetric-strict.pcap", PICTURE);
    let mut old = Vec::new();
    old.extend(picture("overview", &mut screen));
    old.extend(picture("sessions", screen.keys(["2"])));
    old.extend(picture("flows", screen.keys(["3"])));
    old.extend(picture("endpoints", screen.keys(["5"])));
    old.extend(picture("findings", screen.keys(["4"])));
    old.extend(picture("help", screen.keys(["?"])));
    old.extend(picture("finding", screen.keys(["esc", "enter"])));
    old.extend(picture("flow", screen.keys(["enter"])));
    old.extend(picture("packet", screen.keys(["enter"])));
    // Another flow, in which something was said.
    old.extend(picture("stream", screen.keys(["3", "enter", "t"])));
    assert!(
        old.is_empty(),
        "{old:?} are old: run the tests with UPDATE_PICTURE=1"
    );
}

#[test]
fn enter_leads_from_the_finding_to_the_packet_that_the_firewall_cannot_match() {
    for size in [(80, 24), (120, 40), (200, 60)] {
        let mut screen = Screen::over("asymmetric-strict.pcap", size);
        let finding = screen.keys(["4", "enter"]).shown();
        assert!(
            finding.contains("10.20.0.50: requests pass dc1, answers leave by dc2"),
            "{finding}"
        );
        // A small screen has to be scrolled to the flows.
        let told = "rqnxpnC7wp  tcp 10.9.0.10:40006 > 10.20.0.50:80  asymmetric";
        assert!(size.1 < 40 || finding.contains(told), "{finding}");
        let flow = screen.keys(["enter"]).shown();
        assert!(flow.contains("SYN ACK ✖ no connection to"), "{flow}");
        assert!(
            flow.contains("no connection to match – SYN-ACK without"),
            "{flow}"
        );
        let packet = screen.keys(["enter"]).shown();
        // As the switch of the other site mirrored it at its firewall.
        assert!(packet.contains("ERSPAN III  session 201"), "{packet}");
        assert!(packet.contains("SYN ACK"), "{packet}");
        let back = screen.keys(["esc"]).shown();
        assert_eq!(back, flow, "back where it was");
    }
}

#[test]
fn a_stream_is_searched_and_shown_in_both_forms() {
    let mut screen = Screen::over("asymmetric-strict.pcap", (120, 40));
    let stream = screen.keys(["3", "enter", "t"]).shown();
    assert!(stream.contains("\n> 8 bytes  < 600 bytes"), "{stream}");
    assert!(
        stream.contains("\n> GET 600\n< 00000000 mirrorscope lab"),
        "{stream}"
    );
    let found = screen
        .keys(["s"])
        .text("0575 MIRROR")
        .keys(["enter"])
        .shown();
    assert!(found.contains("line 25 of 25, byte 575"), "{found}");
    assert!(found.contains("1 hit of “0575 MIRROR”"), "{found}");
    let hex = screen.keys(["x"]).shown();
    assert!(hex.contains("< 00000230  69 72 72 6f 72"), "{hex}");
    let hex = screen.keys(["home"]).shown();
    assert!(hex.contains("> 00000000  47 45 54 20 36 30 30 0a"), "{hex}");
}
