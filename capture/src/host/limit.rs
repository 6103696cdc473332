//! Limits and settings of the kernel, most of them under `/proc/sys/net`, and what it counted because of them.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// The largest receive buffer that everybody may ask for, in bytes. Unknown in containers of older kernels.
pub fn receive_buffer() -> Option<u64> {
    sysctl("core/rmem_max")
}

/// The largest real-time priority that this process may give its threads; none if it has no bound.
pub fn realtime() -> Option<u64> {
    getrlimit(Resource::Rtprio).maximum
}

/// Packets that may wait between a driver without a queue of its own (a virtual cable) and the kernel.
pub fn backlog() -> Option<u64> {
    sysctl("core/netdev_max_backlog")
}

/// Bytes that fragments may take which wait for others, for IPv4 or IPv6.
pub fn fragments(v6: bool) -> Option<u64> {
    sysctl(if v6 {
        "ipv6/ip6frag_high_thresh"
    } else {
        "ipv4/ipfrag_high_thresh"
    })
}

/// How strictly the source of IPv4 packets is checked at an interface: 0 not, 1 it must be reached by the same interface,
/// 2 by any.
pub fn reverse_path(interface: &str) -> Option<u64> {
    let all = sysctl("ipv4/conf/all/rp_filter");
    let own = sysctl(&format!("ipv4/conf/{interface}/rp_filter"));
    all.max(own)
}

/// Whether programs that ask for huge pages get them; unknown where the kernel has none.
pub fn huge_pages() -> Option<bool> {
    let text = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?;
    Some(!text.contains("[never]"))
}

fn sysctl(name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/sys/net/{name}")).ok()?;
    text.trim().parse().ok()
}

/// What the kernel threw away since it started, in this network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lost {
    /// Datagrams for which a socket had no room.
    pub socket_full: u64,
    /// Fragmented packets that could not be joined.
    pub not_joined: u64,
    /// Packets for which the backlog had no room, in all namespaces together.
    pub backlog_full: u64,
}

/// What the kernel threw away.
pub fn lost() -> Lost {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/thread-self/net/{name}")).unwrap_or_default()
    };
    let (v4, v6) = (read("snmp"), read("snmp6"));
    Lost {
        socket_full: counter(&v4, "Udp", "RcvbufErrors") + counter6(&v6, "Udp6RcvbufErrors"),
        not_joined: counter(&v4, "Ip", "ReasmFails") + counter6(&v6, "Ip6ReasmFails"),
        backlog_full: backlog_drops(&read("softnet_stat")),
    }
}

/// A counter of `/proc/net/snmp`: a line of names, then a line of values, both with the protocol in front.
fn counter(text: &str, protocol: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| {
        let (head, rest) = line.split_once(':')?;
        (head == protocol).then_some(rest)
    });
    let (Some(names), Some(values)) = (lines.next(), lines.next()) else {
        return 0;
    };
    let mut all = names.split_whitespace().zip(values.split_whitespace());
    let found = all.find(|(known, _)| *known == name);
    found
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or_default()
}

/// A counter of `/proc/net/snmp6`: a name and a value in each line.
fn counter6(text: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    let found = lines.find(|(known, _)| *known == name);
    found
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or_default()
}

/// The second column of each processor's line, in hexadecimal.
fn backlog_drops(text: &str) -> u64 {
    let columns = text
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    columns
        .filter_map(|column| u64::from_str_radix(column, 16).ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNMP: &str = "\
Ip: Forwarding DefaultTTL ReasmReqds ReasmOKs ReasmFails FragOKs
Ip: 2 64 90 40 5 0
Udp: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
Udp: 1000 3 17 80 12 0
UdpLite: InDatagrams NoPorts InErrors OutDatagrams RcvbufErrors SndbufErrors
UdpLite: 0 0 0 0 99 0
";

    #[test]
    fn counters_are_read_by_their_names() {
        assert_eq!(counter(SNMP, "Udp", "RcvbufErrors"), 12);
        assert_eq!(counter(SNMP, "Ip", "ReasmFails"), 5);
        assert_eq!(counter(SNMP, "Ip", "NoSuchThing"), 0);
        assert_eq!(counter("", "Ip", "ReasmFails"), 0);
        let six = "Ip6ReasmFails                   \t7\nUdp6RcvbufErrors                \t3\n";
        assert_eq!(counter6(six, "Udp6RcvbufErrors"), 3);
    }

    #[test]
    fn drops_of_all_processors_count() {
        let text = "0511b93b 0000000a 00000035 00000000\n05636382 00000010 00000033 00000000\n";
        assert_eq!(backlog_drops(text), 26);
    }
}
