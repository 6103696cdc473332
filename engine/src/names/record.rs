//! One entry of an inventory file, and the words in it.

use std::net::IpAddr;
use std::sync::Arc;

use super::Machine;
use super::problem::Place;
use crate::point::printable;

/// Most characters of a name; DNS has no longer ones.
const LONGEST: usize = 253;
/// What exports write where they know nothing.
const NOTHING: [&str; 7] = ["", "-", "--", "unknown", "none", "n/a", "null"];

/// A machine and what it is known by.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// What is told of it.
    pub machine: Machine,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its MAC addresses.
    pub macs: Vec<[u8; 6]>,
    /// Where it stands.
    pub place: Place,
}

/// Foreign text as it is kept: printable, on one line, not too long; nothing if it says nothing.
pub(super) fn clean(text: &str) -> Option<Arc<str>> {
    let text = text.trim();
    if NOTHING.iter().any(|none| text.eq_ignore_ascii_case(none)) {
        return None;
    }
    let cut: String = text.chars().take(LONGEST).collect();
    let mut shown = printable(&cut);
    // What was made visible is longer than it was.
    if let Some((end, _)) = shown.char_indices().nth(LONGEST) {
        shown.truncate(end);
    }
    Some(shown.into())
}

/// The addresses in a cell: several may stand there, with prefix lengths or zones. What no packet on the way has – loopback,
/// link-local and the like – is passed over. `Err` is what is no address.
pub(super) fn addresses(cell: &str) -> Result<Vec<IpAddr>, &str> {
    let mut found = Vec::new();
    for word in words(cell) {
        let bare = word.split(['/', '%']).next().unwrap_or_default();
        let address: IpAddr = bare.parse().map_err(|_| word)?;
        let address = address.to_canonical();
        if tells_apart(address) {
            found.push(address);
        }
    }
    Ok(found)
}

/// The MAC addresses in a cell: `00:50:56:ab:cd:ef`, `00-50-56-AB-CD-EF`, `0050.56ab.cdef` or `005056abcdef`.
pub(super) fn macs(cell: &str) -> Result<Vec<[u8; 6]>, &str> {
    let mut found = Vec::new();
    for word in words(cell) {
        let octets = mac(word).ok_or(word)?;
        if octets != [0; 6] && octets != [0xff; 6] {
            found.push(octets);
        }
    }
    Ok(found)
}

/// A MAC address in one of its usual forms.
pub(super) fn mac(word: &str) -> Option<[u8; 6]> {
    let digits: String = match word.split([':', '-']).collect::<Vec<_>>().as_slice() {
        [one] => one.split('.').collect(),
        six if six.len() == 6 && six.iter().all(|octet| octet.len() == 2) => six.concat(),
        _ => return None,
    };
    if digits.len() != 12 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    let number = u64::from_str_radix(&digits, 16).ok()?;
    let [_, _, octets @ ..] = number.to_be_bytes();
    Some(octets)
}

fn words(cell: &str) -> impl Iterator<Item = &str> {
    let split = cell.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|' | '"'));
    split.filter(|word| !NOTHING.iter().any(|none| word.eq_ignore_ascii_case(none)))
}

/// Whether an address is one machine's alone.
fn tells_apart(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !(link_local || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}
