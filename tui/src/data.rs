//! What the interface and the analysis tell each other. Both sides own what they are given; neither waits for the other.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use mirrorscope_engine::inventory::EndpointReport;
use mirrorscope_engine::report::{FlowReport, Report};
use mirrorscope_engine::stream::{Cause, Note};
use mirrorscope_engine::time::Timestamp;

pub use crate::latest::Latest;
pub use mirrorscope_engine::page::{FlowPage, FlowQuery, FlowSort};

/// What a flow is known by: its id in JSON and on screen.
pub type FlowId = String;

/// What the interface wants of the analysis.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Which flows the next snapshots shall hold.
    Flows(FlowQuery),
    /// What became of these flows.
    Reports(Vec<FlowId>),
    /// The packets of a flow, as all points saw them.
    Ladder(FlowId),
    /// What the two ends said to each other.
    Stream(FlowId),
    /// One packet, taken apart.
    Packet(PacketRef),
    /// Writes flows to a file.
    Export(Export),
    /// Reads the sites file again.
    ReloadSites,
    /// Ends the run.
    Quit,
}

/// What the analysis answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// What is known by now waits there: put there when something changed, a few times a second.
    Snapshot(Latest<Arc<Snapshot>>),
    /// To [`Ask::Reports`]: those of them that are known.
    Reports(Vec<FlowId>, Vec<FlowReport>),
    /// To [`Ask::Ladder`].
    Ladder(FlowId, Result<Arc<Ladder>, String>),
    /// To [`Ask::Stream`].
    Stream(FlowId, Result<Arc<Stream>, String>),
    /// To [`Ask::Packet`].
    Packet(PacketRef, Result<Arc<Packet>, String>),
    /// To [`Ask::Export`]: what was written where, in words.
    Exported(Result<String, String>),
    /// Something that the user shall know: a file read again, an interface that vanished.
    Notice(Weight, String),
    /// The analysis ended because of this.
    Failed(String),
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Good to know.
    Info,
    /// Something went wrong.
    Error,
}

/// Everything that the screens draw, at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Grows with each snapshot.
    pub generation: u64,
    /// How far the input has come.
    pub input: InputState,
    /// Totals, sessions, findings, sites; of live runs the interfaces and what changed. All of it, whatever the filter.
    pub report: Report,
    /// Flows that were asked for.
    pub flows: FlowPage,
    /// Endpoints, by address.
    pub endpoints: Vec<EndpointReport>,
    /// What arrived in each of the last seconds, the latest last.
    pub rates: VecDeque<Rate>,
}

/// How far the input has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputState {
    /// Files.
    Files {
        /// Their names, fit for a screen.
        names: Vec<String>,
        /// Bytes read.
        read: u64,
        /// Bytes of all files, if known.
        total: Option<u64>,
        /// All is read.
        done: bool,
        /// What was wrong with them.
        problems: Vec<String>,
    },
    /// Interfaces; the report's `live` tells more.
    Live {
        /// Nobody listens any more.
        done: bool,
    },
}

/// What arrived in one second: of the clock live, of the packets' time in files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rate {
    /// Frames.
    pub frames: u64,
    /// Bytes on the wire.
    pub bytes: u64,
    /// Frames that this host dropped.
    pub dropped: u64,
    /// Mirrored packets lost before, by their sequence numbers.
    pub missing: u64,
}

/// Where a captured frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketRef(
    /// Known to the analysis alone.
    pub u64,
);

/// The packets of a flow, side by side at all points.
#[derive(Clone, Debug)]
pub struct Ladder {
    /// The flow, as it was then.
    pub flow: FlowReport,
    /// Points in path order as requests pass them; the originator is on the left.
    pub lanes: Vec<Lane>,
    /// Packets by time.
    pub rows: Vec<Rung>,
    /// Packets that are not here any more: the bound of kept packets was reached.
    pub forgotten: u64,
}

/// A point in a ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The point.
    pub point: String,
    /// Its site.
    pub site: String,
    /// Its role, as in JSON.
    pub role: &'static str,
}

/// One packet, wherever it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rung {
    /// When it was first seen.
    pub time: Timestamp,
    /// The originator sent it.
    pub from_originator: bool,
    /// What it is: `SYN`, `PSH ACK`, `UDP`, `echo request`.
    pub what: String,
    /// TCP's sequence number, from the first one of its side.
    pub sequence: Option<u32>,
    /// TCP's acknowledgement, from the first number of the other side.
    pub acknowledgement: Option<u32>,
    /// Bytes of payload, as it was sent.
    pub payload: u32,
    /// Bytes missing between what was seen before of its side and this packet.
    pub gap: u32,
    /// It was sent again.
    pub retransmission: bool,
    /// Where it was seen, in order of time.
    pub sights: Vec<Sight>,
    /// Duplicates beyond those among the sights, by the index of their lane.
    pub more: BTreeMap<usize, u64>,
}

impl Rung {
    /// How often it was seen in all.
    #[must_use]
    pub fn sightings(&self) -> u64 {
        self.sights.len() as u64 + self.more.values().sum::<u64>()
    }
}

/// A packet at a point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// Index of the lane.
    pub lane: usize,
    /// When.
    pub time: Timestamp,
    /// The mirror brought it a second time.
    pub duplicate: bool,
    /// Why the firewall at this point cannot match it.
    pub out_of_state: Option<&'static str>,
    /// Time to live.
    pub ttl: u8,
    /// The captured frame.
    pub frame: PacketRef,
}

/// What two ends said to each other.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The flow, as it was then.
    pub flow: FlowReport,
    /// Pieces in order of time.
    pub pieces: Vec<Piece>,
    /// Bytes beyond what is kept for a view.
    pub left_out: u64,
}

/// A piece of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The originator sent it.
    pub from_originator: bool,
    /// When it passed, if known.
    pub time: Option<Timestamp>,
    /// Place of its first byte in what that side said.
    pub offset: u64,
    /// What it is.
    pub content: Content,
}

/// What a piece of a stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Bytes.
    Data(Vec<u8>),
    /// So many bytes that nobody saw.
    Gap(u64, Cause),
    /// Something that a reader should know.
    Note(Note),
}

/// One captured frame, taken apart.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Number in its file or since the start, from 1.
    pub number: u64,
    /// Arrival.
    pub time: Timestamp,
    /// File or interface.
    pub origin: String,
    /// Bytes on the wire.
    pub wire_len: u32,
    /// The captured bytes.
    pub bytes: Vec<u8>,
    /// Layers from the wire inwards.
    pub layers: Vec<mirrorscope_dissectors::fields::Layer>,
}

/// Flows to be written to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// Which flows.
    pub flows: Vec<FlowId>,
    /// In what form.
    pub form: ExportForm,
    /// Where.
    pub path: PathBuf,
}

/// What an exported file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportForm {
    /// Their packets without encapsulation, an interface for each session.
    Pcapng,
    /// A page: verdicts, points, findings.
    Page,
}
