//! What is one interface's own matter: whether packets reach it, fit through it, and are captured as they came.

use std::fmt::Write as _;
use std::net::IpAddr;

use mirrorscope_capture::host::ethtool::{Merge, Merging};
use mirrorscope_capture::host::interface::Interface;
use mirrorscope_capture::host::limit;
use mirrorscope_engine::point::printable;

use super::{Check, Status};
use crate::command::interfaces::OVERHEAD;
use crate::output::text::count;

/// What most packets of full size have, without an Ethernet header.
const FULL_SIZE: u32 = 1500;
/// What IPv6 has more than IPv4.
const IPV6: u32 = 20;

/// All of them.
pub fn checks(interface: &Interface) -> Vec<Check> {
    let name = printable(&interface.link.name);
    let mut checks = vec![
        link(interface, &name),
        mtu(interface.link.mtu, &name),
        offloads(&interface.driver.merges, &name),
    ];
    checks.extend(xdp(interface.link.xdp, &name));
    checks.extend(ring(interface, &name));
    checks.push(losses(interface));
    checks.extend(reverse_path(
        limit::reverse_path(&interface.link.name),
        &name,
    ));
    if interface.driver.hardware_time {
        let found = "the card stamps every packet: --hardware-time uses that";
        checks.push(Check::ok("time-stamps", found));
    }
    for check in &mut checks {
        check.interface = Some(name.clone());
    }
    checks
}

fn link(interface: &Interface, name: &str) -> Check {
    const CHECK: &str = "link";
    if !interface.link.is_up() {
        return Check::bad(CHECK, "down").fix(format!("sudo ip link set dev {name} up"));
    }
    if !interface.link.is_running() {
        return Check::bad(CHECK, "up, but there is nothing at the other end")
            .means("nothing arrives: look at the cable, at the switch's port, or at the other end of a virtual cable")
            .fix(format!("sudo ethtool {name}"));
    }
    let far = |net: &&ipnet::IpNet| match net.addr() {
        IpAddr::V4(address) => !address.is_link_local(),
        IpAddr::V6(address) => !address.is_unicast_link_local(),
    };
    let addresses: Vec<String> = interface
        .addresses
        .iter()
        .filter(far)
        .map(ToString::to_string)
        .collect();
    if addresses.is_empty() {
        return Check::warn(CHECK, "up, but has no IP address")
            .means(
                "ERSPAN, GRE, VXLAN and Geneve are sent to an address of the collector; without one only what a switch copies \
                 to this port arrives (SPAN, RSPAN), and that needs --promiscuous",
            )
            .fix(format!("sudo ip address add ADDRESS/LENGTH dev {name}"));
    }
    Check::ok(CHECK, format!("up, with {}", addresses.join(", ")))
}

fn mtu(mtu: u32, name: &str) -> Check {
    const CHECK: &str = "mtu";
    let fits = mtu.saturating_sub(OVERHEAD);
    if fits >= FULL_SIZE {
        let found = format!("{mtu}: mirrored packets of up to {fits} bytes arrive in one piece");
        return Check::ok(CHECK, found);
    }
    let found = format!("{mtu}: mirrored packets of more than {fits} bytes do not fit");
    Check::bad(CHECK, found)
        .means(format!(
            "with a mirror's headers around them they are cut into fragments, or dropped on the way; packets of {FULL_SIZE} \
             bytes need an MTU of {} here and on every link between ({} over IPv6)",
            FULL_SIZE + OVERHEAD,
            FULL_SIZE + OVERHEAD + IPV6
        ))
        .fix(format!("sudo ip link set dev {name} mtu 9000"))
}

