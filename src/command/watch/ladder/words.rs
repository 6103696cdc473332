//! What a packet is, in a few words.

use mirrorscope_dissectors::{Ip, TcpFlags, Transport};
use mirrorscope_engine::finding::protocol_name;

/// `PSH ACK`, `UDP`, `echo request`.
pub fn what(ip: &Ip<'_>) -> String {
    let icmp = |name: &str, kind: u8, code: u8| match kind {
        0 | 129 => "echo reply".to_owned(),
        8 | 128 => "echo request".to_owned(),
        _ => format!("{name} type {kind} code {code}"),
    };
    match &ip.transport {
        Transport::Tcp(tcp) => flags(tcp.flags),
        Transport::LaterFragment { .. } => "fragment".to_owned(),
        Transport::Icmp { kind, code, .. } if ip.protocol == 1 => icmp("ICMP", *kind, *code),
        Transport::Icmp6 { kind, code, .. } => icmp("ICMPv6", *kind, *code),
        _ => match protocol_name(ip.protocol) {
            "IP" => format!("IP protocol {}", ip.protocol),
            name => name.to_owned(),
        },
    }
}

fn flags(flags: TcpFlags) -> String {
    let all = [
        (flags.syn(), "SYN"),
        (flags.fin(), "FIN"),
        (flags.rst(), "RST"),
        (flags.psh(), "PSH"),
        (flags.ack(), "ACK"),
        (flags.urg(), "URG"),
    ];
    let set = all.iter().filter(|(is_set, _)| *is_set);
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    if names.is_empty() {
        "no flags".to_owned()
    } else {
        names.join(" ")
    }
}

/// Bytes of payload, as it was sent.
pub fn payload(ip: &Ip<'_>) -> u32 {
    match &ip.transport {
        Transport::Tcp(tcp) => tcp.payload_len,
        Transport::Udp(udp) => udp.payload_len,
        Transport::Icmp { payload, .. } | Transport::Icmp6 { payload, .. } => {
            payload.len() as u32 + ip.claimed_len.saturating_sub(ip.present_len)
        }
        Transport::LaterFragment { payload_len } => *payload_len,
        _ => 0,
    }
}
