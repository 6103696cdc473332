//! Which captures, or parts of them, hold nothing but what is read so far.

use super::truth::{Conversation, Truth};

/// Link types by tshark's numbers: Ethernet, raw IP, BSD loopback, Linux cooked, IPv4, IPv6, Linux cooked v2.
const LINKS: [u16; 7] = [1, 7, 15, 25, 129, 130, 210];

/// Layers that lead to an innermost packet, and those that end a packet.
const LAYERS: [&str; 29] = [
    "",
    "ah",
    "arp",
    "cdp",
    "cflow",
    "erspan",
    "esp",
    "eth",
    "geneve",
    "gre",
    "icmp",
    "icmpv6",
    "ieee8021ad",
    "ip",
    "ipcomp",
    "ipv6",
    "ipv6.fraghdr",
    "null",
    "openvpn",
    "pim",
    "pppoed",
    "sctp",
    "sflow",
    "sll",
    "stp",
    "tcp",
    "udp",
    "vlan",
    "vxlan",
];

/// What may stand behind UDP: an encapsulation, or an application whose payload is its own affair.
const IN_UDP: [&str; 5] = ["cflow", "geneve", "openvpn", "sflow", "vxlan"];

/// Tunnel layers of packets that belong to a mirror session, and tags.
const TUNNELS: [&str; 9] = [
    "erspan1", "erspan2", "erspan3", "geneve", "gre", "gre-teb", "qinq", "vlan", "vxlan",
];

/// Variants of GRE that the chain of protocols does not tell from GRE.
const OTHER_GRE: [&str; 4] = ["eoip", "gre-wccp", "gre-wlan(aruba)", "gre-ppp(pptp)"];

/// What of a capture can be compared.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that have nothing to do with each other"
)]
pub struct Coverage {
    /// The link types are known.
    pub link: bool,
    /// The sessions: by outer addresses, and that there are no others.
    pub sessions: bool,
    /// Every conversation, and that there are no others.
    pub whole: bool,
    gre: bool,
    backbone: bool,
    doubtful: bool,
    gpe: bool,
    /// Chains of protocols of which something is not read.
    other_stacks: Vec<String>,
}

impl Coverage {
    pub fn of(truth: &Truth) -> Self {
        let gre = truth.gre_versions.keys().all(|version| version == "0")
            && !OTHER_GRE
                .iter()
                .any(|layer| truth.layers.contains_key(*layer));
        let mut coverage = Self {
            link: !truth.links.is_empty() && truth.links.iter().all(|link| LINKS.contains(link)),
            sessions: truth
                .layers
                .keys()
                .all(|layer| TUNNELS.contains(&layer.as_str()))
                && gre,
            whole: false,
            gre,
            backbone: truth.backbone,
            doubtful: truth.conversations_doubtful,
            gpe: truth.vxlan_gpe,
            other_stacks: Vec::new(),
        };
        let others = truth
            .stacks
            .iter()
            .filter(|stack| !coverage.has_stack(stack));
        coverage.other_stacks = others.cloned().collect();
        coverage.whole = !coverage.doubtful && coverage.other_stacks.is_empty();
        coverage
    }

    /// Every packet with this layer came by layers that are read.
    pub fn has_layer(&self, layer: &str) -> bool {
        let with_layer = |stack: &String| stack.split('>').any(|other| other == layer);
        (layer != "vxlan" || !self.gpe) && !self.other_stacks.iter().any(with_layer)
    }

    /// Every packet of the conversation came by layers that are read.
    pub fn has(&self, conversation: &Conversation) -> bool {
        if conversation.stacks.is_empty() {
            return self.whole;
        }
        let mut stacks = conversation.stacks.iter();
        !self.doubtful && stacks.all(|stack| self.has_stack(stack))
    }

    fn has_stack(&self, stack: &str) -> bool {
        let layers: Vec<&str> = stack.split('>').collect();
        let followed = |pair: &[&str]| match *pair {
            // IP in IP, with or without an authentication header in between.
            ["ip" | "ipv6" | "ipv6.fraghdr" | "ah", "ip" | "ipv6"] => false,
            ["udp", next] => IN_UDP.contains(&next),
            ["ieee8021ad", _] => !self.backbone,
            _ => true,
        };
        let known = |layer: &&str| LAYERS.contains(layer) && (self.gre || *layer != "gre");
        layers.iter().all(known) && layers.windows(2).all(followed)
    }
}
