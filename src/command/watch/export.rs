//! Flows into files: their packets without encapsulation, or a page of what is known of them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Error, Result, bail};
use mirrorscope_capture::Files;
use mirrorscope_capture::writer::{Format, OutputFile, Rotation};
use mirrorscope_engine::Engine;
use mirrorscope_engine::flow::FlowKey;
use mirrorscope_engine::one::OneFlow;
use mirrorscope_engine::page::FlowPage;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::receive::Mirrored;
use mirrorscope_engine::report::{FlowReport, Report};
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::track::{Tracked, Tracker};
use mirrorscope_tui::data::Weight;

use crate::cli::Keep;
use crate::command::decap::Decap;
use crate::command::decap::gate::Gate;
use crate::command::decap::output::{Outgoing, Output, Settings};
use crate::command::decap::verdicts::{Verdicts, comment};
use crate::command::replay::ladder;
use crate::command::replay::{Replay, Source};
use crate::html;
use crate::output::text::{count, findings as write_findings, heading};
use crate::output::{Screen, detail};
use crate::pipeline::{Teller, read_files};

/// Nothing is overwritten that somebody did not ask to be overwritten.
pub fn refuse_existing(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        bail!("{}: is there already; choose another name", path.display());
    }
    Ok(())
}

/// Packets of flows that are to be written.
pub struct Packets {
    /// Where.
    pub path: PathBuf,
    /// The flows.
    pub flows: Vec<OneFlow>,
    /// Frames, theirs among them.
    pub source: Source,
    /// Where all frames are, if some are not at hand any more.
    pub whole: Option<Whole>,
}

/// All input, to be read from its beginning.
pub struct Whole {
    /// The files.
    pub files: Vec<PathBuf>,
    /// Frames of them.
    pub count: u64,
    /// Nobody wants it any more.
    pub stop: Arc<AtomicBool>,
}

impl Packets {
    /// Writes them; says what was written.
    pub fn write(mut self) -> Result<String> {
        refuse_existing(&self.path)?;
        let settings = Settings {
            path: &self.path,
            format: Format::Pcapng,
            rotation: Rotation::default(),
            snaplen: None,
            keep: Keep::Inner,
            filter: String::new(),
            names: Arc::clone(&self.source.config.names),
            live: None,
        };
        let output = Output::new(&settings, &[])?;
        let mut verdicts = Verdicts::default();
        for flow in &self.flows {
            verdicts.add(&flow.report);
        }
        let incomplete = self.whole.is_some();
        let again = self.whole.take().filter(Whole::can_be_read);
        let gone = incomplete && again.is_none();
        let written = if let Some(whole) = again {
            let registry = Registry::default();
            let engine = Engine::new(self.source.config.clone(), Arc::clone(&registry));
            let mut decap = Decap::of_flows(engine, verdicts, output);
            whole.read(&registry, &mut decap)?;
            decap.finish()?
        } else {
            self.write_kept(output)?
        };
        let mut told = format!(
            "{}: {} of {}",
            printable(&self.path.to_string_lossy()),
            count(written, "packet"),
            count(self.flows.len() as u64, "flow")
        );
        if gone {
            told.push_str("; the oldest are not here any more (--keep-packets)");
        }
        Ok(told)
    }

