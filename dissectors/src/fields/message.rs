//! ICMP of both versions with the packets that errors quote, and ARP.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::ip;
use super::sheet::{Reader, Sheet, u16_at, u32_at};
use super::transport::{self, titled};
use super::words::{mac, named};
use crate::protocol::arp::Arp;
use crate::protocol::ipv4::Ipv4;
use crate::protocol::ipv6::Ipv6;

/// Puts down an ICMP message of IPv4.
pub(super) fn icmp(reader: &mut Reader<'_>, start: usize, bytes: &[u8], quoted: bool) {
    let (kind, code) = kind_and_code(bytes);
    let name = match kind {
        0 => Some("echo reply"),
        3 => Some("destination unreachable"),
        4 => Some("source quench"),
        5 => Some("redirect"),
        8 => Some("echo request"),
        9 => Some("router advertisement"),
        10 => Some("router solicitation"),
        11 => Some("time exceeded"),
        12 => Some("parameter problem"),
        13 => Some("timestamp request"),
        14 => Some("timestamp reply"),
        _ => None,
    };
    let why = match (kind, code) {
        (3, 0) => Some("network"),
        (3, 1) => Some("host"),
        (3, 2) => Some("protocol"),
        (3, 3) => Some("port"),
        (3, 4) => Some("fragmentation needed"),
        (3, 9 | 10 | 13) => Some("prohibited"),
        (11, 0) => Some("on the way"),
        (11, 1) => Some("while reassembling"),
        _ => None,
    };
    let mut sheet = reader.layer(&titled("ICMP", quoted), start);
    let gist = head(&mut sheet, bytes, name, why);
    match kind {
        0 | 8 => return echo(reader, bytes, &gist),
        3 if code == 4 => {
            let mtu = u16_at(bytes, 6).unwrap_or_default();
            sheet.add("MTU of the next hop", 6..8, mtu);
            sheet.gist(format!("{gist}, MTU {mtu}"));
        }
        5 => {
            let gateway = Ipv4Addr::from(u32_at(bytes, 4).unwrap_or_default());
            sheet.add("Gateway", 4..8, gateway);
            sheet.gist(format!("{gist}, to {gateway}"));
        }
        _ => sheet.gist(gist),
    }
    finish(
        reader,
        bytes,
        matches!(kind, 3 | 4 | 5 | 11 | 12) && !quoted,
    );
}

/// Puts down a message of `ICMPv6`.
pub(super) fn icmp6(reader: &mut Reader<'_>, start: usize, bytes: &[u8], quoted: bool) {
    let (kind, code) = kind_and_code(bytes);
    let name = match kind {
        1 => Some("destination unreachable"),
        2 => Some("packet too big"),
        3 => Some("time exceeded"),
        4 => Some("parameter problem"),
        128 => Some("echo request"),
        129 => Some("echo reply"),
        130 => Some("listener query"),
        131 | 143 => Some("listener report"),
        132 => Some("listener done"),
        133 => Some("router solicitation"),
        134 => Some("router advertisement"),
        135 => Some("neighbour solicitation"),
        136 => Some("neighbour advertisement"),
        137 => Some("redirect"),
        _ => None,
    };
    let why = match (kind, code) {
        (1, 0) => Some("no route"),
        (1, 1) => Some("prohibited"),
        (1, 3) => Some("address"),
        (1, 4) => Some("port"),
        _ => None,
    };
    let mut sheet = reader.layer(&titled("ICMPv6", quoted), start);
    let gist = head(&mut sheet, bytes, name, why);
    match kind {
        128 | 129 => return echo(reader, bytes, &gist),
        2 => {
            let mtu = u32_at(bytes, 4).unwrap_or_default();
            sheet.add("MTU of the next hop", 4..8, mtu);
            sheet.gist(format!("{gist}, MTU {mtu}"));
        }
        135 | 136 => match bytes.get(8..).and_then(|rest| rest.first_chunk::<16>()) {
            Some(&target) => {
                let target = Ipv6Addr::from(target);
                sheet.add("Target", 8..24, target);
                sheet.gist(format!("{gist}, {target}"));
                sheet.len(24);
                return transport::payload(reader, bytes.get(24..).unwrap_or_default());
            }
            None => sheet.gist(gist),
        },
        _ => sheet.gist(gist),
    }
    finish(reader, bytes, matches!(kind, 1..=4) && !quoted);
}

