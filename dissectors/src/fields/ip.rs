//! IPv4 and IPv6 with their options and extension headers.

use super::sheet::{Reader, Sheet, u16_at, u32_at};
use super::words::{self, dscp, ecn, ip_protocol, ip_protocol_name, named, yes};
use crate::protocol::extension::{self, AUTHENTICATION, FRAGMENT};
use crate::protocol::ipv4::Ipv4;
use crate::protocol::ipv6::{HEADER_LEN, Ipv6};

/// Options or extension headers that are told of one packet.
const MOST: usize = 40;

/// Puts down an IPv4 header; `quoted` stands in front of its title.
pub(super) fn v4(reader: &mut Reader<'_>, start: usize, ip: &Ipv4<'_>, quoted: &str) {
    let mut sheet = reader.layer(&format!("{quoted}IPv4"), start);
    let sheet = &mut sheet;
    let header_len = ip.header_bytes().len();
    sheet.add("Version", 0..1, 4);
    sheet.add("Header length", 0..1, format_args!("{header_len} bytes"));
    sheet.add("DSCP", 1..2, dscp(ip.dscp()));
    sheet.add("ECN", 1..2, ecn(ip.ecn()));
    let total = match ip.total_len() {
        0 => "0, left to the network card".to_owned(),
        len => format!("{len} bytes"),
    };
    sheet.add("Total length", 2..4, total);
    let identification = ip.identification();
    sheet.add(
        "Identification",
        4..6,
        format_args!("{identification:#06x} ({identification})"),
    );
    sheet.add("Don't fragment", 6..7, yes(ip.dont_fragment()));
    sheet.add("More fragments", 6..7, yes(ip.more_fragments()));
    sheet.add(
        "Fragment offset",
        6..8,
        format_args!("{} bytes", ip.fragment_offset()),
    );
    sheet.add("Time to live", 8..9, ip.ttl());
    sheet.add("Protocol", 9..10, ip_protocol(ip.protocol()));
    let sum = ip.checksum();
    let judged = match (ip.checksum_ok(), sum) {
        (true, _) => "right",
        (false, 0) => "not filled in",
        (false, _) => "wrong, or not filled in",
    };
    sheet.add(
        "Header checksum",
        10..12,
        format_args!("{sum:#06x}, {judged}"),
    );
    sheet.add("Source", 12..16, ip.source());
    sheet.add("Destination", 16..20, ip.destination());
    options(sheet, ip.options());
    let fragment = ip
        .is_fragment()
        .then(|| (ip.fragment_offset(), ip.more_fragments()));
    sheet.gist(gist(
        ip.source(),
        ip.destination(),
        ip.protocol(),
        ip.ttl(),
        fragment,
    ));
    sheet.len(header_len);
    extensions(reader, ip.protocol(), ip.payload(), |number| {
        number == AUTHENTICATION
    });
}

/// Puts down an IPv6 header and the extension headers behind it.
pub(super) fn v6(reader: &mut Reader<'_>, start: usize, ip: &Ipv6<'_>, quoted: &str) {
    let mut sheet = reader.layer(&format!("{quoted}IPv6"), start);
    let sheet = &mut sheet;
    sheet.add("Version", 0..1, 6);
    sheet.add("DSCP", 0..2, dscp(ip.dscp()));
    sheet.add("ECN", 1..2, ecn(ip.ecn()));
    sheet.add("Flow label", 1..4, format_args!("{:#07x}", ip.flow_label()));
    sheet.add(
        "Payload length",
        4..6,
        format_args!("{} bytes", ip.payload_len()),
    );
    sheet.add("Next header", 6..7, ip_protocol(ip.next_header()));
    sheet.add("Hop limit", 7..8, ip.hop_limit());
    sheet.add("Source", 8..24, ip.source());
    sheet.add("Destination", 24..40, ip.destination());
    let fragment = ip.fragment_header();
    let fragment = fragment.map(|header| (header.offset().into(), header.more()));
    sheet.gist(gist(
        ip.source(),
        ip.destination(),
        ip.protocol(),
        ip.hop_limit(),
        fragment,
    ));
    sheet.len(HEADER_LEN);
    extensions(reader, ip.next_header(), ip.extensions(), |_| true);
}

fn gist(
    source: impl std::fmt::Display,
    destination: impl std::fmt::Display,
    protocol: u8,
    ttl: u8,
    fragment: Option<(u32, bool)>,
) -> String {
    let name = named_protocol(protocol);
    let part = match fragment {
        Some((0, _)) => ", first fragment".to_owned(),
        Some((offset, true)) => format!(", fragment at {offset}"),
        Some((offset, false)) => format!(", last fragment at {offset}"),
        None => String::new(),
    };
    format!("{source} > {destination}, {name}, ttl {ttl}{part}")
}

