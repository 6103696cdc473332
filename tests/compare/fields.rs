//! The layers and fields of a frame as a reader sees them: tshark has the same at the same bytes.

use std::path::Path;

use mirrorscope_capture::Files;
use mirrorscope_capture::writer::{OutputFile, PcapWriter};
use mirrorscope_dissectors::encap::Outer;
use mirrorscope_dissectors::fields::{Layer, layers};
use mirrorscope_dissectors::{LinkType, Options};

use crate::{formats, run, text};

/// Layers that are compared: tshark's name and ours.
const LAYERS: &[(&str, &str)] = &[
    ("eth", "Ethernet"),
    ("vlan", "VLAN tag"),
    ("ieee8021ad", "VLAN tag"),
    ("ip", "IPv4"),
    ("ipv6", "IPv6"),
    ("udp", "UDP"),
    ("tcp", "TCP"),
    ("icmp", "ICMP"),
    ("icmpv6", "ICMPv6"),
    ("arp", "ARP"),
    ("arp", "RARP"),
    ("gre", "GRE"),
    ("gre", "NVGRE"),
    ("gre", "GRE, EoIP"),
    ("gre", "GRE, PPTP"),
    ("erspan", "ERSPAN I"),
    ("erspan", "ERSPAN II"),
    ("erspan", "ERSPAN III"),
    ("vxlan", "VXLAN"),
    ("vxlan", "VXLAN-GPE"),
    ("geneve", "Geneve"),
];

/// Fields that are compared: tshark's name, our layer, our field.
const FIELDS: &[(&str, &str, &str)] = &[
    ("eth.dst", "Ethernet", "Destination"),
    ("eth.src", "Ethernet", "Source"),
    ("vlan.id", "VLAN tag", "VLAN"),
    ("ip.len", "IPv4", "Total length"),
    ("ip.ttl", "IPv4", "Time to live"),
    ("ip.src", "IPv4", "Source"),
    ("ip.dst", "IPv4", "Destination"),
    ("ipv6.plen", "IPv6", "Payload length"),
    ("ipv6.hlim", "IPv6", "Hop limit"),
    ("ipv6.src", "IPv6", "Source"),
    ("ipv6.dst", "IPv6", "Destination"),
    ("udp.srcport", "UDP", "Source port"),
    ("udp.length", "UDP", "Length"),
    ("tcp.srcport", "TCP", "Source port"),
    ("tcp.dstport", "TCP", "Destination port"),
    ("tcp.seq_raw", "TCP", "Sequence number"),
    ("tcp.ack_raw", "TCP", "Acknowledgement number"),
    ("tcp.window_size_value", "TCP", "Window"),
    ("tcp.options.mss_val", "TCP", "Option"),
    ("icmp.type", "ICMP", "Type"),
    ("icmp.ident", "ICMP", "Identifier"),
    ("icmp.seq", "ICMP", "Sequence number"),
    ("icmp.mtu", "ICMP", "MTU of the next hop"),
    ("icmpv6.type", "ICMPv6", "Type"),
    ("arp.src.proto_ipv4", "ARP", "Sender IP"),
    ("arp.src.proto_ipv4", "RARP", "Sender IP"),
    ("arp.dst.hw_mac", "RARP", "Target MAC"),
    ("arp.dst.hw_mac", "ARP", "Target MAC"),
    ("gre.sequence_number", "GRE", "Sequence number"),
    ("erspan.spanid", "ERSPAN II", "Session id"),
    ("erspan.spanid", "ERSPAN III", "Session id"),
    ("erspan.timestamp", "ERSPAN III", "Timestamp"),
    ("vxlan.vni", "VXLAN", "VNI"),
    ("vxlan.vni", "VXLAN-GPE", "VNI"),
    ("geneve.vni", "Geneve", "VNI"),
];

/// tshark finds these in buffers of its own, or has other names for what is in them.
const APART: &[&str] = &["STT", "FabricPath", "802.1ah MAC-in-MAC", "L2TPv3"];

