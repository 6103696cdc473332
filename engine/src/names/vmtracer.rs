//! What Arista's VM tracer prints (`show vmtracer vm detail`): a paragraph for each machine, whose lines are a label and a value.
//!
//! ```text
//! VM Name     web01
//! intf:       Et9
//! vnic:       Network adapter 1
//! mac:        00:50:56:ab:cd:ef
//! portgroup:  app-vlan12
//! host:       esx-07.example.net
//! ```
//!
//! A machine with several adapters has the lines from `vnic` on several times.

use super::Machine;
use super::columns::{Column, column};
use super::problem::{Lines, Place, Problem};
use super::record::{Record, addresses, clean, macs};
use super::table::shown;

/// The label of a machine's first line.
const FIRST: &str = "vm name";

/// Whether a line begins a machine.
pub(super) fn is_one(text: &str) -> bool {
    let mut labels = text.lines().filter_map(labelled).map(|(label, _)| label);
    labels.any(|label| label.eq_ignore_ascii_case(FIRST))
}

/// Reads all machines.
pub(super) fn read(text: &str, take: &mut dyn FnMut(Result<Record, Problem>)) {
    let mut lines = Lines::of(text);
    let mut machine = Machine::default();
    let mut adapter: Option<Record> = None;
    for (label, value) in text.lines().filter_map(labelled) {
        if label.eq_ignore_ascii_case(FIRST) {
            adapter.take().map(Ok).into_iter().for_each(&mut *take);
            match clean(value) {
                Some(name) => machine = Machine::called(name),
                None => take(Err(Problem::at(lines.place_of(value), "no name"))),
            }
        } else if label.eq_ignore_ascii_case("vnic") {
            adapter.take().map(Ok).into_iter().for_each(&mut *take);
        } else if let Some(column) = column(label)
            && !machine.name.is_empty()
        {
            let place = lines.place_of(value);
            let adapter = adapter.get_or_insert_with(|| Record {
                machine: machine.clone(),
                addresses: Vec::new(),
                macs: Vec::new(),
                place: place.clone(),
            });
            if let Err(problem) = tell(adapter, column, value, place) {
                take(Err(problem));
            }
        }
    }
    adapter.map(Ok).into_iter().for_each(take);
}

fn tell(adapter: &mut Record, column: Column, value: &str, place: Place) -> Result<(), Problem> {
    let no = |what: &str, word: &str| Problem::at(place, format!("{} is no {what}", shown(word)));
    match column {
        Column::Address => {
            let found = addresses(value).map_err(|word| no("address", word))?;
            adapter.addresses.extend(found);
        }
        Column::Mac => adapter
            .macs
            .extend(macs(value).map_err(|word| no("MAC address", word))?),
        Column::Host => adapter.machine.host = clean(value),
        Column::PortGroup => adapter.machine.port_group = clean(value),
        Column::Site => adapter.machine.site = clean(value),
        Column::Name(_) => {}
    }
    Ok(())
}

/// Label and value: behind a colon, or behind `VM Name`, which has none.
fn labelled(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    if let Some((label, value)) = line.split_at_checked(FIRST.len())
        && label.eq_ignore_ascii_case(FIRST)
        && value.starts_with([' ', '\t', ':'])
    {
        return Some((label, value.trim_start_matches([' ', '\t', ':'])));
    }
    let (label, value) = line.split_once(':')?;
    Some((label.trim(), value.trim()))
}
