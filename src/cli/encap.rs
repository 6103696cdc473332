//! The command line of `encap`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum, value_parser};
use ipnet::IpNet;

use super::OutputArgs;
use super::value::duration;

pub const EXAMPLES: &str = "\
Examples:
  mirrorscope encap --as erspan2 --session 101 -w mirrored.pcap plain.pcap
  mirrorscope encap --as erspan3 --granularity ns --index 7 -w mirrored.pcap plain.pcap
  mirrorscope encap --as vxlan --mtu 1500 -w - plain.pcap | mirrorscope report -
  mirrorscope encap --as erspan2 --loss 2 --loss-burst 10 --seed 7 -w lossy.pcap plain.pcap
  mirrorscope encap --as gre --session 7 --only back -w answers.pcap plain.pcap

One run is one mirror session; `mirrorscope report one.pcap two.pcap` reads several together.

Ethernet frames are mirrored as they are. IP packets without Ethernet (raw IP, Linux cooked, BSD
loopback) go as such into erspan3 (frame type 2), gre and geneve. In front of them the others get a
made-up Ethernet header: MAC addresses are 02:00 and the last four bytes of the IP address.

Faults strike whole mirrored packets, with all their fragments, after they were numbered. The first
and the last packet always arrive, so that a receiver can count every gap. What was done is told on
standard error.";

/// Arguments of `encap`.
#[derive(Debug, Args)]
pub struct EncapArgs {
    /// Capture files, merged in time order: pcap or pcapng, also gzip or zstd; - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Stop after this many frames
    #[arg(short = 'c', long, value_name = "N")]
    pub count: Option<u64>,

    /// Output.
    #[command(flatten)]
    pub output: OutputArgs,

    /// How to tell on standard error what was done
    #[arg(long, value_enum, default_value_t = Summary::Text)]
    pub summary: Summary,

    /// Format to wrap packets in
    #[arg(
        long = "as",
        value_enum,
        value_name = "FORMAT",
        help_heading = "Encapsulation"
    )]
    pub encapsulation: Encapsulation,

    /// Header of the encapsulation.
    #[command(flatten)]
    pub header: HeaderArgs,

    /// Which packets.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Headers in front.
    #[command(flatten)]
    pub carrier: CarrierArgs,

    /// Faults.
    #[command(flatten)]
    pub path: PathArgs,
}

/// What stands in the header of the encapsulation.
#[derive(Debug, Args)]
#[command(next_help_heading = "Encapsulation")]
pub struct HeaderArgs {
    /// ERSPAN session (0-1023), GRE key, VSID or VNI [default: 1; gre: no key]
    #[arg(long, value_name = "ID")]
    pub session: Option<u32>,

    /// Number the packets from START on (ERSPAN II and III, GRE), or none [default: 0; gre: none]
    #[arg(long, value_name = "START")]
    pub sequence: Option<Sequence>,

    /// Take off the outermost VLAN tag; ERSPAN keeps its VLAN and priority in the header
    #[arg(long)]
    pub strip_vlan: bool,

    /// VLAN in the ERSPAN header of packets without a tag [default: 0]
    #[arg(long, value_name = "VLAN", value_parser = value_parser!(u16).range(0..=4095))]
    pub vlan: Option<u16>,

    /// Class of service in every ERSPAN header [default: the tag's priority, else 0]
    #[arg(long, value_name = "0-7", value_parser = value_parser!(u8).range(0..=7))]
    pub cos: Option<u8>,

