//! One stream as text, hexadecimal or YAML.

mod ascii;
mod hex;
mod yaml;

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Result;
use mirrorscope_engine::flow::{Endpoint, Side};
use mirrorscope_engine::stream::{Cause, Counts, Gap, Note};
use mirrorscope_engine::time::Timestamp;
use mirrorscope_tui::theme::Meaning;

use super::Screen;
use super::text::count;

pub use ascii::ascii;
pub use hex::hex;
pub use yaml::yaml;

/// Something about one direction; side 0 is the originator.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// The next bytes.
    Data {
        /// Who sent them.
        side: Side,
        /// When they passed.
        time: Timestamp,
        /// Place of the first.
        offset: u64,
        /// At least one.
        bytes: &'a [u8],
    },
    /// Missing bytes.
    Gap(Gap),
    /// Something worth knowing.
    Note {
        /// Whose direction.
        side: Side,
        /// Place.
        offset: u64,
        /// What.
        note: Note,
    },
}

impl Item<'_> {
    /// Whose direction it is about.
    pub fn side(&self) -> Side {
        match self {
            Self::Data { side, .. } | Self::Note { side, .. } => *side,
            Self::Gap(gap) => gap.side,
        }
    }
}

/// A stream that can be told again.
pub trait Replay {
    /// Gives all that there is, in order.
    fn replay(&mut self, sink: &mut dyn FnMut(Item<'_>) -> Result<()>) -> Result<()>;
}

/// Where a stream was seen.
#[derive(Clone, Debug)]
pub struct Place {
    /// Name of the point.
    pub point: String,
    /// Name of its site.
    pub site: String,
    /// Packets of originator and responder.
    pub packets: [u64; 2],
}

/// What is known of a stream as a whole. In pairs the originator comes first.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Id of the flow.
    pub id: String,
    /// Community ID v1.
    pub community_id: String,
    /// `tcp` or `udp`.
    pub proto: &'static str,
    /// Addresses and ports.
    pub ends: [Endpoint; 2],
    /// Points that saw it.
    pub points: Vec<Place>,
    /// What happened in each direction.
    pub counts: [Counts; 2],
}

/// Names of the directions.
pub const WAYS: [&str; 2] = ["orig", "resp"];

/// The mark in front of what a side sent.
fn mark(side: Side) -> &'static str {
    if side == 0 { ">" } else { "<" }
}

/// The colour of what a side sent.
fn meaning(side: Side) -> Meaning {
    if side == 0 {
        Meaning::Info
    } else {
        Meaning::Good
    }
}

/// `10.0.0.1:80`, `[2001:db8::1]:80`.
pub fn end(end: Endpoint) -> String {
    std::net::SocketAddr::new(end.address, end.port).to_string()
}

/// Why bytes are missing, in words.
pub fn because(cause: Cause) -> &'static str {
    match cause {
        Cause::NeverSeen => "seen by no point",
        Cause::MirrorLoss => "lost by the mirror",
        Cause::Truncated => "cut by the mirror or the capture",
        Cause::OutsideTheCapture => "outside the capture",
    }
}

/// A note in words, with its figure.
fn words(note: Note, counts: &Counts) -> String {
    let amount = counts.of(note);
    let bytes = || count(amount, "byte");
    match note {
        Note::Limit => format!("{} beyond --stream-limit left out", bytes()),
        Note::Conflict => format!("{} came again with another value", bytes()),
        Note::Late => format!("{} came after their place had been given up", bytes()),
        Note::BeyondEnd => format!("{} behind the end (FIN or RST) left out", bytes()),
        Note::Elsewhere => format!("{} far from all others left out", bytes()),
        Note::Urgent => format!(
            "{} with urgent data, which stays in its place",
            count(amount, "segment")
        ),
        Note::Restarted => format!(
            "{} with the same ports followed",
            count(amount, "further connection")
        ),
        Note::Resynchronised => format!("went on elsewhere {}", count(amount, "time")),
        Note::Memory => format!(
            "{} given up early; raise --stream-memory",
            count(amount, "gap")
        ),
    }
}

/// Who is who, what was seen where, and what is wrong with it.
fn head(out: &mut dyn Write, screen: Screen, about: &Conversation) -> Result<()> {
    let [orig, resp] = about.ends.map(end);
    let title = format!("{} {orig} > {resp}", about.proto);
    writeln!(out, "{}", screen.theme.paint(Meaning::Heading, &title))?;
    writeln!(
        out,
        "flow {}, Community ID {}",
        about.id, about.community_id
    )?;
    for (side, counts) in about.counts.iter().enumerate() {
        let (own, other) = if side == 0 {
            (&orig, &resp)
        } else {
            (&resp, &orig)
        };
        let name = format!(
            "{} {}",
            mark(side),
            WAYS.get(side).copied().unwrap_or_default()
        );
        let mut line = format!(
            "{}  {own} to {other}: {}",
            screen.theme.paint(meaning(side), &name),
            count(counts.delivered, "byte")
        );
        if counts.gaps > 0 {
            let _ = write!(
                line,
                ", {} missing in {}",
                count(counts.missing, "byte"),
                count(counts.gaps, "gap")
            );
        }
        writeln!(out, "{line}")?;
        let seen = about
            .points
            .iter()
            .filter_map(|place| Some((place, *place.packets.get(side)?)))
            .filter(|(_, packets)| *packets > 0);
        for (place, packets) in seen {
            let packets = count(packets, "packet");
            writeln!(
                out,
                "        from {} ({}), {packets}",
                place.point, place.site
            )?;
        }
        for note in Note::ALL {
            if counts.of(note) > 0 {
                writeln!(out, "        {}", words(note, counts))?;
            }
        }
    }
    writeln!(out)?;
    Ok(())
}

/// A line where something is worth knowing.
fn note_line(screen: Screen, side: Side, offset: u64, note: Note) -> String {
    let text = format!("[note: {} at offset {offset}]", note.as_str());
    format!(
        "{} {}",
        mark(side),
        screen.theme.paint(Meaning::Faint, &text)
    )
}

/// A line in place of missing bytes.
fn gap_line(screen: Screen, gap: &Gap) -> String {
    let text = format!("[gap: {}, {}]", count(gap.len, "byte"), because(gap.cause));
    format!(
        "{} {}",
        mark(gap.side),
        screen.theme.paint(Meaning::Warning, &text)
    )
}
