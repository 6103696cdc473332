//! A stream as YAML, as tshark's `follow,tcp,yaml` has it: peers, and packets with their data; and gaps.

use std::io::Write;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mirrorscope_engine::stream::Note;

use super::{Conversation, Item, Replay, WAYS};

/// Bytes on a line of base 64: 76 characters, as MIME has it.
const ROW: usize = 57;

/// Writes a stream as one YAML document.
pub fn yaml(out: &mut dyn Write, about: &Conversation, stream: &mut dyn Replay) -> Result<()> {
    writeln!(out, "---")?;
    writeln!(out, "flow: \"{}\"", about.id)?;
    writeln!(out, "community_id: \"{}\"", about.community_id)?;
    writeln!(out, "proto: {}", about.proto)?;
    writeln!(out, "peers:")?;
    for (peer, end) in about.ends.iter().enumerate() {
        writeln!(out, "  - peer: {peer}")?;
        writeln!(out, "    host: \"{}\"", end.address)?;
        writeln!(out, "    port: {}", end.port)?;
        for note in Note::ALL {
            let amount = about.counts.get(peer).map_or(0, |counts| counts.of(note));
            if amount > 0 {
                writeln!(out, "    {}: {amount}", note.as_str())?;
            }
        }
    }
    list(out, "points", about.points.is_empty())?;
    for place in &about.points {
        // JSON strings are YAML strings.
        writeln!(out, "  - point: {}", serde_json::to_string(&place.point)?)?;
        writeln!(out, "    site: {}", serde_json::to_string(&place.site)?)?;
        for (way, packets) in WAYS.iter().zip(place.packets) {
            writeln!(out, "    {way}: {packets}")?;
        }
    }
    let mut numbers = [0_u64; 2];
    let nothing = about.counts.iter().all(|counts| counts.delivered == 0);
    list(out, "packets", nothing)?;
    stream.replay(&mut |item| {
        let Item::Data {
            side,
            time,
            offset,
            bytes,
        } = item
        else {
            return Ok(());
        };
        writeln!(out, "  - packet: {}", numbers.iter().sum::<u64>() + 1)?;
        writeln!(out, "    peer: {side}")?;
        if let Some(number) = numbers.get_mut(side) {
            writeln!(out, "    index: {number}")?;
            *number += 1;
        }
        let (seconds, nanos) = (
            time.0.div_euclid(1_000_000_000),
            time.0.rem_euclid(1_000_000_000),
        );
        writeln!(out, "    timestamp: {seconds}.{nanos:09}")?;
        writeln!(out, "    offset: {offset}")?;
        writeln!(out, "    data: !!binary |")?;
        for row in bytes.chunks(ROW) {
            writeln!(out, "      {}", STANDARD.encode(row))?;
        }
        Ok(())
    })?;
    let whole = about.counts.iter().all(|counts| counts.gaps == 0);
    list(out, "gaps", whole)?;
    stream.replay(&mut |item| {
        if let Item::Gap(gap) = item {
            writeln!(out, "  - peer: {}", gap.side)?;
            writeln!(out, "    offset: {}", gap.offset)?;
            writeln!(out, "    length: {}", gap.len)?;
            writeln!(out, "    cause: {}", gap.cause.as_str())?;
        }
        Ok(())
    })
}

/// The name of a list, which may be empty.
fn list(out: &mut dyn Write, name: &str, empty: bool) -> Result<()> {
    let nothing = if empty { " []" } else { "" };
    Ok(writeln!(out, "{name}:{nothing}")?)
}
