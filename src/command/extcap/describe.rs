//! What Wireshark is told of the interfaces.

use std::io::{Write, stdout};

use anyhow::{Context, Result};
use mirrorscope_capture::host::interface;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::point::printable;

use super::Outcome;
use super::control::ALL;

/// What the names of all interfaces begin with.
pub const PREFIX: &str = "mirror-";
/// The one that is no interface of this host.
const ENDPOINT: &str = "endpoint";

/// What is listened on.
#[derive(Debug, PartialEq, Eq)]
pub enum Listener<'a> {
    /// An interface of this host.
    Interface(&'a str),
    /// The ports that mirrors send to, on all of them.
    Endpoint,
}

impl<'a> Listener<'a> {
    /// The one that Wireshark calls so.
    pub fn named(name: &'a str) -> Option<Self> {
        match name.strip_prefix(PREFIX)? {
            "" => None,
            ENDPOINT => Some(Self::Endpoint),
            interface => Some(Self::Interface(interface)),
        }
    }
}

/// Which interfaces there are, and the controls of their toolbar.
pub fn interfaces() -> Result<Outcome> {
    let known = interface::interfaces().context("cannot list the interfaces")?;
    let mut out = stdout().lock();
    let version = env!("CARGO_PKG_VERSION");
    let help = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/extcap.md");
    writeln!(out, "extcap {{version={version}}}{{help={help}}}")?;
    let any = ["any".to_owned()];
    let names = known.iter().map(|interface| &interface.link.name);
    // What is told of a name with other signs could be read as something else.
    let sound = |name: &&String| {
        name.chars()
            .all(|c| c.is_ascii_graphic() && !"{}=".contains(c))
    };
    for name in names.chain(&any).filter(sound) {
        let what = if name == "any" {
            "all interfaces"
        } else {
            name
        };
        writeln!(
            out,
            "interface {{value={PREFIX}{name}}}{{display=Mirrored packets that come to {what}}}"
        )?;
    }
    writeln!(
        out,
        "interface {{value={PREFIX}{ENDPOINT}}}{{display=Mirrored packets in VXLAN and other UDP, without privileges}}"
    )?;
    writeln!(
        out,
        "control {{number={number}}}{{type=selector}}{{display=Mirror session}}{{tooltip=Whose packets are shown from now on}}\n\
         value {{control={number}}}{{value={ALL}}}{{display=All sessions}}{{default=true}}",
        number = super::control::SESSION
    )?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// What packets of an interface begin with. Others are told with the packets themselves.
pub fn link_types(name: &str) -> Result<Outcome> {
    let number = LinkType::Ethernet.number();
    let mut out = stdout().lock();
    writeln!(
        out,
        "dlt {{number={number}}}{{name={}}}{{display=What mirrors carry, mostly Ethernet}}",
        printable(name)
    )?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// What can be set: number, option, what it is called, what it takes, and what else is said of it.
const SETTINGS: [(&str, &str, &str, &str); 6] = [
    (
        "--sites",
        "Sites file",
        "fileselect",
        "{mustexist=true}{fileext=Sites files (*.toml);;All files (*)}{tooltip=Interfaces are named after its sites and points}",
    ),
    (
        "--names",
        "Names of machines",
        "fileselect",
        "{mustexist=true}{tooltip=An inventory or a hosts file: RVTools, govc, CSV, JSON}",
    ),
    (
        "--filter",
        "Only flows",
        "string",
        "{placeholder=host 10.20.0.50 and port 443}{tooltip=mirrorscope's own filter, by host, port and protocol}",
    ),
    (
        "--keep",
        "What to show",
        "selector",
        "{tooltip=Of each mirrored packet}",
    ),
    (
        "--dedup",
        "Each packet once",
        "boolflag",
        "{default=false}{tooltip=However many points saw it}",
    ),
    (
        "--promiscuous",
        "Frames for other stations, too",
        "boolflag",
        "{default=false}{tooltip=Where the interface is the destination of a SPAN port}",
    ),
];

/// What [`SETTINGS`] calls `--keep` may be.
const KEEP: [(&str, &str); 3] = [
    ("inner", "The packet without its encapsulation"),
    ("outer", "The frame as it arrived"),
    ("both", "Both"),
];

/// What can be set for an interface.
pub fn settings() -> Result<Outcome> {
    let mut out = stdout().lock();
    for (number, (call, display, kind, more)) in SETTINGS.iter().enumerate() {
        writeln!(
            out,
            "arg {{number={number}}}{{call={call}}}{{display={display}}}{{type={kind}}}{more}"
        )?;
        if *call == "--keep" {
            for (index, (value, display)) in KEEP.iter().enumerate() {
                let default = index == 0;
                writeln!(
                    out,
                    "value {{arg={number}}}{{value={value}}}{{display={display}}}{{default={default}}}"
                )?;
            }
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn interfaces_are_known_by_their_names() {
        assert_eq!(
            Listener::named("mirror-eth1"),
            Some(Listener::Interface("eth1"))
        );
        assert_eq!(Listener::named("mirror-endpoint"), Some(Listener::Endpoint));
        assert_eq!(Listener::named("mirror-"), None);
        assert_eq!(Listener::named("eth1"), None);
    }

    /// What Wireshark is told to call must be there.
    #[test]
    fn every_setting_is_an_option() {
        let cli = Cli::command();
        let extcap = cli.find_subcommand("extcap").unwrap();
        for (call, ..) in SETTINGS {
            let name = call.strip_prefix("--").unwrap();
            assert!(
                extcap.get_arguments().any(|a| a.get_long() == Some(name)),
                "{call}"
            );
        }
    }
}
