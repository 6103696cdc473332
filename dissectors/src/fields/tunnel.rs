//! Headers of tunnels.

use super::sheet::{Sheet, u16_at};
use super::words::{ether_type, hex, ip_protocol, yes};
use crate::protocol::ayiya::Ayiya;
use crate::protocol::capwap::Capwap;
use crate::protocol::esp::Esp;
use crate::protocol::fabricpath::FabricPath;
use crate::protocol::gre::Gre;
use crate::protocol::gtpu::Gtpu;
use crate::protocol::gue::Gue;
use crate::protocol::ipcomp::IpComp;
use crate::protocol::l2tp::L2tp;
use crate::protocol::l2tpv3::L2tpv3;
use crate::protocol::mpls::Mpls;
use crate::protocol::pbb::Pbb;
use crate::protocol::pppoe::Pppoe;
use crate::protocol::teredo::Teredo;
use crate::protocol::trill::Trill;
use crate::protocol::wccp::Wccp;

pub(super) fn gre(sheet: &mut Sheet<'_, '_>, header: &Gre<'_>) {
    let flags = u16_at(sheet.bytes(), 0).unwrap_or_default();
    let has = |flag: u16| flags & flag != 0;
    sheet.add("Checksum present", 0..1, yes(has(0x8000)));
    sheet.add("Routing present", 0..1, yes(has(0x4000)));
    sheet.add("Key present", 0..1, yes(has(0x2000)));
    sheet.add("Sequence number present", 0..1, yes(has(0x1000)));
    sheet.add("Version", 1..2, header.version());
    sheet.add("Protocol", 2..4, ether_type(header.protocol()));
    let mut gist = ether_type(header.protocol());
    let mut at: usize = 4;
    let mut part = |len: usize| {
        let start = at;
        at = at.saturating_add(len);
        start..at
    };
    if let Some(sum) = header.checksum() {
        let judged = match header.checksum_ok() {
            Some(true) => "right",
            _ => "wrong, or the packet was cut",
        };
        let place = part(4);
        let middle = place.start.saturating_add(2);
        sheet.add(
            "Checksum",
            place.start..middle,
            format_args!("{sum:#06x}, {judged}"),
        );
    } else if has(0x4000) {
        let place = part(4);
        let middle = place.start.saturating_add(2);
        sheet.add(
            "Routing offset",
            middle..place.end,
            u16_at(sheet.bytes(), middle).unwrap_or_default(),
        );
    }
    if let Some(key) = header.key() {
        gist = format!("{gist}, key {key}");
        let place = part(4);
        let middle = place.start.saturating_add(3);
        match (
            header.virtual_subnet(),
            header.tunnel_id(),
            header.call_id(),
        ) {
            (Some(subnet), _, _) => {
                gist = format!("virtual subnet {subnet}");
                sheet.add("Virtual subnet id", place.start..middle, subnet);
                sheet.add("Flow id", middle..place.end, key & 0xff);
            }
            (_, Some(id), _) | (_, _, Some(id)) => {
                gist = format!("{}, id {id}", ether_type(header.protocol()));
                let middle = place.start.saturating_add(2);
                sheet.add("Payload length", place.start..middle, key >> 16);
                sheet.add("Id", middle..place.end, id);
            }
            _ => sheet.add("Key", place, format_args!("{key} ({key:#010x})")),
        }
    }
    if let Some(sequence) = header.sequence() {
        gist = format!("{gist}, sequence {sequence}");
        sheet.add("Sequence number", part(4), sequence);
    }
    if let Some(acknowledgement) = header.acknowledgement() {
        sheet.add("Acknowledgement number", part(4), acknowledgement);
    }
    sheet.gist(gist);
    sheet.carries(header.payload());
}

