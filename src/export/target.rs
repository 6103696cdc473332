//! Where records go, as it is typed on the command line.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs as _};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
    /// A socket of this host.
    Unix(PathBuf),
    /// A connection.
    Tcp(Place),
    /// A connection with TLS.
    Tls(Place),
    /// Datagrams.
    Udp(Place),
}

/// A host and a port, by name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its name or address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At an address of this host.
    Address(SocketAddr),
    /// At one of those that a name has.
    Name(Place),
}

impl Listen {
    /// Reads `PORT`, which is one of this host's own address, or `HOST:PORT`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let own = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        if let Ok(address) = text.parse().map(own).or_else(|_| text.parse()) {
            return Ok(Self::Address(address));
        }
        Place::parse(text, None).map(Self::Name).map_err(
            |_| "neither a port nor a host with one, such as 9464, localhost:9464 or [::1]:9464",
        )
    }

    /// The addresses, those of IPv4 first: that is where a reader looks who is told a port.
    pub fn addresses(&self) -> Result<Vec<SocketAddr>> {
        match self {
            Self::Address(address) => Ok(vec![*address]),
            Self::Name(place) => {
                let mut addresses = place.resolve()?;
                addresses.sort_by_key(|address| !address.is_ipv4());
                Ok(addresses)
            }
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(place) => place.fmt(f),
        }
    }
}

impl Target {
    /// Reads `tcp://HOST:PORT`, `tls://…`, `udp://…` or `unix:PATH`; `None` if it is none of them.
    pub fn socket(text: &str, default_port: Option<u16>) -> Result<Option<Self>, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err("the path of the socket is missing: unix:PATH".to_owned());
            }
            return Ok(Some(Self::Unix(path.into())));
        }
        let Some((kind, place)) = text.split_once("://") else {
            return Ok(None);
        };
        let place = Place::parse(place, default_port);
        match kind {
            "tcp" => Ok(Some(Self::Tcp(place?))),
            "udp" => Ok(Some(Self::Udp(place?))),
            "tls" if cfg!(feature = "tls") => Ok(Some(Self::Tls(place?))),
            "tls" => Err("tls:// is not in this build: cargo build --features tls".to_owned()),
            _ => Err(format!(
                "{kind}:// is not known; tcp://, tls://, udp:// and unix: are"
            )),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(place) => write!(f, "tcp://{place}"),
            Self::Tls(place) => write!(f, "tls://{place}"),
            Self::Udp(place) => write!(f, "udp://{place}"),
        }
    }
}

impl Place {
    /// Reads `HOST:PORT` or `[ADDRESS]:PORT`.
    pub fn parse(text: &str, default_port: Option<u16>) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
            _ => (text, default_port),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        match port {
            Some(port)
                if port > 0 && !host.is_empty() && (bare.is_some() || !host.contains(':')) =>
            {
                Ok(Self {
                    host: host.to_owned(),
                    port,
                })
            }
            _ => Err(
                "a host and a port are needed, such as 10.0.0.5:4739 or [2001:db8::5]:4739"
                    .to_owned(),
            ),
        }
    }

    /// The addresses that the name has now. Later, when nothing but feeding is allowed, no name can be asked for.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>> {
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let addresses: Vec<_> = addresses.context("its address is not known")?.collect();
        Ok(addresses)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_host() {
        let address = |text: &str| Ok(Listen::Address(text.parse().unwrap()));
        assert_eq!(Listen::parse("9464"), address("127.0.0.1:9464"));
        assert_eq!(Listen::parse("0.0.0.0:1"), address("0.0.0.0:1"));
        assert_eq!(Listen::parse("[::1]:9464"), address("[::1]:9464"));
        let named = Listen::parse("localhost:9464").unwrap();
        assert_eq!(named.to_string(), "localhost:9464");
        let addresses = named.addresses().unwrap();
        assert_eq!(addresses[0], "127.0.0.1:9464".parse().unwrap());
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        for wrong in ["", "localhost", "127.0.0.1", "65536", ":9464", "x:65536"] {
            assert!(Listen::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sockets_are_told_by_their_kind() {
        let socket = |text: &str| Target::socket(text, None).map(|t| t.map(|t| t.to_string()));
        let same = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(
            socket("tcp://log.example:5170"),
            same("tcp://log.example:5170")
        );
        assert_eq!(socket("udp://[::1]:514"), same("udp://[::1]:514"));
        assert_eq!(socket("unix:/dev/log"), same("unix:/dev/log"));
        assert_eq!(socket("unix:///dev/log"), same("unix:/dev/log"));
        assert_eq!(socket("/var/log/eve.json"), Ok(None));
        for wrong in [
            "tcp://x",
            "tcp://:1",
            "tcp://::1:5",
            "tcp://x:0",
            "ftp://x:1",
            "unix:",
        ] {
            assert!(socket(wrong).is_err(), "{wrong}");
        }
        let default = Target::socket("udp://log.example", Some(514))
            .unwrap()
            .unwrap();
        assert_eq!(default.to_string(), "udp://log.example:514");
    }
}
