//! The part of a sites file that tells how to read packets: ports and other numbers that lead to a protocol.

use std::collections::BTreeMap;

use mirrorscope_dissectors::{DecodeAsError, Protocol, Selector};
use serde::Deserialize;

/// The table `[ports]`: a protocol's ports in place of its well-known ones.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(try_from = "BTreeMap<String, Vec<u16>>")]
pub struct PortRules(pub Vec<(Protocol, Vec<u16>)>);

impl TryFrom<BTreeMap<String, Vec<u16>>> for PortRules {
    type Error = String;

    fn try_from(table: BTreeMap<String, Vec<u16>>) -> Result<Self, String> {
        let known = || {
            let with_ports = Protocol::ALL.iter().filter(|p| p.port_option().is_some());
            let names: Vec<&str> = with_ports.map(|p| p.as_str()).collect();
            names.join(", ")
        };
        let rule = |(name, ports): (String, Vec<u16>)| {
            Protocol::from_name(&name)
                .filter(|protocol| protocol.port_option().is_some())
                .map(|protocol| (protocol, ports))
                .ok_or_else(|| format!("{name:?} has no ports; known are {}", known()))
        };
        table
            .into_iter()
            .map(rule)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// One rule of the list `decode-as`, in the form of `--decode-as`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct DecodeRule {
    /// The field and its value.
    pub selector: Selector,
    /// What they lead to.
    pub protocol: Protocol,
}

impl TryFrom<String> for DecodeRule {
    type Error = DecodeAsError;

    fn try_from(text: String) -> Result<Self, DecodeAsError> {
        let (selector, protocol) = Selector::rule(&text)?;
        Ok(Self { selector, protocol })
    }
}