fn named_protocol(protocol: u8) -> String {
    ip_protocol_name(protocol).map_or_else(|| format!("protocol {protocol}"), str::to_owned)
}

/// The options of an IPv4 header.
fn options(sheet: &mut Sheet<'_, '_>, options: &[u8]) {
    let mut at: usize = 0;
    for _ in 0..MOST {
        let Some(&kind) = options.get(at) else { return };
        let len = match kind {
            0 | 1 => 1,
            _ => usize::from(options.get(at.saturating_add(1)).copied().unwrap_or(0)),
        };
        let name = match kind {
            0 => Some("end of options"),
            1 => Some("no operation"),
            7 => Some("record route"),
            68 => Some("timestamp"),
            130 => Some("security"),
            131 => Some("loose source route"),
            137 => Some("strict source route"),
            148 => Some("router alert"),
            _ => None,
        };
        let rest = options.len().saturating_sub(at);
        let place = at.saturating_add(20);
        if len == 0 || len > rest || kind > 1 && len < 2 {
            let end = place.saturating_add(rest);
            return sheet.add("Option", place..end, "malformed: its length does not fit");
        }
        sheet.add(
            "Option",
            place..place.saturating_add(len),
            named(name, kind),
        );
        if kind == 0 {
            return;
        }
        at = at.saturating_add(len);
    }
}

/// Puts down extension headers as long as they are `wanted`, from the one with this number on.
fn extensions(reader: &mut Reader<'_>, first: u8, bytes: &[u8], wanted: impl Fn(u8) -> bool) {
    let (mut number, mut bytes) = (first, bytes);
    for _ in 0..MOST {
        let (Some(&next), Some(&units)) = (bytes.first(), bytes.get(1)) else {
            return;
        };
        let Some(len) = extension::len(number, units).filter(|_| wanted(number)) else {
            return;
        };
        let (Some(rest), Some(start)) = (bytes.get(len..), reader.place_of(bytes)) else {
            return;
        };
        let name = ip_protocol_name(number).unwrap_or("extension");
        let mut sheet = reader.layer(&format!("IP {name} header"), start);
        sheet.add("Next header", 0..1, ip_protocol(next));
        match number {
            FRAGMENT => fragment(&mut sheet, bytes),
            AUTHENTICATION => authentication(&mut sheet, bytes, len),
            _ => {
                sheet.add("Length", 1..2, format_args!("{len} bytes"));
                sheet.gist(words::bytes(len));
                sheet.add(
                    "Data",
                    2..len,
                    words::hex(bytes.get(2..len).unwrap_or_default()),
                );
            }
        }
        sheet.len(len);
        // What follows the header of a later fragment is no header.
        if number == FRAGMENT && u16_at(bytes, 2).is_some_and(|word| word & 0xfff9 != 0) {
            return;
        }
        (number, bytes) = (next, rest);
    }
}

fn fragment(sheet: &mut Sheet<'_, '_>, bytes: &[u8]) {
    let word = u16_at(bytes, 2).unwrap_or_default();
    let (offset, more) = (word & 0xfff8, word & 1 != 0);
    sheet.add("Fragment offset", 2..4, format_args!("{offset} bytes"));
    sheet.add("More fragments", 3..4, yes(more));
    let identification = u32_at(bytes, 4).unwrap_or_default();
    sheet.add(
        "Identification",
        4..8,
        format_args!("{identification:#010x}"),
    );
    let follow = if more { ", more follow" } else { "" };
    sheet.gist(format!("at {offset} of {identification:#010x}{follow}"));
}

fn authentication(sheet: &mut Sheet<'_, '_>, bytes: &[u8], len: usize) {
    sheet.add("Length", 1..2, format_args!("{len} bytes"));
    let spi = u32_at(bytes, 4).unwrap_or_default();
    let sequence = u32_at(bytes, 8).unwrap_or_default();
    sheet.add(
        "Security parameters index",
        4..8,
        format_args!("{spi:#010x}"),
    );
    sheet.add("Sequence number", 8..12, sequence);
    sheet.add(
        "Integrity check value",
        12..len,
        words::hex(bytes.get(12..len).unwrap_or_default()),
    );
    sheet.gist(format!("SPI {spi:#010x}, sequence {sequence}"));
}
