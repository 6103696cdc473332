//! Feeding other tools on the command line: what goes where while the command runs.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::value;
use crate::export::{Listen, Place, Target};

const EXPORT: &str = "Feeding other tools";

/// What other tools get while the command runs.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Log flows (and findings, with eve) as other tools do; may be repeated
    #[arg(long, value_name = "FORMAT:TARGET", value_parser = log, help_heading = EXPORT, long_help = LOG)]
    pub log: Vec<LogTo>,

    /// Put a log file aside when it has this size, such as 100M
    #[arg(long, value_name = "SIZE", value_parser = value::extent, requires = "log", hide_short_help = true, help_heading = EXPORT)]
    pub log_rotate_size: Option<u64>,

    /// Put a log file aside after this time, such as 1h
    #[arg(long, value_name = "TIME", value_parser = value::span, requires = "log", hide_short_help = true, help_heading = EXPORT)]
    pub log_rotate_time: Option<i64>,

    /// Keep so many log files that were put aside, and delete older ones [default: all]
    #[arg(long, value_name = "N", requires = "log", hide_short_help = true, help_heading = EXPORT)]
    pub log_keep: Option<usize>,

    /// Tell findings to syslog (RFC 5424) when they appear, and when they have grown; may be repeated
    #[arg(long, value_name = "TARGET", value_parser = syslog, help_heading = EXPORT, long_help = SYSLOG)]
    pub syslog: Vec<Target>,

    /// Send flows to a collector of IPFIX; may be repeated
    #[arg(long, value_name = "HOST[:PORT]", value_parser = ipfix, help_heading = EXPORT, long_help = IPFIX)]
    pub ipfix: Vec<Target>,

    /// What is told of a flow by IPFIX
    #[arg(long, value_enum, default_value_t = IpfixEach::Point, requires = "ipfix", hide_short_help = true, help_heading = EXPORT)]
    pub ipfix_each: IpfixEach,

    /// Tell a flow that goes on by IPFIX after this time, and again and again
    #[arg(long, value_name = "TIME", value_parser = value::span, default_value = "1m", hide_short_help = true, help_heading = EXPORT)]
    pub ipfix_active_timeout: i64,

    /// Certificates of those who vouch for the hosts of tls:// (PEM) [default: those that the system trusts]
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = EXPORT)]
    pub tls_ca: Option<PathBuf>,

    /// Let Prometheus read metrics here, as http://HOST:PORT/metrics; without a host by programs of this one alone
    #[arg(long, value_name = "[HOST:]PORT", value_parser = Listen::parse, help_heading = EXPORT)]
    pub metrics: Option<Listen>,
}

impl ExportArgs {
    /// Whether anything is exported.
    pub fn is_any(&self) -> bool {
        !(self.log.is_empty() && self.syslog.is_empty() && self.ipfix.is_empty())
            || self.metrics.is_some()
    }

    /// Whether a log goes to standard output: then nothing else does.
    pub fn takes_stdout(&self) -> bool {
        self.log.iter().any(|log| log.target == Target::Stdout)
    }
}

const LOG: &str = "\
Log flows (and findings, with eve) as other tools do; may be repeated.
FORMAT is one of
  zeek       Zeek's conn.log
  zeek-json  the same as JSON, an object a line
  eve        Suricata's EVE: flow records, and findings as alerts
TARGET is a file, a folder (conn.log or eve.json in it), tcp://HOST:PORT, tls://HOST:PORT, unix:PATH of a socket, or - for
standard output in place of the command's own. Flows are logged when they are over, and all others at the end:
  --log eve:/var/log/mirrorscope/eve.json --log-rotate-size 100M --log-keep 10
  --log zeek-json:tcp://10.0.0.5:5170
  --log eve:- | jq 'select(.event_type == \"alert\")'
docs/logs.md has the fields.";

const SYSLOG: &str = "\
Tell findings to syslog (RFC 5424) when they appear, and when they have grown; may be repeated.
TARGET is one of udp://HOST[:514], tcp://HOST[:601] (each message with its length in front, RFC 6587),
tls://HOST[:6514], unix:/dev/log.";