pub(super) fn mpls(sheet: &mut Sheet<'_, '_>, header: &Mpls<'_>) {
    let labels: Vec<_> = header.labels().collect();
    let mut at: usize = 0;
    for (index, label) in labels.iter().enumerate() {
        let place = |from: usize, to: usize| at.saturating_add(from)..at.saturating_add(to);
        let bottom = index.saturating_add(1) == labels.len();
        sheet.add("Label", place(0, 3), label.label);
        sheet.add("Traffic class", place(2, 3), label.traffic_class);
        sheet.add("Bottom of the stack", place(2, 3), yes(bottom));
        sheet.add("Time to live", place(3, 4), label.ttl);
        at = at.saturating_add(4);
    }
    if let Some(sequence) = header.sequence() {
        let middle = at.saturating_add(2);
        sheet.add(
            "Control word",
            at..middle,
            hex(sheet.bytes().get(at..middle).unwrap_or_default()),
        );
        sheet.add("Sequence number", middle..at.saturating_add(4), sequence);
    }
    let names: Vec<String> = labels.iter().map(|label| label.label.to_string()).collect();
    let noun = if names.len() == 1 { "label" } else { "labels" };
    sheet.gist(format!("{noun} {}", names.join(", ")));
    sheet.carries(header.payload());
}

pub(super) fn gue(sheet: &mut Sheet<'_, '_>, header: &Gue<'_>) {
    match header.protocol() {
        Some(protocol) => {
            sheet.add("Control", 0..1, yes(header.is_control()));
            sheet.add("Protocol", 1..2, ip_protocol(protocol));
            sheet.gist(ip_protocol(protocol));
        }
        None => sheet.gist("version 1: an IP packet without a header in front"),
    }
    sheet.carries(header.payload());
}

pub(super) fn gtpu(sheet: &mut Sheet<'_, '_>, header: &Gtpu<'_>) {
    let kind = match header.kind() {
        1 => "echo request (1)".to_owned(),
        2 => "echo response (2)".to_owned(),
        26 => "error indication (26)".to_owned(),
        254 => "end marker (254)".to_owned(),
        255 => "user traffic (255)".to_owned(),
        other => other.to_string(),
    };
    let flags = sheet.bytes().first().copied().unwrap_or_default();
    let has = |flag: u8| yes(flags & flag != 0);
    sheet.add("Version", 0..1, flags >> 5);
    sheet.add("Extension header present", 0..1, has(0x04));
    sheet.add("Sequence number present", 0..1, has(0x02));
    sheet.add("N-PDU number present", 0..1, has(0x01));
    sheet.add("Message", 1..2, &kind);
    sheet.add("Length", 2..4, u16_at(sheet.bytes(), 2).unwrap_or_default());
    sheet.add(
        "Tunnel endpoint id",
        4..8,
        format_args!("{:#010x}", header.teid()),
    );
    if let Some(sequence) = header.sequence() {
        sheet.add("Sequence number", 8..10, sequence);
    }
    if let Some(number) = header.n_pdu() {
        sheet.add("N-PDU number", 10..11, number);
    }
    sheet.gist(format!("{kind}, tunnel {:#010x}", header.teid()));
    sheet.carries(header.payload());
}

pub(super) fn l2tp(sheet: &mut Sheet<'_, '_>, header: &L2tp<'_>) {
    sheet.add("Control", 0..1, yes(header.is_control()));
    sheet.add("Version", 1..2, header.version());
    if let (Some(tunnel), Some(session)) = (header.tunnel(), header.session()) {
        sheet.gist(format!("tunnel {tunnel}, session {session}"));
    } else {
        sheet.gist(format!("version {}", header.version()));
    }
    sheet.carries(header.payload());
}

pub(super) fn l2tpv3(sheet: &mut Sheet<'_, '_>, header: &L2tpv3<'_>) {
    sheet.add("Session id", 0..4, header.session());
    sheet.gist(format!("session {}", header.session()));
    sheet.carries(header.payload());
}

pub(super) fn teredo(sheet: &mut Sheet<'_, '_>, header: &Teredo<'_>) {
    if let Some(origin) = header.origin() {
        sheet.gist(format!("seen as {origin}"));
    }
    sheet.carries(header.payload());
}

pub(super) fn ayiya(sheet: &mut Sheet<'_, '_>, header: &Ayiya<'_>) {
    sheet.add("Operation", 2..3, header.operation());
    sheet.add("Next header", 3..4, ip_protocol(header.next_header()));
    sheet.add("Time", 4..8, format_args!("{} s since 1970", header.time()));
    sheet.gist(ip_protocol(header.next_header()));
    sheet.carries(header.payload());
}

