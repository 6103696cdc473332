//! Tables with a header: commas, semicolons or tabs between columns. `RVTools`' `vInfo` and `vNetwork` are such.

use csv::{ReaderBuilder, StringRecord};

use super::Machine;
use super::columns::{Column, column};
use super::problem::{Place, Problem};
use super::record::{Record, addresses, clean, macs};
use crate::point::printable;

/// Reads all rows.
pub(super) fn read(text: &str, take: &mut dyn FnMut(Result<Record, Problem>)) {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter(text))
        .flexible(true)
        .from_reader(text.as_bytes());
    let titles = match reader.headers() {
        Ok(titles) => titles.clone(),
        Err(error) => return take(Err(unreadable(&error))),
    };
    let columns: Vec<Option<Column>> = titles.iter().map(column).collect();
    if let Err(lacks) = usable(&columns) {
        return take(Err(Problem::at(
            Place {
                line: 1,
                column: "1".to_owned(),
            },
            format!(
                "neither JSON, nor lines of an address and a name, nor a table that can be used: its header has {lacks}. \
                 Columns such as name (VM), address (IPv4 Address, Primary IP Address), mac (Mac Address), host, port group \
                 (Network) and site (Datacenter) are known"
            ),
        )));
    }
    for row in reader.records() {
        match row {
            Ok(row) => row_of(&columns, &titles, &row, take),
            Err(error) => take(Err(unreadable(&error))),
        }
    }
}

/// The sign that stands between columns: of those that are usual the most frequent one in the header.
fn delimiter(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or_default();
    let often = |sign: &u8| header.bytes().filter(|byte| byte == sign).count();
    *[b';', b'\t', b',']
        .iter()
        .max_by_key(|sign| often(sign))
        .unwrap_or(&b',')
}

/// What a header lacks.
fn usable(columns: &[Option<Column>]) -> Result<(), &'static str> {
    let has = |wanted: fn(&Column) -> bool| columns.iter().flatten().any(wanted);
    let known = has(|c| matches!(c, Column::Address | Column::Mac));
    match (has(|c| matches!(c, Column::Name(_))), known) {
        (true, true) => Ok(()),
        (true, false) => Err("no column of addresses or MAC addresses"),
        (false, true) => Err("no column of names"),
        (false, false) => Err("no column of names, addresses or MAC addresses"),
    }
}

fn row_of(
    columns: &[Option<Column>],
    titles: &StringRecord,
    row: &StringRecord,
    take: &mut dyn FnMut(Result<Record, Problem>),
) {
    let line = row.position().map_or(0, csv::Position::line);
    let place = |index: usize| Place {
        line,
        column: titles.get(index).map(printable).unwrap_or_default(),
    };
    let mut machine = Machine::default();
    let mut best = None;
    let (mut own, mut own_macs) = (Vec::new(), Vec::new());
    let mut at = 0;
    for ((index, cell), column) in row.iter().enumerate().zip(columns) {
        let Some(column) = column else { continue };
        let no = |what: &str, word: &str| {
            Err(Problem::at(
                place(index),
                format!("{} is no {what}", shown(word)),
            ))
        };
        match column {
            Column::Name(rank) => {
                if let Some(name) = clean(cell)
                    && best.is_none_or(|best| *rank < best)
                {
                    best = Some(*rank);
                    machine.name = name;
                }
            }
            Column::Address => match addresses(cell) {
                Ok(more) => {
                    at = index;
                    own.extend(more);
                }
                Err(word) => take(no("address", word)),
            },
            Column::Mac => match macs(cell) {
                Ok(more) => own_macs.extend(more),
                Err(word) => take(no("MAC address", word)),
            },
            Column::Host => fill(&mut machine.host, cell),
            Column::PortGroup => fill(&mut machine.port_group, cell),
            Column::Site => fill(&mut machine.site, cell),
        }
    }
    // Machines that are switched off have no address.
    if own.is_empty() && own_macs.is_empty() {
        return;
    }
    take(if best.is_some() {
        Ok(Record {
            machine,
            addresses: own,
            macs: own_macs,
            place: place(at),
        })
    } else {
        let index = columns
            .iter()
            .position(|c| matches!(c, Some(Column::Name(_))));
        Err(Problem::at(place(index.unwrap_or_default()), "no name"))
    });
}

fn fill(detail: &mut Option<std::sync::Arc<str>>, cell: &str) {
    if detail.is_none() {
        *detail = clean(cell);
    }
}

/// A word of the file, fit to be repeated.
pub(super) fn shown(word: &str) -> String {
    match clean(&word.chars().take(60).collect::<String>()) {
        Some(word) => format!("`{word}`"),
        None => "that".to_owned(),
    }
}

fn unreadable(error: &csv::Error) -> Problem {
    let line = error.position().map_or(1, csv::Position::line);
    let message = printable(&error.to_string());
    Problem::at(
        Place {
            line,
            column: "1".to_owned(),
        },
        message,
    )
}