fn offloads(merges: &[Merging], name: &str) -> Check {
    const CHECK: &str = "offloads";
    if merges.is_empty() {
        return Check::ok(CHECK, "nothing merges packets before they are captured");
    }
    let switches = |fixed: bool| -> Vec<&str> {
        let those = merges.iter().filter(|merging| merging.fixed == fixed);
        those.map(|merging| merging.by.switch()).collect()
    };
    let (free, fixed) = (switches(false), switches(true));
    let verb = if merges.len() == 1 { "is" } else { "are" };
    let found = format!("{} {verb} on", [&free[..], &fixed].concat().join(", "));
    // The card may look into tunnels, and into packets that the kernel would leave alone.
    let by_card = |merging: &Merging| matches!(merging.by, Merge::Lro | Merge::HardwareGro);
    let (status, mut meaning) = if merges.iter().any(by_card) {
        let meaning = "the card merges TCP segments before they are captured: fewer and longer packets than on the wire, whose \
                       own headers and times are lost";
        (Status::Bad, meaning.to_owned())
    } else {
        let meaning = "TCP segments that come without encapsulation (SPAN) or in plain GRE are merged before they are \
                       captured: fewer and longer packets than on the wire; ERSPAN is left alone";
        (Status::Warn, meaning.to_owned())
    };
    if !fixed.is_empty() {
        let _ = write!(
            meaning,
            "; this driver does not let {} be switched off here: a hypervisor has it in the settings of the network card",
            fixed.join(", ")
        );
    }
    let check = Check::new(CHECK, status, found).means(meaning);
    if free.is_empty() {
        check
    } else {
        check.fix(format!("sudo ethtool -K {name} {} off", free.join(" off ")))
    }
}

fn xdp(attached: bool, name: &str) -> Option<Check> {
    let check = Check::warn("xdp", "an XDP program is attached");
    let meaning =
        "it sees packets before anybody can capture them, and may drop them or send them elsewhere";
    attached.then(|| {
        check
            .means(meaning)
            .fix(format!("sudo ip link set dev {name} xdp off"))
    })
}

fn ring(interface: &Interface, name: &str) -> Option<Check> {
    const CHECK: &str = "card-ring";
    let ring = interface.driver.ring?;
    if ring.now >= ring.most {
        let found = format!("the card's ring has all its {} places", ring.most);
        return Some(Check::ok(CHECK, found));
    }
    let found = format!("the card's ring has {} of {} places", ring.now, ring.most);
    Some(
        Check::warn(CHECK, found)
            .means("when a burst comes faster than the kernel takes packets out, the card drops what finds no place")
            .fix(format!("sudo ethtool -G {name} rx {}", ring.most)),
    )
}

fn losses(interface: &Interface) -> Check {
    const CHECK: &str = "card-drops";
    let counters = interface.link.counters;
    let mut lost = Vec::new();
    let full = counters.missed.max(counters.overrun);
    if full > 0 {
        lost.push(format!(
            "{} for which the card had no place",
            count(full, "packet")
        ));
    }
    if counters.errors > full {
        lost.push(format!(
            "{} that came damaged",
            count(counters.errors - full, "packet")
        ));
    }
    let of = count(counters.received, "packet");
    if lost.is_empty() {
        let unwanted = if counters.dropped > 0 {
            format!(
                "; the kernel dropped {}, mostly what nobody wanted",
                counters.dropped
            )
        } else {
            String::new()
        };
        let found = format!("{of} received, none lost in the card{unwanted}");
        return Check::ok(CHECK, found);
    }
    let found = format!("{of} received, but {} were lost", lost.join(" and "));
    let check = Check::warn(CHECK, found)
        .means("counted since the interface was made; if the numbers still grow, packets of mirrors are among them");
    check.fix(format!(
        "ip -s -s link show dev {}",
        printable(&interface.link.name)
    ))
}

fn reverse_path(mode: Option<u64>, name: &str) -> Option<Check> {
    const CHECK: &str = "rp-filter";
    match mode? {
        1 => Some(
            Check::warn(CHECK, "rp_filter is strict")
                .means(
                    "packets whose source would be answered by another interface are dropped behind the packet ring: --via endpoint \
                     does not receive them",
                )
                .fix(format!("sudo sysctl -w net.ipv4.conf.{name}.rp_filter=2")),
        ),
        _ => Some(Check::ok(CHECK, "sources that are routed elsewhere are let through")),
    }
}

#[cfg(test)]
mod tests {
    use mirrorscope_capture::host::ethtool::{Driver, Ring};
    use mirrorscope_capture::host::link::{Counters, Link};

    use super::*;

    const UP: u32 = 0x1;
    const RUNNING: u32 = 0x40;

    fn interface(flags: u32, addresses: &[&str]) -> Interface {
        Interface {
            link: Link {
                name: "eth1".to_owned(),
                flags,
                ..Link::default()
            },
            addresses: addresses.iter().map(|net| net.parse().unwrap()).collect(),
            ..Interface::default()
        }
    }

