//! Whether this host's packet filter lets mirrored packets reach sockets. A packet ring sees them before any filter.
//!
//! A packet is walked through the rules as far as they can be read. What depends on more than is known of it – its source
//! address, a rate – makes the answer a guess.

mod iptables;
mod nft;
mod walk;

use std::io;
use std::process::{Command, Stdio};

pub use walk::{Fate, Place};

/// A packet of a mirror, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe<'a> {
    /// It is IPv6.
    pub v6: bool,
    /// IP protocol.
    pub protocol: u8,
    /// Destination port, of UDP.
    pub port: Option<u16>,
    /// The interface that it comes by, if only one is meant.
    pub interface: Option<&'a str>,
}

/// All rules that could be read.
#[derive(Debug, Default)]
pub struct Rules {
    tables: Vec<Table>,
}

/// A table: chains that call each other.
#[derive(Debug, Default)]
struct Table {
    family: Family,
    name: String,
    /// The program that shows and changes it.
    tool: Tool,
    chains: Vec<Chain>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Family {
    #[default]
    Both,
    V4,
    V6,
}

/// What manages a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tool {
    /// `nft`.
    #[default]
    Nft,
    /// `iptables`.
    Iptables,
    /// `ip6tables`.
    Ip6tables,
}

#[derive(Debug, Default)]
struct Chain {
    name: String,
    /// Packets come here by themselves; the lower the earlier.
    base: Option<i64>,
    /// Only those that come by this interface.
    interface: Option<String>,
    /// What happens to those that no rule decides.
    drops: bool,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    /// As people know it: its handle or its text.
    label: String,
    tests: Vec<Test>,
    verdict: Verdict,
}

/// A condition of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Protocol(Vec<u8>),
    /// Ranges of destination ports, both ends included.
    Port(Vec<(u16, u16)>),
    /// Names; those that end in `*` or `+` stand for all that begin so.
    Interface(Vec<String>),
    V6(bool),
    /// Holds for every first packet of a one-way flow, or for none.
    Known(bool),
    /// Holds for some packets.
    Unknown,
    Not(Box<Test>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Accept,
    Drop,
    /// It also answers with ICMP.
    Reject,
    Jump(String),
    Goto(String),
    Return,
    /// Counts, marks, logs.
    Continue,
    /// What cannot be read.
    Unknown,
}

impl Rules {
    /// Reads all rules; needs root. Fails if there is a filter that could not be read; no program to read it with means
    /// that there are none that we know of.
    pub fn read() -> io::Result<Self> {
        let mut rules = Self::default();
        let (mut seen, mut refused) = (false, false);
        if let Some(text) = output("nft", &["-j", "list", "ruleset"])? {
            rules.tables = nft::read(&text)?;
            seen = true;
        }
        for (program, tool) in [
            ("iptables-save", Tool::Iptables),
            ("ip6tables-save", Tool::Ip6tables),
        ] {
            let text = match output(program, &[]) {
                Ok(Some(text)) => text,
                // What nft said is all there is to know.
                Ok(None) => continue,
                Err(_) => {
                    refused = true;
                    continue;
                }
            };
            seen = true;
            let tables = iptables::read(&text, tool);
            // Rules that iptables made look strange to nft; its own text says more of them.
            rules.tables.retain(|known| {
                known.tool != Tool::Nft || !tables.iter().any(|table| table.is_same_as(known))
            });
            rules.tables.extend(tables);
        }
        if seen {
            Ok(rules)
        } else {
            let kind = if refused {
                io::ErrorKind::PermissionDenied
            } else {
                io::ErrorKind::NotFound
            };
            Err(kind.into())
        }
    }

    /// What becomes of a packet on its way to a socket.
    pub fn fate(&self, probe: &Probe<'_>) -> Fate {
        let mut bases: Vec<(&Table, &Chain, i64)> = Vec::new();
        for table in self.tables.iter().filter(|table| table.sees(probe)) {
            let chains = table.chains.iter();
            let reached = chains.filter(|chain| chain.is_reached(probe));
            bases.extend(reached.filter_map(|chain| Some((table, chain, chain.base?))));
        }
        bases.sort_by_key(|(_, _, priority)| *priority);
        let fates = bases
            .into_iter()
            .map(|(table, chain, _)| walk::walk(table, chain, probe));
        fates.fold(Fate::Passes, Fate::worse)
    }

    /// Whether there is nothing that could drop anything.
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| {
            let mut bases = table.chains.iter().filter(|chain| chain.base.is_some());
            bases.all(|chain| chain.rules.is_empty() && !chain.drops)
        })
    }
}

impl Table {
    fn sees(&self, probe: &Probe<'_>) -> bool {
        match self.family {
            Family::Both => true,
            Family::V4 => !probe.v6,
            Family::V6 => probe.v6,
        }
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.family == other.family && self.name == other.name
    }
}

impl Chain {
    fn is_reached(&self, probe: &Probe<'_>) -> bool {
        match (&self.interface, probe.interface) {
            (Some(own), Some(interface)) => own == interface,
            _ => true,
        }
    }
}

/// The number of an IP protocol, by the name that packet filters show; none of a name that no mirror has.
fn protocol(name: &str) -> Option<u8> {
    Some(match name {
        "gre" => 47,
        "udp" => 17,
        "ipencap" | "ipip" | "ipv4" => 4,
        "ipv6" => 41,
        "esp" => 50,
        "etherip" => 97,
        "ipcomp" | "comp" => 108,
        "l2tp" => 115,
        "mpls-in-ip" => 137,
        _ => return name.parse().ok(),
    })
}

impl Family {
    fn as_str(self) -> &'static str {
        match self {
            Self::Both => "inet",
            Self::V4 => "ip",
            Self::V6 => "ip6",
        }
    }
}

/// What a program prints; `None` if it is not there.
fn output(program: &str, arguments: &[&str]) -> io::Result<Option<String>> {
    // Ordinary users do not have the last two in their paths.
    for folder in ["", "/usr/sbin/", "/sbin/"] {
        let result = Command::new(format!("{folder}{program}"))
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        match result {
            Ok(output) if output.status.success() => {
                return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()));
            }
            Ok(_) => return Err(io::ErrorKind::PermissionDenied.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
