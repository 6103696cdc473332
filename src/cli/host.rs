//! The command lines of `interfaces` and `doctor`: about this machine, not about packets.

use clap::{Args, ValueEnum};

pub const INTERFACES: &str = "\
Examples:
  mirrorscope interfaces
  mirrorscope interfaces --format json | jq -r 'select(.usable) | .name'
  sudo mirrorscope report -i eth1           listen on one of them

FITS is the largest mirrored IP packet that arrives in one piece with its encapsulation around it. Full-size packets
have 1500 bytes; with an ERSPAN header, an Ethernet header and a VLAN tag they need an MTU of 1566.";

pub const DOCTOR: &str = "\
Examples:
  sudo mirrorscope doctor
  sudo mirrorscope doctor -i eth1
  mirrorscope doctor --format json | jq -r '.checks[] | select(.status == \"bad\") | .fix[]?'

✔ well   ▲ may lose packets, or only in some uses   ✖ loses or distorts packets   ? could not be seen

Without root it works too, but cannot see the packet filter, nor which programs of others have a port.

Exit status: 0 nothing loses or distorts packets; 1 something does; 2 bad usage, or the host could not be looked at.";

/// Arguments of `interfaces`.
#[derive(Debug, Args)]
pub struct InterfacesArgs {
    /// How to write them
    #[arg(long, value_enum, default_value_t = HostFormat::Table)]
    pub format: HostFormat,
}

/// Formats of a list of interfaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HostFormat {
    /// For people
    Table,
    /// One object a line
    Json,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Look at this interface: its name, index or address; may be repeated [default: those that
    /// are up and lead out of this machine]
    #[arg(short = 'i', long = "interface", value_name = "IFACE")]
    pub interfaces: Vec<String>,

    /// How to write it
    #[arg(long, value_enum, default_value_t = DoctorFormat::Text)]
    pub format: DoctorFormat,
}

/// Formats of a diagnosis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DoctorFormat {
    /// For people
    Text,
    /// For programs: one document
    Json,
}
