//! What is everybody's matter on this host: privileges, buffers, losses, ports, the clock.

use mirrorscope_capture::host::capability::{self, Capability, Own};
use mirrorscope_capture::host::clock::{self, Clock};
use mirrorscope_capture::host::interface::Interface;
use mirrorscope_capture::host::limit::{self, Lost};
use mirrorscope_capture::host::port::{self, Holder};
use mirrorscope_dissectors::{Protocol, Selector};
use mirrorscope_engine::point::printable;

use super::Check;
use crate::output::text::count;

/// The receive buffer that a capture asks for unless told otherwise.
const BUFFER: u64 = 64 << 20;

/// All of them.
pub fn checks(own: Option<Own>, interfaces: &[Interface]) -> Vec<Check> {
    let mut checks = vec![
        privileges(own, &capability::program()),
        receive_buffer(limit::receive_buffer(), own),
        turns(limit::realtime(), own),
        memory(limit::huge_pages()),
    ];
    checks.extend(losses(limit::lost(), limit::fragments(false)));
    checks.extend(ports(&taken()));
    checks.extend(tunnels(interfaces));
    checks.push(clock(&clock::clock()));
    checks
}

fn privileges(own: Option<Own>, program: &str) -> Check {
    const CHECK: &str = "privileges";
    let Some(own) = own else {
        return Check::unknown(CHECK, "/proc is not here to tell what this program may do");
    };
    if own.has(Capability::NetRaw) {
        let found = "CAP_NET_RAW is in force: interfaces can be captured and GRE received";
        return Check::ok(CHECK, found);
    }
    let without = "no interface can be captured, and no GRE received; mirrors over UDP can, by --via endpoint";
    if own.file_has(Capability::NetRaw) {
        let why = if own.no_new_privileges {
            "it was started with no-new-privileges, as containers and systemd services are: give the capability to that, or"
        } else {
            "its file system may be mounted nosuid: move it to another one, or"
        };
        let found = "the program's file gives CAP_NET_RAW, but this process did not get it";
        return Check::bad(CHECK, found)
            .means(format!("{without}; {why} start it with sudo"))
            .fix(format!("sudo {program}"));
    }
    Check::bad(CHECK, "CAP_NET_RAW is missing")
        .means(without)
        .fix(format!("sudo setcap cap_net_raw+ep {program}"))
}

fn receive_buffer(limit: Option<u64>, own: Option<Own>) -> Check {
    const CHECK: &str = "receive-buffer";
    let Some(limit) = limit else {
        return Check::unknown(
            CHECK,
            "the limit of receive buffers (net.core.rmem_max) cannot be seen in this network namespace",
        );
    };
    let [granted, wanted] = [limit, BUFFER].map(size);
    if limit >= BUFFER {
        return Check::ok(
            CHECK,
            format!("sockets may have {granted} of receive buffer"),
        );
    }
    if own.is_some_and(|own| own.has(Capability::NetAdmin)) {
        let found =
            format!("{wanted} can be had as root; others get {granted} (net.core.rmem_max)");
        return Check::ok(CHECK, found);
    }
    Check::warn(
        CHECK,
        format!("a socket may have {granted} of receive buffer, {wanted} are wanted"),
    )
    .means("--via endpoint loses packets in bursts; the packet ring does not need it")
    .fix(format!("sudo sysctl -w net.core.rmem_max={BUFFER}"))
}

/// Whether packets are taken before other programs go on: good to have, and no fault without.
fn turns(limit: Option<u64>, own: Option<Own>) -> Check {
    const CHECK: &str = "turns";
    let may =
        own.is_some_and(|own| own.has(Capability::SysResource) || own.has(Capability::SysNice));
    if may || limit.is_none_or(|most| most > 0) {
        return Check::ok(CHECK, "packets are taken before other programs go on");
    }
    let found = "packets wait while other programs have their turns, some milliseconds: buffers must bear that; \
        with sudo, or a limit of real-time priority (ulimit -r) of 1, they need not wait";
    Check::ok(CHECK, found)
}

/// Whether millions of flows are quickly found: good to have, and no fault without.
fn memory(huge_pages: Option<bool>) -> Check {
    const CHECK: &str = "memory";
    match huge_pages {
        None => Check::unknown(
            CHECK,
            "this kernel has no huge pages on request, or does not tell",
        ),
        Some(true) => Check::ok(
            CHECK,
            "flows stand in huge pages, where they are quickly found",
        ),
        Some(false) => Check::ok(
            CHECK,
            "huge pages are switched off: with a million flows and more a packet takes about a fifth longer; \
                'madvise' in /sys/kernel/mm/transparent_hugepage/enabled allows them",
        ),
    }
}

