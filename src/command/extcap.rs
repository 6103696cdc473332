//! `extcap`: a capture source in Wireshark's own list of interfaces.
//!
//! Wireshark runs every program in its extcap folder with a question on the command line, and reads the answer from standard
//! output, a sentence a line (doc/extcap.adoc of Wireshark). To capture, it names a FIFO for packets, and two for its toolbar.

mod control;
mod describe;
mod install;

use std::ffi::OsString;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use ipnet::IpNet;
use mirrorscope_engine::point::printable;

use super::{Outcome, decap};
use crate::cli::{Cli, Command, ExtcapArgs};
use control::Control;
use describe::{Listener, PREFIX};

/// Runs the command.
pub fn run(args: &ExtcapArgs) -> Result<Outcome> {
    if let Some(folder) = &args.install {
        return install::install(folder.as_deref());
    }
    if let Some(folder) = &args.remove {
        return install::remove(folder.as_deref());
    }
    if args.extcap_interfaces {
        return describe::interfaces();
    }
    let name = args.extcap_interface.as_deref().unwrap_or_default();
    let Some(listener) = Listener::named(name) else {
        bail!("{name}: not one of mirrorscope's interfaces, which begin with {PREFIX}");
    };
    if args.extcap_dlts {
        describe::link_types(name)
    } else if args.extcap_config {
        describe::settings()
    } else if args.capture {
        capture(args, &listener)
    } else {
        // Whether a filter is one: nothing is said of one that is.
        if let Err(wrong) = mirrors(args) {
            println!("{wrong}");
        }
        Ok(Outcome::Done)
    }
}

/// The mirror sources that Wireshark's capture filter lets send.
fn mirrors(args: &ExtcapArgs) -> Result<Option<OsString>> {
    let Some(filter) = args
        .extcap_capture_filter
        .as_ref()
        .filter(|filter| !filter.is_empty())
    else {
        return Ok(None);
    };
    let sources = filter.split(',').map(str::trim);
    if sources
        .clone()
        .any(|source| source.parse::<IpNet>().is_err() && source.parse::<IpAddr>().is_err())
    {
        bail!(
            "capture filter: {}: it takes the mirror sources that may send, such as 10.60.0.0/24; to choose by host, port or \
             protocol, use the setting Only flows",
            printable(filter)
        );
    }
    Ok(Some(sources.collect::<Vec<_>>().join(",").into()))
}

/// Captures as `decap` does.
fn capture(args: &ExtcapArgs, listener: &Listener<'_>) -> Result<Outcome> {
    // Before privileges are given up; Wireshark waits at the other ends.
    let control = match (&args.extcap_control_in, &args.extcap_control_out) {
        (Some(from), Some(to)) => Some(Control::open(from, to).context("the toolbar's controls")?),
        _ => None,
    };
    let cli = Cli::try_parse_from(words(args, mirrors(args)?, listener))
        .context("what is to be captured")?;
    let Command::Decap(decap) = &cli.command else {
        bail!("nothing to capture");
    };
    decap::run_for_another(decap, control.map(Control::start).transpose()?)
}

/// The same in the words of `decap`.
fn words(args: &ExtcapArgs, mirrors: Option<OsString>, listener: &Listener<'_>) -> Vec<OsString> {
    let mut words: Vec<OsString> = ["mirrorscope", "decap"].map(OsString::from).into();
    let mut say = |option: &str, value: OsString| {
        // One word, so that no value is taken for an option.
        let mut word = OsString::from(format!("--{option}="));
        word.push(value);
        words.push(word);
    };
    match listener {
        Listener::Interface(name) => say("interface", name.into()),
        Listener::Endpoint => say("via", "endpoint".into()),
    }
    let options = [
        ("write", args.fifo.clone().map(OsString::from)),
        ("format", Some("pcapng".into())),
        ("sites", args.sites.clone().map(OsString::from)),
        ("names", args.names.clone().map(OsString::from)),
        ("filter", args.filter.clone().map(OsString::from)),
        ("capture-filter", mirrors),
        (
            "keep",
            args.keep
                .to_possible_value()
                .map(|keep| keep.get_name().into()),
        ),
    ];
    for (option, value) in options {
        // Wireshark says what is not set, too.
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            say(option, value);
        }
    }
    let flags = [("--dedup", args.dedup), ("--promiscuous", args.promiscuous)];
    words.extend(
        flags
            .iter()
            .filter(|(_, set)| *set)
            .map(|(flag, _)| flag.into()),
    );
    words
}
