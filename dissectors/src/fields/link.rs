//! Headers and tags of the link layer.

use super::sheet::Sheet;
use super::words::{ether_type, hex, mac, named, yes};
use crate::mirror::DeviceTime;
use crate::protocol::arista::Arista;
use crate::protocol::chdlc::CiscoHdlc;
use crate::protocol::cmd::CiscoMetaData;
use crate::protocol::etag::ETag;
use crate::protocol::ethernet::Ethernet;
use crate::protocol::ieee80211::Ieee80211;
use crate::protocol::llc::Llc;
use crate::protocol::macsec::MacSec;
use crate::protocol::null::Loopback;
use crate::protocol::ppp::Ppp;
use crate::protocol::radiotap::Radiotap;
use crate::protocol::sll::{LinuxSll, LinuxSll2};
use crate::protocol::vlan::Vlan;
use crate::protocol::vntag::VnTag;

pub(super) fn ethernet(sheet: &mut Sheet<'_, '_>, header: &Ethernet<'_>) {
    let (source, destination) = (header.source(), header.destination());
    sheet.add("Destination", 0..6, station(destination));
    sheet.add("Source", 6..12, mac(source));
    sheet.add("Type", 12..14, ether_type(header.ether_type()));
    sheet.gist(format!("{} > {}", mac(source), mac(destination)));
    sheet.carries(header.payload());
}

/// An address that frames are sent to.
fn station(address: [u8; 6]) -> String {
    let text = mac(address);
    match address {
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => format!("{text}, broadcast"),
        [first, ..] if first & 1 != 0 => format!("{text}, multicast"),
        _ => text,
    }
}

pub(super) fn vlan(sheet: &mut Sheet<'_, '_>, tag: &Vlan<'_>) {
    sheet.add("Priority", 0..1, tag.priority());
    sheet.add("Drop eligible", 0..1, yes(tag.drop_eligible()));
    sheet.add("VLAN", 0..2, tag.id());
    sheet.add("Type", 2..4, ether_type(tag.ether_type()));
    sheet.gist(format!("VLAN {}, priority {}", tag.id(), tag.priority()));
    sheet.carries(tag.payload());
}

pub(super) fn vn_tag(sheet: &mut Sheet<'_, '_>, tag: &VnTag<'_>) {
    let way = if tag.towards_interface() {
        "towards the interface"
    } else {
        "towards the switch"
    };
    sheet.add("Direction", 0..1, way);
    sheet.add("To a list", 0..1, yes(tag.to_list()));
    sheet.add("Destination interface", 0..2, tag.destination());
    sheet.add("Looped", 2..3, yes(tag.looped()));
    sheet.add("Source interface", 2..4, tag.source());
    sheet.add("Type", 4..6, ether_type(tag.ether_type()));
    sheet.gist(format!("{} > {}, {way}", tag.source(), tag.destination()));
    sheet.carries(tag.payload());
}

pub(super) fn e_tag(sheet: &mut Sheet<'_, '_>, tag: &ETag<'_>) {
    sheet.add("Priority", 0..1, tag.priority());
    sheet.add("Drop eligible", 0..1, yes(tag.drop_eligible()));
    sheet.add("Ingress channel", 0..2, tag.ingress_channel());
    sheet.add("Channel", 2..4, tag.channel());
    sheet.add("Type", 6..8, ether_type(tag.ether_type()));
    sheet.gist(format!("{} > {}", tag.ingress_channel(), tag.channel()));
    sheet.carries(tag.payload());
}

pub(super) fn cisco_meta_data(sheet: &mut Sheet<'_, '_>, tag: &CiscoMetaData<'_>) {
    if let Some(group) = tag.security_group() {
        sheet.add("Security group", 4..6, group);
        sheet.gist(format!("security group {group}"));
    }
    sheet.carries(tag.payload());
}

pub(super) fn arista(sheet: &mut Sheet<'_, '_>, header: &Arista<'_>) {
    sheet.add("Subtype", 0..2, header.subtype());
    sheet.add("Version", 2..4, format_args!("{:#06x}", header.version()));
    if let Some(DeviceTime::Seconds {
        seconds,
        nanoseconds,
        bits,
        ..
    }) = header.time()
    {
        let wide = usize::from(bits) >> 3;
        let behind = wide.saturating_add(4);
        sheet.add("Seconds", 4..behind, seconds);
        sheet.add("Nanoseconds", behind..behind.saturating_add(4), nanoseconds);
        sheet.gist(format!("stamped at {seconds}.{nanoseconds:09}"));
    }
    sheet.carries(header.payload());
}

