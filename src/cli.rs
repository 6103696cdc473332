//! The command line: what can be typed, and the help that teaches it. No behaviour.

mod config;
mod decap;
mod encap;
mod export;
mod extcap;
mod follow;
mod host;
mod live;
mod names;
mod value;
mod watch;

use std::path::PathBuf;

use clap::{
    Arg, ArgAction, ArgGroup, ArgMatches, Args, FromArgMatches, Parser, Subcommand, ValueEnum,
    value_parser,
};
use mirrorscope_dissectors::{Protocol, Selector};
use mirrorscope_engine::MOST_THREADS;
use mirrorscope_engine::firewall::Preset;

pub use config::ConfigArgs;
pub use decap::{Comment, DecapArgs, Keep, OutputArgs, To};
pub use encap::{
    CarrierArgs, EncapArgs, Encapsulation, Flow, Granularity, HeaderArgs, PortDirection,
    SelectArgs, Sequence, Summary,
};
pub use export::{ExportArgs, IpfixEach, LogFormat};
pub use extcap::ExtcapArgs;
pub use follow::{FollowArgs, FollowFormat, Gaps, Overlap};
pub use host::{DoctorArgs, DoctorFormat, HostFormat, InterfacesArgs};
pub use live::{LiveArgs, Via};
pub use names::NamesArgs;
pub use value::Host;
pub use watch::WatchArgs;

/// Where mirrored traffic went: which way each direction of a connection takes, and who breaks it.
///
/// Reads captures of mirrored packets (ERSPAN, GRE, VXLAN, Geneve), strips the encapsulation, follows every flow at
/// every place where it was seen, and tells asymmetric paths from mirrors that lose packets and servers that are down.
#[derive(Debug, Parser)]
#[command(name = "mirrorscope", version, max_term_width = 100, after_help = EXIT_STATUS)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_STATUS: &str = "\
Examples:
  mirrorscope watch capture.pcap
  mirrorscope report capture.pcap
  mirrorscope report --site dc1=10.60.0.1 --site dc2=10.60.0.3 capture.pcap
  mirrorscope flows --format json dc1.pcap.gz dc2.pcap.zst | jq 'select(.verdict == \"asymmetric\")'
  sudo mirrorscope report -i eth1 --interval 10s
  mirrorscope follow --flow 10.0.0.1:1234-10.0.0.2:80 capture.pcap
  mirrorscope decap -w inner.pcapng capture.pcap

Exit status: 0 done; 1 findings of at least --fail-on; 2 bad usage or input (what could be read is still shown).";

/// Subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The terminal interface: sites, flows, findings, packets, live or over files
    #[command(after_help = watch::EXAMPLES)]
    Watch(WatchArgs),
    /// Summary, mirror sessions and findings
    #[command(after_help = "\
Examples:
  mirrorscope report --sites sites.toml capture.pcap
  mirrorscope report --filter 'host 10.20.0.50 and not symmetric' capture.pcap
  mirrorscope report --format json capture.pcap | jq '.findings[].summary'
  mirrorscope report --format html --sites sites.toml capture.pcap > report.html
  mirrorscope report --fail-on warning capture.pcap || echo something is wrong")]
    Report(ReportArgs),
    /// Mirror sessions with their health: loss by sequence numbers, cut packets
    #[command(after_help = "\
Examples:
  mirrorscope sessions capture.pcap
  mirrorscope sessions --filter 'host 10.20.0.50' capture.pcap      those that show this machine")]
    Sessions(SessionsArgs),
    /// Flows with the verdict of each, and what every point saw of it
    #[command(after_help = "\
Examples:
  mirrorscope flows capture.pcap
  mirrorscope flows --filter 'port 443 and (unanswered or state S0,S1)' capture.pcap
  mirrorscope flows --format json capture.pcap | jq -r 'select(.verdict == \"unknown\") | .why'
  mirrorscope flows --format detail --filter 'id 22jB5b2hkC' capture.pcap
  mirrorscope flows --format csv capture.pcap > flows.csv
  mirrorscope flows --format zeek capture.pcap > conn.log")]
    Flows(FlowsArgs),
    /// The sites file: write one from what is seen, or check one
    #[command(after_help = "\
Examples:
  mirrorscope sites --propose capture.pcap > sites.toml      what was seen, with reasons, to be edited
  mirrorscope sites check sites.toml                         what is wrong with it, by line and column
  mirrorscope report --sites sites.toml capture.pcap")]
    Sites(SitesArgs),
    /// Endpoints: which address lives where, since when, with which MAC; routers, and who moved
    #[command(after_help = "\
