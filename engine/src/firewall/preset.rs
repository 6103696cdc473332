//! What firewalls do by default. `docs/firewalls.md` names the source of each value.

use serde::{Deserialize, Serialize};

use super::settings::{Policy, Settings, Timeouts};
use crate::time::SECOND;

/// A kind of firewall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// Linux with a rule set as it should be: no pickup of running connections, new TCP with SYN alone, invalid packets
    /// dropped.
    #[default]
    Linux,
    /// Linux as it comes: running connections are picked up.
    LinuxLoose,
    /// Cisco ASA.
    Asa,
    /// Palo Alto Networks PAN-OS.
    PanOs,
    /// Fortinet `FortiGate`.
    Fortigate,
    /// Juniper SRX.
    Srx,
    /// VMware NSX, distributed firewall.
    NsxDistributed,
    /// VMware NSX, gateway firewall.
    NsxGateway,
    /// OpenBSD pf, and what is built on it (pfSense, `OPNsense`).
    Pf,
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Linux,
        Self::LinuxLoose,
        Self::Asa,
        Self::PanOs,
        Self::Fortigate,
        Self::Srx,
        Self::NsxDistributed,
        Self::NsxGateway,
        Self::Pf,
    ];

    /// The name in files and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::LinuxLoose => "linux-loose",
            Self::Asa => "asa",
            Self::PanOs => "pan-os",
            Self::Fortigate => "fortigate",
            Self::Srx => "srx",
            Self::NsxDistributed => "nsx-distributed",
            Self::NsxGateway => "nsx-gateway",
            Self::Pf => "pf",
        }
    }

    /// The preset of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// How it tracks connections.
    pub fn settings(self) -> Settings {
        // NSX evaluates its rules for what it has no connection of, and picks up what they let pass.
        let tolerant = matches!(
            self,
            Self::LinuxLoose | Self::NsxDistributed | Self::NsxGateway
        );
        Settings {
            preset: self,
            policy: if tolerant {
                Policy::Accept
            } else {
                Policy::Drop
            },
            loose: tolerant,
            liberal: false,
            ignore_invalid_rst: false,
            max_retrans: 3,
            timeouts: self.timeouts(),
        }
    }

    fn timeouts(self) -> Timeouts {
        let linux = Timeouts::LINUX;
        match self {
            Self::Linux | Self::LinuxLoose => linux,
            Self::Asa => Timeouts {
                udp: 120 * SECOND,
                udp_stream: 120 * SECOND,
                icmp: 2 * SECOND,
                ..tcp([30, 30, 3600, 600, 60, 60])
            },
            Self::PanOs => Timeouts {
                udp: 30 * SECOND,
                udp_stream: 30 * SECOND,
                icmp: 6 * SECOND,
                generic: 30 * SECOND,
                ..tcp([5, 10, 3600, 120, 15, 30])
            },
            Self::Fortigate => Timeouts {
                established: 3600 * SECOND,
                max_retrans: 3600 * SECOND,
                unacknowledged: 3600 * SECOND,
                fin_wait: 120 * SECOND,
                close_wait: 120 * SECOND,
                udp: 180 * SECOND,
                udp_stream: 180 * SECOND,
                ..linux
            },
            Self::Srx => Timeouts {
                udp: 60 * SECOND,
                udp_stream: 60 * SECOND,
                icmp: 60 * SECOND,
                generic: 1800 * SECOND,
                ..tcp([20, 20, 1800, 1800, 10, 10])
            },
            Self::NsxDistributed => Timeouts {
                udp: 60 * SECOND,
                udp_stream: 60 * SECOND,
                icmp: 20 * SECOND,
                ..tcp([120, 30, 43_200, 120, 45, 20])
            },
            Self::NsxGateway => Timeouts {
                udp: 30 * SECOND,
                udp_stream: 30 * SECOND,
                icmp: 6 * SECOND,
                ..tcp([120, 30, 7200, 900, 4, 2])
            },
            Self::Pf => Timeouts {
                udp: 60 * SECOND,
                udp_stream: 60 * SECOND,
                icmp: 20 * SECOND,
                generic: 60 * SECOND,
                ..tcp([120, 30, 86_400, 900, 45, 90])
            },
        }
    }
}

/// TCP timeouts in seconds: after a SYN, its answer, the handshake, the first FIN, both FINs, a RST. Nothing else
/// shortens them.
fn tcp([asked, answered, established, closing, closed, reset]: [i64; 6]) -> Timeouts {
    Timeouts {
        syn_sent: asked * SECOND,
        syn_sent2: asked * SECOND,
        syn_recv: answered * SECOND,
        established: established * SECOND,
        fin_wait: closing * SECOND,
        close_wait: closing * SECOND,
        last_ack: closed * SECOND,
        time_wait: closed * SECOND,
        close: reset * SECOND,
        max_retrans: established * SECOND,
        unacknowledged: established * SECOND,
        ..Timeouts::LINUX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_found_by_its_name_in_files_too() {
        for preset in Preset::ALL {
            assert_eq!(Preset::from_name(preset.as_str()), Some(preset));
            let quoted = format!("\"{}\"", preset.as_str());
            assert_eq!(serde_json::to_string(&preset).unwrap(), quoted);
            assert_eq!(preset.settings().preset, preset);
        }
        assert_eq!(Preset::from_name("netfilter"), None);
    }
}
