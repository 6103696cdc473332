//! Headers that switches put in front of what they mirror.

use super::sheet::Sheet;
use super::words::{mac, named, yes};
use crate::mirror::Direction;
use crate::protocol::erspan_marker::ErspanMarker;
use crate::protocol::erspan2::Erspan2;
use crate::protocol::erspan3::{Erspan3, Granularity};
use crate::protocol::hp_erm::HpErm;
use crate::protocol::jmirror::Jmirror;
use crate::protocol::tzsp::Tzsp;

pub(super) fn erspan2(sheet: &mut Sheet<'_, '_>, header: &Erspan2<'_>) {
    let tagging = match header.encapsulation() {
        0 => "untagged",
        1 => "ISL",
        2 => "802.1Q, its tag was taken off",
        _ => "its tag was kept",
    };
    sheet.add("Version", 0..1, "1 (Type II)");
    sheet.add("VLAN", 0..2, header.vlan());
    sheet.add("Class of service", 2..3, header.class_of_service());
    sheet.add(
        "Encapsulation",
        2..3,
        named(Some(tagging), header.encapsulation()),
    );
    sheet.add("Truncated", 2..3, yes(header.truncated()));
    sheet.add("Session id", 2..4, header.session_id());
    sheet.add("Port index", 5..8, format_args!("{:#x}", header.index()));
    sheet.gist(session(
        header.session_id(),
        header.vlan(),
        header.truncated(),
    ));
    sheet.carries(header.payload());
}

fn session(id: u16, vlan: u16, truncated: bool) -> String {
    let cut = if truncated { ", cut by the switch" } else { "" };
    match vlan {
        0 => format!("session {id}{cut}"),
        vlan => format!("session {id}, VLAN {vlan}{cut}"),
    }
}

pub(super) fn erspan3(sheet: &mut Sheet<'_, '_>, header: &Erspan3<'_>) {
    let health = match header.frame_health() {
        0 => "good or unknown",
        1 => "short",
        2 => "oversized",
        _ => "bad checksum",
    };
    let kind = match header.frame_type() {
        0 => Some("Ethernet"),
        2 => Some("IP"),
        _ => None,
    };
    let way = match header.direction() {
        Direction::Ingress => "into the mirrored port (0)",
        Direction::Egress => "out of the mirrored port (1)",
    };
    let unit = match header.granularity() {
        Granularity::Microseconds100 => "100 µs (0)",
        Granularity::Nanoseconds100 => "100 ns (1)",
        Granularity::Ieee1588 => "IEEE 1588 (2)",
        Granularity::Platform => "by the platform (3)",
    };
    sheet.add("Version", 0..1, "2 (Type III)");
    sheet.add("VLAN", 0..2, header.vlan());
    sheet.add("Class of service", 2..3, header.class_of_service());
    sheet.add(
        "Frame health",
        2..3,
        named(Some(health), header.frame_health()),
    );
    sheet.add("Truncated", 2..3, yes(header.truncated()));
    sheet.add("Session id", 2..4, header.session_id());
    sheet.add("Timestamp", 4..8, header.timestamp());
    sheet.add("Security group", 8..10, header.security_group());
    sheet.add("Frame type", 10..11, named(kind, header.frame_type()));
    sheet.add("Hardware id", 10..12, header.hardware_id());
    sheet.add("Direction", 11..12, way);
    sheet.add("Timestamp unit", 11..12, unit);
    sheet.add("Sub-header", 11..12, yes(header.has_sub_header()));
    sub_header(sheet, header);
    sheet.gist(session(
        header.session_id(),
        header.vlan(),
        header.truncated(),
    ));
    sheet.carries(header.payload());
}

/// The platform specific sub-header behind the 12 bytes of Type III.
fn sub_header(sheet: &mut Sheet<'_, '_>, header: &Erspan3<'_>) {
    let Some(platform) = header.platform_id() else {
        return;
    };
    sheet.add("Platform id", 12..13, platform);
    if let Some(domain) = header.domain_id() {
        sheet.add("Domain id", 14..16, domain);
    }
    if let Some(switch) = header.switch_id() {
        sheet.add("Switch id", 12..14, switch);
    }
    if let Some(index) = header.port_index() {
        let place = match platform {
            1 => 16..20,
            0 | 7 => 13..16,
            _ => 14..16,
        };
        sheet.add("Port index", place, format_args!("{index:#x}"));
    }
    if let Some(high) = header.timestamp_high() {
        sheet.add("Timestamp, upper half", 16..20, high);
    }
    if let Some(seconds) = header.timestamp_seconds() {
        sheet.add("Timestamp, seconds", 16..20, seconds);
    }
}

pub(super) fn tzsp(sheet: &mut Sheet<'_, '_>, header: &Tzsp<'_>) {
    let kind = match header.kind() {
        0 => Some("received packet"),
        1 => Some("packet to transmit"),
        3 => Some("configuration"),
        4 => Some("keepalive"),
        5 => Some("port opener"),
        _ => None,
    };
    let carried = match header.encapsulation() {
        1 => Some("Ethernet"),
        7 => Some("IP"),
        18 => Some("IEEE 802.11"),
        119 => Some("Prism"),
        126 => Some("radiotap"),
        127 => Some("AVS"),
        _ => None,
    };
    sheet.add("Version", 0..1, 1);
    sheet.add("Type", 1..2, named(kind, header.kind()));
    sheet.add("Encapsulated", 2..4, named(carried, header.encapsulation()));
    let mut gist = named(kind, header.kind());
    if let Some(count) = header.packet_count() {
        gist = format!("{gist}, {count} sent so far");
    }
    if let Some(len) = header.original_len() {
        gist = format!("{gist}, of {len} bytes");
    }
    if let Some(sensor) = header.sensor() {
        gist = format!("{gist}, by {}", mac(sensor));
    }
    sheet.gist(gist);
    sheet.carries(header.payload());
}

pub(super) fn hp_erm(sheet: &mut Sheet<'_, '_>, header: &HpErm<'_>) {
    sheet.add("Priority", 9..10, header.priority());
    sheet.add("VLAN", 9..11, header.vlan());
    sheet.add("Tagged", 11..12, yes(header.was_tagged()));
    sheet.gist(format!("VLAN {}", header.vlan()));
    sheet.carries(header.payload());
}

pub(super) fn jmirror(sheet: &mut Sheet<'_, '_>, header: &Jmirror<'_>) {
    sheet.add("Mirror id", 0..4, header.mirror_id());
    sheet.add("Session id", 4..8, header.session_id());
    sheet.gist(format!(
        "mirror {}, session {}",
        header.mirror_id(),
        header.session_id()
    ));
    sheet.carries(header.payload());
}

pub(super) fn erspan_marker(sheet: &mut Sheet<'_, '_>, header: ErspanMarker<'_>) {
    if let Some(mark) = header.mark() {
        sheet.add("Session id", 23..24, mark.session_id);
        sheet.add("Timestamp unit", 24..25, mark.granularity);
        sheet.add(
            "TAI ahead of UTC",
            25..26,
            format_args!("{} s", mark.utc_offset),
        );
        sheet.add("Counter", 28..34, mark.counter);
        sheet.add("UTC", 34..42, format_args!("{:?} since 1970", mark.utc));
        sheet.add("Sequence number", 42..46, mark.sequence);
        sheet.gist(format!(
            "session {}, marker {}",
            mark.session_id, mark.sequence
        ));
        sheet.len(58);
    }
}
