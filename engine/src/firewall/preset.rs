//! What firewalls do by default. `docs/firewalls.md` names the source of each value.

use serde::{Deserialize, Serialize};

use super::settings::{Policy, Settings, Timeouts};

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
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Linux, Self::LinuxLoose];

    /// The name in files and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::LinuxLoose => "linux-loose",
        }
    }

    /// The preset of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name)
    }

    /// How it tracks connections.
    pub fn settings(self) -> Settings {
        let linux = Settings {
            preset: self,
            policy: Policy::Drop,
            loose: false,
            liberal: false,
            ignore_invalid_rst: false,
            max_retrans: 3,
            timeouts: Timeouts::LINUX,
        };
        match self {
            Self::Linux => linux,
            Self::LinuxLoose => Settings {
                loose: true,
                policy: Policy::Accept,
                ..linux
            },
        }
    }
}
