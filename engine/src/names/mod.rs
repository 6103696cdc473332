//! Names of machines: what people call the addresses and MAC addresses that packets have.
//!
//! They come from inventory files ([`Names::read`]), hosts files and the domain name system. Whatever they say is foreign text: a name is
//! made printable and cut to a length before it gets in here. Who was told first stays; what says otherwise is told as a problem.

mod columns;
mod govc;
mod hosts;
mod json;
mod problem;
mod record;
mod sentence;
mod table;
#[cfg(test)]
mod tests;
mod vmtracer;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::finding::mac as mac_text;

pub use problem::{Place, Problem, Problems};

use record::{Record, clean};

/// Most machines that are known.
const MOST: usize = 1_000_000;

/// What an inventory tells of a machine's adapter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// What the machine is called.
    #[serde(skip)]
    pub name: Arc<str>,
    /// The host that it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Arc<str>>,
    /// The port group, network or VLAN that the adapter is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_group: Option<Arc<str>>,
    /// The site or data centre that it is meant to be at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<Arc<str>>,
}

impl Machine {
    /// Only a name is known.
    fn called(name: Arc<str>) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Whether more than the name is known.
    pub fn has_details(&self) -> bool {
        self.host.is_some() || self.port_group.is_some() || self.site.is_some()
    }

    /// Takes what it did not know yet.
    fn complete(&mut self, other: &Self) {
        for (own, others) in [
            (&mut self.host, &other.host),
            (&mut self.port_group, &other.port_group),
            (&mut self.site, &other.site),
        ] {
            if own.is_none() {
                own.clone_from(others);
            }
        }
    }
}

/// Names by address and by MAC address.
#[derive(Clone, Debug, Default)]
pub struct Names {
    machines: Vec<Machine>,
    addresses: BTreeMap<IpAddr, usize>,
    macs: BTreeMap<[u8; 6], usize>,
}

impl Names {
    /// The name of an address.
    pub fn of(&self, address: IpAddr) -> Option<&str> {
        self.machine(address).map(|machine| &*machine.name)
    }

    /// The name of a MAC address.
    pub fn of_mac(&self, mac: [u8; 6]) -> Option<&str> {
        self.machine_of_mac(mac).map(|machine| &*machine.name)
    }

    /// What is known of an address.
    pub fn machine(&self, address: IpAddr) -> Option<&Machine> {
        self.machines.get(*self.addresses.get(&address)?)
    }

    /// What is known of a MAC address.
    pub fn machine_of_mac(&self, mac: [u8; 6]) -> Option<&Machine> {
        self.machines.get(*self.macs.get(&mac)?)
    }

    /// All addresses that have names, in order.
    pub fn iter(&self) -> impl Iterator<Item = (IpAddr, &str)> {
        let known = self.addresses.iter();
        known.filter_map(|(address, index)| Some((*address, &*self.machines.get(*index)?.name)))
    }

    /// Adapters that are known.
    pub fn count(&self) -> usize {
        self.machines.len()
    }

    /// Nothing has a name.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.macs.is_empty()
    }

    /// Reads an inventory or a hosts file: what is wrong with it is told, and the rest of it used.
    ///
    /// It may be JSON (a list of objects, `govc vm.info -json`, `show vmtracer vm detail | json`), a table with a header (commas,
    /// semicolons or tabs between columns), what VM tracer prints, or lines of an address and names.
    pub fn read(&mut self, text: &str) -> Problems {
        let mut problems = Problems::default();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut take = |taken: Result<Record, Problem>| match taken {
            Ok(record) => self.add(&record, &mut problems),
            Err(problem) => problems.add(problem),
        };
        if text.trim_start().starts_with(['{', '[']) {
            json::read(text, &mut take);
        } else if vmtracer::is_one(text) {
            vmtracer::read(text, &mut take);
        } else if hosts::is_one(text) {
            hosts::read(text, &mut take);
        } else {
            table::read(text, &mut take);
        }
        problems
    }

    /// Learns a name that is worth less than those that are known.
    pub fn learn(&mut self, address: IpAddr, name: &str) {
        if let Some(name) = clean(name)
            && self.machines.len() < MOST
            && !self.addresses.contains_key(&address)
        {
            self.addresses.insert(address, self.machines.len());
            self.machines.push(Machine::called(name));
        }
    }

    /// Adds all names of other sources for addresses that have none yet.
    pub fn fall_back_on(&mut self, other: &Self) {
        for (address, name) in other.iter() {
            self.learn(address, name);
        }
    }

    fn add(&mut self, record: &Record, problems: &mut Problems) {
        let new = self.machines.len();
        if new >= MOST {
            let message = format!("more than {MOST} adapters; the rest is left out");
            problems.add(Problem::at(record.place.clone(), message));
            return;
        }
        self.machines.push(record.machine.clone());
        for address in &record.addresses {
            let index = *self.addresses.entry(*address).or_insert(new);
            self.settle(index, record, address, problems);
        }
        for mac in &record.macs {
            let index = *self.macs.entry(*mac).or_insert(new);
            self.settle(index, record, &mac_text(*mac), problems);
        }
    }

    /// What was known stays; what it lacks is taken from the record.
    fn settle(
        &mut self,
        index: usize,
        record: &Record,
        whose: &dyn Display,
        problems: &mut Problems,
    ) {
        let Some(known) = self.machines.get_mut(index) else {
            return;
        };
        if known.name.eq_ignore_ascii_case(&record.machine.name) {
            known.complete(&record.machine);
            return;
        }
        problems.add(Problem::at(
            record.place.clone(),
            format!(
                "{whose} is {} here, and was {} before, which stays",
                record.machine.name, known.name
            ),
        ));
    }
}
