//! For tests: the interface over the samples, driven by keys as text, its screen as text.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};
use mirrorscope_capture::Files;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::Config;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::{Engine, report::FlowReport};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use crate::app::{App, Options};
use crate::data::{Answer, Ask, FlowPage, FlowQuery, FlowSort, InputState, Rate, Snapshot};
use crate::event::{Event, Request};

/// Where the samples are.
pub fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples")
}

/// An engine that has read a sample, with the sites file of the lab.
pub fn engine(sample: &str) -> (Engine, VecDeque<Rate>) {
    let sites = std::fs::read_to_string(samples().join("two-sites.toml")).unwrap();
    let config = Config {
        sites: Sites::parse(&sites).unwrap(),
        ..Config::default()
    };
    let mut engine = Engine::new(config, Registry::default());
    let path = samples().join(format!("{sample}.pcap"));
    let mut files = Files::open(&[path], Arc::default()).unwrap();
    let mut rates = VecDeque::new();
    let mut second = None;
    loop {
        let mut any = false;
        for frame in files.next_frames(32) {
            any = true;
            let link = LinkType::from_number(frame.origin.link_type).unwrap();
            engine
                .receiver()
                .name_interface(frame.interface, &frame.origin.source, None);
            if second.replace(frame.time / SECOND) != Some(frame.time / SECOND) {
                rates.push_back(Rate::default());
            }
            let rate = rates.back_mut().unwrap();
            rate.frames += 1;
            rate.bytes += u64::from(frame.wire_len);
            engine.frame(&Frame {
                time: Timestamp(frame.time),
                wire_len: frame.wire_len,
                link,
                interface: frame.interface,
                number: frame.number,
                bytes: frame.bytes,
            });
        }
        if !any {
            break;
        }
    }
    engine.finish();
    (engine, rates)
}

/// The flows of a query, by the simplest means.
pub fn page(engine: &Engine, query: &FlowQuery) -> FlowPage {
    let mut rows = Vec::new();
    let mut take = |flow: FlowReport| -> Result<(), Infallible> {
        rows.push(flow);
        Ok(())
    };
    match &query.filter {
        Some(filter) => engine.flows_matching(filter, &mut take),
        None => engine.flows(&mut take),
    }
    .unwrap();
    rows.sort_by(|a, b| {
        let order = match query.sort {
            FlowSort::First => a.first.cmp(&b.first),
            FlowSort::Last => a.last.cmp(&b.last),
            FlowSort::Source => (a.src, a.sport).cmp(&(b.src, b.sport)),
            FlowSort::Destination => (a.dst, a.dport).cmp(&(b.dst, b.dport)),
            FlowSort::Protocol => a.proto.cmp(&b.proto),
            FlowSort::Verdict => (b.verdict as u8).cmp(&(a.verdict as u8)),
            FlowSort::State => a.state.cmp(b.state),
            FlowSort::Packets => {
                (a.orig.packets + a.resp.packets).cmp(&(b.orig.packets + b.resp.packets))
            }
            FlowSort::Bytes => (a.orig.bytes + a.resp.bytes).cmp(&(b.orig.bytes + b.resp.bytes)),
            FlowSort::Duration => a.last.since(a.first).cmp(&b.last.since(b.first)),
            FlowSort::Points => a.points.len().cmp(&b.points.len()),
        };
        let order = order.then_with(|| a.serial.cmp(&b.serial));
        if query.descending {
            order.reverse()
        } else {
            order
        }
    });
    let matching = rows.len();
    let window = query.window.start.min(matching)..query.window.end.min(matching);
    FlowPage {
        query: query.clone(),
        matching,
        total: engine.flow_count(),
        rows: rows.drain(window).collect(),
    }
}

/// What is known of a sample that was read to its end.
pub fn snapshot(
    sample: &str,
    engine: &Engine,
    rates: &VecDeque<Rate>,
    flows: FlowPage,
) -> Snapshot {
    let report = engine.report();
    Snapshot {
        generation: 1,
        input: InputState::Files {
            names: vec![format!("{sample}.pcap")],
            read: report.totals.bytes,
            total: Some(report.totals.bytes),
            done: true,
            problems: Vec::new(),
        },
        report,
        flows,
        endpoints: engine.endpoints(),
        rates: rates.clone(),
    }
}

