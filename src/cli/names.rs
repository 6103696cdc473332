//! Names of machines on the command line: where they come from.

use std::path::PathBuf;

use clap::Args;

const NAMES: &str = "Names";

/// Where names come from.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Inventory that names addresses and MAC addresses; may be repeated, the first file that knows one counts
    #[arg(long, value_name = "FILE", long_help = INVENTORY, help_heading = NAMES)]
    pub names: Vec<PathBuf>,

    /// No names: addresses alone, not even those of /etc/hosts
    #[arg(short = 'n', long, help_heading = NAMES)]
    pub no_names: bool,

    /// Ask the name service for names of addresses that no file knows (reverse DNS); it learns who you look at
    #[arg(long, help_heading = NAMES)]
    pub resolve: bool,
}

impl NamesArgs {
    /// Whether the name service is asked.
    pub fn asks_for_names(&self) -> bool {
        self.resolve && !self.no_names
    }
}

const INVENTORY: &str = "\
Inventory that names addresses and MAC addresses; may be repeated, the first file that knows one counts.
A table with a header (RVTools' vInfo and vNetwork), JSON (govc vm.info -json), what VM tracer prints, or a hosts file:
  name,address,mac,host,port group,site
  web01,10.20.0.50,00:50:56:ab:cd:ef,esx-07,app-vlan12,dc2
All forms: docs/names.md";
