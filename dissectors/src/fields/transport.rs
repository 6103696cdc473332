//! TCP, UDP and SCTP, and what they carry.

use super::message;
use super::sheet::{Reader, Sheet, u16_at, u32_at};
use super::words::{self, hex, ip_protocol_name, named};
use crate::protocol::udp::Udp;
use crate::transport::TcpFlags;

/// Options that are told of one segment.
const MOST: usize = 40;

/// What an IP packet carries that is not a later fragment.
pub(super) fn read(reader: &mut Reader<'_>, protocol: u8, payload: &[u8], quoted: bool) {
    let Some(start) = reader.place_of(payload) else {
        return;
    };
    match protocol {
        _ if payload.is_empty() => {}
        6 => tcp(reader, start, payload, quoted),
        17 => udp(reader, start, payload, quoted),
        132 => sctp(reader, start, payload),
        1 => message::icmp(reader, start, payload, quoted),
        58 => message::icmp6(reader, start, payload, quoted),
        other => {
            let name = ip_protocol_name(other).unwrap_or("Payload");
            let end = start.saturating_add(payload.len());
            reader.note(name, start..end, words::payload(payload));
        }
    }
}

/// A title, and whether what it names is quoted by an error.
pub(super) fn titled(title: &str, quoted: bool) -> String {
    let before = if quoted { "Quoted " } else { "" };
    format!("{before}{title}")
}

/// The rest of a packet behind its last header.
pub(super) fn payload(reader: &mut Reader<'_>, bytes: &[u8]) {
    if let Some(start) = reader.place_of(bytes).filter(|_| !bytes.is_empty()) {
        let end = start.saturating_add(bytes.len());
        reader.note("Payload", start..end, words::payload(bytes));
    }
}

fn tcp(reader: &mut Reader<'_>, start: usize, bytes: &[u8], quoted: bool) {
    let mut sheet = reader.layer(&titled("TCP", quoted), start);
    let ports = ports(&mut sheet, bytes);
    let sequence = u32_at(bytes, 4);
    if let Some(sequence) = sequence {
        sheet.add("Sequence number", 4..8, sequence);
    }
    let Some(len_flags) = u16_at(bytes, 12) else {
        let sequence = sequence.map_or(String::new(), |sequence| format!(", seq {sequence}"));
        sheet.gist(format!("{ports}{sequence}, its header is cut"));
        return sheet.len(bytes.len());
    };
    let acknowledgement = u32_at(bytes, 8).unwrap_or_default();
    let flags = TcpFlags(len_flags & 0x01ff);
    let header_len = usize::from(len_flags >> 12) << 2;
    sheet.add("Acknowledgement number", 8..12, acknowledgement);
    sheet.add("Header length", 12..13, format_args!("{header_len} bytes"));
    let words = flags.words();
    sheet.add("Flags", 12..14, format_args!("{words} ({:#05x})", flags.0));
    fixed(&mut sheet, bytes, flags);
    let fits = (20..=bytes.len()).contains(&header_len);
    let end = if fits { header_len } else { bytes.len() };
    options(&mut sheet, bytes.get(20..end).unwrap_or_default());
    let mut gist = format!("{ports}, {words}, seq {}", sequence.unwrap_or_default());
    if flags.ack() {
        gist = format!("{gist}, ack {acknowledgement}");
    }
    if header_len < 20 {
        gist = format!("{gist}, its header length is wrong");
    } else if !fits {
        gist = format!("{gist}, its header is cut");
    }
    sheet.gist(gist);
    sheet.len(end);
    payload(reader, bytes.get(end..).unwrap_or_default());
}

/// What stands behind the flags at a fixed place.
fn fixed(sheet: &mut Sheet<'_, '_>, bytes: &[u8], flags: TcpFlags) {
    if let Some(window) = u16_at(bytes, 14) {
        sheet.add("Window", 14..16, format_args!("{window}, as sent"));
    }
    if let Some(sum) = u16_at(bytes, 16) {
        sheet.add("Checksum", 16..18, format_args!("{sum:#06x}, not verified"));
    }
    if let Some(urgent) = u16_at(bytes, 18) {
        let unused = if flags.urg() { "" } else { ", not in use" };
        sheet.add("Urgent pointer", 18..20, format_args!("{urgent}{unused}"));
    }
}

fn ports(sheet: &mut Sheet<'_, '_>, bytes: &[u8]) -> String {
    let (source, destination) = (u16_at(bytes, 0), u16_at(bytes, 2));
    if let Some(port) = source {
        sheet.add("Source port", 0..2, port);
    }
    if let Some(port) = destination {
        sheet.add("Destination port", 2..4, port);
    }
    let text = |port: Option<u16>| port.map_or("?".to_owned(), |port| port.to_string());
    format!("{} > {}", text(source), text(destination))
}

