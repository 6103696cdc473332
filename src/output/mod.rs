//! Output formats, one a file; each turns values of the engine into bytes and knows nothing of packets.

pub mod csv;
pub mod detail;
pub mod eve;
pub mod flags;
pub mod follow;
pub mod host;
pub mod live;
pub mod sites;
pub mod syslog;
pub mod table;
pub mod text;
pub mod zeek;

use std::io::{self, BufWriter, IsTerminal, Write, stdout};

use anyhow::{Context, Result};
use mirrorscope_engine::point::printable;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_tui::theme::{Meaning, Theme};
use serde::Serialize;

/// Columns where nothing tells: a file, a pipe.
const DEFAULT_WIDTH: u16 = 100;
/// Narrower than this, lines are broken as if it were this wide.
const MIN_WIDTH: u16 = 40;

/// Where text for people goes: its width, and whether it has colours.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Columns.
    pub width: u16,
    /// Colours.
    pub theme: Theme,
}

impl Screen {
    /// A file, which has neither colours nor columns.
    pub fn of_file() -> Self {
        Self {
            width: DEFAULT_WIDTH,
            theme: Theme::plain(),
        }
    }

    /// Standard output as it is. `COLUMNS` overrides the width, as shells set it.
    fn of_stdout() -> Self {
        let asked = std::env::var("COLUMNS")
            .ok()
            .and_then(|columns| columns.parse().ok());
        let terminal = || {
            let size = stdout()
                .is_terminal()
                .then(crossterm::terminal::size)
                .and_then(io::Result::ok);
            size.map(|(columns, _)| columns)
        };
        let width = asked.or_else(terminal).unwrap_or(DEFAULT_WIDTH);
        Self {
            width: width.max(MIN_WIDTH),
            theme: Theme::of(&stdout()),
        }
    }
}

/// Hands standard output, buffered, to `fill`.
pub fn write(fill: impl FnOnce(&mut dyn Write, Screen) -> Result<()>) -> Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, stdout().lock());
    fill(&mut out, Screen::of_stdout())
        .and_then(|()| Ok(out.flush()?))
        .context("standard output")
}

/// Of several views for people, the line that tells when one was taken.
pub fn moment(out: &mut dyn Write, screen: Screen, at: Option<Timestamp>) -> Result<()> {
    let Some(at) = at else {
        return Ok(());
    };
    let head = format!("── {} ", at.to_seconds());
    let rest = usize::from(screen.width).saturating_sub(head.chars().count());
    let line = head + &"─".repeat(rest);
    writeln!(out, "{}", screen.theme.paint(Meaning::Heading, &line))?;
    Ok(())
}

/// Writes one JSON document.
pub fn document(out: &mut dyn Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// Writes one JSON object in a line of its own.
pub fn line(out: &mut dyn Write, value: &impl Serialize) -> Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")?;
    Ok(())
}

/// The same; of several lists that tells when it was taken, each object has the time as `at`.
pub fn line_at(out: &mut dyn Write, at: Option<Timestamp>, value: &impl Serialize) -> Result<()> {
    #[derive(Serialize)]
    struct Taken<'a, T> {
        at: Timestamp,
        #[serde(flatten)]
        value: &'a T,
    }
    match at {
        Some(at) => line(out, &Taken { at, value }),
        None => line(out, value),
    }
}

/// An error as it is told. File names and sites files may hold anything; line breaks are ours.
pub fn error_text(error: &anyhow::Error) -> String {
    let causes = error.chain().map(|cause| match cause.downcast_ref() {
        Some(cause) => cause_text(cause),
        None => cause.to_string(),
    });
    let text = causes.collect::<Vec<_>>().join(": ");
    let lines: Vec<String> = text.lines().map(printable).collect();
    lines.join("\n")
}

/// What the system said, as people read it; what others say is theirs.
pub fn cause_text(cause: &io::Error) -> String {
    match cause.raw_os_error() {
        Some(_) => mirrorscope_capture::plain(cause),
        None => cause.to_string(),
    }
}

/// Whether an error is only that nobody reads any more.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause
            .downcast_ref::<serde_json::Error>()
            .and_then(serde_json::Error::io_error_kind);
        let csv = cause
            .downcast_ref()
            .and_then(|error: &::csv::Error| match error.kind() {
                ::csv::ErrorKind::Io(error) => Some(error.kind()),
                _ => None,
            });
        io.or(json).or(csv) == Some(io::ErrorKind::BrokenPipe)
    })
}
