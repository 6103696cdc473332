//! Interfaces by what people call them.

use pnet_datalink::NetworkInterface;

use super::interface::{ANY, one, unknown};
use crate::error::Error;

/// The interfaces that were asked for by name, number or address; none stands for all, as `any` does.
pub fn interfaces(asked: &[String]) -> Result<Vec<NetworkInterface>, Error> {
    let known = pnet_datalink::interfaces();
    let mut found: Vec<NetworkInterface> = Vec::new();
    for interface in asked {
        if interface == ANY {
            return Ok(Vec::new());
        }
        let one = one(interface, &known).ok_or_else(|| unknown(interface, &known))?;
        if !found.iter().any(|known| known.index == one.index) {
            found.push(one.clone());
        }
    }
    Ok(found)
}