fn losses(lost: Lost, fragments: Option<u64>) -> Vec<Check> {
    let mut checks = Vec::new();
    if lost.socket_full > 0 {
        let found = format!(
            "{} found no room in a socket's receive buffer, of any program, since the host started",
            count(lost.socket_full, "datagram")
        );
        checks.push(
            Check::warn("socket-drops", found)
                .means("if it was --via endpoint, give it more --buffer and raise the limit")
                .fix(format!("sudo sysctl -w net.core.rmem_max={BUFFER}")),
        );
    }
    if lost.not_joined > 0 {
        let found = format!(
            "{} could not be joined since the host started",
            count(lost.not_joined, "fragmented packet")
        );
        let room = fragments.unwrap_or_default().max(4 << 20) * 4;
        checks.push(
            Check::warn("fragments", found)
                .means(
                    "fragments of mirrors were lost on the way, or there was no room to wait for the rest; a larger MTU on the \
                     whole way avoids them. It concerns --via endpoint: what the packet ring captures is joined elsewhere",
                )
                .fix(format!("sudo sysctl -w net.ipv4.ipfrag_high_thresh={room}")),
        );
    }
    if lost.backlog_full > 0 {
        let found = format!(
            "{} found the backlog full since the host started",
            count(lost.backlog_full, "packet")
        );
        let room = limit::backlog().unwrap_or(1000).max(1000) * 10;
        checks.push(
            Check::warn("backlog", found)
                .means("they were lost before anybody could capture them")
                .fix(format!("sudo sysctl -w net.core.netdev_max_backlog={room}")),
        );
    }
    if checks.is_empty() {
        let found = "the kernel has lost nothing between card and sockets since the host started";
        checks.push(Check::ok("socket-drops", found));
    }
    checks
}

/// UDP ports of mirrors, and their protocols.
pub fn mirror_ports() -> Vec<(u16, &'static str)> {
    let udp = |selector| match selector {
        Selector::UdpPort(port) => Some(port),
        _ => None,
    };
    let all = Protocol::ALL.iter();
    let ports = all.flat_map(|protocol| {
        let ports = protocol.default_ports().filter_map(udp);
        ports.map(|port| (port, protocol.title()))
    });
    let mut ports: Vec<_> = ports.collect();
    ports.sort_unstable();
    ports.dedup_by_key(|(port, _)| *port);
    ports
}

/// Those that somebody has, with one holder each.
fn taken() -> Vec<(u16, &'static str, Holder)> {
    let [v4, v6] = [false, true].map(port::taken);
    let ports = mirror_ports().into_iter().filter_map(|(number, title)| {
        let by_v4 = v4.contains(&number);
        let held = by_v4 || v6.contains(&number);
        held.then(|| (number, title, port::holder(number, !by_v4)))
    });
    ports.collect()
}

