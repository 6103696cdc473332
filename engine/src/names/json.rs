//! Inventories in JSON: lists of objects, objects by name or by address, what govc prints, what VM tracer prints as JSON.
//!
//! All objects are walked through. One that has addresses or MAC addresses is an adapter; what it does not say of its machine – the
//! name, the host – is taken from the objects around it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::columns::{Column, column};
use super::problem::{Lines, Place, Problem};
use super::record::{Record, addresses, clean, mac, macs};
use super::table::shown;
use super::{Machine, govc};
use crate::point::printable;

/// Objects in one another.
const DEEPEST: usize = 16;
/// What lists of a machine's adapters are called, in lower case: the names in them are the adapters' own.
const ADAPTERS: [&str; 8] = [
    "vnics",
    "vnic",
    "nics",
    "adapters",
    "networkadapters",
    "interfaces",
    "net",
    "ports",
];

type Object<'a> = BTreeMap<String, &'a RawValue>;
type Take<'t> = dyn FnMut(Result<Record, Problem>) + 't;

/// Reads all objects.
pub(super) fn read(text: &str, take: &mut Take<'_>) {
    let whole: &RawValue = match serde_json::from_str(text) {
        Ok(whole) => whole,
        Err(error) => {
            let place = Place {
                line: error.line() as u64,
                column: error.column().to_string(),
            };
            return take(Err(Problem::at(place, printable(&error.to_string()))));
        }
    };
    let mut walk = Walk {
        lines: Lines::of(text),
        take,
        found: false,
    };
    walk.value(whole, &Around::default(), 0);
    if !walk.found {
        let place = walk.lines.place_of(whole.get());
        let message = "nothing in it has an address or a MAC address; of govc, `vm.info -json` and `ls -l -json` tell them";
        take(Err(Problem::at(place, message)));
    }
}

/// What is known of an object from those around it.
#[derive(Clone, Default)]
struct Around {
    machine: Machine,
    /// The key that it stands under.
    key: String,
    /// It is an adapter of the machine: a name in it is not the machine's.
    adapter: bool,
}

struct Walk<'a, 't> {
    lines: Lines<'a>,
    take: &'t mut Take<'t>,
    /// An object had an address.
    found: bool,
}

