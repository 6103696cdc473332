//! Pieces of a stream put together where nothing came between.

use mirrorscope_engine::stream::{Cause, Note};
use mirrorscope_engine::time::Timestamp;

use crate::data::{Content, Piece};
use crate::view::words::count;

/// What one side said without the other one in between, or something about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) from_originator: bool,
    /// Time of its first piece.
    pub(super) time: Option<Timestamp>,
    /// Place of its first byte in what that side said.
    pub(super) offset: u64,
    pub(super) body: Body,
}

/// What a chunk is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Bytes.
    Data(Vec<u8>),
    /// Missing bytes, in words.
    Gap(String),
    /// A note, in words.
    Note(&'static str),
}

impl Chunk {
    /// Bytes that are there.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.body {
            Body::Data(bytes) => bytes,
            Body::Gap(_) | Body::Note(_) => &[],
        }
    }

    pub(super) fn len(&self) -> u64 {
        self.bytes().len() as u64
    }

    /// Its bytes as text for the clipboard: what is neither printable nor a line's end becomes a dot.
    pub(super) fn text(&self) -> Option<String> {
        let letter = |byte: &u8| match byte {
            b'\n' | b'\t' | b' '..=b'~' => Some(char::from(*byte)),
            b'\r' => None,
            _ => Some('.'),
        };
        let text: String = self.bytes().iter().filter_map(letter).collect();
        (!text.is_empty()).then_some(text)
    }
}

/// Puts pieces together.
pub(super) fn chunks(pieces: &[Piece]) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::new();
    for piece in pieces {
        let body = match &piece.content {
            Content::Data(bytes) => {
                if let Some(last) = chunks.last_mut()
                    && last.from_originator == piece.from_originator
                    && last.offset + last.len() == piece.offset
                    && let Body::Data(before) = &mut last.body
                {
                    before.extend_from_slice(bytes);
                    continue;
                }
                Body::Data(bytes.clone())
            }
            Content::Gap(len, cause) => Body::Gap(format!(
                "{} missing: {}",
                count(*len, "byte"),
                because(*cause)
            )),
            Content::Note(note) => Body::Note(words(*note)),
        };
        chunks.push(Chunk {
            from_originator: piece.from_originator,
            time: piece.time,
            offset: piece.offset,
            body,
        });
    }
    chunks
}

/// Why bytes are missing.
fn because(cause: Cause) -> &'static str {
    match cause {
        Cause::NeverSeen => "seen by no point",
        Cause::MirrorLoss => "lost by the mirror",
        Cause::Truncated => "cut by the mirror or the capture",
        Cause::OutsideTheCapture => "outside the capture",
    }
}

/// What a reader should know.
fn words(note: Note) -> &'static str {
    match note {
        Note::Limit => "the rest is beyond the limit, and left out",
        Note::Conflict => "bytes came again with other values",
        Note::Late => "bytes came after their place had been given up",
        Note::BeyondEnd => "bytes behind the end (FIN or RST) are left out",
        Note::Elsewhere => "bytes far from all others are left out",
        Note::Urgent => "urgent data, which stays in its place",
        Note::Restarted => "another connection with the same ports",
        Note::Resynchronised => "the stream goes on elsewhere",
        Note::Memory => "a gap was given up early, for want of memory",
    }
}
