//! What was asked for, before anything is opened: privileges are given up in between.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use mirrorscope_engine::point::printable;

use super::form::{Eve, Syslog, ZeekJson, ZeekLog};
use super::ipfix::{Each, Ipfix};
use super::outlet::{Form, Outlet};
#[cfg(feature = "tls")]
use super::sink::tls;
use super::sink::{Datagrams, LogFile, Rotation, Sink, Stdout, Stream};
use super::target::Target;
use crate::cli::{ExportArgs, IpfixEach, LogFormat};
use crate::privilege::Network;

/// One way out.
pub struct Way {
    what: What,
    target: Target,
    /// Addresses of the target's host: names cannot be asked for later.
    addresses: Vec<SocketAddr>,
    /// Who must be there, with TLS.
    #[cfg(feature = "tls")]
    peer: Option<tls::Peer>,
}

/// What goes out.
#[derive(Clone, Copy, Debug)]
enum What {
    Log(LogFormat, Rotation),
    Syslog,
    Ipfix(Each),
}

impl Way {
    /// All that were asked for.
    pub fn all(args: &ExportArgs) -> Result<Vec<Self>> {
        let rotation = Rotation {
            size: args.log_rotate_size,
            time: args
                .log_rotate_time
                .map(|time| Duration::from_nanos(time.unsigned_abs())),
            keep: args.log_keep,
        };
        let logs = args.log.iter();
        let logs = logs.map(|log| (What::Log(log.format, rotation), &log.target));
        let syslog = args.syslog.iter().map(|target| (What::Syslog, target));
        let each = match args.ipfix_each {
            IpfixEach::Point => Each::Point,
            IpfixEach::Flow => Each::Flow,
        };
        let ipfix = args.ipfix.iter().map(|target| (What::Ipfix(each), target));
        let ways: Vec<(What, &Target)> = logs.chain(syslog).chain(ipfix).collect();
        for (index, (_, target)) in ways.iter().enumerate() {
            let written = matches!(target, Target::File(_) | Target::Stdout);
            if written && ways.iter().take(index).any(|(_, other)| other == target) {
                bail!("--log: {target} would have several logs; give each a place of its own");
            }
        }
        let ways = ways.into_iter();
        ways.map(|(what, target)| Self::new(what, target.clone(), args.tls_ca.as_deref()))
            .collect()
    }

    fn new(what: What, target: Target, authorities: Option<&Path>) -> Result<Self> {
        let addresses = match &target {
            Target::Tcp(place) | Target::Tls(place) | Target::Udp(place) => {
                place.resolve().with_context(|| target.to_string())?
            }
            Target::Stdout | Target::File(_) | Target::Unix(_) => Vec::new(),
        };
        #[cfg(not(feature = "tls"))]
        let _ = authorities;
        Ok(Self {
            #[cfg(feature = "tls")]
            peer: match &target {
                Target::Tls(place) => Some(
                    tls::Peer::new(&place.host, authorities).with_context(|| target.to_string())?,
                ),
                _ => None,
            },
            what,
            target,
            addresses,
        })
    }

    /// The file that it writes.
    pub fn file(&self) -> Option<&Path> {
        match &self.target {
            Target::File(path) => Some(path),
            _ => None,
        }
    }

    /// Whether flows go out.
    pub fn takes_flows(&self) -> bool {
        !matches!(self.what, What::Syslog)
    }

    /// Whether findings go out.
    pub fn takes_findings(&self) -> bool {
        matches!(self.what, What::Syslog | What::Log(LogFormat::Eve, _))
    }

    /// Adds to whom it talks.
    pub fn needs(&self, network: &mut Network) {
        match &self.target {
            Target::Tcp(place) | Target::Tls(place) => network.calls.push(place.port),
            Target::Udp(_) | Target::Unix(_) => network.reconnects = true,
            Target::Stdout | Target::File(_) => {}
        }
    }

    /// Opens it, and starts its thread.
    pub fn start(self, host: &str) -> Result<Outlet> {
        let name = printable(&self.target.to_string());
        let form: Box<dyn Form> = match self.what {
            What::Log(LogFormat::Eve, _) => Box::new(Eve),
            What::Log(LogFormat::Zeek, _) => Box::new(ZeekLog),
            What::Log(LogFormat::ZeekJson, _) => Box::new(ZeekJson),
            What::Ipfix(each) => {
                let datagrams = matches!(self.target, Target::Udp(_));
                Box::new(Ipfix::new(each, datagrams))
            }
            What::Syslog => Box::new(Syslog {
                host: host.to_owned(),
                counted: matches!(self.target, Target::Tcp(_) | Target::Tls(_)),
            }),
        };
        let sink = self.sink().with_context(|| name.clone())?;
        Outlet::start(name, form, sink)
    }

    fn sink(self) -> Result<Box<dyn Sink>> {
        Ok(match (self.target, self.what) {
            (Target::Stdout, _) => Box::new(Stdout::default()),
            (Target::File(path), What::Log(format, rotation)) => {
                let headed = format == LogFormat::Zeek;
                Box::new(LogFile::open(path, rotation, headed)?)
            }
            (Target::Unix(path), What::Syslog) => Box::new(Datagrams::unix(path)?),
            (Target::Unix(path), _) => Box::new(Stream::unix(path)),
            (Target::Tcp(_), _) => Box::new(Stream::tcp(self.addresses)),
            #[cfg(feature = "tls")]
            (Target::Tls(_), _) => {
                let peer = self.peer.context("TLS was not made ready")?;
                Box::new(Stream::tls(self.addresses, peer))
            }
            #[cfg(not(feature = "tls"))]
            (Target::Tls(_), _) => bail!("is not in this build"),
            (Target::Udp(_), _) => Box::new(Datagrams::udp(&self.addresses)?),
            (Target::File(path), _) => bail!("{}: is a file", path.display()),
        })
    }
}

/// This machine's name.
pub fn host() -> String {
    let name = std::fs::read_to_string(PathBuf::from("/proc/sys/kernel/hostname"));
    name.map(|name| name.trim().to_owned()).unwrap_or_default()
}
