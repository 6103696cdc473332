//! A virtual machine as govc prints it: `vm.info -json`, `ls -l -json`. Names of fields begin with a capital in older releases.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::columns::Column;

/// What is known of one.
#[derive(Default)]
pub(super) struct Found {
    /// Its name.
    pub name: Option<String>,
    /// The host that it runs on: vCenter's number of it, which is all that is told.
    pub host: Option<String>,
    /// Its adapters.
    pub adapters: Vec<Nic>,
}

/// An adapter.
pub(super) struct Nic {
    /// The network that it is in.
    pub network: Option<String>,
    /// What it is known by.
    pub known: Vec<(Column, String)>,
}

/// Reads an object if it is a virtual machine; or the element of a listing that has one.
pub(super) fn machine(object: &BTreeMap<String, &RawValue>) -> Option<Found> {
    let get = |name: &str| {
        let (_, value) = object
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        serde_json::from_str::<Value>(value.get()).ok()
    };
    if object.keys().any(|key| key.eq_ignore_ascii_case("guest")) {
        let parts = ["name", "guest", "config", "summary", "runtime"];
        let parts = parts
            .into_iter()
            .filter_map(|part| Some((part.to_owned(), get(part)?)));
        return read(&Value::Object(parts.collect()));
    }
    read(&get("object")?)
}

fn read(machine: &Value) -> Option<Found> {
    let guest = at(machine, &["guest"]).filter(|guest| guest.is_object())?;
    let names: [&[&str]; 3] = [
        &["name"],
        &["config", "name"],
        &["summary", "config", "name"],
    ];
    let hosts: [&[&str]; 2] = [
        &["runtime", "host", "value"],
        &["summary", "runtime", "host", "value"],
    ];
    let mut found = Found {
        name: names.iter().find_map(|path| text(machine, path)),
        host: hosts.iter().find_map(|path| text(machine, path)),
        adapters: Vec::new(),
    };
    let mut networks = BTreeMap::new();
    for adapter in list(guest, &["net"]) {
        let mac = text(adapter, &["macAddress"]);
        let network = text(adapter, &["network"]);
        let mut known: Vec<_> = mac.iter().map(|mac| (Column::Mac, mac.clone())).collect();
        let addresses = list(adapter, &["ipAddress"]).filter_map(Value::as_str);
        known.extend(addresses.map(|address| (Column::Address, address.to_owned())));
        networks.extend(mac.zip(network.clone()));
        found.adapters.push(Nic { network, known });
    }
    // What the machine itself does not tell: without VMware Tools its adapters are known all the same.
    for device in list(machine, &["config", "hardware", "device"]) {
        if let Some(mac) = text(device, &["macAddress"])
            && !networks.contains_key(&mac)
        {
            let summary = text(device, &["deviceInfo", "summary"]);
            let network = summary.filter(|summary| !summary.starts_with("DVSwitch:"));
            let known = vec![(Column::Mac, mac)];
            found.adapters.push(Nic { network, known });
        }
    }
    let first = text(guest, &["ipAddress"]);
    found.adapters.extend(first.map(|address| Nic {
        network: None,
        known: vec![(Column::Address, address)],
    }));
    Some(found)
}

/// A value by its path; capitals do not matter.
fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| {
        let object = value.as_object()?;
        let mut fields = object.iter();
        let (_, field) = fields.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(field)
    })
}

fn text(value: &Value, path: &[&str]) -> Option<String> {
    at(value, path)?.as_str().map(str::to_owned)
}

fn list<'v>(value: &'v Value, path: &[&str]) -> impl Iterator<Item = &'v Value> {
    at(value, path)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