pub(super) fn linux_sll(sheet: &mut Sheet<'_, '_>, header: &LinuxSll<'_>) {
    sheet.add("Packet type", 0..2, sll_type(header.packet_type()));
    sheet.add("Hardware type", 2..4, header.hardware_type());
    sheet.add("Address", 6..14, hex(header.address()));
    sheet.add("Protocol", 14..16, ether_type(header.protocol()));
    sheet.gist(sll_type(header.packet_type()));
    sheet.carries(header.payload());
}

pub(super) fn linux_sll2(sheet: &mut Sheet<'_, '_>, header: &LinuxSll2<'_>) {
    sheet.add("Protocol", 0..2, ether_type(header.protocol()));
    sheet.add("Interface", 4..8, header.interface());
    sheet.add("Hardware type", 8..10, header.hardware_type());
    sheet.add("Packet type", 10..11, sll_type(header.packet_type().into()));
    sheet.add("Address", 12..20, hex(header.address()));
    sheet.gist(format!(
        "interface {}, {}",
        header.interface(),
        sll_type(header.packet_type().into())
    ));
    sheet.carries(header.payload());
}

fn sll_type(number: u16) -> String {
    let name = match number {
        0 => "to this host",
        1 => "broadcast",
        2 => "multicast",
        3 => "to another host",
        4 => "sent by this host",
        _ => return number.to_string(),
    };
    named(Some(name), number)
}

pub(super) fn loopback(sheet: &mut Sheet<'_, '_>, header: &Loopback<'_>) {
    sheet.add("Family", 0..4, header.family());
    sheet.gist(format!("family {}", header.family()));
    sheet.carries(header.payload());
}

pub(super) fn ppp(sheet: &mut Sheet<'_, '_>, header: &Ppp<'_>) {
    let name = match header.protocol() {
        0x0021 => Some("IPv4"),
        0x0057 => Some("IPv6"),
        0x0281 => Some("MPLS"),
        0xc021 => Some("LCP"),
        0x8021 => Some("IPCP"),
        _ => None,
    };
    sheet.gist(named(name, format_args!("{:#06x}", header.protocol())));
    sheet.carries(header.payload());
}

pub(super) fn cisco_hdlc(sheet: &mut Sheet<'_, '_>, header: &CiscoHdlc<'_>) {
    sheet.add("Address", 0..1, format_args!("{:#04x}", header.address()));
    sheet.add("Protocol", 2..4, ether_type(header.ether_type()));
    sheet.gist(ether_type(header.ether_type()));
    sheet.carries(header.payload());
}

pub(super) fn llc(sheet: &mut Sheet<'_, '_>, header: &Llc<'_>) {
    sheet.add(
        "Destination access point",
        0..1,
        format_args!("{:#04x}", header.destination()),
    );
    sheet.add(
        "Source access point",
        1..2,
        format_args!("{:#04x}", header.source()),
    );
    sheet.add("Control", 2..3, format_args!("{:#04x}", header.control()));
    if let (Some(organisation), Some(protocol)) = (header.organisation(), header.protocol()) {
        sheet.add("Organisation", 3..6, hex(&organisation));
        sheet.add("Protocol", 6..8, ether_type(protocol));
        sheet.gist(format!("SNAP, {}", ether_type(protocol)));
    }
    sheet.carries(header.payload());
}

pub(super) fn ieee80211(sheet: &mut Sheet<'_, '_>, header: &Ieee80211<'_>) {
    sheet.add("Subtype", 0..2, header.subtype());
    sheet.add("Protected", 0..2, yes(header.protected()));
    if let Some(sequence) = header.sequence() {
        sheet.add("Sequence number", 22..24, sequence);
    }
    if let Some(macs) = header.macs() {
        sheet.gist(format!("{} > {}", mac(macs.source), mac(macs.destination)));
    }
    sheet.carries(header.payload());
}

pub(super) fn radiotap(sheet: &mut Sheet<'_, '_>, header: &Radiotap<'_>) {
    sheet.add(
        "Fields present",
        4..8,
        format_args!("{:#010x}", header.present()),
    );
    sheet.carries(header.payload());
}

pub(super) fn macsec(sheet: &mut Sheet<'_, '_>, header: &MacSec<'_>) {
    sheet.add("Encrypted", 0..1, yes(header.encrypted()));
    sheet.add("Association", 0..1, header.association());
    sheet.add("Packet number", 2..6, header.packet_number());
    if let Some(channel) = header.channel() {
        sheet.add("Secure channel", 6..14, format_args!("{channel:#018x}"));
    }
    sheet.gist(format!("packet {}", header.packet_number()));
    sheet.carries(header.payload());
}