Examples:
  mirrorscope endpoints --sites sites.toml capture.pcap
  mirrorscope endpoints --host 10.20.0.50 capture.pcap      where does it live, since when
  mirrorscope endpoints --host 02:00:00:00:00:50 capture.pcap
  mirrorscope endpoints --format json capture.pcap | jq 'select(.places | length > 1)'")]
    Endpoints(EndpointsArgs),
    /// Findings alone: what is worth telling, with evidence and next steps
    #[command(after_help = "\
Examples:
  mirrorscope findings --sites sites.toml capture.pcap
  mirrorscope findings --filter 'site dc2 and port 443' --fail-on error capture.pcap")]
    Findings(FindingsArgs),
    /// The bytes of one stream, put together from all points; or of every stream, as files
    #[command(after_help = follow::EXAMPLES)]
    Follow(FollowArgs),
    /// The mirrored packets without their encapsulation: into files, or onto interfaces
    #[command(after_help = decap::EXAMPLES)]
    Decap(DecapArgs),
    /// Wrap plain packets as a mirror would, with the loss and disorder of a real path if asked for
    #[command(after_help = encap::EXAMPLES)]
    Encap(EncapArgs),
    /// Interfaces that can be listened on: addresses, MTU and what fits through it, driver
    #[command(after_help = host::INTERFACES)]
    Interfaces(InterfacesArgs),
    /// What is wrong with this host as a collector, with the commands that mend it
    #[command(after_help = host::DOCTOR)]
    Doctor(DoctorArgs),
    /// A capture source in Wireshark's own list of interfaces
    #[command(after_help = extcap::EXAMPLES)]
    Extcap(ExtcapArgs),
    /// The configuration of the terminal interface: keys, colours, columns
    #[command(after_help = config::EXAMPLES)]
    Config(ConfigArgs),
    /// Asks the name service, for a process that may not: addresses in, names out
    #[command(name = crate::resolve::COMMAND, hide = true)]
    ResolveNames {
        /// Who asks, when started as root.
        #[arg(long)]
        user: Option<String>,
    },
}

/// What every subcommand takes that reads mirrored packets.
#[derive(Debug, Args)]
#[command(
    group = ArgGroup::new("source").args(["files", "interfaces", "via"]).required(true).multiple(true),
    group = ArgGroup::new("live").args(["interfaces", "via"]).multiple(true),
)]
pub struct InputArgs {
    /// Capture files, merged in time order: pcap or pcapng, also gzip or zstd; - for standard input
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Stop after this many frames
    #[arg(short = 'c', long, value_name = "N")]
    pub count: Option<u64>,

    /// Who analyses, when started as root: nothing of a packet is read before [default: who called sudo]
    #[arg(long, value_name = "NAME", hide_short_help = true)]
    pub user: Option<String>,

    /// Interfaces.
    #[command(flatten)]
    pub live: LiveArgs,

    /// TOML file that names sites and observation points
    #[arg(long, value_name = "FILE")]
    pub sites: Option<PathBuf>,

    /// Assign mirror sources to a site: an address or a prefix; may be repeated
    #[arg(long = "site", value_name = "NAME=PREFIX")]
    pub site: Vec<String>,

    /// What firewalls are, where the sites file does not say: how they track connections
    #[arg(long, value_name = "PRESET", value_parser = value::preset, default_value = "linux")]
    pub firewall: Preset,

    /// Names.
    #[command(flatten)]
    pub naming: NamesArgs,

    /// Which clock tells when packets passed
    #[arg(long, value_enum, default_value_t = Clock::Arrival)]
    pub clock: Clock,

    /// What numbers mean.
    #[command(flatten)]
    pub decode: DecodeArgs,
}

impl InputArgs {
    /// All files that are read.
    pub fn all_files(&self) -> impl Iterator<Item = &PathBuf> {
        let Self {
            files,
            sites,
            naming,
            ..
        } = self;
        files.iter().chain(sites).chain(&naming.names)
    }
}

/// Which clock tells when packets passed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Clock {
    /// The mirroring device's, by its time stamps (ERSPAN III), where they are good; else as arrival
    Mirror,
    /// The collector's
    Arrival,
}

/// Ports and other numbers that lead to a protocol: an option for each protocol of the dissectors' list.
#[derive(Debug, Default)]
pub struct DecodeArgs {
    /// Ports in place of a protocol's well-known ones.
    pub ports: Vec<(Protocol, Vec<u16>)>,
    /// Rules in tshark's form.
    pub decode_as: Vec<String>,
}

const DECODE_AS: &str = "decode-as";