/// The interface over a sample.
pub struct Driver {
    pub app: App,
    pub terminal: Terminal<TestBackend>,
    pub snapshot: Snapshot,
    engine: Engine,
    /// What the interface wanted that is not answered here.
    pub requests: Vec<Request>,
    now: Duration,
}

impl Driver {
    /// Opens the interface on a screen of that size.
    pub fn new(sample: &str, (width, height): (u16, u16)) -> Self {
        Self::with(sample, (width, height), Options::default())
    }

    /// The same, in another way.
    pub fn with(sample: &str, (width, height): (u16, u16), options: Options) -> Self {
        let (engine, rates) = engine(sample);
        let snapshot = snapshot(sample, &engine, &rates, FlowPage::default());
        let mut driver = Self {
            app: App::new(options),
            terminal: Terminal::new(TestBackend::new(width, height)).unwrap(),
            snapshot,
            engine,
            requests: Vec::new(),
            now: Duration::ZERO,
        };
        let requests = driver.app.start();
        driver.take(requests);
        driver.publish();
        driver
    }

    /// Publishes the snapshot anew.
    pub fn publish(&mut self) {
        self.snapshot.generation += 1;
        let snapshot = Arc::new(self.snapshot.clone());
        self.send(Event::Answer(Box::new(Answer::Snapshot(snapshot.into()))));
    }

    /// Lets something happen.
    pub fn send(&mut self, event: Event) {
        let requests = self.app.update(self.now, event);
        self.take(requests);
    }

    fn take(&mut self, requests: Vec<Request>) {
        for request in requests {
            match request {
                Request::Ask(Ask::Flows(query)) => {
                    self.snapshot.flows = page(&self.engine, &query);
                    self.publish();
                }
                Request::Ask(Ask::Reports(ids)) => {
                    let all = FlowQuery {
                        window: 0..usize::MAX,
                        ..FlowQuery::default()
                    };
                    let mut reports = page(&self.engine, &all).rows;
                    reports.retain(|flow| ids.contains(&flow.id));
                    self.send(Event::Answer(Box::new(Answer::Reports(ids, reports))));
                }
                other => self.requests.push(other),
            }
        }
    }

    /// Lets time pass.
    pub fn wait(&mut self, time: Duration) {
        self.now += time;
        self.send(Event::Tick);
    }

    /// Presses keys, by their names: `f`, `enter`, `ctrl-c`.
    pub fn keys<const N: usize>(&mut self, keys: [&str; N]) -> &mut Self {
        for key in keys {
            let key = crate::keys::parse(key).unwrap_or_else(|| panic!("{key}"));
            let event = KeyEvent::new(*key.codes.first(), key.modifiers);
            self.send(Event::Key(event));
        }
        self
    }

    /// Types a text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for letter in text.chars() {
            let event = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
            self.send(Event::Key(event));
        }
        self
    }

    /// Does something with the mouse.
    pub fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) -> &mut Self {
        self.send(Event::Mouse(MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        }));
        self
    }

    /// Changes the size of the screen.
    pub fn resize(&mut self, width: u16, height: u16) -> &mut Self {
        self.terminal.backend_mut().resize(width, height);
        self.send(Event::Resized);
        self
    }

    /// What the screen shows.
    pub fn buffer(&mut self) -> Buffer {
        self.terminal.draw(|frame| self.app.draw(frame)).unwrap();
        self.terminal.backend().buffer().clone()
    }

    /// The same as text, without blanks at the ends of lines.
    pub fn screen(&mut self) -> String {
        let buffer = self.buffer();
        let width = usize::from(buffer.area.width).max(1);
        let line = |cells: &[ratatui::buffer::Cell]| {
            let text: String = cells.iter().map(ratatui::buffer::Cell::symbol).collect();
            text.trim_end().to_owned()
        };
        let lines: Vec<String> = buffer.content().chunks(width).map(line).collect();
        lines.join("\n")
    }
}
