//! Numbers and addresses as people read them.

use std::fmt::Write as _;

/// A MAC address.
pub(super) fn mac(bytes: [u8; 6]) -> String {
    joined(&bytes, ":")
}

/// Bytes in hexadecimal, at most 16 of them.
pub(super) fn hex(bytes: &[u8]) -> String {
    const MOST: usize = 16;
    let mut text = joined(bytes.get(..MOST).unwrap_or(bytes), " ");
    if bytes.len() > MOST {
        text.push_str(" …");
    }
    text
}

fn joined(bytes: &[u8], between: &str) -> String {
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            text.push_str(between);
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A number of bytes.
pub(super) fn bytes(count: usize) -> String {
    match count {
        1 => "1 byte".to_owned(),
        _ => format!("{count} bytes"),
    }
}

/// Whether a flag is set.
pub(super) fn yes(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

/// A number, and its name if it has one.
pub(super) fn named(name: Option<&str>, number: impl std::fmt::Display) -> String {
    match name {
        Some(name) => format!("{name} ({number})"),
        None => number.to_string(),
    }
}

/// An `EtherType`, or a length.
pub(super) fn ether_type(number: u16) -> String {
    if number <= 0x05dc {
        return format!("length {number}");
    }
    named(ether_type_name(number), format_args!("{number:#06x}"))
}

/// The name of an `EtherType`.
pub(super) fn ether_type_name(number: u16) -> Option<&'static str> {
    Some(match number {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x22eb => "ERSPAN III",
        0x22f3 => "TRILL",
        0x6400 => "EoIP",
        0x6558 => "Ethernet",
        0x8035 => "RARP",
        0x8100 => "802.1Q",
        0x86dd => "IPv6",
        0x8808 => "pause",
        0x8809 => "slow protocols",
        0x880b => "PPP",
        0x8847 => "MPLS",
        0x8848 => "MPLS multicast",
        0x8863 => "PPPoE discovery",
        0x8864 => "PPPoE session",
        0x888e => "802.1X",
        0x88a8 => "802.1ad",
        0x88be => "ERSPAN",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        0x88e7 => "MAC-in-MAC",
        0x8902 => "CFM",
        0x8903 => "FabricPath",
        0x8909 => "Cisco MetaData",
        0x8926 => "VN-Tag",
        0x893f => "802.1BR",
        0x894f => "NSH",
        0xd28b => "Arista",
        _ => return None,
    })
}

/// A protocol number of IP.
pub(super) fn ip_protocol(number: u8) -> String {
    named(ip_protocol_name(number), number)
}

/// The name of a protocol number of IP.
pub(super) fn ip_protocol_name(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "hop-by-hop options",
        1 => "ICMP",
        2 => "IGMP",
        4 => "IPv4",
        6 => "TCP",
        17 => "UDP",
        41 => "IPv6",
        43 => "routing",
        44 => "fragment",
        47 => "GRE",
        50 => "ESP",
        51 => "authentication",
        58 => "ICMPv6",
        59 => "nothing",
        60 => "destination options",
        88 => "EIGRP",
        89 => "OSPF",
        97 => "EtherIP",
        103 => "PIM",
        108 => "IPComp",
        112 => "VRRP",
        115 => "L2TPv3",
        132 => "SCTP",
        135 => "mobility",
        137 => "MPLS",
        _ => return None,
    })
}

/// A differentiated services code point.
pub(super) fn dscp(number: u8) -> String {
    let name = match number {
        0 => "best effort",
        8 => "CS1",
        10 => "AF11",
        12 => "AF12",
        14 => "AF13",
        16 => "CS2",
        18 => "AF21",
        20 => "AF22",
        22 => "AF23",
        24 => "CS3",
        26 => "AF31",
        28 => "AF32",
        30 => "AF33",
        32 => "CS4",
        34 => "AF41",
        36 => "AF42",
        38 => "AF43",
        40 => "CS5",
        46 => "EF",
        48 => "CS6",
        56 => "CS7",
        _ => return number.to_string(),
    };
    named(Some(name), number)
}

/// Explicit congestion notification.
pub(super) fn ecn(number: u8) -> &'static str {
    match number {
        0 => "not capable (0)",
        1 => "capable, ECT(1) (1)",
        2 => "capable, ECT(0) (2)",
        _ => "congestion experienced (3)",
    }
}

/// What a payload is at a glance: its length, and its first line if that is text.
pub(super) fn payload(payload: &[u8]) -> String {
    const MOST: usize = 60;
    let count = bytes(payload.len());
    let line = payload
        .split(|byte| matches!(byte, b'\r' | b'\n'))
        .next()
        .unwrap_or_default();
    let line = line.get(..MOST).unwrap_or(line);
    let is_text = line.len() >= 3 && line.iter().all(|byte| matches!(byte, b' '..=b'~'));
    match std::str::from_utf8(line) {
        Ok(line) if is_text => format!("{count}: {line}"),
        _ => count,
    }
}
