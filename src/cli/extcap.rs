//! `extcap` on the command line. What Wireshark asks has the names that Wireshark gives it.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::Keep;

/// Examples of `extcap`.
pub const EXAMPLES: &str = "\
Examples:
  mirrorscope extcap --install          interfaces `mirror-…` are in Wireshark's list from its next start on (docs/extcap.md)
  tshark -D                             shows them
  tshark -i mirror-eth1                 the packets that mirrors send to eth1, without their encapsulation
  mirrorscope extcap --remove";

const INSTALLATION: &str = "Installation";
const QUESTIONS: &str = "What Wireshark asks";
const CAPTURE: &str = "What is captured";

/// Arguments of `extcap`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
#[expect(clippy::option_option, reason = "the folder may be left out")]
#[command(group = ArgGroup::new("deed").required(true).multiple(true).args([
    "install", "remove", "extcap_interfaces", "extcap_dlts", "extcap_config", "capture", "extcap_capture_filter",
]))]
pub struct ExtcapArgs {
    /// Put mirrorscope into Wireshark's folder for capture sources [default: the one that tshark tells, yours rather than all users']
    #[arg(long, value_name = "FOLDER", help_heading = INSTALLATION)]
    pub install: Option<Option<PathBuf>>,

    /// Take it out again
    #[arg(long, value_name = "FOLDER", help_heading = INSTALLATION)]
    pub remove: Option<Option<PathBuf>>,

    /// Which interfaces there are, and the controls of their toolbar
    #[arg(long, help_heading = QUESTIONS)]
    pub extcap_interfaces: bool,

    /// What packets of an interface begin with
    #[arg(long, requires = "extcap_interface", help_heading = QUESTIONS)]
    pub extcap_dlts: bool,

    /// What can be set for an interface
    #[arg(long, requires = "extcap_interface", help_heading = QUESTIONS)]
    pub extcap_config: bool,

    /// Capture
    #[arg(long, requires_all = ["extcap_interface", "fifo"], help_heading = QUESTIONS)]
    pub capture: bool,

    /// The interface that it is about
    #[arg(long, value_name = "NAME", help_heading = QUESTIONS)]
    pub extcap_interface: Option<String>,

    /// Wireshark's version
    #[arg(long, value_name = "VERSION", num_args = 0..=1, hide = true)]
    pub extcap_version: Option<String>,

    /// Where the packets go
    #[arg(long, value_name = "FIFO", help_heading = QUESTIONS)]
    pub fifo: Option<PathBuf>,

    /// Wireshark's capture filter: mirror sources that may send, as with `--capture-filter`
    #[arg(long, value_name = "PREFIXES", requires = "extcap_interface", help_heading = QUESTIONS)]
    pub extcap_capture_filter: Option<String>,

    /// What the toolbar says
    #[arg(long, value_name = "FIFO", help_heading = QUESTIONS)]
    pub extcap_control_in: Option<PathBuf>,

    /// What is said to the toolbar
    #[arg(long, value_name = "FIFO", help_heading = QUESTIONS)]
    pub extcap_control_out: Option<PathBuf>,

    /// As with `decap`
    #[arg(long, value_name = "FILE", help_heading = CAPTURE)]
    pub sites: Option<PathBuf>,

    /// As with `decap`
    #[arg(long, value_name = "FILE", help_heading = CAPTURE)]
    pub names: Option<PathBuf>,

    /// As with `decap`
    #[arg(long, value_name = "EXPRESSION", help_heading = CAPTURE)]
    pub filter: Option<String>,

    /// As with `decap`
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Keep::Inner, help_heading = CAPTURE)]
    pub keep: Keep,

    /// As with `decap`
    #[arg(long, help_heading = CAPTURE)]
    pub dedup: bool,

    /// As with `decap`
    #[arg(long, help_heading = CAPTURE)]
    pub promiscuous: bool,
}
