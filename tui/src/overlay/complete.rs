//! What may come next in a filter: words of its language, and values that are known.

use std::collections::BTreeSet;

use mirrorscope_engine::filter::{choices, words};

use crate::data::Snapshot;
use crate::view::related::quoted;

/// Values of one kind that are offered.
const VALUES: usize = 500;

/// What may stand at the end of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Characters at the end of the text that are replaced.
    pub typed: usize,
    /// What may stand there.
    pub words: Vec<String>,
}

/// What may follow `before`, the text up to the cursor.
pub fn complete(before: &str, snapshot: &Snapshot) -> Completion {
    let ends = |c: char| c.is_whitespace() || "(),!<>=&|".contains(c);
    let start = before.rfind(ends).map_or(0, |at| {
        at + before
            .get(at..)
            .and_then(|rest| rest.chars().next())
            .map_or(1, char::len_utf8)
    });
    let (front, typed) = before.split_at(start);
    let words = if let Some(field) = field(front.trim_end()) {
        values(field, snapshot)
    } else {
        // Behind a condition it goes on with a sign; elsewhere another condition begins.
        let front = front.trim_end();
        let last = front.rsplit(|c: char| c.is_whitespace() || "(!".contains(c));
        let begins = matches!(
            last.into_iter().next(),
            None | Some("" | "and" | "or" | "not")
        ) || front.ends_with(['&', '|']);
        let first = if begins { &["not"][..] } else { &["and", "or"] };
        let all = first.iter().copied().chain(words());
        all.map(str::to_owned).collect()
    };
    let lower = typed.to_lowercase();
    let mut words: Vec<String> = words
        .into_iter()
        .filter(|word| word.to_lowercase().starts_with(&lower) && word != typed)
        .collect();
    words.truncate(VALUES);
    Completion {
        typed: typed.chars().count(),
        words,
    }
}

/// The word whose value comes next, if one does.
fn field(front: &str) -> Option<&str> {
    // A list goes on: the word is in front of it.
    let mut front = front.trim_end_matches(['=', '!', ' ', '(']);
    while let Some(list) = front.strip_suffix(',') {
        let list = list.trim_end();
        front = list
            .trim_end_matches(|c: char| !c.is_whitespace() && c != ',')
            .trim_end();
    }
    let word = front
        .rsplit(|c: char| c.is_whitespace() || "()!".contains(c))
        .next()?;
    let names = [
        "host", "net", "src", "dst", "orig", "resp", "site", "point", "session", "tenant", "id",
        "vlan", "vni",
    ];
    let known = names.contains(&word) || !choices(word).is_empty();
    known.then_some(word)
}

fn values(field: &str, snapshot: &Snapshot) -> Vec<String> {
    let sessions = || snapshot.report.sessions.iter();
    let endpoints = || snapshot.endpoints.iter();
    let values: BTreeSet<String> = match field {
        "site" => sessions().map(|s| quoted(&s.site)).collect(),
        "point" => sessions().map(|s| quoted(&s.point)).collect(),
        "session" => sessions().map(|s| quoted(&s.name)).collect(),
        "tenant" => endpoints()
            .filter_map(|e| e.tenant.as_deref())
            .map(quoted)
            .collect(),
        "id" => snapshot
            .flows
            .rows
            .iter()
            .map(|flow| flow.id.clone())
            .collect(),
        "vlan" => endpoints()
            .flat_map(|e| &e.vlans)
            .map(u16::to_string)
            .collect(),
        "vni" => endpoints()
            .flat_map(|e| &e.segments)
            .map(u64::to_string)
            .collect(),
        "host" | "net" | "src" | "dst" | "orig" | "resp" => {
            let addresses: BTreeSet<_> = endpoints()
                .flat_map(|e| &e.addresses)
                .map(|own| own.address)
                .collect();
            return addresses
                .into_iter()
                .map(|address| address.to_string())
                .collect();
        }
        word => return choices(word).into_iter().map(str::to_owned).collect(),
    };
    values.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Driver;

    #[test]
    fn words_and_values_that_are_known_are_offered() {
        let driver = Driver::new("asymmetric-strict", (80, 24));
        let offer = |text: &str| complete(text, &driver.snapshot).words;
        assert_eq!(offer("asy"), ["asymmetric"]);
        assert_eq!(offer("tcp and (st"), ["state"]);
        assert_eq!(offer("site "), ["dc1", "dc2"]);
        assert_eq!(offer("site dc1,"), ["dc1", "dc2"]);
        assert_eq!(offer("point = fw"), ["fw1-inside", "fw2-inside"]);
        assert_eq!(offer("role !fi"), ["firewall"]);
        assert_eq!(offer("host 10.20.0.5"), ["10.20.0.50"]);
        assert_eq!(offer("port htt"), ["http", "https"]);
        assert_eq!(offer("not symmetric an"), ["and"]);
        assert_eq!(offer("session erspan2-101@10.60.0.1"), [""; 0]);
        assert_eq!(offer("site dc1 ")[..2], ["and", "or"]);
        assert_eq!(offer("site dc1 and ")[..2], ["not", "host"]);
        assert_eq!(offer("和 asy"), ["asymmetric"]);
    }

    #[test]
    fn only_what_was_typed_of_the_word_is_replaced() {
        let driver = Driver::new("asymmetric-strict", (80, 24));
        assert_eq!(complete("site dc1,d", &driver.snapshot).typed, 1);
        assert_eq!(complete("", &driver.snapshot).typed, 0);
    }
}
