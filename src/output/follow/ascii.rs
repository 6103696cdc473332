//! The text of a stream, safe to look at.

use std::io::Write;

use anyhow::Result;
use mirrorscope_engine::flow::Side;

use super::{Conversation, Item, Replay, gap_line, head, mark, meaning, note_line};
use crate::output::Screen;

/// Writes a stream as text, both directions in the order of time, each line with the mark of its direction. What is
/// neither printable ASCII nor a line's end or a tab becomes a dot, so that nothing can act on a terminal.
pub fn ascii(
    out: &mut dyn Write,
    screen: Screen,
    about: &Conversation,
    stream: &mut dyn Replay,
) -> Result<()> {
    head(out, screen, about)?;
    let mut lines = Lines {
        out,
        screen,
        line: String::new(),
        side: None,
        carriage: [false; 2],
    };
    stream.replay(&mut |item| match item {
        Item::Data { side, bytes, .. } => lines.add(side, bytes),
        Item::Gap(gap) => {
            lines.end()?;
            lines.carriage = [false; 2];
            Ok(writeln!(lines.out, "{}", gap_line(screen, &gap))?)
        }
        Item::Note { side, offset, note } => {
            lines.end()?;
            let line = note_line(screen, side, offset, note);
            Ok(writeln!(lines.out, "{line}")?)
        }
    })?;
    lines.end()
}

/// Longest line that is gathered before it is written.
const PART: usize = 4096;

struct Lines<'a> {
    out: &'a mut dyn Write,
    screen: Screen,
    /// What stands in the open line and is not written yet.
    line: String,
    /// Whose line is open.
    side: Option<Side>,
    /// A carriage return was last; with a line feed it is the end of a line.
    carriage: [bool; 2],
}

impl Lines<'_> {
    fn add(&mut self, side: Side, bytes: &[u8]) -> Result<()> {
        if self.side.is_some_and(|open| open != side) {
            self.end()?;
        }
        for &byte in bytes {
            let returned = self.carriage.get_mut(side).is_some_and(std::mem::take);
            if returned && byte != b'\n' {
                self.push(side, '.')?;
            }
            match byte {
                b'\n' => {
                    self.open(side)?;
                    self.end()?;
                }
                b'\r' => {
                    if let Some(carriage) = self.carriage.get_mut(side) {
                        *carriage = true;
                    }
                }
                b'\t' | b' '..=b'~' => self.push(side, char::from(byte))?,
                _ => self.push(side, '.')?,
            }
        }
        Ok(())
    }

    fn open(&mut self, side: Side) -> Result<()> {
        if self.side.is_none() {
            self.side = Some(side);
            write!(self.out, "{} ", mark(side))?;
        }
        Ok(())
    }

    fn push(&mut self, side: Side, character: char) -> Result<()> {
        self.open(side)?;
        self.line.push(character);
        if self.line.len() >= PART {
            self.write(side)?;
        }
        Ok(())
    }

    fn write(&mut self, side: Side) -> Result<()> {
        if !self.line.is_empty() {
            let painted = self.screen.theme.paint(meaning(side), &self.line);
            self.out.write_all(painted.as_bytes())?;
            self.line.clear();
        }
        Ok(())
    }

    /// Ends the open line.
    fn end(&mut self) -> Result<()> {
        if let Some(side) = self.side {
            self.write(side)?;
            writeln!(self.out)?;
            self.side = None;
        }
        Ok(())
    }
}
