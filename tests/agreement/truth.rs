//! What tshark says of a capture.

use std::iter;
use std::path::Path;

use serde_json::Value;

use super::Counted;

/// One `.truth.json`, with its corrections applied.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that have nothing to do with each other"
)]
pub struct Truth {
    /// Name of the capture beside it.
    pub file: String,
    /// Options that make the command read what tshark was told to read.
    pub options: Vec<String>,
    /// tshark could not read the file to its end.
    pub faulty: bool,
    /// Link types, as tshark numbers them.
    pub links: Vec<u16>,
    /// Chains of protocols.
    pub stacks: Vec<String>,
    /// Packets by tunnel layer.
    pub layers: Counted,
    /// Packets by encapsulation where tshark is known to misread the capture; the other counts of sessions are then
    /// wrong too.
    pub corrected_encapsulations: Option<Counted>,
    /// The conversations are tshark's although it is known to misread the capture.
    pub conversations_doubtful: bool,
    /// Packets with an encapsulation, by outer source and destination.
    pub pairs: Counted,
    /// Headers by type.
    pub erspan: Counted,
    pub span_ids: Counted,
    pub vxlan: Counted,
    /// The identifiers are also those of VXLAN-GPE, which the chain of protocols leaves out.
    pub vxlan_gpe: bool,
    pub geneve: Counted,
    /// Headers in all, and those with a sequence number.
    pub gre: Counted,
    pub gre_keys: Counted,
    /// Headers by version.
    pub gre_versions: Counted,
    /// There are backbone service tags, which the chain of protocols may leave out.
    pub backbone: bool,
    pub conversations: Vec<Conversation>,
    /// How many there are; the list has no more than 50.
    pub conversations_total: usize,
}

/// One TCP or UDP conversation of the innermost packets.
pub struct Conversation {
    pub protocol: String,
    /// Address and port of the sender of the first packet, then of the other side.
    pub ends: [String; 2],
    /// Packets, bytes and payload of each end; `None` if unknown.
    pub sent: [[Option<u64>; 3]; 2],
    /// Chains of protocols that it was seen in; empty if unknown.
    pub stacks: Vec<String>,
}

/// Names a conversation, whichever side spoke first: protocol and ends in order.
pub type Key = (String, String, String);

pub fn key(protocol: &str, one: &str, other: &str) -> Key {
    let (a, b) = (one.min(other), one.max(other));
    (protocol.to_owned(), a.to_owned(), b.to_owned())
}

impl Conversation {
    pub fn key(&self) -> Key {
        key(&self.protocol, &self.ends[0], &self.ends[1])
    }

    pub fn name(&self) -> String {
        format!("{} {} {}", self.protocol, self.ends[0], self.ends[1])
    }

    fn read(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().unwrap().to_owned();
        let sent = |way: &str| {
            ["packets", "ip_bytes", "payload_bytes"]
                .map(|what| value[format!("{what}_{way}")].as_u64())
        };
        Self {
            protocol: text("proto"),
            ends: [text("a"), text("b")],
            sent: [sent("ab"), sent("ba")],
            stacks: names(&value["stacks"]),
        }
    }
}

impl Truth {
    pub fn read(path: &Path) -> Self {
        let mut value: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let correction = value["manual_correction"].take();
        let corrected = |name: &str| !correction[name].is_null();
        for name in ["tunnel_packets", "conversations"] {
            if corrected(name) {
                value[name] = correction[name].clone();
            }
        }
        let layers = counted(&value["tunnel_packets"]);
        let conversations: Vec<_> = value["conversations"].as_array().unwrap().iter().collect();
        let total = value["conversations_total"].as_u64().unwrap() as usize;
        let notes = value["notes"].as_array().cloned().unwrap_or_default();
        let tunnels = &value["tunnels"];
        let gre = &tunnels["gre"];
        let vxlan = counted(&tunnels["vxlan"]["vni"]);
        let total_of = |name: &str| (name.to_owned(), gre[name].as_u64().unwrap_or(0));
        Self {
            file: value["file"].as_str().unwrap().to_owned(),
            options: options(value["tshark"].as_str().unwrap()),
            faulty: notes.iter().any(|note| note == "tshark exit status 2"),
            links: names(&value["encap"])
                .iter()
                .map(|number| number.parse().unwrap())
                .collect(),
            stacks: names(&value["stacks"]),
            corrected_encapsulations: corrected("tunnel_packets").then(|| layers.clone()),
            layers,
            conversations_doubtful: !correction.is_null() && !corrected("conversations"),
            pairs: counted(&value["outer_pairs"]),
            erspan: counted(&tunnels["erspan"]["type"])
                .into_iter()
                .map(|(number, count)| (format!("erspan{}", number.len()), count))
                .collect(),
            span_ids: counted(&tunnels["erspan"]["spanid"]),
            vxlan_gpe: vxlan.values().sum::<u64>()
                > tunnels["vxlan"]["headers"].as_u64().unwrap_or(0),
            vxlan,
            geneve: counted(&tunnels["geneve"]["vni"]),
            gre: if gre.is_null() {
                Counted::new()
            } else {
                [total_of("headers"), total_of("with_seq")].into()
            },
            gre_keys: counted(&gre["key"]),
            gre_versions: counted(&gre["version"]),
            backbone: !tunnels["pbb_isid"].is_null(),
            conversations_total: if corrected("conversations") {
                conversations.len()
            } else {
                total
            },
            conversations: conversations.into_iter().map(Conversation::read).collect(),
        }
    }
}

/// `-d udp.port==N,vxlan` in tshark's words means a VXLAN port beside the registered one.
fn options(tshark: &str) -> Vec<String> {
    let more = tshark.split("udp.port==").skip(1).filter_map(|rule| {
        let (port, protocol) = rule.split_once(',')?;
        protocol.starts_with("vxlan").then_some(port)
    });
    let ports: Vec<&str> = iter::once("4789").chain(more).collect();
    vec!["--vxlan-port".to_owned(), ports.join(",")]
}

fn counted(value: &Value) -> Counted {
    value.as_object().map_or_else(Counted::new, |object| {
        object
            .iter()
            .map(|(name, count)| (name.clone(), count.as_u64().unwrap()))
            .collect()
    })
}

fn names(value: &Value) -> Vec<String> {
    value
        .as_object()
        .map_or_else(Vec::new, |object| object.keys().cloned().collect())
}
