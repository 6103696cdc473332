//! Interfaces by what people call them.

use std::net::IpAddr;

use pnet_datalink::NetworkInterface;

use crate::error::Error;

/// The interfaces that were asked for by name, number or address; none stands for all, as `any` does.
pub fn interfaces(asked: &[String]) -> Result<Vec<NetworkInterface>, Error> {
    let known = pnet_datalink::interfaces();
    let mut found: Vec<NetworkInterface> = Vec::new();
    for interface in asked {
        if interface == "any" {
            return Ok(Vec::new());
        }
        let one = known.iter().find(|known| is(known, interface));
        let one = one.ok_or_else(|| Error::NoSuchInterface {
            interface: interface.clone(),
        })?;
        if !found.iter().any(|known| known.index == one.index) {
            found.push(one.clone());
        }
    }
    Ok(found)
}

fn is(interface: &NetworkInterface, asked: &str) -> bool {
    interface.name == asked
        || asked.parse() == Ok(interface.index)
        || asked
            .parse()
            .is_ok_and(|address: IpAddr| interface.ips.iter().any(|net| net.ip() == address))
}