const IPFIX: &str = "\
Send flows to a collector of IPFIX (RFC 7011); may be repeated.
HOST[:PORT] over UDP, tcp://HOST[:PORT] over a connection, tls://HOST[:PORT] with TLS; the port is 4739 (4740 with TLS) if none
is told. Each point tells what it saw of a
flow, in the observation domain of its site; both directions are one record (RFC 5103), one direction is a record of its own:
  --ipfix 10.0.0.5:4739
  --ipfix tcp://10.0.0.5 --ipfix-each flow
docs/ipfix.md has the elements.";

/// A log: in which form, and where to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTo {
    /// Its form.
    pub format: LogFormat,
    /// Where it goes.
    pub target: Target,
}

/// Forms of logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Zeek's conn.log.
    Zeek,
    /// The same as JSON.
    ZeekJson,
    /// Suricata's EVE.
    Eve,
}

/// What is told of a flow by IPFIX.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IpfixEach {
    /// What each point saw of it, a record each, in the observation domain of its site
    Point,
    /// What all points saw together, each packet once, in one record
    Flow,
}

fn log(text: &str) -> Result<LogTo, String> {
    let wrong = "a format and a target are needed: zeek:, zeek-json: or eve:, and a file, a folder/, tcp://HOST:PORT, tls://HOST:PORT, unix:PATH or -";
    let (format, target) = text.split_once(':').ok_or(wrong)?;
    let (format, file) = match format {
        "zeek" => (LogFormat::Zeek, "conn.log"),
        "zeek-json" => (LogFormat::ZeekJson, "conn.log"),
        "eve" => (LogFormat::Eve, "eve.json"),
        _ => return Err(wrong.to_owned()),
    };
    let target = match (target, Target::socket(target, None)?) {
        ("", _) => return Err(wrong.to_owned()),
        ("-", _) => Target::Stdout,
        (_, Some(Target::Udp(_))) => {
            return Err("a log needs a connection: tcp:// in place of udp://".to_owned());
        }
        (_, Some(socket)) => socket,
        (path, None) if path.ends_with('/') || Path::new(path).is_dir() => {
            Target::File(Path::new(path).join(file))
        }
        (path, None) => Target::File(path.into()),
    };
    Ok(LogTo { format, target })
}

fn syslog(text: &str) -> Result<Target, String> {
    let default = match text.split_once(':') {
        Some(("tcp", _)) => 601,
        Some(("tls", _)) => 6514,
        _ => 514,
    };
    Target::socket(text, Some(default))?.ok_or_else(|| {
        "one of udp://HOST:PORT, tcp://HOST:PORT, tls://HOST:PORT, unix:/dev/log".to_owned()
    })
}

fn ipfix(text: &str) -> Result<Target, String> {
    let default = if text.starts_with("tls:") { 4740 } else { 4739 };
    match Target::socket(text, Some(default))? {
        Some(Target::Unix(_)) => {
            Err("IPFIX goes to a host: udp://HOST:PORT or tcp://HOST:PORT".to_owned())
        }
        Some(target) => Ok(target),
        None => Place::parse(text, Some(4739)).map(Target::Udp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_a_form_and_a_place() {
        let target = |text: &str| log(text).map(|log| log.target.to_string());
        let is = |text: &str| Ok(text.to_owned());
        assert_eq!(target("zeek:-"), is("standard output"));
        assert_eq!(target("eve:/tmp"), is("/tmp/eve.json"));
        assert_eq!(target("zeek:logs/"), is("logs/conn.log"));
        assert_eq!(target("eve:tcp://x:5170"), is("tcp://x:5170"));
        assert_eq!(target("zeek-json:unix:/run/x"), is("unix:/run/x"));
        for wrong in ["eve", "eve:", "xml:x", "eve:udp://x:1", "/tmp/x"] {
            assert!(log(wrong).is_err(), "{wrong}");
        }
        assert_eq!(syslog("udp://x").map(|t| t.to_string()), is("udp://x:514"));
        assert_eq!(syslog("tcp://x").map(|t| t.to_string()), is("tcp://x:601"));
        assert!(syslog("/dev/log").is_err());
        assert_eq!(
            ipfix("10.0.0.5").map(|t| t.to_string()),
            is("udp://10.0.0.5:4739")
        );
        assert_eq!(
            ipfix("[::1]:9995").map(|t| t.to_string()),
            is("udp://[::1]:9995")
        );
        assert_eq!(ipfix("tcp://x").map(|t| t.to_string()), is("tcp://x:4739"));
        assert!(ipfix("unix:/x").is_err());
    }
}
