//! What the command line and the sites file say of the analysis.

use std::fs;

use anyhow::{Context, Result, bail};
use mirrorscope_capture::live::{Numbers, Options as Capture, Pass, Via};
use mirrorscope_dissectors::{Options, Protocol, Selector};
use mirrorscope_engine::Config;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::receive::TimeSource;
use mirrorscope_engine::site::Sites;

use super::names::names;
use crate::cli::{self, InputArgs, LiveArgs};
use crate::output::error_text;

/// The sites file, and what the command line adds to it.
pub fn sites(args: &InputArgs) -> Result<Sites> {
    let mut sites = match &args.sites {
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("{}: cannot read the sites file", path.display()))?;
            Sites::parse(&text).with_context(|| path.display().to_string())?
        }
        None => Sites::default(),
    };
    for assignment in &args.site {
        sites.assign(assignment).context("--site")?;
    }
    sites.firewall = args.firewall;
    Ok(sites)
}

/// The same once more, and that it was read again; or why nothing changes.
pub fn sites_again(args: &InputArgs) -> Result<(Sites, String), String> {
    let Some(path) = &args.sites else {
        return Err("there is no sites file to read again (--sites)".to_owned());
    };
    let name = printable(&path.to_string_lossy());
    match sites(args) {
        Ok(sites) => Ok((sites, format!("{name}: read again"))),
        Err(error) => Err(format!(
            "{}; the sites stay as they were",
            error_text(&error)
        )),
    }
}

/// All settings but those of the flow table.
pub fn config(args: &InputArgs) -> Result<Config> {
    let sites = sites(args)?;
    let mut dissect = Options::default();
    sites
        .decode(&mut dissect)
        .context("the sites file's ports")?;
    let mut taken: Vec<(u16, &str)> = Vec::new();
    for (protocol, ports) in &args.decode.ports {
        let option = protocol.port_option().unwrap_or_default();
        for port in ports {
            if let Some((_, other)) = taken.iter().find(|(known, _)| known == port) {
                bail!("port {port} is given to both --{other} and --{option}");
            }
        }
        taken.extend(ports.iter().map(|port| (*port, option)));
        dissect
            .set_ports(*protocol, ports)
            .with_context(|| format!("--{option}"))?;
    }
    for rule in &args.decode.decode_as {
        dissect
            .decode_as(rule)
            .with_context(|| format!("--decode-as {}", printable(rule)))?;
    }
    Ok(Config {
        dissect,
        sites,
        time: match args.clock {
            cli::Clock::Mirror => TimeSource::Mirror,
            cli::Clock::Arrival => TimeSource::Arrival,
        },
        names: names(&args.naming)?,
        ..Config::default()
    })
}

/// How to receive live.
pub fn capture(args: &LiveArgs, dissect: &Options) -> Capture {
    let usual = if cfg!(target_os = "linux") {
        cli::Via::Ring
    } else {
        cli::Via::Portable
    };
    Capture {
        via: match args.via.unwrap_or(usual) {
            cli::Via::Ring => Via::Ring,
            cli::Via::Endpoint => Via::Endpoint,
            cli::Via::Portable => Via::Portable,
        },
        interfaces: args.interfaces.clone(),
        promiscuous: args.promiscuous,
        buffer: args.buffer,
        threads: args.receive_threads.get(),
        queue: args.queue,
        realtime: !args.no_realtime,
        hardware_time: args.hardware_time,
        pass: Pass {
            all: args.all,
            sources: args.capture_filter.clone(),
        },
        numbers: numbers(dissect),
        hold: !args.no_endpoint,
    }
}

/// What leads to the encapsulations of mirrors and overlays. What is encrypted cannot be one that is opened here.
fn numbers(dissect: &Options) -> Numbers {
    let mut numbers = Numbers::default();
    for (selector, protocol) in dissect.selectors() {
        match (selector, protocol) {
            (Selector::GreType(_), _)
            | (Selector::EtherType(_), Protocol::Ipv4 | Protocol::Ipv6)
            | (
                _,
                Protocol::Esp
                | Protocol::IpComp
                | Protocol::MacSec
                | Protocol::Udp
                | Protocol::Vlan
                | Protocol::Llc,
            ) => {}
            (Selector::EtherType(number), _) => numbers.ethertypes.push(number),
            (Selector::IpProtocol(number), _) => numbers.ip.push(number),
            (Selector::UdpPort(number), _) => numbers.udp.push(number),
            (Selector::TcpPort(number), _) => numbers.tcp.push(number),
        }
    }
    numbers
}
