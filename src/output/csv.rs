//! Comma-separated lists with a header, as RFC 4180 has them.

use std::io::Write;

use ::csv::{Terminator, Writer, WriterBuilder};
use anyhow::Result;
use mirrorscope_engine::flow::Side;
use mirrorscope_engine::inventory::{EndpointReport, PlaceReport};
use mirrorscope_engine::names::Machine;
use mirrorscope_engine::report::{FlowReport, SessionReport};
use mirrorscope_engine::stream::{Gap, Note};

use super::follow::{Conversation, WAYS};

/// Writes sessions.
pub fn sessions(out: &mut dyn Write, sessions: &[SessionReport]) -> Result<()> {
    let mut writer = writer(out);
    writer.write_record([
        "name",
        "encapsulation",
        "source",
        "destination",
        "id",
        "site",
        "point",
        "role",
        "packets",
        "bytes",
        "first",
        "last",
        "truncated",
        "malformed",
        "received",
        "missing",
        "duplicate",
        "reordered",
    ])?;
    for session in sessions {
        let sequence = |figure: fn(&mirrorscope_engine::report::SequenceReport) -> u64| {
            session
                .sequence
                .as_ref()
                .map_or_else(String::new, |s| figure(s).to_string())
        };
        writer.write_record([
            cell(&session.name),
            session.encapsulation.to_owned(),
            text(session.source),
            text(session.destination),
            text(session.id),
            cell(&session.site),
            cell(&session.point),
            session.role.to_owned(),
            session.packets.to_string(),
            session.bytes.to_string(),
            session.first.to_string(),
            session.last.to_string(),
            session.truncated.to_string(),
            session.malformed.to_string(),
            sequence(|s| s.received),
            sequence(|s| s.missing),
            sequence(|s| s.duplicate),
            sequence(|s| s.reordered),
        ])?;
    }
    writer.flush()?;
    Ok(())
}

/// Writes endpoints: a line for each address, or for a MAC address of which none is known. `before` holds earlier places
/// as `POINT@SITE`, separated by spaces.
pub fn endpoints(out: &mut dyn Write, endpoints: &[EndpointReport]) -> Result<()> {
    let mut writer = writer(out);
    writer.write_record([
        "address",
        "mac",
        "kind",
        "tenant",
        "site",
        "point",
        "role",
        "placed",
        "since",
        "until",
        "known",
        "vlans",
        "segments",
        "first",
        "last",
        "before",
        "name",
        "host",
        "port_group",
        "inventory_site",
    ])?;
    for endpoint in endpoints {
        let place = |part: fn(&PlaceReport) -> String| {
            endpoint.place.as_ref().map_or_else(String::new, part)
        };
        let earlier = endpoint.places.split_last().map(|(_, earlier)| earlier);
        let before: Vec<String> = earlier
            .unwrap_or_default()
            .iter()
            .map(|place| format!("{}@{}", place.point, place.site))
            .collect();
        let numbers = |numbers: Vec<String>| numbers.join(" ");
        let told = |part: fn(&Machine) -> Option<&str>| {
            let inventory = endpoint.inventory.as_ref();
            cell(inventory.and_then(|i| part(&i.machine)).unwrap_or_default())
        };
        let mut line = |address: String, known: String, first: String, last: String| {
            writer.write_record([
                address,
                endpoint.mac.clone(),
                endpoint.kind.to_owned(),
                cell(endpoint.tenant.as_deref().unwrap_or_default()),
                cell(&place(|p| p.site.clone())),
                cell(&place(|p| p.point.clone())),
                place(|p| p.role.to_owned()),
                place(|p| p.placed.to_owned()),
                place(|p| p.since.to_string()),
                place(|p| p.until.to_string()),
                known,
                numbers(endpoint.vlans.iter().map(u16::to_string).collect()),
                numbers(endpoint.segments.iter().map(u64::to_string).collect()),
                first,
                last,
                cell(&before.join(" ")),
                cell(endpoint.name.as_deref().unwrap_or_default()),
                told(|machine| machine.host.as_deref()),
                told(|machine| machine.port_group.as_deref()),
                told(|machine| machine.site.as_deref()),
            ])
        };
        for own in &endpoint.addresses {
            line(
                own.address.to_string(),
                own.known.join(" "),
                own.first.to_string(),
                own.last.to_string(),
            )?;
        }
        if endpoint.addresses.is_empty() {
            line(
                String::new(),
                String::new(),
                endpoint.first.to_string(),
                endpoint.last.to_string(),
            )?;
        }
    }
    writer.flush()?;
    Ok(())
}

/// Flows, a line each.
pub struct Flows<'a> {
    writer: Writer<&'a mut dyn Write>,
}

impl<'a> Flows<'a> {
    /// Writes the header.
    pub fn new(out: &'a mut dyn Write) -> Result<Self> {
        let mut writer = writer(out);
        writer.write_record([
            "id",
            "community_id",
            "proto",
            "src",
            "sport",
            "dst",
            "dport",
            "state",
            "history",
            "verdict",
            "why",
            "confidence",
            "first",
            "last",
            "orig_packets",
            "orig_bytes",
            "orig_payload",
            "resp_packets",
            "resp_bytes",
            "resp_payload",
            "orig_retransmissions",
            "resp_retransmissions",
            "orig_unseen_bytes",
            "resp_unseen_bytes",
            "handshake_rtt_ns",
            "points",
            "tenant",
            "out_of_state",
            "src_name",
            "dst_name",
        ])?;
        Ok(Self { writer })
    }

