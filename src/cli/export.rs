//! Feeding other tools on the command line: what goes where while the command runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;

const EXPORT: &str = "Feeding other tools";

/// What other tools get while the command runs.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Let Prometheus read metrics here, as http://ADDRESS:PORT/metrics; without an address by programs of this host alone
    #[arg(long, value_name = "[ADDRESS:]PORT", value_parser = listening, help_heading = EXPORT)]
    pub metrics: Option<SocketAddr>,
}

/// Where to listen: at a port of this host's own address unless another one is told.
fn listening(text: &str) -> Result<SocketAddr, &'static str> {
    let own = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let port = text.parse::<u16>().map(own);
    port.or_else(|_| text.parse()).map_err(
        |_| "neither a port nor an address with one, such as 9464, 127.0.0.1:9464 or [::1]:9464",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_host() {
        assert_eq!(listening("9464"), Ok("127.0.0.1:9464".parse().unwrap()));
        assert_eq!(listening("0.0.0.0:1"), Ok("0.0.0.0:1".parse().unwrap()));
        assert_eq!(listening("[::1]:9464"), Ok("[::1]:9464".parse().unwrap()));
        for wrong in ["", "localhost", "127.0.0.1", "65536", ":9464"] {
            assert!(listening(wrong).is_err(), "{wrong}");
        }
    }
}