    #[test]
    fn a_link_is_up_and_has_an_address_or_is_told() {
        let told = |flags, addresses: &[&str]| {
            let check = link(&interface(flags, addresses), "eth1");
            (check.status, check.found)
        };
        assert_eq!(
            told(UP | RUNNING, &["10.60.0.100/24", "fe80::1/64"]),
            (Status::Ok, "up, with 10.60.0.100/24".to_owned())
        );
        assert_eq!(told(UP | RUNNING, &["fe80::1/64"]).0, Status::Warn);
        assert_eq!(told(UP, &["10.60.0.100/24"]).0, Status::Bad);
        assert_eq!(told(0, &[]), (Status::Bad, "down".to_owned()));
    }

    #[test]
    fn an_mtu_has_room_for_a_full_packet_with_its_headers_or_not() {
        assert_eq!(mtu(1566, "eth1").status, Status::Ok);
        let small = mtu(1565, "eth1");
        assert_eq!(small.status, Status::Bad);
        assert_eq!(
            small.found,
            "1565: mirrored packets of more than 1499 bytes do not fit"
        );
        assert!(small.meaning.unwrap().contains("MTU of 1566"));
        assert_eq!(small.fix, ["sudo ip link set dev eth1 mtu 9000"]);
    }

    #[test]
    fn what_merges_packets_is_told_with_one_command_for_all() {
        let merging = |by| Merging { by, fixed: false };
        assert_eq!(offloads(&[], "eth1").status, Status::Ok);
        let gro = offloads(&[merging(Merge::Gro)], "eth1");
        assert_eq!(
            (gro.status, gro.found.as_str()),
            (Status::Warn, "gro is on")
        );
        assert_eq!(gro.fix, ["sudo ethtool -K eth1 gro off"]);
        let card = offloads(&[merging(Merge::Gro), merging(Merge::Lro)], "eth1");
        assert_eq!(card.status, Status::Bad);
        assert_eq!(card.fix, ["sudo ethtool -K eth1 gro off lro off"]);
    }

    #[test]
    fn what_cannot_be_switched_off_gets_no_command() {
        let fixed = Merging {
            by: Merge::HardwareGro,
            fixed: true,
        };
        let check = offloads(&[fixed], "eth1");
        assert_eq!(check.found, "rx-gro-hw is on");
        assert!(check.meaning.unwrap().contains("does not let rx-gro-hw"));
        assert_eq!(check.fix, [""; 0]);
    }

    #[test]
    fn a_program_in_front_of_all_captures_is_told() {
        assert!(xdp(false, "eth1").is_none());
        let check = xdp(true, "eth1").unwrap();
        assert_eq!(check.fix, ["sudo ip link set dev eth1 xdp off"]);
    }

    #[test]
    fn a_ring_may_be_larger() {
        let mut interface = interface(UP, &[]);
        assert!(ring(&interface, "eth1").is_none());
        let mut places = Ring {
            now: 256,
            most: 4096,
        };
        let with = |ring| Driver {
            ring: Some(ring),
            ..Driver::default()
        };
        interface.driver = with(places);
        let check = ring(&interface, "eth1").unwrap();
        assert_eq!(check.fix, ["sudo ethtool -G eth1 rx 4096"]);
        places.now = 4096;
        interface.driver = with(places);
        assert_eq!(ring(&interface, "eth1").unwrap().status, Status::Ok);
    }

    #[test]
    fn losses_of_the_card_are_told_apart() {
        let mut interface = interface(UP, &[]);
        interface.link.counters = Counters {
            received: 1000,
            dropped: 7,
            ..Counters::default()
        };
        let well = losses(&interface);
        assert_eq!(well.status, Status::Ok);
        assert!(
            well.found.contains("the kernel dropped 7"),
            "{}",
            well.found
        );
        // Some drivers count what was missed as errors, too.
        interface.link.counters.missed = 5;
        interface.link.counters.errors = 8;
        let check = losses(&interface);
        assert_eq!(check.status, Status::Warn);
        assert_eq!(
            check.found,
            "1000 packets received, but 5 packets for which the card had no place and 3 packets that came damaged were lost"
        );
    }

    #[test]
    fn only_a_strict_reverse_path_matters() {
        assert_eq!(reverse_path(Some(2), "eth1").unwrap().status, Status::Ok);
        let strict = reverse_path(Some(1), "eth1").unwrap();
        assert_eq!(
            strict.fix,
            ["sudo sysctl -w net.ipv4.conf.eth1.rp_filter=2"]
        );
        assert!(reverse_path(None, "eth1").is_none());
    }
}