    /// Mirror at most this many bytes of each packet; ERSPAN tells it by its T bit
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u32).range(1..=65535))]
    pub truncate: Option<u32>,

    /// ERSPAN II index; port index of ERSPAN III with --granularity 1588 or ns
    #[arg(long, value_name = "N")]
    pub index: Option<u32>,

    /// ERSPAN III: unit of the time stamp [default: 100us]
    #[arg(long, value_enum, value_name = "UNIT")]
    pub granularity: Option<Granularity>,

    /// ERSPAN III: way through the mirrored port [default: ingress]
    #[arg(long, value_enum)]
    pub direction: Option<PortDirection>,

    /// ERSPAN III: engine within the device [default: 0]
    #[arg(long, value_name = "0-63", value_parser = value_parser!(u8).range(0..=63))]
    pub hw_id: Option<u8>,

    /// ERSPAN III: security group tag [default: 0]
    #[arg(long, value_name = "TAG")]
    pub sgt: Option<u16>,

    /// GRE: write a checksum
    #[arg(long)]
    pub checksum: bool,

    /// NVGRE: flow identifier [default: 0]
    #[arg(long, value_name = "0-255")]
    pub flow_id: Option<u8>,

    /// Geneve: options as they are on the wire, in hex
    #[arg(long, value_name = "HEX")]
    pub geneve_options: Option<String>,
}

/// Which packets the mirror sees.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is mirrored")]
pub struct SelectArgs {
    /// One direction of each flow: that of its first packet, or the other
    #[arg(long, value_enum)]
    pub only: Option<Flow>,

    /// Packets that come from an address or a prefix, as received at one port; may be repeated
    #[arg(long, value_name = "PREFIX", value_parser = prefix)]
    pub only_source: Vec<IpNet>,
}

/// The headers in front of the encapsulation.
#[derive(Debug, Args)]
#[command(next_help_heading = "Outer headers")]
pub struct CarrierArgs {
    /// Address of the mirroring device.
    #[arg(
        long,
        value_name = "ADDRESS",
        help = "Address of the mirroring device, IPv4 or IPv6 [default: 192.0.2.1 or 2001:db8::1]"
    )]
    pub source: Option<IpAddr>,

    /// Address of the collector.
    #[arg(
        long,
        value_name = "ADDRESS",
        help = "Address of the collector, IPv4 or IPv6 [default: 192.0.2.2 or 2001:db8::2]"
    )]
    pub destination: Option<IpAddr>,

    /// MAC address of the sender
    #[arg(long, value_name = "MAC", value_parser = mac, default_value = "02:00:00:00:00:01")]
    pub source_mac: [u8; 6],

    /// MAC address of the receiver
    #[arg(long, value_name = "MAC", value_parser = mac, default_value = "02:00:00:00:00:02")]
    pub destination_mac: [u8; 6],

    /// Time to live or hop limit
    #[arg(long, value_name = "1-255", value_parser = value_parser!(u8).range(1..), default_value_t = 64)]
    pub ttl: u8,

    /// VXLAN, Geneve: destination port [default: 4789; geneve: 6081]
    #[arg(long, value_parser = value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// Split outer packets that are longer, as routers on the way would
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u16).range(68..))]
    pub mtu: Option<u16>,

    /// IPv4: identification 0 in every packet, as many switches send it, rather than counting
    #[arg(long)]
    pub ip_id_zero: bool,

    /// IPv4: forbid to split the packets
    #[arg(long, conflicts_with = "mtu")]
    pub dont_fragment: bool,
}

/// What goes wrong on the way to the collector.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults of the path")]
pub struct PathArgs {
    /// Lose so many of a hundred packets
    #[arg(long, value_name = "PERCENT", value_parser = probability, default_value = "0")]
    pub loss: f64,