impl Args for DecodeArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        let decode_as = Arg::new(DECODE_AS)
            .short('d')
            .long(DECODE_AS)
            .value_name("FIELD==NUMBER,PROTOCOL")
            .action(ArgAction::Append)
            .help("Read what a number leads to as a protocol, as in tshark; may be repeated")
            .long_help(
                "Read what a number leads to as a protocol, as in tshark; may be repeated.\n\
                 FIELD is one of udp.port, tcp.port (destination ports), ethertype, gre.proto, ip.proto:\n  \
                 -d udp.port==20000,vxlan  -d ethertype==0x88b7,vlan  -d gre.proto==0x1234,ethernet",
            )
            .help_heading("Decoding");
        let ports = Protocol::ALL.iter().filter_map(|&protocol| {
            let name = protocol.port_option()?;
            let defaults = protocol
                .default_ports()
                .map(|port| port.number().to_string());
            let transport = match protocol.default_ports().next() {
                Some(Selector::TcpPort(_)) => "TCP",
                _ => "UDP",
            };
            let mut defaults = defaults.collect::<Vec<_>>().join(",");
            if defaults.is_empty() {
                defaults.push_str("none");
            }
            let title = protocol.title();
            let help = format!("{transport} ports that carry {title} [default: {defaults}]");
            let argument = Arg::new(name)
                .long(name)
                .value_name("PORT")
                .value_delimiter(',')
                .value_parser(value_parser!(u16))
                .action(ArgAction::Append)
                .help(help)
                .help_heading("Decoding")
                .hide_short_help(true);
            Some(argument)
        });
        command.arg(decode_as).args(ports)
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for DecodeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut args = Self::default();
        args.update_from_arg_matches(matches)?;
        Ok(args)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let given = Protocol::ALL.iter().filter_map(|&protocol| {
            let ports = matches.get_many::<u16>(protocol.port_option()?)?;
            Some((protocol, ports.copied().collect()))
        });
        self.ports = given.collect();
        let rules = matches.get_many::<String>(DECODE_AS).into_iter().flatten();
        self.decode_as = rules.cloned().collect();
        Ok(())
    }
}

/// What every subcommand that follows flows takes.
#[derive(Debug, Args)]
pub struct AnalysisArgs {
    /// Input.
    #[command(flatten)]
    pub input: InputArgs,

    /// What keeps flows with equal addresses and ports apart
    #[arg(long, value_enum, default_value_t = Scope::None)]
    pub scope: Scope,

    /// Only flows for which this holds, such as 'host 10.20.0.50 and port 443 and not symmetric'
    #[arg(long, value_name = "EXPRESSION", long_help = FILTER)]
    pub filter: Option<String>,

    /// Threads that analyse. With 2, one strips packets while the other follows flows; with 3, a third has the inventory and
    /// the firewalls, which with 4 are apart. The results are the same. decap, follow and watch use one [default: as many as
    /// there are cores, less one that receives live, at most 3]
    #[arg(long, value_name = "N", value_parser = value_parser!(u8).range(1..=i64::from(MOST_THREADS)), hide_short_help = true)]
    pub threads: Option<u8>,

    /// Bounds and timeouts of the flow table.
    #[command(flatten)]
    pub table: TableArgs,
}

impl AnalysisArgs {
    /// Threads that analyse. Live, the kernel needs a core to receive: two threads that share one do less than one. Inventory
    /// and firewalls together take less than the flows do, so that nothing waits for a fourth.
    pub fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let receiving = usize::from(self.input.live.is_live());
        let free = || cores().saturating_sub(receiving).clamp(1, 3);
        self.threads.map_or_else(free, usize::from)
    }
}

const TABLE: &str = "Flow table";

/// Bounds and timeouts of the flow table.
#[derive(Debug, Args)]
pub struct TableArgs {
    /// Most flows held at once; then those that nobody answered give way first, and closed ones next
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = at_least_one, help_heading = TABLE)]
    pub max_flows: usize,

    /// Most memory that flows may take. Where it does not suffice for --max-flows in full, those not heard of for longest are packed
    /// into some 150 bytes until their next packet
    #[arg(long, value_name = "SIZE", default_value = "4G", value_parser = value::size, hide_short_help = true, help_heading = TABLE)]
    pub max_flow_memory: usize,

    /// Most endpoints known at once; then those silent for longest give way
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = at_least_one, hide_short_help = true, help_heading = TABLE)]
    pub max_endpoints: usize,

    /// Silence after which a TCP connection is another one
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = value::duration, hide_short_help = true, help_heading = TABLE)]
    pub tcp_timeout: i64,

    /// The same once an end has closed or reset it
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = value::duration, hide_short_help = true, help_heading = TABLE)]
    pub tcp_close_timeout: i64,

    /// The same while nobody has answered it
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = value::duration, hide_short_help = true, help_heading = TABLE)]
    pub tcp_half_open_timeout: i64,

    /// Silence after which UDP between two ports is another flow
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = value::duration, hide_short_help = true, help_heading = TABLE)]
    pub udp_timeout: i64,

    /// The same for ICMP
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = value::duration, hide_short_help = true, help_heading = TABLE)]
    pub icmp_timeout: i64,

    /// The same for all other protocols
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = value::duration, hide_short_help = true, help_heading = TABLE)]
    pub other_timeout: i64,
}