    /// Writes those that are at hand; tells how many.
    fn write_kept(&mut self, mut output: Output) -> Result<u64> {
        let mut engine = self.source.engine();
        let serials: Vec<u64> = self.flows.iter().map(|flow| flow.serial).collect();
        // The numbers of flows are others here. Of two with the same ends nobody knows whose a packet is.
        let mut comments: HashMap<FlowKey, Option<String>> = HashMap::new();
        for flow in &self.flows {
            let comment = Some(comment(&flow.report));
            let known = comments.entry(flow.key);
            known.and_modify(|known| *known = None).or_insert(comment);
        }
        let wanted =
            |taken: Option<Tracked>, flows: &Tracker| comments.get(&flows.flow(taken?)?.key);
        let mut gate = Gate::new(true);
        let mut result = Ok(());
        let frames = &mut self.source.frames;
        for number in frames.of(&serials) {
            let taken = frames.fetch(number, |frame| {
                output.arrived(frame.time);
                engine.frame_with(frame, |mirrored, taken, flows| {
                    let wanted = wanted(taken, flows);
                    if gate.admits(mirrored, Some(wanted.is_some())) {
                        output.keep(&mut result, &inner(mirrored, wanted));
                    }
                });
            });
            taken.map_err(Error::msg)?;
        }
        engine.finish_with(|mirrored, taken, flows| {
            let wanted = wanted(taken, flows);
            if gate.admits(mirrored, Some(wanted.is_some())) {
                output.keep(&mut result, &inner(mirrored, wanted));
            }
        });
        result?;
        output.finish()?;
        Ok(output.written())
    }
}

/// A packet without the frame that brought it, and what is said of its flow.
fn inner<'a>(mirrored: &'a Mirrored<'a>, comment: Option<&'a Option<String>>) -> Outgoing<'a> {
    Outgoing {
        mirrored,
        frames: &[],
        comment: comment.and_then(Option::as_deref),
    }
}

impl Whole {
    /// Whether all of it can be read once more: it is of ordinary files.
    fn can_be_read(&self) -> bool {
        let is_file = |path: &PathBuf| path.is_file();
        !self.files.is_empty() && self.files.iter().all(is_file)
    }

    fn read(self, registry: &Registry, decap: &mut Decap) -> Result<()> {
        let mut files = Files::open(&self.files, self.stop)?;
        read_files(&mut files, self.count, registry, decap, &mut Silent)?;
        Ok(())
    }
}

/// What there is to tell of the files was told before.
struct Silent;

impl Teller for Silent {
    fn tell(&mut self, _weight: Weight, _text: &str) {}
}

/// Flows whose packets a page for a browser shows.
pub const LADDERS: usize = 3;

/// Whether a file is to hold a page for a browser.
pub fn is_html(path: &Path) -> bool {
    let endings = ["html", "htm"];
    let ending = path.extension();
    ending.is_some_and(|ending| endings.iter().any(|one| ending.eq_ignore_ascii_case(one)))
}

/// What is known of some flows, to be written as a page.
pub struct Pages {
    /// Where.
    pub path: PathBuf,
    /// The flows.
    pub flows: Vec<FlowReport>,
    /// The findings that they have a part in, and what was received.
    pub report: Report,
    /// How to see the packets of some of them once more.
    pub replays: Vec<Replay>,
}

impl Pages {
    /// Writes it: for a browser, if the name says so, else as text. Says what was written.
    pub fn write(self) -> Result<String> {
        refuse_existing(&self.path)?;
        let told = format!(
            "{}: {}",
            printable(&self.path.to_string_lossy()),
            count(self.flows.len() as u64, "flow")
        );
        let mut file = OutputFile::create(&self.path)?;
        if is_html(&self.path) {
            self.into_page().write(&mut file)?;
        } else {
            self.write_text(&mut file)?;
        }
        file.commit()?;
        Ok(told)
    }

    fn write_text(&self, file: &mut OutputFile) -> Result<()> {
        let screen = Screen::of_file();
        let mut pages = detail::Pages::new(screen);
        for flow in &self.flows {
            pages.add(file, flow)?;
        }
        pages.finish(file)?;
        if !self.report.findings.is_empty() {
            heading(file, screen, "Findings")?;
            write_findings(file, screen, &self.report.findings)?;
        }
        Ok(())
    }

    fn into_page(self) -> html::Page {
        let all = self.flows.len();
        let mut rows = self.flows;
        rows.truncate(html::LISTED);
        html::Page {
            input: Vec::new(),
            flows: FlowPage {
                matching: all,
                total: all,
                rows,
                ..FlowPage::default()
            },
            report: self.report,
            endpoints: Vec::new(),
            ladders: self.replays.into_iter().map(ladder).collect(),
        }
    }
}
