//! Which flow is meant: an id, a Community ID, or two ends.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use mirrorscope_engine::flow::{Endpoint, FLOW_ID_LEN, FlowKey, community_id, protocol};
use mirrorscope_engine::time::Timestamp;

use crate::output::follow::end as end_name;

/// Length of a Community ID: version and 20 bytes in base 64.
const COMMUNITY_ID: usize = 30;

/// A flow by one of its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// As `flows` lists it.
    Id(String),
    /// Version 1.
    CommunityId(String),
    /// In either order.
    Ends {
        /// IP protocol number, if that was said.
        protocol: Option<u8>,
        /// Both.
        ends: [Endpoint; 2],
    },
}

impl Selector {
    /// Whether a flow is meant.
    pub fn matches(&self, key: &FlowKey, born: Timestamp) -> bool {
        match self {
            Self::Id(id) => key.id(born) == *id,
            // That of TCP and UDP is the same for both directions.
            Self::CommunityId(id) => community_id(key, 0) == *id || community_id(key, 1) == *id,
            Self::Ends {
                protocol,
                ends: [one, other],
            } => {
                let same = (key.low, key.high);
                protocol.is_none_or(|protocol| protocol == key.protocol)
                    && !key.is_icmp()
                    && (same == (*one, *other) || same == (*other, *one))
            }
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) | Self::CommunityId(id) => f.write_str(id),
            Self::Ends {
                protocol,
                ends: [one, other],
            } => {
                match protocol {
                    Some(protocol::TCP) => f.write_str("tcp ")?,
                    Some(protocol::UDP) => f.write_str("udp ")?,
                    _ => {}
                }
                write!(f, "{}-{}", end_name(*one), end_name(*other))
            }
        }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() == FLOW_ID_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Ok(Self::Id(text.to_owned()));
        }
        if text.len() == COMMUNITY_ID && text.starts_with("1:") && text.ends_with('=') {
            return Ok(Self::CommunityId(text.to_owned()));
        }
        ends(text).ok_or_else(|| {
            "a flow is named by its id (`mirrorscope flows` lists them), by its Community ID (1:…=), or by its ends, \
             such as 10.0.0.1:1234-10.0.0.2:80 or tcp,[2001:db8::1]:1234,[2001:db8::2]:80"
                .to_owned()
        })
    }
}

fn ends(text: &str) -> Option<Selector> {
    let separators = [',', '-', '<', '>', ' ', '\t', '|', '→', '↔'];
    let mut words = text.split(separators).filter(|word| !word.is_empty());
    let mut word = words.next()?;
    let protocol = match word.to_ascii_lowercase().as_str() {
        "tcp" => Some(protocol::TCP),
        "udp" => Some(protocol::UDP),
        _ => None,
    };
    if protocol.is_some() {
        word = words.next()?;
    }
    let words: Vec<&str> = std::iter::once(word).chain(words).collect();
    let ends = match *words.as_slice() {
        [one, other] => [end(one)?, end(other)?],
        [address, port, other_address, other_port] => {
            [apart(address, port)?, apart(other_address, other_port)?]
        }
        _ => return None,
    };
    Some(Selector::Ends { protocol, ends })
}

fn end(text: &str) -> Option<Endpoint> {
    let (address, port) = text.rsplit_once(':')?;
    // Without brackets nobody can tell where the address of IPv6 ends.
    let bracketed = address.starts_with('[') && address.ends_with(']');
    (bracketed || !address.contains(':')).then_some(())?;
    apart(address, port)
}

fn apart(address: &str, port: &str) -> Option<Endpoint> {
    let address: IpAddr = address.trim_matches(['[', ']']).parse().ok()?;
    Some(Endpoint {
        address,
        port: port.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: &str, port: u16) -> Endpoint {
        Endpoint {
            address: address.parse().unwrap(),
            port,
        }
    }

    #[test]
    fn two_ends_are_read_in_many_forms() {
        let v4 = [endpoint("10.0.0.1", 1234), endpoint("10.0.0.2", 80)];
        for text in [
            "10.0.0.1:1234-10.0.0.2:80",
            "10.0.0.1:1234,10.0.0.2:80",
            "10.0.0.1:1234 -> 10.0.0.2:80",
            "10.0.0.1 1234 10.0.0.2 80",
            "10.0.0.1,1234,10.0.0.2,80",
            "10.0.0.1|1234 10.0.0.2|80",
        ] {
            for (word, protocol) in [("", None), ("tcp,", Some(6)), ("UDP ", Some(17))] {
                let selector = Selector::Ends { protocol, ends: v4 };
                assert_eq!(
                    format!("{word}{text}").parse(),
                    Ok(selector),
                    "{word}{text}"
                );
            }
        }
        let v6 = [endpoint("2001:db8::1", 1234), endpoint("2001:db8::2", 80)];
        for text in [
            "tcp,[2001:db8::1]:1234,[2001:db8::2]:80",
            "tcp 2001:db8::1 1234 2001:db8::2 80",
        ] {
            let protocol = Some(6);
            assert_eq!(text.parse(), Ok(Selector::Ends { protocol, ends: v6 }));
        }
    }

    #[test]
    fn what_names_no_flow_is_refused() {
        for text in [
            "",
            "tcp",
            "10.0.0.1",
            "10.0.0.1:1234",
            "10.0.0.1:1234-10.0.0.2",
            "10.0.0.1:1234-10.0.0.2:70000",
            "2001:db8::1:1234-2001:db8::2:80",
            "k7vtgx2q9",
            "icmp,10.0.0.1:1,10.0.0.2:2",
        ] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_flow_goes_by_each_of_its_names_in_either_direction() {
        let (low, high) = (
            endpoint("66.35.250.204", 80),
            endpoint("128.232.110.120", 34_855),
        );
        let key = FlowKey {
            scope: 0,
            protocol: 6,
            icmp_type: 0,
            low,
            high,
        };
        let born = Timestamp(5);
        let matches = |text: &str| text.parse::<Selector>().unwrap().matches(&key, born);
        assert!(matches(&key.id(born)));
        assert!(!matches(&key.id(Timestamp(6))));
        assert!(matches("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
        assert!(!matches("1:LQU9qZlK+B5F3KDmev6m5PMibrh="));
        assert!(matches("66.35.250.204:80-128.232.110.120:34855"));
        assert!(matches("tcp 128.232.110.120:34855 66.35.250.204:80"));
        assert!(!matches("udp,128.232.110.120:34855,66.35.250.204:80"));
        assert!(!matches("128.232.110.120:34855,66.35.250.204:81"));
    }
}
