//! The table of formats says what is there, and no more.

use std::collections::BTreeSet;

use mirrorscope_dissectors::{Encapsulation, Protocol};

#[expect(dead_code, reason = "some of it is for tshark")]
#[path = "compare/formats.rs"]
mod examples;

const TABLE: &str = include_str!("../docs/formats.md");

#[test]
fn every_protocol_and_encapsulation_is_in_the_table() {
    let protocols = Protocol::ALL.iter().map(|protocol| protocol.as_str());
    let encapsulations = Encapsulation::ALL.iter().map(|kind| kind.as_str());
    let missing: Vec<_> = protocols
        .chain(encapsulations)
        .filter(|name| !TABLE.contains(&format!("`{name}`")))
        .collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn what_the_table_says_of_tshark_is_what_is_compared() {
    let rows = TABLE.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        (cells.len() == 8 && cells[6] == "yes").then(|| cells[1])
    });
    let claimed: BTreeSet<&str> = rows.collect();
    let compared: BTreeSet<&str> = examples::all().iter().map(|format| format.name).collect();
    assert_eq!(claimed, compared);
}