fn at_least_one(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok();
    number
        .filter(|number| *number > 0)
        .ok_or("not a number from 1 up")
}

const FILTER: &str = "\
Only flows for which this holds:
  'host 10.20.0.50 and port 443 and not symmetric'
  'site dc2 and (unanswered or state S0,S1)'
  'unknown and cause mirror-loss and bytes > 1M'
All fields and signs: docs/filter.md";

/// What keeps flows with equal addresses and ports apart.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Scope {
    /// Nothing: all sessions share one address space
    None,
    /// The VLAN of the mirrored packet
    Vlan,
    /// The innermost segment: VNI or GRE key
    Segment,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// What other tools get.
    #[command(flatten)]
    pub export: ExportArgs,

    /// How to write it
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,

    /// Exit with 1 if there is a finding of at least this severity
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<Severity>,
}

/// Arguments of `findings`.
#[derive(Debug, Args)]
pub struct FindingsArgs {
    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// What other tools get.
    #[command(flatten)]
    pub export: ExportArgs,

    /// How to write them
    #[arg(long, value_enum, default_value_t = TextFormat::Text)]
    pub format: TextFormat,

    /// Exit with 1 if there is a finding of at least this severity
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<Severity>,
}

/// Arguments of `sessions`.
#[derive(Debug, Args)]
pub struct SessionsArgs {
    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// How to write them
    #[arg(long, value_enum, default_value_t = SessionFormat::Table)]
    pub format: SessionFormat,
}

/// Arguments of `sites`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct SitesArgs {
    /// What to do with a sites file.
    #[command(subcommand)]
    pub command: Option<SitesCommand>,

    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// Write a sites file: sites by outer source, a point for each session with its likely role, and why
    #[arg(long, required = true)]
    pub propose: bool,
}

/// What to do with a sites file.
#[derive(Debug, Subcommand)]
pub enum SitesCommand {
    /// Tell what is wrong with a sites file, by line and column, and what it describes
    #[command(after_help = "\
Exit status: 0 it can be used; 2 it cannot.

Examples:
  mirrorscope sites check sites.toml
  mirrorscope sites check sites.toml && mirrorscope report --sites sites.toml capture.pcap")]
    Check {
        /// The sites file; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Arguments of `endpoints`.
#[derive(Debug, Args)]
pub struct EndpointsArgs {
    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// Only endpoints with this address, prefix or MAC address; may be repeated
    #[arg(long, value_name = "ADDRESS", value_parser = value::host)]
    pub host: Vec<Host>,

    /// How to write them
    #[arg(long, value_enum, default_value_t = SessionFormat::Table)]
    pub format: SessionFormat,
}

/// Arguments of `flows`.
#[derive(Debug, Args)]
pub struct FlowsArgs {
    /// Input and how to follow flows.
    #[command(flatten)]
    pub analysis: AnalysisArgs,

    /// What other tools get.
    #[command(flatten)]
    pub export: ExportArgs,

    /// How to write them
    #[arg(long, value_enum, default_value_t = FlowFormat::Table)]
    pub format: FlowFormat,
}

/// Formats of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Text,
    /// For programs: one document
    Json,
    /// For a browser: one page with pictures that needs nothing else, to be attached to a ticket
    Html,
}

/// Formats of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// For people
    Text,
    /// For programs: one object a line
    Json,
}

/// Formats of a list of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SessionFormat {
    /// For people
    Table,
    /// One object a line
    Json,
    /// Comma-separated, with a header
    Csv,
}

/// Formats of a list of flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FlowFormat {
    /// For people, a line each
    Table,
    /// For people, a page each: what every point saw, TCP's retransmissions, windows and round trips
    Detail,
    /// One object a line
    Json,
    /// Comma-separated, with a header
    Csv,
    /// Zeek's conn.log
    Zeek,
    /// Zeek's conn.log as JSON, one object a line
    ZeekJson,
}

/// Capture file formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CaptureFormat {
    /// An interface for each session, with names and directions
    Pcapng,
    /// All sessions together; one link type
    Pcap,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Severity {
    /// Good to know
    Info,
    /// Something is wrong, or will be
    Warning,
    /// Traffic breaks
    Error,
}
