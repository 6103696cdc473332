//! Hosts files: an address, its name, and other names, which are passed over.

use super::Machine;
use super::problem::{Lines, Problem};
use super::record::{Record, addresses, clean, mac};
use super::table::shown;

/// Whether the first line that is no comment begins with an address.
pub(super) fn is_one(text: &str) -> bool {
    let first = text.lines().map(content).find(|line| !line.is_empty());
    let mut words = first.into_iter().flat_map(str::split_ascii_whitespace);
    words.next().is_some_and(|word| {
        let bare = word.split('%').next().unwrap_or_default();
        bare.parse::<std::net::IpAddr>().is_ok() || mac(word).is_some()
    })
}

/// Reads all lines.
pub(super) fn read(text: &str, take: &mut dyn FnMut(Result<Record, Problem>)) {
    let mut lines = Lines::of(text);
    for line in text.lines().map(content).filter(|line| !line.is_empty()) {
        take(match entry(line) {
            Ok((addresses, macs, name)) => Ok(Record {
                machine: Machine::called(name),
                addresses,
                macs,
                place: lines.place_of(line),
            }),
            Err((at, message)) => Err(Problem::at(lines.place_of(at), message)),
        });
    }
}

/// A line without its comment.
fn content(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

type Entry = (Vec<std::net::IpAddr>, Vec<[u8; 6]>, std::sync::Arc<str>);

/// What a line says; or where it is wrong, and why.
fn entry(line: &str) -> Result<Entry, (&str, String)> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next().unwrap_or_default();
    let (addresses, macs) = match (addresses(first), mac(first)) {
        (_, Some(mac)) => (Vec::new(), vec![mac]),
        (Ok(addresses), None) => (addresses, Vec::new()),
        (Err(_), None) => return Err((first, "neither an address nor a MAC address".to_owned())),
    };
    match words.next().and_then(clean) {
        Some(name) => Ok((addresses, macs, name)),
        None => Err((line, format!("no name behind {}", shown(first)))),
    }
}