pub(super) fn wccp(sheet: &mut Sheet<'_, '_>, header: &Wccp<'_>) {
    if let Some(dynamic) = header.is_dynamic() {
        sheet.add("Dynamic service", 0..1, yes(dynamic));
    }
    if let Some(service) = header.service() {
        sheet.add("Service", 1..2, service);
        sheet.gist(format!("service {service}"));
    }
    if let Some(bucket) = header.alternative_bucket() {
        sheet.add("Alternative bucket", 2..3, bucket);
    }
    if let Some(bucket) = header.primary_bucket() {
        sheet.add("Primary bucket", 3..4, bucket);
    }
    sheet.carries(header.payload());
}

pub(super) fn capwap(sheet: &mut Sheet<'_, '_>, header: &Capwap<'_>) {
    if header.is_encrypted() {
        sheet.gist("encrypted by DTLS");
        return sheet.len(4);
    }
    sheet.add("Radio", 1..3, header.radio_id());
    sheet.add("Binding", 2..3, header.binding());
    sheet.add("Native frame", 2..4, yes(header.is_native()));
    sheet.add("Fragment", 3..4, yes(header.is_fragment()));
    sheet.add("Last fragment", 3..4, yes(header.is_last()));
    sheet.add("Keepalive", 3..4, yes(header.is_keepalive()));
    sheet.add("Fragment id", 4..6, header.fragment_id());
    sheet.add(
        "Fragment offset",
        6..8,
        format_args!("{} bytes", header.fragment_offset()),
    );
    sheet.gist(format!("radio {}", header.radio_id()));
    sheet.carries(header.payload());
}

pub(super) fn pbb(sheet: &mut Sheet<'_, '_>, tag: &Pbb<'_>) {
    sheet.add("Priority", 0..1, tag.priority());
    sheet.add("Drop eligible", 0..1, yes(tag.drop_eligible()));
    sheet.add(
        "Customer addresses",
        0..1,
        yes(tag.uses_customer_addresses()),
    );
    sheet.add("Service (I-SID)", 1..4, tag.service());
    sheet.gist(format!("service {}", tag.service()));
    sheet.carries(tag.payload());
}

pub(super) fn trill(sheet: &mut Sheet<'_, '_>, header: &Trill<'_>) {
    sheet.add("Multi-destination", 0..1, yes(header.multi_destination()));
    sheet.add("Hop count", 1..2, header.hop_count());
    sheet.add("Egress", 2..4, header.egress());
    sheet.add("Ingress", 4..6, header.ingress());
    sheet.gist(format!("{} > {}", header.ingress(), header.egress()));
    sheet.carries(header.payload());
}

pub(super) fn fabric_path(sheet: &mut Sheet<'_, '_>, header: &FabricPath<'_>) {
    sheet.add("Forwarding tag", 0..2, header.forwarding_tag());
    sheet.add("Time to live", 1..2, header.ttl());
    sheet.gist(format!(
        "tag {}, ttl {}",
        header.forwarding_tag(),
        header.ttl()
    ));
    sheet.carries(header.payload());
}

pub(super) fn pppoe(sheet: &mut Sheet<'_, '_>, header: &Pppoe<'_>) {
    sheet.add("Version and type", 0..1, "1, 1");
    sheet.add("Code", 1..2, header.code());
    sheet.add("Session id", 2..4, header.session());
    sheet.add("Length", 4..6, u16_at(sheet.bytes(), 4).unwrap_or_default());
    sheet.gist(format!("session {}", header.session()));
    sheet.carries(header.payload());
}

pub(super) fn esp(sheet: &mut Sheet<'_, '_>, header: &Esp<'_>) {
    match (header.spi(), header.sequence()) {
        (Some(spi), Some(sequence)) => {
            sheet.add(
                "Security parameters index",
                0..4,
                format_args!("{spi:#010x}"),
            );
            sheet.add("Sequence number", 4..8, sequence);
            sheet.gist(format!("SPI {spi:#010x}, sequence {sequence}"));
        }
        _ => sheet.gist("a keepalive, or key exchange"),
    }
    sheet.carries(header.payload());
}

pub(super) fn ip_comp(sheet: &mut Sheet<'_, '_>, header: &IpComp<'_>) {
    sheet.add("Next header", 0..1, ip_protocol(header.next_header()));
    sheet.add("Parameter index", 2..4, header.cpi());
    sheet.gist(format!("{}, compressed", ip_protocol(header.next_header())));
    sheet.carries(header.payload());
}