impl<'a> Walk<'a, '_> {
    fn value(&mut self, value: &'a RawValue, around: &Around, depth: usize) {
        if depth > DEEPEST {
            return;
        }
        if let Some(list) = parsed::<Vec<&RawValue>>(value) {
            for one in list {
                self.value(one, around, depth + 1);
            }
        } else if let Some(object) = parsed::<Object<'_>>(value) {
            if let Some(machine) = govc::machine(&object) {
                let site = path_site(&object).or(around.machine.site.clone());
                self.govc(&machine, site.as_ref(), value);
            } else {
                self.object(&object, value, around, depth);
            }
        }
    }

    /// An object that is no virtual machine of govc's.
    fn object(&mut self, object: &Object<'a>, whole: &'a RawValue, around: &Around, depth: usize) {
        let mut inner = around.clone();
        inner.machine.site = path_site(object).or(inner.machine.site);
        let mut best = if around.adapter { Some(0) } else { None };
        let mut adapter = Adapter::default();
        for (key, value) in object {
            let Some(column) = column(key) else {
                continue;
            };
            for text in texts(value) {
                match column {
                    Column::Name(rank) if best.is_none_or(|best| rank < best) => {
                        if let Some(name) = clean(&text) {
                            best = Some(rank);
                            inner.machine.name = name;
                        }
                    }
                    Column::Name(_) => {}
                    Column::Host => set(&mut inner.machine.host, &text),
                    Column::PortGroup => set(&mut inner.machine.port_group, &text),
                    Column::Site => set(&mut inner.machine.site, &text),
                    Column::Address | Column::Mac => {
                        if let Err(message) = adapter.add(column, &text) {
                            let place = self.lines.place_of(value.get());
                            (self.take)(Err(Problem::at(place, message)));
                        }
                    }
                }
            }
        }
        adapter.add_key(&around.key);
        if inner.machine.name.is_empty() && adapter.is_any() && adapter.key_is_name {
            inner.machine.name = clean(&around.key).unwrap_or_default();
        }
        self.tell(adapter, &inner.machine, whole);
        for (key, value) in object {
            let lower = key.to_lowercase();
            inner.adapter = ADAPTERS.contains(&lower.as_str()) && !inner.machine.name.is_empty();
            inner.key.clone_from(key);
            self.under(key, value, &inner, depth);
        }
    }

    /// A value under a key, which may be an address whose name is the value.
    fn under(&mut self, key: &str, value: &'a RawValue, around: &Around, depth: usize) {
        let mut adapter = Adapter::default();
        adapter.add_key(key);
        match parsed::<String>(value).as_deref().and_then(clean) {
            Some(name) if adapter.is_any() => {
                let machine = Machine {
                    name,
                    ..around.machine.clone()
                };
                self.tell(adapter, &machine, value);
            }
            _ => self.value(value, around, depth + 1),
        }
    }

    /// A virtual machine as govc has it.
    fn govc(&mut self, found: &govc::Found, site: Option<&Arc<str>>, whole: &'a RawValue) {
        for govc::Nic { network, known } in &found.adapters {
            let mut adapter = Adapter::default();
            for (column, text) in known {
                if let Err(message) = adapter.add(*column, text) {
                    let place = self.lines.place_of(whole.get());
                    (self.take)(Err(Problem::at(place, message)));
                }
            }
            let machine = Machine {
                name: found.name.as_deref().and_then(clean).unwrap_or_default(),
                host: found.host.as_deref().and_then(clean),
                port_group: network.as_deref().and_then(clean),
                site: site.cloned(),
            };
            self.tell(adapter, &machine, whole);
        }
        // One that is switched off has no adapter, and is understood all the same.
        self.found = true;
    }

    fn tell(&mut self, adapter: Adapter, machine: &Machine, at: &'a RawValue) {
        self.found |= adapter.seen;
        if !adapter.is_any() {
            return;
        }
        let place = self.lines.place_of(at.get());
        (self.take)(if machine.name.is_empty() {
            Err(Problem::at(place, "no name for the address in this object"))
        } else {
            Ok(Record {
                machine: machine.clone(),
                addresses: adapter.addresses,
                macs: adapter.macs,
                place,
            })
        });
    }
}

/// What an object is known by on the network.
#[derive(Default)]
struct Adapter {
    addresses: Vec<IpAddr>,
    macs: Vec<[u8; 6]>,
    /// There was a place for an address, whatever stood there.
    seen: bool,
    /// The key that it stands under is no address.
    key_is_name: bool,
}

impl Adapter {
    fn add(&mut self, column: Column, text: &str) -> Result<(), String> {
        self.seen = true;
        if column == Column::Mac {
            let found = macs(text).map_err(|word| format!("{} is no MAC address", shown(word)))?;
            self.macs.extend(found);
        } else {
            let found = addresses(text).map_err(|word| format!("{} is no address", shown(word)))?;
            self.addresses.extend(found);
        }
        Ok(())
    }

    /// A key that is an address itself.
    fn add_key(&mut self, key: &str) {
        let found = addresses(key).unwrap_or_default();
        let mac = mac(key);
        self.seen |= mac.is_some() || !found.is_empty();
        self.key_is_name = mac.is_none() && found.is_empty();
        self.macs.extend(mac);
        self.addresses.extend(found);
    }

    fn is_any(&self) -> bool {
        !(self.addresses.is_empty() && self.macs.is_empty())
    }
}

/// A value in the form that is wanted, if it has it.
fn parsed<'a, T: Deserialize<'a>>(value: &'a RawValue) -> Option<T> {
    serde_json::from_str(value.get()).ok()
}

/// A text, or each of a list of texts.
fn texts(value: &RawValue) -> Vec<String> {
    let one = parsed::<String>(value).map(|text| vec![text]);
    one.or_else(|| parsed(value)).unwrap_or_default()
}

fn set(detail: &mut Option<Arc<str>>, text: &str) {
    if let Some(text) = clean(text) {
        *detail = Some(text);
    }
}

/// The data centre at the head of a path in vCenter's inventory: `DC1` of `/DC1/vm/web/web01`.
fn path_site(object: &Object<'_>) -> Option<Arc<str>> {
    let path: String = parsed(object.get("path").or(object.get("Path"))?)?;
    let (site, _) = path.strip_prefix('/')?.split_once('/')?;
    clean(site)
}
