//! Headers of overlay networks.

use super::sheet::{Sheet, u16_at};
use super::words::{ether_type, hex, yes};
use crate::protocol::geneve::Geneve;
use crate::protocol::lisp::Lisp;
use crate::protocol::nsh::Nsh;
use crate::protocol::otv::Otv;
use crate::protocol::stt::Stt;
use crate::protocol::vxlan::Vxlan;
use crate::protocol::vxlan_gpe::VxlanGpe;

pub(super) fn vxlan(sheet: &mut Sheet<'_, '_>, header: &Vxlan<'_>) {
    sheet.add(
        "Flags",
        0..1,
        format_args!("{:#04x}, identifier valid", header.flags()),
    );
    let mut gist = format!("VNI {}", header.vni());
    if let Some(group) = header.group_policy() {
        sheet.add("Don't learn", 1..2, yes(header.dont_learn()));
        sheet.add("Policy applied", 1..2, yes(header.policy_applied()));
        sheet.add("Group policy id", 2..4, group);
        gist = format!("{gist}, group {group}");
    }
    if header.remote_checksum() {
        sheet.add("Remote checksum offload", 0..1, "yes");
    }
    sheet.add("VNI", 4..7, header.vni());
    sheet.gist(gist);
    sheet.carries(header.payload());
}

/// Next protocol of VXLAN-GPE and NSH.
fn next_protocol(number: u8) -> String {
    let name = match number {
        0 => "none named",
        1 => "IPv4",
        2 => "IPv6",
        3 => "Ethernet",
        4 => "NSH",
        5 => "MPLS",
        _ => return number.to_string(),
    };
    format!("{name} ({number})")
}

pub(super) fn vxlan_gpe(sheet: &mut Sheet<'_, '_>, header: &VxlanGpe<'_>) {
    sheet.add(
        "Next protocol present",
        0..1,
        yes(header.has_next_protocol()),
    );
    sheet.add("Control", 0..1, yes(header.is_control()));
    sheet.add("Next protocol", 3..4, next_protocol(header.next_protocol()));
    sheet.add("VNI", 4..7, header.vni());
    sheet.gist(format!(
        "VNI {}, {}",
        header.vni(),
        next_protocol(header.next_protocol())
    ));
    sheet.carries(header.payload());
}

pub(super) fn geneve(sheet: &mut Sheet<'_, '_>, header: &Geneve<'_>) {
    let options_len = (sheet.bytes().first().copied().unwrap_or(0) & 0x3f) << 2;
    sheet.add("Version", 0..1, 0);
    sheet.add("Options length", 0..1, format_args!("{options_len} bytes"));
    sheet.add("Control", 1..2, yes(header.is_control()));
    sheet.add("Critical options", 1..2, yes(header.has_critical_options()));
    sheet.add("Protocol", 2..4, ether_type(header.protocol()));
    sheet.add("VNI", 4..7, header.vni());
    let mut at: usize = 8;
    let mut count: usize = 0;
    for option in header.options() {
        let end = at.saturating_add(4).saturating_add(option.data.len());
        let critical = if option.critical { ", critical" } else { "" };
        let value = format!(
            "class {:#06x} type {:#04x}{critical}: {}",
            option.class,
            option.kind,
            hex(option.data)
        );
        sheet.add("Option", at..end, value);
        at = end;
        count = count.saturating_add(1);
    }
    let options = match count {
        0 => String::new(),
        1 => ", 1 option".to_owned(),
        count => format!(", {count} options"),
    };
    sheet.gist(format!("VNI {}{options}", header.vni()));
    sheet.carries(header.payload());
}

pub(super) fn otv(sheet: &mut Sheet<'_, '_>, header: &Otv<'_>) {
    sheet.add("Overlay id", 1..4, header.overlay());
    sheet.add("Instance id", 4..7, header.instance());
    sheet.gist(format!(
        "overlay {}, instance {}",
        header.overlay(),
        header.instance()
    ));
    sheet.carries(header.payload());
}

pub(super) fn stt(sheet: &mut Sheet<'_, '_>, header: &Stt<'_>) {
    let Some(segment) = header.segment() else {
        return;
    };
    sheet.add(
        "Source port",
        0..2,
        u16_at(sheet.bytes(), 0).unwrap_or_default(),
    );
    sheet.add(
        "Destination port",
        2..4,
        u16_at(sheet.bytes(), 2).unwrap_or_default(),
    );
    sheet.add("Frame length", 4..6, segment.frame_len());
    sheet.add("Offset", 6..8, segment.offset());
    sheet.add("Frame id", 8..12, segment.frame_id());
    let part = format!("at {} of {} bytes", segment.offset(), segment.frame_len());
    let Some(frame) = segment.frame() else {
        sheet.gist(part);
        return sheet.carries(segment.data());
    };
    sheet.add(
        "Checksum unfinished",
        21..22,
        yes(frame.checksum_is_partial()),
    );
    sheet.add("Transport offset", 22..23, frame.l4_offset());
    sheet.add("Segment size", 24..26, frame.mss());
    if let Some(vlan) = frame.vlan() {
        sheet.add("VLAN", 26..28, vlan);
        sheet.add("Priority", 26..27, frame.priority());
    }
    sheet.add("Context id", 28..36, frame.context_id());
    sheet.gist(format!("context {}, {part}", frame.context_id()));
    sheet.carries(frame.payload());
}

pub(super) fn lisp(sheet: &mut Sheet<'_, '_>, header: &Lisp<'_>) {
    if let Some(nonce) = header.nonce() {
        sheet.add("Nonce", 1..4, format_args!("{nonce:#08x}"));
    }
    if let Some((source, destination)) = header.map_versions() {
        sheet.add(
            "Map versions",
            1..4,
            format_args!("{source} and {destination}"),
        );
    }
    if let Some(instance) = header.instance() {
        sheet.add("Instance id", 4..7, instance);
        sheet.gist(format!("instance {instance}"));
    }
    sheet.carries(header.payload());
}

pub(super) fn nsh(sheet: &mut Sheet<'_, '_>, header: &Nsh<'_>) {
    sheet.add("Operation and maintenance", 0..1, yes(header.is_oam()));
    sheet.add("Time to live", 0..2, header.ttl());
    sheet.add("Metadata type", 2..3, header.metadata_type());
    sheet.add("Next protocol", 3..4, next_protocol(header.next_protocol()));
    sheet.add("Service path", 4..7, header.service_path());
    sheet.add("Service index", 7..8, header.service_index());
    let end = header.context().len().saturating_add(8);
    sheet.add("Context", 8..end, hex(header.context()));
    sheet.gist(format!(
        "path {}, index {}",
        header.service_path(),
        header.service_index()
    ));
    sheet.carries(header.payload());
}
