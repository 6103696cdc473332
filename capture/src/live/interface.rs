//! Interfaces: found by what the user calls them, and what their frames begin with.

use std::net::IpAddr;

use pnet_datalink::NetworkInterface;

use crate::Error;

/// The name for all interfaces together.
pub(crate) const ANY: &str = "any";

/// What the frames of a device begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Ethernet,
    CiscoHdlc,
    Ieee80211,
    Radiotap,
    /// Tunnels, and all that is not known: what counts is the packet.
    Packet,
}

impl Link {
    /// By device type, `ARPHRD_…`.
    pub fn of(device_type: u16) -> Self {
        match device_type {
            // The loopback device puts an Ethernet header of zeros in front.
            libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => Self::Ethernet,
            libc::ARPHRD_CISCO => Self::CiscoHdlc,
            libc::ARPHRD_IEEE80211 => Self::Ieee80211,
            libc::ARPHRD_IEEE80211_RADIOTAP => Self::Radiotap,
            _ => Self::Packet,
        }
    }

    /// The device's own header is of use; else frames begin at the packet.
    pub fn with_header(self) -> bool {
        self != Self::Packet
    }

    /// LINKTYPE number.
    pub fn number(self) -> u16 {
        match self {
            Self::Ethernet => 1,
            Self::CiscoHdlc => 104,
            Self::Ieee80211 => 105,
            Self::Radiotap => 127,
            Self::Packet => 101,
        }
    }
}

/// An interface that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub name: String,
    /// 0 for all.
    pub index: i32,
}

/// The interfaces of these names, numbers or addresses, each once; and what there is to say of it.
pub(crate) fn find(given: &[String]) -> Result<(Vec<Wanted>, Vec<String>), Error> {
    find_in(given, &pnet_datalink::interfaces())
}

fn find_in(
    given: &[String],
    known: &[NetworkInterface],
) -> Result<(Vec<Wanted>, Vec<String>), Error> {
    if given.is_empty() {
        let known = known.iter().map(|one| shown(&one.name)).collect();
        return Err(Error::NoInterface { known });
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut notes = Vec::new();
    for text in given {
        let found = if text == ANY {
            Some((ANY, 0))
        } else {
            one(text, known).map(|one| (one.name.as_str(), one.index))
        };
        let found = found.and_then(|(name, index)| Some((name, i32::try_from(index).ok()?)));
        let Some((name, index)) = found else {
            return Err(unknown(text, known));
        };
        if wanted.iter().any(|before| before.index == index) {
            notes.push(format!(
                "{}: given more than once: captured once",
                shown(name)
            ));
            continue;
        }
        let name = name.to_owned();
        wanted.push(Wanted { name, index });
    }
    if wanted.len() > 1 && wanted.iter().any(|one| one.index == 0) {
        notes.push("any: includes the other interfaces that were given".to_owned());
        wanted.retain(|one| one.index == 0);
    }
    Ok((wanted, notes))
}

/// There is no such interface.
pub(crate) fn unknown(text: &str, known: &[NetworkInterface]) -> Error {
    Error::NoSuchInterface {
        interface: shown(text),
        known: known.iter().map(|one| shown(&one.name)).collect(),
    }
}

/// By name, else by number, else by address; a link-local address may have its scope behind `%`.
pub(crate) fn one<'a>(text: &str, known: &'a [NetworkInterface]) -> Option<&'a NetworkInterface> {
    let named = |name: &str| known.iter().find(|one| one.name == name);
    if let Some(found) = named(text) {
        return Some(found);
    }
    if let Ok(index) = text.parse::<u32>() {
        return known.iter().find(|one| one.index == index && index != 0);
    }
    let (address, scope) = match text.split_once('%') {
        Some((address, scope)) => (address, Some(scope)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    known.iter().find(|one| {
        one.ips.iter().any(|net| net.ip() == address)
            && scope.is_none_or(|scope| one.name == scope || one.index.to_string() == scope)
    })
}

/// A name from outside as it can be shown on a terminal.
pub(crate) fn shown(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for character in name.chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(name: &str, index: u32, addresses: &[&str]) -> NetworkInterface {
        NetworkInterface {
            name: name.to_owned(),
            description: String::new(),
            index,
            mac: None,
            ips: addresses.iter().map(|net| net.parse().unwrap()).collect(),
            flags: 0,
        }
    }

    fn known() -> Vec<NetworkInterface> {
        vec![
            interface("lo", 1, &["127.0.0.1/8", "::1/128"]),
            interface("eth1", 7, &["10.0.0.1/24", "fe80::1/64"]),
            interface("7", 9, &["fe80::1/64"]),
        ]
    }

    fn names(given: &[&str]) -> Vec<(String, i32)> {
        let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
        let (wanted, _) = find_in(&given, &known()).unwrap();
        wanted
            .into_iter()
            .map(|one| (one.name, one.index))
            .collect()
    }

    #[test]
    fn interfaces_are_found_by_name_number_and_address() {
        assert_eq!(names(&["eth1"]), [("eth1".to_owned(), 7)]);
        assert_eq!(names(&["10.0.0.1"]), [("eth1".to_owned(), 7)]);
        assert_eq!(names(&["fe80::1%eth1"]), [("eth1".to_owned(), 7)]);
        assert_eq!(names(&["fe80::1%9"]), [("7".to_owned(), 9)]);
        assert_eq!(names(&["::1", "1", "lo"]), [("lo".to_owned(), 1)]);
        // A name goes before a number.
        assert_eq!(names(&["7"]), [("7".to_owned(), 9)]);
        assert_eq!(
            names(&["9", "eth1"]),
            [("7".to_owned(), 9), ("eth1".to_owned(), 7)]
        );
        assert_eq!(names(&["eth1", "any"]), [("any".to_owned(), 0)]);
    }

    #[test]
    fn an_unknown_one_is_told_with_those_that_exist() {
        for text in ["eth9", "0", "10.0.0.2", "4294967296", "fe80::1%eth2", ""] {
            let error = find_in(&[text.to_owned()], &known()).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text}: no such interface: there are lo, eth1, 7, and any")
            );
        }
        let error = find_in(&["a\u{1b}[2J".to_owned()], &[]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a\\u{1b}[2J: no such interface: there is none"
        );
        let error = find_in(&[], &known()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no interface given: there are lo, eth1, 7, and any"
        );
    }
}
