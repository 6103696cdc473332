//! `doctor`: what is wrong with this host as a collector.

mod filter;
mod interface;
mod machine;

use anyhow::{Context, Result};
use mirrorscope_capture::host::capability;
use mirrorscope_capture::host::firewall::Rules;
use mirrorscope_capture::host::interface::{self as known, Interface};
use mirrorscope_engine::point::printable;
use serde::Serialize;

use super::Outcome;
use crate::cli::{DoctorArgs, DoctorFormat};
use crate::output::{self, host};

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Ok,
    /// It could not be seen.
    Unknown,
    /// Packets may be lost, or are in some uses only.
    Warn,
    /// Packets are lost or distorted, or none can be received.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What; these names are stable.
    #[serde(rename = "check")]
    pub name: &'static str,
    /// The interface, if it is one's own matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// How well it is.
    pub status: Status,
    /// What was found, in one line.
    pub found: String,
    /// What that means for a collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// Commands that mend it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fix: Vec<String>,
}

impl Check {
    fn new(name: &'static str, status: Status, found: impl Into<String>) -> Self {
        Self {
            name,
            interface: None,
            status,
            found: found.into(),
            meaning: None,
            fix: Vec::new(),
        }
    }

    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Status::Ok, found)
    }

    fn unknown(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Status::Unknown, found)
    }

    fn warn(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Status::Warn, found)
    }

    fn bad(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, Status::Bad, found)
    }

    fn means(mut self, meaning: impl Into<String>) -> Self {
        self.meaning = Some(meaning.into());
        self
    }

    fn fix(mut self, command: impl Into<String>) -> Self {
        self.fix.push(command.into());
        self
    }
}

/// All that was looked at.
#[derive(Debug, Serialize)]
pub struct Diagnosis {
    /// The worst of all.
    pub status: Status,
    /// Each, those of the host first.
    pub checks: Vec<Check>,
}

/// Runs the command.
pub fn run(args: &DoctorArgs) -> Result<Outcome> {
    let all = known::interfaces().context("cannot list the interfaces")?;
    let wanted = wanted(&all, &args.interfaces)?;
    let names: Vec<String> = wanted.iter().map(|one| printable(&one.link.name)).collect();
    let mut checks = machine::checks(capability::own(), &all);
    checks.extend(filters(&wanted));
    if wanted.is_empty() {
        let check = Check::bad("interfaces", "no interface is up, but perhaps the loopback");
        checks.push(check.means("mirrorscope interfaces lists them"));
    }
    for interface in wanted {
        checks.extend(interface::checks(interface));
    }
    // Those of an interface together, behind those of the host.
    let order = |check: &Check| {
        let place = names
            .iter()
            .position(|name| Some(name) == check.interface.as_ref());
        place.map_or(0, |place| place + 1)
    };
    checks.sort_by_key(order);
    let status = checks.iter().map(|check| check.status).max();
    let diagnosis = Diagnosis {
        status: status.unwrap_or(Status::Ok),
        checks,
    };
    output::write(|out, screen| match args.format {
        DoctorFormat::Text => host::diagnosis(out, screen, &diagnosis),
        DoctorFormat::Json => output::document(out, &diagnosis),
    })?;
    Ok(Outcome::new(true, diagnosis.status == Status::Bad))
}

/// What the packet filter does: once, if it treats all interfaces alike.
fn filters(interfaces: &[&Interface]) -> Vec<Check> {
    let rules = Rules::read();
    let names = interfaces.iter().map(|one| one.link.name.as_str());
    let mut all: Vec<(&str, Vec<Check>)> = names
        .map(|name| (name, filter::checks(&rules, Some(name))))
        .collect();
    let Some((_, first)) = all.first() else {
        return filter::checks(&rules, None);
    };
    if all.iter().all(|(_, checks)| checks == first) {
        return first.clone();
    }
    for (name, checks) in &mut all {
        for check in checks {
            check.interface = Some(printable(name));
        }
    }
    all.into_iter().flat_map(|(_, checks)| checks).collect()
}

/// The interfaces that were asked for; else those by which mirrors are likely to come.
fn wanted<'a>(all: &'a [Interface], asked: &[String]) -> Result<Vec<&'a Interface>> {
    if asked.is_empty() || asked.iter().any(|name| name == "any") {
        return Ok(likely(all));
    }
    let mut wanted: Vec<&Interface> = Vec::new();
    for name in asked {
        let index = known::find(name)?;
        let found = all.iter().find(|interface| interface.link.index == index);
        let found = found.with_context(|| format!("{name}: is gone"))?;
        if !wanted.iter().any(|known| known.link.index == index) {
            wanted.push(found);
        }
    }
    Ok(wanted)
}

/// Those that are up and lead out of this machine; in a container, where none does, all that are up.
fn likely(all: &[Interface]) -> Vec<&Interface> {
    const OUTWARDS: [&str; 5] = ["bond", "team", "vlan", "macvlan", "ipvlan"];
    let up = all.iter().filter(|interface| {
        let link = &interface.link;
        link.is_up() && !link.is_loopback() && link.master.is_none()
    });
    let up: Vec<&Interface> = up.collect();
    let leads_out = |interface: &&&Interface| {
        let kind = interface.link.kind.as_deref();
        kind.is_none_or(|kind| OUTWARDS.contains(&kind))
    };
    let outwards: Vec<&Interface> = up.iter().filter(leads_out).copied().collect();
    if outwards.is_empty() { up } else { outwards }
}

#[cfg(test)]
mod tests {
    use mirrorscope_capture::host::link::Link;

    use super::*;

    fn interface(name: &str, flags: u32, kind: Option<&str>) -> Interface {
        Interface {
            link: Link {
                name: name.to_owned(),
                flags,
                kind: kind.map(str::to_owned),
                ..Link::default()
            },
            ..Interface::default()
        }
    }

    const UP: u32 = 0x1;
    const LOOPBACK: u32 = 0x8;

    #[test]
    fn interfaces_that_lead_out_are_looked_at_and_in_a_container_all() {
        let mut port = interface("eth2", UP, None);
        port.link.master = Some(9);
        let names = |all: &[Interface]| -> Vec<String> {
            let likely = likely(all).into_iter();
            likely.map(|one| one.link.name.clone()).collect()
        };
        let all = [
            interface("lo", UP | LOOPBACK, None),
            interface("eth0", UP, None),
            interface("eth1", 0, None),
            port,
            interface("bond0", UP, Some("bond")),
            interface("docker0", UP, Some("bridge")),
            interface("wg0", UP, Some("wireguard")),
        ];
        assert_eq!(names(&all), ["eth0", "bond0"]);
        let container = [
            interface("lo", UP | LOOPBACK, None),
            interface("eth0", UP, Some("veth")),
        ];
        assert_eq!(names(&container), ["eth0"]);
    }
}