    /// Writes one flow; its points are `NAME:ORIG/RESP` packets, separated by spaces, and so are the packets out of state
    /// at its firewalls, as far as the mirror does not explain them.
    pub fn add(&mut self, flow: &FlowReport) -> Result<()> {
        let points: Vec<String> = flow
            .points
            .iter()
            .map(|p| format!("{}:{}/{}", p.point, p.orig.packets, p.resp.packets))
            .collect();
        let out_of_state: Vec<String> = flow
            .points
            .iter()
            .filter_map(|p| Some((p, p.firewall.as_ref().filter(|f| f.cause.is_none())?)))
            .map(|(p, firewall)| {
                let counts = firewall.out_of_state;
                format!("{}:{}/{}", p.point, counts.orig, counts.resp)
            })
            .collect();
        let tcp = flow.tcp.as_ref();
        self.writer.write_record([
            flow.id.clone(),
            flow.community_id.clone(),
            flow.proto.clone(),
            flow.src.to_string(),
            flow.sport.to_string(),
            flow.dst.to_string(),
            flow.dport.to_string(),
            flow.state.to_owned(),
            flow.history.clone(),
            flow.verdict.as_str().to_owned(),
            cell(&flow.why),
            flow.confidence.as_str().to_owned(),
            flow.first.to_string(),
            flow.last.to_string(),
            flow.orig.packets.to_string(),
            flow.orig.bytes.to_string(),
            flow.orig.payload.to_string(),
            flow.resp.packets.to_string(),
            flow.resp.bytes.to_string(),
            flow.resp.payload.to_string(),
            text(tcp.map(|tcp| tcp.orig.retransmissions)),
            text(tcp.map(|tcp| tcp.resp.retransmissions)),
            text(tcp.map(|tcp| tcp.orig.counts.unseen_bytes)),
            text(tcp.map(|tcp| tcp.resp.counts.unseen_bytes)),
            text(tcp.and_then(|tcp| tcp.handshake_rtt_ns)),
            cell(&points.join(" ")),
            cell(flow.tenant.as_deref().unwrap_or_default()),
            cell(&out_of_state.join(" ")),
            cell(flow.src_name.as_deref().unwrap_or_default()),
            cell(flow.dst_name.as_deref().unwrap_or_default()),
        ])?;
        Ok(())
    }

    /// Ends the list.
    pub fn finish(mut self) -> Result<()> {
        self.writer.flush()?;
        Ok(())
    }
}

/// Streams, a line for each direction.
pub struct Streams<'a> {
    writer: Writer<&'a mut dyn Write>,
    files: Files,
}

/// Whether a line begins with the file that the stream is in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// It does, if there is such a file.
    Named,
    /// There are none.
    None,
}

impl Files {
    /// Of all columns those that are written.
    fn columns<T>(self, all: &[T]) -> &[T] {
        match self {
            Self::Named => all,
            Self::None => all.get(1..).unwrap_or_default(),
        }
    }
}

impl<'a> Streams<'a> {
    /// Writes the header.
    pub fn new(out: &'a mut dyn Write, files: Files) -> Result<Self> {
        let mut writer = writer(out);
        writer.write_record(files.columns(&[
            "file",
            "id",
            "community_id",
            "proto",
            "direction",
            "src",
            "sport",
            "dst",
            "dport",
            "bytes",
            "gaps",
            "missing",
            "first_gap",
            "first_gap_cause",
            "notes",
        ]))?;
        Ok(Self { writer, files })
    }

    /// Writes one direction: 0 is the originator's. Its sender comes first. Notes are `NAME:FIGURE`, separated by
    /// spaces.
    pub fn add(
        &mut self,
        about: &Conversation,
        side: Side,
        file: Option<&str>,
        first_gap: Option<&Gap>,
    ) -> Result<()> {
        let [orig, resp] = about.ends;
        let (source, destination) = if side == 0 {
            (orig, resp)
        } else {
            (resp, orig)
        };
        let counts = about.counts.get(side).copied().unwrap_or_default();
        let notes = Note::ALL.into_iter().filter(|note| counts.of(*note) > 0);
        let notes: Vec<String> = notes
            .map(|note| format!("{}:{}", note.as_str(), counts.of(note)))
            .collect();
        self.writer.write_record(self.files.columns(&[
            file.unwrap_or_default(),
            &about.id,
            &about.community_id,
            about.proto,
            WAYS.get(side).copied().unwrap_or_default(),
            &source.address.to_string(),
            &source.port.to_string(),
            &destination.address.to_string(),
            &destination.port.to_string(),
            &counts.delivered.to_string(),
            &counts.gaps.to_string(),
            &counts.missing.to_string(),
            &text(first_gap.map(|gap| gap.offset)),
            first_gap.map_or("", |gap| gap.cause.as_str()),
            &notes.join(" "),
        ]))?;
        Ok(())
    }

    /// Ends the list.
    pub fn finish(mut self) -> Result<()> {
        self.writer.flush()?;
        Ok(())
    }
}

fn writer(out: &mut dyn Write) -> Writer<&mut dyn Write> {
    WriterBuilder::new()
        .terminator(Terminator::Any(b'\n'))
        .from_writer(out)
}

/// Names may come from files: a spreadsheet must not take one for a formula.
fn cell(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
