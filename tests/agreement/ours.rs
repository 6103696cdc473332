//! What the command says of a capture, in the truth's terms.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Counted;
use super::truth::{Conversation, Key, key};

/// Encapsulations that are GRE and say so in one header.
const GRE: [&str; 4] = ["gre", "nvgre", "eoip", "pptp"];

/// What stands behind a GRE header that opens nothing by itself.
const IN_GRE: [&str; 2] = ["mlnx", "wccp"];

/// Mirror sessions, added up.
#[derive(Default)]
pub struct Sessions {
    pub count: usize,
    /// Packets by outer source and destination.
    pub pairs: Counted,
    /// Headers by kind.
    pub encapsulations: Counted,
    /// Headers by type.
    pub erspan: Counted,
    pub span_ids: Counted,
    pub vxlan: Counted,
    pub geneve: Counted,
    /// Headers in all, and those with a sequence number.
    pub gre: Counted,
    pub gre_keys: Counted,
    /// Headers of other encapsulations, by name and id.
    pub others: BTreeMap<String, Counted>,
}

impl Sessions {
    pub fn of(sessions: &[Value]) -> Self {
        let mut all = Self::default();
        let mut numbered = 0.0;
        for session in sessions {
            for carried in session["carries"].as_array().unwrap() {
                all.header(carried);
            }
            if session["encapsulation"] == "plain" {
                continue;
            }
            all.count += 1;
            let text = |name: &str| session[name].as_str().unwrap();
            let pair = format!("{}>{}", text("source"), text("destination"));
            *all.pairs.entry(pair).or_default() += session["packets"].as_u64().unwrap();
            all.header(session);
            let sequence = &session["sequence"];
            if !sequence.is_null() {
                // Sessions with one counter each tell the figures of all.
                numbered +=
                    sequence["received"].as_f64().unwrap() / sequence["shared"].as_f64().unwrap();
            }
        }
        let total = all.gre.values().sum();
        all.gre = [
            ("headers".to_owned(), total),
            ("with_seq".to_owned(), numbered.round() as u64),
        ]
        .into();
        all
    }

    fn header(&mut self, value: &Value) {
        let kind = value["encapsulation"].as_str().unwrap();
        let packets = value["packets"].as_u64().unwrap();
        let add = |counted: &mut Counted, name: String| {
            *counted.entry(name).or_default() += packets;
        };
        add(&mut self.encapsulations, kind.to_owned());
        if kind.starts_with("erspan") {
            add(&mut self.erspan, kind.to_owned());
        }
        if GRE.contains(&kind) || IN_GRE.contains(&kind) || kind.starts_with("erspan") {
            add(&mut self.gre, kind.to_owned());
        }
        let Some(id) = value["id"].as_u64() else {
            return;
        };
        let counted = match kind {
            "gre" | "erspan1" => return add(&mut self.gre_keys, format!("{id:#010x}")),
            "vxlan" | "vxlan-gpe" => &mut self.vxlan,
            "geneve" => &mut self.geneve,
            "erspan2" | "erspan3" => &mut self.span_ids,
            "mpls-pw" => self.others.entry("mpls".to_owned()).or_default(),
            other => self.others.entry(other.to_owned()).or_default(),
        };
        add(counted, id.to_string());
    }
}

/// A TCP or UDP flow; every copy of a packet counts, as tshark cannot know that it is one.
pub struct Flow {
    originator: String,
    /// Packets, bytes and payload of the originator, then of the responder.
    sent: [[u64; 3]; 2],
}

impl Flow {
    /// What, how much here, how much there.
    pub fn compared_with(&self, theirs: &Conversation) -> Vec<(String, u64, u64)> {
        let mut ours = self.sent;
        if self.originator != theirs.ends[0] {
            ours.reverse();
        }
        let mut compared = Vec::new();
        for (index, what) in ["packets", "bytes", "payload"].into_iter().enumerate() {
            let there = [theirs.sent[0][index], theirs.sent[1][index]];
            // Nobody can tell the sides of a conversation of an address and port with itself.
            if theirs.ends[0] == theirs.ends[1] {
                let here = ours[0][index] + ours[1][index];
                let there = there.into_iter().flatten().sum();
                compared.push((what.to_owned(), here, there));
                continue;
            }
            for (side, way) in ["forth", "back"].into_iter().enumerate() {
                if let Some(there) = there[side] {
                    compared.push((format!("{what} {way}"), ours[side][index], there));
                }
            }
        }
        compared
    }
}

/// Port reuse and long silence make several flows of what tshark calls one conversation.
pub fn conversations(flows: &[Value]) -> BTreeMap<Key, Flow> {
    let mut conversations: BTreeMap<Key, Flow> = BTreeMap::new();
    for flow in flows {
        let protocol = flow["proto"].as_str().unwrap();
        if !matches!(protocol, "tcp" | "udp") {
            continue;
        }
        let end = |address: &str, port: &str| {
            format!("{}|{}", flow[address].as_str().unwrap(), flow[port])
        };
        let (originator, responder) = (end("src", "sport"), end("dst", "dport"));
        let mut sent = [[0; 3]; 2];
        for point in flow["points"].as_array().unwrap() {
            for (sent, side) in sent.iter_mut().zip(["orig", "resp"]) {
                for (sum, what) in sent.iter_mut().zip(["packets", "bytes", "payload"]) {
                    let doubled = point[side]["doubled"][what].as_u64().unwrap_or(0);
                    *sum += point[side][what].as_u64().unwrap() + doubled;
                }
            }
        }
        let key = key(protocol, &originator, &responder);
        let known = conversations.entry(key).or_insert_with(|| Flow {
            originator: originator.clone(),
            sent: [[0; 3]; 2],
        });
        if known.originator != originator {
            sent.reverse();
        }
        for (sum, more) in known.sent.iter_mut().flatten().zip(sent.iter().flatten()) {
            *sum += more;
        }
    }
    conversations
}