/// The options of a segment.
fn options(sheet: &mut Sheet<'_, '_>, options: &[u8]) {
    let mut at: usize = 0;
    for _ in 0..MOST {
        let Some(&kind) = options.get(at) else { return };
        let place = at.saturating_add(20);
        if kind <= 1 {
            let name = if kind == 0 {
                "end of options"
            } else {
                "no operation"
            };
            sheet.add("Option", place..place.saturating_add(1), name);
            if kind == 0 {
                return;
            }
            at = at.saturating_add(1);
            continue;
        }
        let len = options
            .get(at.saturating_add(1))
            .copied()
            .unwrap_or(0)
            .into();
        let end = at.saturating_add(len);
        let Some(data) = options.get(at.saturating_add(2)..end) else {
            let end = options.len().saturating_add(20);
            return sheet.add("Option", place..end, "malformed: its length does not fit");
        };
        sheet.add(
            "Option",
            place..place.saturating_add(len),
            option(kind, data),
        );
        at = end;
    }
}

fn option(kind: u8, data: &[u8]) -> String {
    match (kind, data) {
        (2, &[high, low]) => format!("maximum segment size {}", u16::from_be_bytes([high, low])),
        (3, &[shift]) => format!("window scale {shift}, by {}", 1_u32 << shift.min(14)),
        (4, []) => "selective acknowledgements permitted".to_owned(),
        (5, blocks) => {
            let words: Vec<String> = blocks
                .chunks_exact(8)
                .filter_map(|block| Some((u32_at(block, 0)?, u32_at(block, 4)?)))
                .map(|(left, right)| format!("{left}-{right}"))
                .collect();
            format!("selective acknowledgement of {}", words.join(", "))
        }
        (8, both) if both.len() == 8 => {
            let (value, echo) = (u32_at(both, 0), u32_at(both, 4));
            let (value, echo) = (value.unwrap_or_default(), echo.unwrap_or_default());
            format!("timestamp {value}, echo of {echo}")
        }
        _ => {
            let name = match kind {
                19 => Some("MD5 signature"),
                28 => Some("user timeout"),
                29 => Some("authentication"),
                30 => Some("multipath TCP"),
                34 => Some("fast open"),
                172 | 174 => Some("accurate ECN"),
                _ => None,
            };
            format!("{}: {}", named(name, kind), hex(data))
        }
    }
}

fn udp(reader: &mut Reader<'_>, start: usize, bytes: &[u8], quoted: bool) {
    let mut sheet = reader.layer(&titled("UDP", quoted), start);
    let ports = ports(&mut sheet, bytes);
    let len = u16_at(bytes, 4);
    if let Some(len) = len {
        sheet.add("Length", 4..6, format_args!("{len} bytes"));
    }
    udp_checksum(&mut sheet, bytes);
    let Some(rest) = bytes.get(8..) else {
        sheet.gist(format!("{ports}, its header is cut"));
        return sheet.len(bytes.len());
    };
    sheet.gist(ports);
    sheet.len(8);
    let claimed = match usize::from(len.unwrap_or_default()) {
        0 => rest.len(),
        len => len.saturating_sub(8),
    };
    payload(reader, rest.get(..claimed).unwrap_or(rest));
}

fn udp_checksum(sheet: &mut Sheet<'_, '_>, bytes: &[u8]) {
    match u16_at(bytes, 6) {
        Some(0) => sheet.add("Checksum", 6..8, "none"),
        Some(sum) => sheet.add("Checksum", 6..8, format_args!("{sum:#06x}, not verified")),
        None => {}
    }
}

/// The header of a datagram that a tunnel is in.
pub(super) fn udp_header(sheet: &mut Sheet<'_, '_>, header: &Udp<'_>) {
    let bytes = sheet.bytes();
    let ports = ports(sheet, bytes);
    sheet.add("Length", 4..6, format_args!("{} bytes", header.len()));
    udp_checksum(sheet, bytes);
    sheet.gist(ports);
    sheet.len(8);
}

fn sctp(reader: &mut Reader<'_>, start: usize, bytes: &[u8]) {
    let mut sheet = reader.layer("SCTP", start);
    let ports = ports(&mut sheet, bytes);
    for (name, place) in [("Verification tag", 4..8), ("Checksum", 8..12)] {
        if let Some(value) = u32_at(bytes, place.start) {
            sheet.add(name, place, format_args!("{value:#010x}"));
        }
    }
    sheet.gist(ports);
    sheet.len(12);
    payload(reader, bytes.get(12..).unwrap_or_default());
}
