//! What tshark says of a capture.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::Counted;

/// One `.truth.json`, with its corrections applied.
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
    pub geneve: Counted,
    /// Headers in all, and those with a sequence number.
    pub gre: Counted,
    pub gre_keys: Counted,
    /// Headers of link-layer and other encapsulations, by our name for them and id.
    pub others: BTreeMap<&'static str, Counted>,
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
        let (gre_keys, mut others) = keys(gre);
        let stacks = counted(&tunnels["mpls"]["label_stacks"]);
        others.extend([
            ("mpls", bottom_labels(&stacks)),
            ("pbb", decimal(counted(&tunnels["pbb_isid"]))),
            ("gtp-u", decimal(counted(&tunnels["gtp_teids"]))),
        ]);
        if layers.contains_key("pppoes") && !layers.contains_key("pppoed") {
            // The sessions are also those of discovery, which carries nothing.
            let sessions = counted(&tunnels["pppoe_sessions"]);
            others.insert("pppoe", decimal(sessions));
        }
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
            vxlan: counted(&tunnels["vxlan"]["vni"]),
            geneve: counted(&tunnels["geneve"]["vni"]),
            gre: if gre.is_null() {
                Counted::new()
            } else {
                [total_of("headers"), total_of("with_seq")].into()
            },
            gre_keys,
            others,
            conversations_total: if corrected("conversations") {
                conversations.len()
            } else {
                total
            },
            conversations: conversations.into_iter().map(Conversation::read).collect(),
        }
    }
}

/// What tshark was told by `-d` is told in the same words, where it is a protocol of a port.
fn options(tshark: &str) -> Vec<String> {
    let words: Vec<&str> = tshark.split_whitespace().collect();
    let rules = words
        .windows(2)
        .filter(|pair| pair[0] == "-d" && pair[1].starts_with("udp.port=="));
    rules
        .flat_map(|pair| pair.iter().map(|&word| word.to_owned()))
        .collect()
}

/// Bottom labels of MPLS stacks such as `18/16`.
fn bottom_labels(stacks: &Counted) -> Counted {
    let mut labels = Counted::new();
    for (stack, count) in stacks {
        let bottom = stack.rsplit('/').next().unwrap_or(stack);
        *labels.entry(bottom.to_owned()).or_default() += count;
    }
    labels
}

/// Keys of GRE, and what some of them are read as: a tunnel of EoIP (length, id in little-endian) or a subnet of NVGRE
/// (id, flow), whose small numbers are reserved.
fn keys(gre: &Value) -> (Counted, BTreeMap<&'static str, Counted>) {
    let kinds = counted(&gre["proto"]);
    let plain = gre["with_seq"] == 0 && gre["with_csum"] == 0 && kinds.contains_key("0x6558");
    let mut others = BTreeMap::from([("eoip", Counted::new()), ("nvgre", Counted::new())]);
    let mut keys = Counted::new();
    for (name, count) in counted(&gre["key"]) {
        let key = u32::from_str_radix(name.trim_start_matches("0x"), 16).unwrap();
        let (kind, id) = if kinds.contains_key("0x6400") {
            ("eoip", (key as u16).swap_bytes().into())
        } else if plain && key >= 0x0010_0000 && key != 0x0200_0000 {
            ("nvgre", key >> 8)
        } else {
            keys.insert(name, count);
            continue;
        };
        *others
            .entry(kind)
            .or_default()
            .entry(id.to_string())
            .or_default() += count;
    }
    (keys, others)
}

/// Numbers that tshark writes in hexadecimal, as ours are written.
fn decimal(counted: Counted) -> Counted {
    let name = |name: String| match name.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap().to_string(),
        None => name,
    };
    counted
        .into_iter()
        .map(|(id, count)| (name(id), count))
        .collect()
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