fn ports(taken: &[(u16, &'static str, Holder)]) -> Vec<Check> {
    const CHECK: &str = "ports";
    let mut holders: Vec<(&Holder, Vec<String>, u16)> = Vec::new();
    for (port, title, holder) in taken {
        let name = format!("{port} ({title})");
        match holders.iter_mut().find(|(known, _, _)| *known == holder) {
            Some((_, ports, _)) => ports.push(name),
            None => holders.push((holder, vec![name], *port)),
        }
    }
    if holders.is_empty() {
        return vec![Check::ok(CHECK, "the UDP ports of mirrors are free")];
    }
    let checks = holders.into_iter().map(|(holder, ports, first)| {
        let (word, verb) = if ports.len() == 1 {
            ("port", "is")
        } else {
            ("ports", "are")
        };
        let found = printable(&format!("UDP {word} {} {verb} {holder}", ports.join(", ")));
        if let Holder::Process { name, .. } = holder
            && name == "mirrorscope"
        {
            return Check::ok(CHECK, found);
        }
        let check = Check::warn(CHECK, found).means(
            "the packet ring sees its packets all the same; --via endpoint cannot receive them",
        );
        match holder.remedy() {
            Some(command) => check.fix(command),
            None => check.fix(format!("sudo ss -ulnp sport = :{first}")),
        }
    });
    checks.collect()
}

/// Tunnels of the kernel, which answer what belongs to none of them whatever sockets are open.
fn tunnels(interfaces: &[Interface]) -> Option<Check> {
    const GRE: [&str; 6] = [
        "gre",
        "gretap",
        "erspan",
        "ip6gre",
        "ip6gretap",
        "ip6erspan",
    ];
    // The kernel makes these by itself when its module is loaded.
    const BY_ITSELF: [&str; 5] = ["gre0", "gretap0", "erspan0", "ip6gre0", "ip6tnl0"];
    let links = interfaces.iter().map(|interface| &interface.link);
    let tunnels = links.filter(|link| link.kind.as_deref().is_some_and(|kind| GRE.contains(&kind)));
    let names: Vec<&str> = tunnels.map(|link| link.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let found = format!(
        "the kernel has GRE tunnels: {}",
        printable(&names.join(", "))
    );
    let check = Check::warn("tunnels", found).means(
        "it may answer GRE packets that belong to none of them with ICMP port unreachable, whatever sockets are held open; some          switches then stop mirroring",
    );
    Some(if names.iter().all(|name| BY_ITSELF.contains(name)) {
        check.fix("sudo modprobe -r ip_gre ip6_gre")
    } else {
        check.fix("sudo iptables -A OUTPUT -p icmp --icmp-type port-unreachable -j DROP")
    })
}

fn clock(clock: &Clock) -> Check {
    const CHECK: &str = "clock";
    match (clock.synchronized, clock.error, &clock.keeper) {
        (Some(true), Some(error), _) => Check::ok(
            CHECK,
            format!("kept in time, to {} ms at most", error.div_ceil(1000)),
        ),
        (Some(true), None, _) => Check::ok(CHECK, "kept in time"),
        (Some(false), _, Some(keeper)) => Check::warn(
            CHECK,
            format!("{keeper} runs, but has not set the clock yet"),
        )
        .means("times of packets cannot be compared with those of other collectors and of firewalls' logs")
        .fix(match keeper.as_str() {
            "chronyd" => "chronyc sources",
            "systemd-timesyncd" => "timedatectl timesync-status",
            "ptp4l" | "phc2sys" | "timemaster" => "sudo pmc -u -b 0 'GET TIME_STATUS_NP'",
            _ => "ntpq -p",
        }),
        (Some(false), _, None) => Check::warn(CHECK, "nobody keeps it in time")
            .means("times of packets cannot be compared with those of other collectors and of firewalls' logs")
            .fix("sudo apt install chrony   # or another client of NTP or PTP"),
        (None, _, _) => Check::unknown(CHECK, "the kernel does not tell whether it is kept in time"),
    }
}

/// A number of bytes as people say it.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use mirrorscope_capture::host::link::Link;

    use super::super::Status;
    use super::*;

    fn own(effective: &[Capability]) -> Own {
        Own {
            effective: effective.iter().map(|one| 1 << *one as u32).sum(),
            ..Own::default()
        }
    }

    #[test]
    fn a_missing_capability_is_told_with_the_path_of_the_program() {
        let check = privileges(Some(own(&[])), "/usr/bin/mirrorscope");
        assert_eq!(check.status, Status::Bad);
        assert_eq!(check.found, "CAP_NET_RAW is missing");
        assert_eq!(
            check.fix,
            ["sudo setcap cap_net_raw+ep /usr/bin/mirrorscope"]
        );
        let granted = privileges(Some(own(&[Capability::NetRaw])), "x");
        assert_eq!(granted.status, Status::Ok);
        assert_eq!(privileges(None, "x").status, Status::Unknown);
    }

    #[test]
    fn a_capability_of_the_file_that_did_not_arrive_is_explained() {
        let file = Own {
            file: 1 << Capability::NetRaw as u32,
            ..own(&[])
        };
        let nosuid = privileges(Some(file), "x");
        assert!(nosuid.meaning.unwrap().contains("nosuid"));
        let confined = Own {
            no_new_privileges: true,
            ..file
        };
        let check = privileges(Some(confined), "x");
        assert_eq!(check.status, Status::Bad);
        assert!(check.meaning.unwrap().contains("no-new-privileges"));
    }

    #[test]
    fn who_takes_packets_first_may_by_a_limit_or_a_capability() {
        let found = |limit, capabilities: &[Capability]| {
            let check = turns(limit, Some(own(capabilities)));
            assert_eq!(check.status, Status::Ok);
            check.found
        };
        let first = found(Some(1), &[]);
        assert!(first.contains("before other programs"));
        for capability in [Capability::SysNice, Capability::SysResource] {
            assert_eq!(found(Some(0), &[capability]), first);
        }
        assert_eq!(found(None, &[]), first);
        assert!(found(Some(0), &[Capability::NetRaw]).contains("ulimit -r"));
    }

    #[test]
    fn huge_pages_are_good_to_have() {
        let [with, without, unknown] = [Some(true), Some(false), None].map(memory);
        assert_eq!((with.status, without.status), (Status::Ok, Status::Ok));
        assert!(with.found.contains("in huge pages"));
        assert!(without.found.contains("'madvise' in /sys"));
        assert_eq!(unknown.status, Status::Unknown);
    }

    #[test]
    fn a_small_receive_buffer_matters_only_where_it_binds() {
        let check = receive_buffer(Some(212_992), Some(own(&[Capability::NetRaw])));
        assert_eq!(check.status, Status::Warn);
        assert!(check.found.starts_with("a socket may have 208 KiB"));
        assert_eq!(check.fix, ["sudo sysctl -w net.core.rmem_max=67108864"]);
        let admin = receive_buffer(Some(212_992), Some(own(&[Capability::NetAdmin])));
        assert_eq!(admin.status, Status::Ok);
        assert_eq!(receive_buffer(Some(BUFFER), None).status, Status::Ok);
        assert_eq!(receive_buffer(None, None).status, Status::Unknown);
    }

    #[test]
    fn each_kind_of_loss_has_its_own_remedy() {
        let lost = Lost {
            socket_full: 1,
            not_joined: 2,
            backlog_full: 3,
        };
        let checks = losses(lost, Some(4 << 20));
        let names: Vec<_> = checks.iter().map(|check| check.name).collect();
        assert_eq!(names, ["socket-drops", "fragments", "backlog"]);
        assert!(checks[0].found.starts_with("1 datagram found"));
        assert_eq!(
            checks[1].fix,
            ["sudo sysctl -w net.ipv4.ipfrag_high_thresh=16777216"]
        );
        let none = losses(Lost::default(), None);
        assert_eq!((none.len(), none[0].status), (1, Status::Ok));
    }

    #[test]
    fn ports_are_told_by_who_has_them() {
        let device = Holder::Device {
            name: "vx0".to_owned(),
            kind: "vxlan".to_owned(),
        };
        let process = |name: &str| Holder::Process {
            name: name.to_owned(),
            pid: 7,
        };
        let checks = ports(&[
            (4789, "VXLAN", device.clone()),
            (8472, "VXLAN", device),
            (4500, "ESP", process("charon")),
            (6081, "Geneve", process("mirrorscope")),
        ]);
        assert_eq!(checks.len(), 3);
        assert_eq!(
            checks[0].found,
            "UDP ports 4789 (VXLAN), 8472 (VXLAN) are taken by the kernel for its vxlan device vx0"
        );
        assert_eq!(checks[0].fix, ["sudo ip link del vx0"]);
        assert_eq!(
            checks[1].found,
            "UDP port 4500 (ESP) is taken by charon (process 7)"
        );
        assert_eq!(checks[1].fix, ["sudo ss -ulnp sport = :4500"]);
        assert_eq!(checks[2].status, Status::Ok);
        assert_eq!(ports(&[])[0].status, Status::Ok);
    }

    #[test]
    fn the_ports_of_mirrors_are_those_of_the_dissectors() {
        let ports = mirror_ports();
        for wanted in [(4789, "VXLAN"), (6081, "Geneve"), (37_008, "TZSP")] {
            assert!(ports.contains(&wanted), "{ports:?}");
        }
    }

    #[test]
    fn tunnels_that_answer_are_told() {
        let tunnel = |name: &str, kind: &str| Interface {
            link: Link {
                name: name.to_owned(),
                kind: Some(kind.to_owned()),
                ..Link::default()
            },
            ..Interface::default()
        };
        assert!(tunnels(&[tunnel("vx0", "vxlan")]).is_none());
        let by_itself = tunnels(&[tunnel("gre0", "gre"), tunnel("erspan0", "erspan")]).unwrap();
        assert_eq!(by_itself.found, "the kernel has GRE tunnels: gre0, erspan0");
        assert_eq!(by_itself.fix, ["sudo modprobe -r ip_gre ip6_gre"]);
        let own = tunnels(&[tunnel("gre0", "gre"), tunnel("to-dc2", "gre")]).unwrap();
        assert!(own.fix[0].contains("OUTPUT"));
    }

    #[test]
    fn a_clock_that_nobody_keeps_is_told() {
        let kept = Clock {
            synchronized: Some(true),
            error: Some(1_200),
            keeper: None,
        };
        assert_eq!(clock(&kept).found, "kept in time, to 2 ms at most");
        let lost = Clock {
            synchronized: Some(false),
            ..kept
        };
        assert_eq!(clock(&lost).found, "nobody keeps it in time");
        let waiting = Clock {
            keeper: Some("chronyd".to_owned()),
            ..lost
        };
        assert_eq!(clock(&waiting).fix, ["chronyc sources"]);
    }
}
