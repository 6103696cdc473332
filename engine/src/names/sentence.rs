//! Names in sentences: behind the address, where it stands for the first time.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::Names;

/// What may stand in front of an address, and behind it.
const FRONT: [char; 1] = ['('];
const BACK: [char; 6] = [',', '.', ';', ':', ')', '!'];

impl Names {
    /// A sentence in which addresses have their names: `10.20.0.50:443 (web01) is silent`.
    pub fn tell_in(&self, sentence: &str) -> String {
        let mut told = BTreeSet::new();
        let mut words: Vec<String> = Vec::new();
        let mut rest = sentence.split(' ').peekable();
        while let Some(word) = rest.next() {
            let named = address(word).and_then(|(address, length)| {
                let name = self.of(address).filter(|_| told.insert(address))?;
                Some((name, word.split_at_checked(length)?))
            });
            let Some((name, (address, back))) = named else {
                words.push(word.to_owned());
                continue;
            };
            match rest.peek().and_then(|next| next.strip_prefix(FRONT)) {
                // What stands in brackets behind it is told together with the name.
                Some(next) if back.is_empty() => {
                    words.extend([address.to_owned(), format!("({name}; {next}")]);
                    rest.next();
                }
                _ if word.starts_with(FRONT) => words.push(format!("{address}, {name}{back}")),
                _ => words.push(format!("{address} ({name}){back}")),
            }
        }
        words.join(" ")
    }
}

/// The address in a word, which may have a port, and the bytes of the word up to its end.
fn address(word: &str) -> Option<(IpAddr, usize)> {
    let body = word.trim_start_matches(FRONT);
    let front = word.len() - body.len();
    let cut = body.trim_end_matches(BACK);
    // An IPv6 address may end in colons.
    [body, cut].into_iter().find_map(|text| {
        let with_port = || text.parse::<SocketAddr>().ok().map(|end| end.ip());
        let address = text.parse().ok().or_else(with_port)?;
        Some((address, front + text.len()))
    })
}
