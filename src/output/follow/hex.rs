//! The bytes of a stream in hexadecimal, as `xxd -g1` has them.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Result;

use super::{Conversation, Item, Replay, gap_line, head, mark, meaning, note_line};
use crate::output::Screen;

/// Bytes on a line.
const ROW: usize = 16;

/// Writes a stream as offsets, hexadecimal and text, both directions in the order of time. Offsets are those of the
/// direction; what came together begins a line of its own.
pub fn hex(
    out: &mut dyn Write,
    screen: Screen,
    about: &Conversation,
    stream: &mut dyn Replay,
) -> Result<()> {
    head(out, screen, about)?;
    let mut row = String::with_capacity(80);
    stream.replay(&mut |item| {
        match item {
            Item::Data {
                side,
                offset,
                bytes,
                ..
            } => {
                for (offset, bytes) in (offset..).step_by(ROW).zip(bytes.chunks(ROW)) {
                    row.clear();
                    let _ = write!(row, "{} {offset:08x}  ", mark(side));
                    for place in 0..ROW {
                        match bytes.get(place) {
                            Some(byte) => {
                                let _ = write!(row, "{byte:02x} ");
                            }
                            None => row.push_str("   "),
                        }
                    }
                    row.push(' ');
                    row.extend(bytes.iter().map(|byte| match byte {
                        b' '..=b'~' => char::from(*byte),
                        _ => '.',
                    }));
                    writeln!(out, "{}", screen.theme.paint(meaning(side), &row))?;
                }
            }
            Item::Gap(gap) => writeln!(out, "{}", gap_line(screen, &gap))?,
            Item::Note { side, offset, note } => {
                writeln!(out, "{}", note_line(screen, side, offset, note))?;
            }
        }
        Ok(())
    })
}