fn kind_and_code(bytes: &[u8]) -> (u8, u8) {
    let at = |place: usize| bytes.get(place).copied().unwrap_or_default();
    (at(0), at(1))
}

/// Type, code and checksum; gives what they say.
fn head(
    sheet: &mut Sheet<'_, '_>,
    bytes: &[u8],
    name: Option<&'static str>,
    why: Option<&'static str>,
) -> String {
    let (kind, code) = kind_and_code(bytes);
    sheet.add("Type", 0..1, named(name, kind));
    sheet.add("Code", 1..2, named(why, code));
    if let Some(sum) = u16_at(bytes, 2) {
        sheet.add("Checksum", 2..4, format_args!("{sum:#06x}, not verified"));
    }
    let name = name.map_or_else(|| format!("type {kind}"), str::to_owned);
    match why {
        Some(why) => format!("{name}: {why}"),
        None => name,
    }
}

/// Identifier and sequence number of an echo, and its data.
fn echo(reader: &mut Reader<'_>, bytes: &[u8], gist: &str) {
    let mut sheet = reader.last();
    let (Some(identifier), Some(sequence)) = (u16_at(bytes, 4), u16_at(bytes, 6)) else {
        sheet.gist(format!("{gist}, its header is cut"));
        return sheet.len(bytes.len());
    };
    sheet.add("Identifier", 4..6, identifier);
    sheet.add("Sequence number", 6..8, sequence);
    sheet.gist(format!("{gist}, id {identifier}, sequence {sequence}"));
    sheet.len(8);
    transport::payload(reader, bytes.get(8..).unwrap_or_default());
}

/// Ends the header; behind it stands the packet that an error quotes, or data.
fn finish(reader: &mut Reader<'_>, bytes: &[u8], quotes: bool) {
    reader.last().len(bytes.len().min(8));
    let rest = bytes.get(8..).unwrap_or_default();
    let Some(start) = reader.place_of(rest).filter(|_| quotes) else {
        return transport::payload(reader, rest);
    };
    if let Ok(packet) = Ipv4::parse(rest) {
        ip::v4(reader, start, &packet, "Quoted ");
        let (protocol, payload) = packet.transport();
        if packet.fragment_offset() == 0 {
            return transport::read(reader, protocol, payload, true);
        }
        return transport::payload(reader, payload);
    }
    if let Ok(packet) = Ipv6::parse(rest) {
        ip::v6(reader, start, &packet, "Quoted ");
        if packet
            .fragment_header()
            .is_none_or(|header| header.offset() == 0)
        {
            return transport::read(reader, packet.protocol(), packet.payload(), true);
        }
        return transport::payload(reader, packet.payload());
    }
    transport::payload(reader, rest);
}

/// Puts down an ARP or RARP packet.
pub(super) fn arp(reader: &mut Reader<'_>, start: usize, bytes: &[u8], title: &str) {
    let mut sheet = reader.layer(title, start);
    let Ok(Some(packet)) = Arp::parse(bytes) else {
        sheet.gist("cut, or of other address types");
        return sheet.len(bytes.len());
    };
    let operation = match packet.operation {
        1 => Some("request"),
        2 => Some("reply"),
        3 => Some("reverse request"),
        4 => Some("reverse reply"),
        _ => None,
    };
    sheet.add("Hardware type", 0..2, "Ethernet (1)");
    sheet.add("Protocol type", 2..4, "IPv4 (0x0800)");
    sheet.add("Hardware address length", 4..5, 6);
    sheet.add("Protocol address length", 5..6, 4);
    sheet.add("Operation", 6..8, named(operation, packet.operation));
    sheet.add("Sender MAC", 8..14, mac(packet.sender_mac));
    sheet.add("Sender IP", 14..18, packet.sender_ip);
    sheet.add("Target MAC", 18..24, mac(packet.target_mac));
    sheet.add("Target IP", 24..28, packet.target_ip);
    sheet.gist(match packet.operation {
        1 if packet.sender_ip == packet.target_ip => {
            format!(
                "{} announces itself at {}",
                packet.sender_ip,
                mac(packet.sender_mac)
            )
        }
        1 => format!("who has {}? tell {}", packet.target_ip, packet.sender_ip),
        2 => format!("{} is at {}", packet.sender_ip, mac(packet.sender_mac)),
        3 => format!("who am I? tell {}", mac(packet.sender_mac)),
        other => named(operation, other),
    });
    sheet.len(28);
}
