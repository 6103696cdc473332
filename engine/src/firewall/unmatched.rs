//! What one firewall could not match of one flow.

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use crate::flow::Side;
use crate::time::Timestamp;

/// Packets of a flow that a firewall at a point matches to no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unmatched {
    /// How many each side sent.
    pub packets: [u64; 2],
    /// The first one.
    pub first: FirstUnmatched,
    /// What may have kept the model from knowing better.
    pub doubt: Option<Doubt>,
}

/// The first packet of a flow that a firewall cannot match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstUnmatched {
    /// When it passed.
    pub time: Timestamp,
    /// Who sent it.
    pub side: Side,
    /// What it is.
    pub what: What,
    /// Why it belongs to no connection.
    pub reason: Reason,
}

/// What kind of packet it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// TCP, with its flags as in the header.
    Tcp(u16),
    /// ICMP of either version, with its type.
    Icmp(u8),
    /// Anything else.
    Other,
}

/// What keeps the model from knowing what the firewall knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// The model had no room left, and forgot connections.
    Evicted,
    /// Headers of the connection's packets were cut.
    Cut,
}

impl Unmatched {
    /// No packet yet; the first will be this one.
    pub(crate) fn new(first: FirstUnmatched) -> Self {
        Self {
            packets: [0; 2],
            first,
            doubt: None,
        }
    }

    /// Counts a packet of a side.
    pub(crate) fn count(&mut self, side: Side, doubt: Option<Doubt>) {
        self.packets[side & 1] += 1;
        self.doubt = self.doubt.or(doubt);
    }

    /// Packets of both sides.
    pub fn total(&self) -> u64 {
        self.packets.iter().sum()
    }
}

impl What {
    /// The kind in words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Tcp(flags) => crate::correlate::kind_of_packet(flags),
            Self::Icmp(0 | 129) => "echo reply",
            Self::Icmp(8 | 128) => "echo request",
            Self::Icmp(_) => "ICMP message",
            Self::Other => "packet",
        }
    }
}
