//! What a packet is, in a few words.

use mirrorscope_dissectors::{Ip, Transport};
use mirrorscope_engine::finding::protocol_name;

/// `PSH ACK`, `UDP`, `echo request`.
pub fn what(ip: &Ip<'_>) -> String {
    let icmp = |name: &str, kind: u8, code: u8| match kind {
        0 | 129 => "echo reply".to_owned(),
        8 | 128 => "echo request".to_owned(),
        _ => format!("{name} type {kind} code {code}"),
    };
    match &ip.transport {
        Transport::Tcp(tcp) => tcp.flags.words(),
        Transport::LaterFragment { .. } => "fragment".to_owned(),
        Transport::Icmp { kind, code, .. } if ip.protocol == 1 => icmp("ICMP", *kind, *code),
        Transport::Icmp6 { kind, code, .. } => icmp("ICMPv6", *kind, *code),
        _ => match protocol_name(ip.protocol) {
            "IP" => format!("IP protocol {}", ip.protocol),
            name => name.to_owned(),
        },
    }
}
