//! What of a capture can be compared, by what tshark tells of it.

use super::truth::{Conversation, Truth};

/// Link types by tshark's numbers: Ethernet, PPP, raw IP, BSD loopback, radiotap, Linux cooked, Cisco HDLC, IPv4, IPv6,
/// Linux cooked v2.
const LINKS: [u16; 10] = [1, 4, 7, 15, 23, 25, 28, 129, 130, 210];

/// Layers that make no mirror session: those of the link, and those that stay closed.
const NO_SESSION: [&str; 15] = [
    "ah",
    "cmd",
    "esp",
    "fabricpath",
    "ipcomp",
    "lisp-control",
    "macsec",
    "mpls",
    "mpls-ethpw",
    "nsh",
    "openvpn",
    "pbb",
    "pppoed",
    "pppoes",
    "vntag",
];

/// Protocols that no option makes readable here, or that tshark alone opens.
const UNREAD: [&str; 2] = ["fr", "lwapp"];

/// What of a capture can be compared.
pub struct Coverage {
    /// The sessions: by outer addresses, and that there are no others.
    pub sessions: bool,
    /// Every conversation, and that there are no others.
    pub whole: bool,
    doubtful: bool,
}

impl Coverage {
    /// `None` if a link type is not known.
    pub fn of(truth: &Truth) -> Option<Self> {
        if truth.links.is_empty() || !truth.links.iter().all(|link| LINKS.contains(link)) {
            return None;
        }
        let doubtful = truth.conversations_doubtful;
        let unread = truth.stacks.iter().any(|stack| is_unread(stack));
        Some(Self {
            sessions: !truth.layers.keys().any(|layer| {
                NO_SESSION.contains(&layer.as_str()) || UNREAD.contains(&layer.as_str())
            }),
            whole: !doubtful && !unread,
            doubtful,
        })
    }

    /// Every packet of the conversation came by layers that are read.
    pub fn has(&self, conversation: &Conversation) -> bool {
        if conversation.stacks.is_empty() {
            return self.whole;
        }
        !self.doubtful && !conversation.stacks.iter().any(|stack| is_unread(stack))
    }
}

fn is_unread(stack: &str) -> bool {
    stack.split('>').any(|layer| UNREAD.contains(&layer))
}
