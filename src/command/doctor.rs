//! `doctor`: what is wrong with this host as a collector.

mod filter;
mod interface;
mod machine;

use anyhow::{Context, Result};
use mirrorscope_capture::host::capability;
use mirrorscope_capture::host::firewall::Rules;
use mirrorscope_capture::host::interface as known;
use mirrorscope_capture::host::interface::Interface;
use serde::Serialize;

use super::Outcome;
use crate::cli::{DoctorArgs, TextFormat};
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
#[derive(Debug, Serialize)]
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
    let own = capability::own();
    let mut checks = machine::checks(own, &all);
    let only = match wanted.as_slice() {
        [one] if !args.interfaces.is_empty() => Some(one.link.name.as_str()),
        _ => None,
    };
    checks.extend(filter::checks(&Rules::read(), only));
    if wanted.is_empty() {
        let check = Check::bad("interfaces", "no interface is up, but perhaps the loopback");
        checks.push(check.means("mirrorscope interfaces lists them"));
    }
    for interface in wanted {
        checks.extend(interface::checks(interface));
    }
    let status = checks.iter().map(|check| check.status).max();
    let diagnosis = Diagnosis {
        status: status.unwrap_or(Status::Ok),
        checks,
    };
    output::write(|out, screen| match args.format {
        TextFormat::Text => host::diagnosis(out, screen, &diagnosis),
        TextFormat::Json => output::document(out, &diagnosis),
    })?;
    Ok(Outcome::new(true, diagnosis.status == Status::Bad))
}

/// The interfaces that were asked for; else those by which mirrors may come: up, not the loopback, not a part of another.
fn wanted<'a>(all: &'a [Interface], asked: &[String]) -> Result<Vec<&'a Interface>> {
    if asked.is_empty() || asked.iter().any(|name| name == "any") {
        let link = |interface: &&Interface| {
            let link = &interface.link;
            link.is_up() && !link.is_loopback() && link.master.is_none()
        };
        return Ok(all.iter().filter(link).collect());
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
