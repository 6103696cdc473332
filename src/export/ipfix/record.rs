//! Flows as data records: the values of a template's elements, one behind the other.

use std::net::IpAddr;

use mirrorscope_engine::observation::Sum;
use mirrorscope_engine::report::{AtPoint, DirectionAtPoint, FlowReport};
use mirrorscope_engine::time::Timestamp;

use super::template::Kind;
use crate::export::news::End;
use crate::output::flags::flags_of;

/// Packets and bytes of both directions.
pub type Counts = [(u64, u64); 2];

/// What was seen of a flow at a place, or at all.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The point; 0 for all.
    pub point: u64,
    /// Packets and bytes of the originator and the responder.
    pub counts: Counts,
    /// First and last packet.
    pub period: (Timestamp, Timestamp),
    /// Zeek's history of it.
    pub history: String,
    /// The first VLAN that it was seen in.
    pub vlan: u16,
}

impl Seen {
    /// What all points saw, each packet once.
    pub fn anywhere(flow: &FlowReport) -> Self {
        let count = |sum: &Sum| (sum.packets, sum.bytes);
        Self {
            point: 0,
            counts: [count(&flow.orig), count(&flow.resp)],
            period: (flow.first, flow.last),
            history: flow.history.clone(),
            vlan: 0,
        }
    }

    /// What a point saw.
    pub fn at(at: &AtPoint) -> Self {
        let count = |way: &DirectionAtPoint| (way.packets, way.bytes);
        Self {
            point: 0,
            counts: [count(&at.orig), count(&at.resp)],
            period: (at.first, at.last),
            history: at.history.clone(),
            vlan: at.vlans.first().copied().unwrap_or_default(),
        }
    }
}

/// Writes the record of a flow, and tells of which kind it is. A flow that was seen in one direction is a flow of that
/// direction, not half of a biflow.
pub fn write(flow: &FlowReport, seen: &Seen, end: End, to: &mut Vec<u8>) -> Kind {
    let [orig, resp] = seen.counts;
    let both = orig.0 > 0 && resp.0 > 0;
    let answers = !both && resp.0 > 0;
    let [orig_flags, resp_flags] = flags_of(&seen.history);
    let (forth, back, flags) = if answers {
        (resp, orig, [resp_flags, orig_flags])
    } else {
        (orig, resp, [orig_flags, resp_flags])
    };
    let mut ends = [(flow.src, flow.sport), (flow.dst, flow.dport)];
    let icmp = matches!(flow.proto.as_str(), "icmp" | "icmp6");
    let mut type_and_code = 0;
    if icmp {
        // Where NetFlow has ports, type and code stand in that of the destination.
        type_and_code = (flow.sport << 8) | (flow.dport & 0xff);
        ends = [(flow.src, 0), (flow.dst, type_and_code)];
    }
    if answers {
        ends.swap(0, 1);
        if icmp {
            let [source, destination] = &mut ends;
            std::mem::swap(&mut source.1, &mut destination.1);
        }
    }
    to.extend(milliseconds(seen.period.0).to_be_bytes());
    to.extend(milliseconds(seen.period.1).to_be_bytes());
    for (address, _) in ends {
        match address {
            IpAddr::V4(address) => to.extend(address.octets()),
            IpAddr::V6(address) => to.extend(address.octets()),
        }
    }
    for (_, port) in ends {
        to.extend(port.to_be_bytes());
    }
    to.push(protocol(&flow.proto));
    to.extend(type_and_code.to_be_bytes());
    to.extend(seen.vlan.to_be_bytes());
    to.push(match end {
        End::Silent => 1,
        End::UnderWay => 2,
        End::Closed => 3,
        End::Run => 4,
        End::Evicted => 5,
    });
    // Who began it: the source, or the destination of what is an answer (RFC 5103 §6.3).
    to.push(if answers { 2 } else { 1 });
    to.extend(seen.point.to_be_bytes());
    to.extend(flow.number().to_be_bytes());
    let directions = [(forth, flags[0]), (back, flags[1])];
    for ((packets, bytes), flags) in directions.into_iter().take(1 + usize::from(both)) {
        to.extend(bytes.to_be_bytes());
        to.extend(packets.to_be_bytes());
        to.push(flags);
    }
    Kind {
        v6: flow.src.is_ipv6(),
        both,
    }
}

fn milliseconds(time: Timestamp) -> u64 {
    (time.0 / 1_000_000).unsigned_abs()
}

fn protocol(name: &str) -> u8 {
    match name {
        "tcp" => 6,
        "udp" => 17,
        "icmp" => 1,
        "icmp6" => 58,
        "sctp" => 132,
        number => number.parse().unwrap_or_default(),
    }
}
