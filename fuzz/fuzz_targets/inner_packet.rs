//! Any bytes as an IP packet: lengths that are told stay within what is there.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mirrorscope_dissectors::{LinkType, Network, Options, Transport, decapsulate};

fuzz_target!(|bytes: &[u8]| {
    let mut options = Options::default();
    // Nothing is opened: this is about the packet itself.
    options.max_encapsulations = 0;
    let stripped = decapsulate(LinkType::RawIp, bytes, &options);
    let Network::Ip(ip) = stripped.packet().network else {
        return;
    };
    assert!(ip.present_len as usize <= bytes.len());
    assert!(ip.present_len <= ip.claimed_len);
    let (present, claimed) = match ip.transport {
        Transport::Tcp(tcp) => (tcp.payload.len() + tcp.options.len(), Some(tcp.payload_len)),
        Transport::Udp(udp) => (udp.payload.len(), Some(udp.payload_len)),
        Transport::Icmp { payload, .. } | Transport::Icmp6 { payload, .. } => (payload.len(), None),
        _ => (0, None),
    };
    assert!(present <= bytes.len());
    assert!(claimed.is_none_or(|claimed| claimed <= ip.claimed_len));
    let _ = format!("{ip:?}");
});