/// What one frame shows: layers with their places, fields with places and values.
#[derive(Debug, Default, PartialEq)]
struct Shown {
    layers: Vec<(String, usize)>,
    fields: Vec<(String, usize, String)>,
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn layers_and_fields_are_where_tshark_has_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.pcap");
    let mut compared = 0;
    for format in formats::all() {
        if APART.contains(&format.name) {
            continue;
        }
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let frames = formats::originals();
        let frames = frames
            .iter()
            .filter_map(|inner| format.frame(&outer, inner));
        let mut file = PcapWriter::new(OutputFile::create(&path).unwrap(), 1, 0).unwrap();
        for frame in frames {
            file.write(0, frame.len() as u32, &frame).unwrap();
        }
        file.finish().unwrap().commit().unwrap();
        compared += compare(&path, format.tshark, format.name);
    }
    for sample in [
        "asymmetric-strict",
        "asymmetric-udp-icmp",
        "ipv6-healthy",
        "mtu",
        "address-conflict",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("samples/{sample}.pcap"));
        compared += compare(&path, &[], sample);
    }
    eprintln!("{compared} layers and fields");
}

/// Compares all frames of a file; gives how much was the same.
fn compare(path: &Path, options: &[&str], what: &str) -> usize {
    let ours = ours(path);
    let theirs = theirs(path, options);
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let mut compared = 0;
    for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        assert_eq!(ours.layers, theirs.layers, "{what}: frame {}", number + 1);
        for field in &theirs.fields {
            let (name, place, value) = field;
            let is_it = |(own, at, told): &(String, usize, String)| {
                own == name
                    && at == place
                    && told
                        .split([' ', ','])
                        .any(|word| word.trim_matches(['(', ')']) == value)
            };
            let found = ours.fields.iter().any(is_it);
            assert!(
                found,
                "{what}: frame {}: {field:?} is not in {:?}",
                number + 1,
                ours.fields
            );
        }
        compared += ours.layers.len() + theirs.fields.len();
    }
    compared
}

fn ours(path: &Path) -> Vec<Shown> {
    let mut files = Files::open(&[path.to_owned()], std::sync::Arc::default()).unwrap();
    let mut frames = Vec::new();
    loop {
        let before = frames.len();
        for frame in files.next_frames(32) {
            let link = LinkType::from_number(frame.origin.link_type).unwrap();
            let layers = layers(link, frame.bytes, &Options::default());
            frames.push(shown(&layers));
        }
        if frames.len() == before {
            return frames;
        }
    }
}

fn shown(layers: &[Layer]) -> Shown {
    let mut shown = Shown::default();
    for layer in layers {
        let title = layer.title.trim_start_matches("Quoted ");
        let theirs = LAYERS.iter().find(|(_, own)| *own == title);
        let name = if title == "VLAN tag" {
            "vlan"
        } else {
            theirs.map_or("", |theirs| theirs.0)
        };
        if !name.is_empty() {
            shown.layers.push((name.to_owned(), layer.bytes.start));
        }
        for field in &layer.fields {
            let same = |other: &&(&str, &str, &str)| {
                other.2 == field.name
                    && (other.1 == title
                        || LAYERS
                            .iter()
                            .any(|(name, own)| *own == title && other.1 == "GRE" && *name == "gre"))
            };
            for (name, ..) in FIELDS.iter().filter(same) {
                // tshark tells the value of the option, not the whole of it.
                let skip = if *name == "tcp.options.mss_val" { 2 } else { 0 };
                shown.fields.push((
                    (*name).to_owned(),
                    field.bytes.start + skip,
                    field.value.clone(),
                ));
            }
        }
    }
    shown
}

/// What tshark says, in its own description of each field with its place.
fn theirs(path: &Path, options: &[&str]) -> Vec<Shown> {
    let mut arguments = vec!["-n", "-r", text(path), "-T", "pdml"];
    arguments.extend(["-o", "tcp.desegment_tcp_streams:FALSE"]);
    arguments.extend(options);
    let told = run("tshark", &arguments);
    let mut frames = Vec::new();
    for line in told.lines().map(str::trim_start) {
        if line.starts_with("<packet") {
            frames.push(Shown::default());
        }
        let Some(frame) = frames.last_mut() else {
            continue;
        };
        let place = || attribute(line, "pos").and_then(|pos| pos.parse().ok());
        let (Some(name), Some(place)) = (attribute(line, "name"), place()) else {
            continue;
        };
        if line.starts_with("<proto") {
            let name = if name == "ieee8021ad" { "vlan" } else { name };
            if LAYERS.iter().any(|(other, _)| *other == name) {
                frame.layers.push((name.to_owned(), place));
            }
        } else if FIELDS.iter().any(|(other, ..)| *other == name)
            && let Some(value) = attribute(line, "show")
        {
            let hex = value.strip_prefix("0x");
            let number = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
            let value = number.map_or(value.to_owned(), |number| number.to_string());
            frame.fields.push((name.to_owned(), place, value));
        }
    }
    frames
}

fn attribute<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}
