//! `interfaces`: what can be listened on.

use anyhow::{Context, Result};
use mirrorscope_capture::host::capability::{self, Capability};
use mirrorscope_capture::host::interface::{self, Interface};
use mirrorscope_engine::point::printable;
use serde::Serialize;

use super::Outcome;
use crate::cli::{HostFormat, InterfacesArgs};
use crate::output::{self, host};

/// What a mirror puts around a frame: an IPv4 header, GRE with a sequence number, ERSPAN III with its sub-header, and the
/// frame's own Ethernet header with a VLAN tag. Other encapsulations need less, IPv6 needs 20 bytes more.
pub const OVERHEAD: u32 = 20 + 8 + 20 + 18;

/// What is told of an interface.
#[derive(Debug, Serialize)]
pub struct InterfaceReport {
    /// Its name.
    pub name: String,
    /// Its number.
    pub index: u32,
    /// `up`, `down`, or `no carrier`: up, and nothing at the other end.
    pub state: &'static str,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<String>,
    /// Its MAC address.
    pub mac: Option<String>,
    /// Largest packet in bytes, without the link's own header.
    pub mtu: u32,
    /// Largest mirrored IP packet that arrives in one piece with its encapsulation around it.
    pub fits: u32,
    /// What its frames begin with.
    pub link_type: String,
    /// The driver's name, or what the interface is where it is made of software.
    pub driver: Option<String>,
    /// Whether it can be listened on now.
    pub usable: bool,
    /// Why not, or what to know of it.
    pub note: Option<String>,
}

/// Runs the command.
pub fn run(args: &InterfacesArgs) -> Result<Outcome> {
    let known = interface::interfaces().context("cannot list the interfaces")?;
    let raw = capability::has(Capability::NetRaw);
    let reports: Vec<InterfaceReport> = known
        .iter()
        .map(|interface| report(interface, &known, raw))
        .collect();
    output::write(|out, screen| match args.format {
        HostFormat::Table => {
            host::interfaces(out, screen, &reports)?;
            if raw == Some(false) {
                let how = capability::how_to_grant("cap_net_raw");
                host::missing(out, screen, &how)?;
            }
            Ok(())
        }
        HostFormat::Json => reports
            .iter()
            .try_for_each(|report| output::line(out, report)),
    })?;
    Ok(Outcome::Done)
}

fn report(interface: &Interface, known: &[Interface], raw: Option<bool>) -> InterfaceReport {
    let link = &interface.link;
    let name = printable(&link.name);
    let state = match (link.is_up(), link.is_running()) {
        (false, _) => "down",
        (true, false) => "no carrier",
        (true, true) => "up",
    };
    let master = link.master.and_then(|index| {
        let master = known.iter().find(|other| other.link.index == index)?;
        Some(format!("part of {}", printable(&master.link.name)))
    });
    let note = match state {
        "down" => Some(format!("is down: sudo ip link set dev {name} up")),
        "no carrier" => Some("nothing at the other end".to_owned()),
        _ if link.is_loopback() => Some("this host's own packets".to_owned()),
        _ => master,
    };
    InterfaceReport {
        index: link.index,
        state,
        addresses: interface
            .addresses
            .iter()
            .map(ToString::to_string)
            .collect(),
        mac: link.mac.filter(|mac| *mac != [0; 6]).map(mac_text),
        mtu: link.mtu,
        fits: link.mtu.saturating_sub(OVERHEAD),
        link_type: interface.link_type(),
        driver: interface.driven_by().map(printable),
        usable: state == "up" && raw != Some(false),
        note,
        name,
    }
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

#[cfg(test)]
mod tests {
    use mirrorscope_capture::host::link::Link;

    use super::*;

    fn interface(index: u32, name: &str, flags: u32) -> Interface {
        Interface {
            link: Link {
                index,
                name: name.to_owned(),
                mtu: 1500,
                hardware: 1,
                flags,
                ..Link::default()
            },
            ..Interface::default()
        }
    }

    const UP: u32 = 0x1;
    const RUNNING: u32 = 0x40;

    #[test]
    fn an_interface_is_told_with_why_it_cannot_be_used() {
        let mut port = interface(3, "eth1", UP | RUNNING);
        port.link.master = Some(4);
        let all = [
            interface(1, "eth0", 0),
            interface(2, "a\u{1b}[2J", UP),
            port,
            interface(4, "br0", UP | RUNNING),
        ];
        let reports = all.each_ref().map(|one| report(one, &all, Some(true)));
        let told: Vec<_> = reports
            .iter()
            .map(|report| (report.state, report.usable, report.note.as_deref()))
            .collect();
        assert_eq!(
            told,
            [
                ("down", false, Some("is down: sudo ip link set dev eth0 up")),
                ("no carrier", false, Some("nothing at the other end")),
                ("up", true, Some("part of br0")),
                ("up", true, None),
            ]
        );
        assert!(!reports[1].name.contains('\u{1b}'));
        assert_eq!(reports[3].fits, 1434);
        assert!(!report(&all[3], &all, Some(false)).usable);
    }
}