    /// Lose them in runs of N
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1000), default_value_t = 1)]
    pub loss_burst: u32,

    /// Deliver so many of a hundred packets twice
    #[arg(long, value_name = "PERCENT", value_parser = probability, default_value = "0")]
    pub duplicate: f64,

    /// Deliver so many of a hundred packets late, behind some that were sent after them
    #[arg(long, value_name = "PERCENT", value_parser = probability, default_value = "0")]
    pub reorder: f64,

    /// Behind at most so many
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1000), default_value_t = 3)]
    pub reorder_distance: u32,

    /// Deliver all packets so much later: 20us, 1.5ms, 2s
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    pub delay: i64,

    /// Which packets are hit; the same seed gives the same file
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// Formats that packets can be wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Encapsulation {
    /// ERSPAN Type I: GRE alone, no session and no numbers
    Erspan1,
    /// ERSPAN Type II
    Erspan2,
    /// ERSPAN Type III, with time stamps
    Erspan3,
    /// GRE around Ethernet (0x6558) or IP
    Gre,
    /// NVGRE
    Nvgre,
    /// VXLAN
    Vxlan,
    /// Geneve around Ethernet or IP
    Geneve,
}

/// Unit of the time stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Granularity {
    /// 100 microseconds, 32 bits
    #[value(name = "100us")]
    Microseconds100,
    /// 100 nanoseconds, 32 bits
    #[value(name = "100ns")]
    Nanoseconds100,
    /// Seconds and nanoseconds (IEEE 1588); the seconds in a platform 5 sub-header
    #[value(name = "1588")]
    Ieee1588,
    /// Nanoseconds, 64 bits; the upper ones in a platform 3 sub-header
    #[value(name = "ns")]
    Nanoseconds,
}

/// Way of the packets through the mirrored port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PortDirection {
    /// Into the switch
    Ingress,
    /// Out of the switch
    Egress,
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Flow {
    /// From the originator
    Forth,
    /// From the responder
    Back,
}

/// How the summary is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Summary {
    /// For people
    Text,
    /// For programs: one object
    Json,
}

/// Where sequence numbers start, if there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence(pub Option<u32>);

impl std::str::FromStr for Sequence {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self(None)),
            number => number
                .parse()
                .map(|start| Self(Some(start)))
                .map_err(|_| "neither none nor a number of 32 bits"),
        }
    }
}

fn prefix(text: &str) -> Result<IpNet, &'static str> {
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
        .map_err(|_| "neither an address nor a prefix such as 10.0.0.0/8")
}

fn mac(text: &str) -> Result<[u8; 6], &'static str> {
    let parts: Option<Vec<u8>> = text
        .split([':', '-'])
        .map(|part| Some(part).filter(|part| part.len() == 2 && !part.starts_with('+')))
        .map(|part| u8::from_str_radix(part?, 16).ok())
        .collect();
    parts
        .and_then(|parts| parts.try_into().ok())
        .ok_or("not a MAC address such as 02:00:00:00:00:01")
}

/// Percent as a probability.
fn probability(text: &str) -> Result<f64, &'static str> {
    let percent: Option<f64> = text.parse().ok();
    percent
        .filter(|percent| (0.0..=100.0).contains(percent))
        .map(|percent| percent / 100.0)
        .ok_or("not a number from 0 to 100")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_has_six_bytes() {
        assert_eq!(mac("02:aB:00:0f:f0:ff"), Ok([2, 0xab, 0, 15, 0xf0, 0xff]));
        assert_eq!(mac("02-ab-00-0f-f0-ff"), Ok([2, 0xab, 0, 15, 0xf0, 0xff]));
        for wrong in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:00",
            "2:00:00:00:00:00",
            "02:00:00:00:00:+1",
            "02:00:00:00:00:0g",
        ] {
            assert!(mac(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_percentage_is_no_more_than_all() {
        assert_eq!(probability("12.5"), Ok(0.125));
        assert_eq!(probability("100"), Ok(1.0));
        for wrong in ["-1", "100.1", "NaN", "inf", "two"] {
            assert!(probability(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_address_is_a_prefix_of_its_own() {
        assert_eq!(prefix("10.0.0.1"), Ok("10.0.0.1/32".parse().unwrap()));
        assert_eq!(
            prefix("2001:db8::/32"),
            Ok("2001:db8::/32".parse().unwrap())
        );
        assert!(prefix("10.0.0.0/33").is_err());
    }
}
