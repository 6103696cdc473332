//! What goes in, segments, and what comes out: data in order, gaps, notes.

use mirrorscope_dissectors::{Tcp, TcpFlags};
use serde::{Deserialize, Serialize};

use crate::flow::Side;
use crate::time::Timestamp;

/// One TCP segment, as any observation point saw it.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// When it passed.
    pub time: Timestamp,
    /// Number of SYN, else of the first byte.
    pub sequence: u32,
    /// Number expected next from the other side; only means something with ACK.
    pub acknowledgement: u32,
    /// Control bits.
    pub flags: TcpFlags,
    /// Options of the header, as far as they are there.
    pub options: &'a [u8],
    /// What is there of the payload.
    pub payload: &'a [u8],
    /// Length of the payload as it was sent, in bytes; more than is there if a mirror or the capture cut it.
    pub payload_len: u32,
}

impl<'a> Segment<'a> {
    /// A segment as it was dissected.
    pub fn new(tcp: &Tcp<'a>, time: Timestamp) -> Self {
        Self {
            time,
            sequence: tcp.sequence,
            acknowledgement: tcp.acknowledgement,
            flags: tcp.flags,
            options: tcp.options,
            payload: tcp.payload,
            payload_len: tcp.payload_len,
        }
    }
}

/// Something about one direction of a stream. Offsets count its bytes from 0; they ascend, and leave nothing out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The next bytes.
    Data {
        /// Who sent them.
        side: Side,
        /// When the segment passed that brought them; of many small ones that waited, the first.
        time: Timestamp,
        /// Place of the first byte.
        offset: u64,
        /// At least one byte.
        bytes: &'a [u8],
    },
    /// Bytes that will not come.
    Gap(Gap),
    /// Something that a reader should know. Each kind is told once for each direction; [`Counts`] has them all.
    Note {
        /// Whose direction.
        side: Side,
        /// When it happened.
        time: Timestamp,
        /// Bytes delivered or known to be missing before it.
        offset: u64,
        /// What.
        note: Note,
    },
    /// Nothing more will come of this direction.
    End {
        /// Whose direction.
        side: Side,
        /// Bytes delivered or known to be missing.
        offset: u64,
        /// What happened on the way.
        counts: Counts,
    },
}

/// Bytes of one direction that nobody saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Who sent them.
    pub side: Side,
    /// Place of the first byte.
    pub offset: u64,
    /// How many.
    pub len: u64,
    /// Time of the data before; `None` at the start.
    pub from: Option<Timestamp>,
    /// Time of the data after; `None` at the end.
    pub to: Option<Timestamp>,
    /// Why they are missing.
    pub cause: Cause,
}

/// Why bytes are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// No point saw them, and nothing here says why.
    NeverSeen,
    /// A mirror that should have shown them lost packets at that time, by its own sequence numbers.
    MirrorLoss,
    /// Their packet was seen, cut in front of them.
    Truncated,
    /// They were under way when the capture began or ended.
    OutsideTheCapture,
}

impl Cause {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeverSeen => "never-seen",
            Self::MirrorLoss => "mirror-loss",
            Self::Truncated => "truncated",
            Self::OutsideTheCapture => "outside-the-capture",
        }
    }
}

/// What a reader of a stream should know beside its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// The limit of delivered bytes is reached; the rest is left out.
    Limit,
    /// A segment had other bytes than one before it, at the same place. [`Overlap`](super::Overlap) tells which count.
    Conflict,
    /// Data came after its place had been given up as a gap, or before the place where the stream was begun.
    Late,
    /// Data behind the FIN or RST that ended the stream.
    BeyondEnd,
    /// A segment was too far from all others to belong here (1 GiB, the largest window of TCP).
    Elsewhere,
    /// The URG bit was set. What it points to stays where it is in the stream (RFC 6093 §3.1).
    Urgent,
    /// Another connection with the same addresses and ports began; its bytes follow.
    Restarted,
    /// Many segments in a row came from elsewhere: the stream goes on there.
    Resynchronised,
    /// A gap was given up early: what waited behind it took too much memory.
    Memory,
}

impl Note {
    /// All, in the order of [`Counts`].
    pub const ALL: [Self; 9] = [
        Self::Limit,
        Self::Conflict,
        Self::Late,
        Self::BeyondEnd,
        Self::Elsewhere,
        Self::Urgent,
        Self::Restarted,
        Self::Resynchronised,
        Self::Memory,
    ];

    /// A name for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Conflict => "conflict",
            Self::Late => "late",
            Self::BeyondEnd => "beyond-end",
            Self::Elsewhere => "elsewhere",
            Self::Urgent => "urgent",
            Self::Restarted => "restarted",
            Self::Resynchronised => "resynchronised",
            Self::Memory => "memory",
        }
    }
}

/// What happened in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Bytes delivered.
    pub delivered: u64,
    /// Bytes missing, and in how many gaps.
    pub missing: u64,
    /// Gaps.
    pub gaps: u64,
    /// Bytes left out beyond the limit.
    pub limit: u64,
    /// Bytes that contradicted others at the same place.
    pub conflict: u64,
    /// Bytes that came too late.
    pub late: u64,
    /// Bytes behind the end.
    pub beyond_end: u64,
    /// Bytes from elsewhere; a SYN counts as one.
    pub elsewhere: u64,
    /// Segments with the URG bit.
    pub urgent: u64,
    /// Connections after the first.
    pub restarted: u64,
    /// Times the stream went on elsewhere.
    pub resynchronised: u64,
    /// Gaps given up early.
    pub memory: u64,
}

impl Counts {
    /// How much of what a note is about.
    pub fn of(&self, note: Note) -> u64 {
        let mut counts = *self;
        *counts.slot(note)
    }

    pub(super) fn slot(&mut self, note: Note) -> &mut u64 {
        match note {
            Note::Limit => &mut self.limit,
            Note::Conflict => &mut self.conflict,
            Note::Late => &mut self.late,
            Note::BeyondEnd => &mut self.beyond_end,
            Note::Elsewhere => &mut self.elsewhere,
            Note::Urgent => &mut self.urgent,
            Note::Restarted => &mut self.restarted,
            Note::Resynchronised => &mut self.resynchronised,
            Note::Memory => &mut self.memory,
        }
    }
}
