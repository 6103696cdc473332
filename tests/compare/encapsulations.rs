//! Every format, written by the library: tshark decodes it to the same packets, and so does the command.

use std::fs;
use std::path::Path;

use mirrorscope_capture::writer::{OutputFile, PcapWriter};
use mirrorscope_dissectors::encap::{Outer, Wrap};

use crate::formats::{self, Carries, Format};
use crate::{assert_same, run, text};

/// Fields of the innermost packet.
const FIELDS: &[&str] = &[
    "ip.src",
    "ip.dst",
    "ip.len",
    "ip.id",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.plen",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.seq_raw",
    "tcp.len",
];
/// Those of its Ethernet header, if it has one.
const MACS: &[&str] = &["eth.src", "eth.dst"];

const RAW_IP: u16 = 101;
const ETHERNET: u16 = 1;

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn every_format_is_read_by_tshark_and_by_us_as_the_same_packets() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let mut compared = 0;
    for format in formats::all() {
        let carriers = [
            Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into()),
            Outer::new(
                [0x20, 1, 0xd, 0xb8, 0, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].into(),
                [0x11; 16].into(),
            ),
        ];
        // tshark looks for STT in IPv4 alone.
        let only_ipv4 = !over_ip(&format) || format.name == "STT";
        for outer in &carriers[..if only_ipv4 { 1 } else { 2 }] {
            let what = format!("{}: {:?} from {}", format.name, format.wrap, outer.source);
            let (bare, wrapped, inner) =
                (path("bare.pcap"), path("wrapped.pcap"), path("inner.pcap"));
            write(&format, outer, &bare, &wrapped);
            let mut names = FIELDS.to_vec();
            // The addresses in MAC-in-MAC have fields of their own.
            if format.carries == Carries::Frames && format.name != "802.1ah MAC-in-MAC" {
                names.extend(MACS);
            }
            let last = |file: &Path, options: &[&str]| fields(file, "l", options, &names);
            let expected = last(&bare, &[]);
            assert!(expected.len() > 2, "{what}");
            assert_same(&expected, &last(&wrapped, format.tshark), &names, &what);
            if let Some((name, value)) = format.field {
                for read in fields(&wrapped, "f", format.tshark, &[name]) {
                    assert_eq!(read, value, "{what}: {name}");
                }
            }
            ours(&format, &wrapped, &inner);
            if !has_more(&format) {
                let bytes = |file: &Path| fs::read(file).unwrap()[24..].to_vec();
                assert!(bytes(&inner) == bytes(&bare), "{what}");
            }
            assert_eq!(last(&inner, &[]), expected, "{what}");
            compared += expected.len();
        }
    }
    eprintln!("{compared} packets in {} formats", formats::all().len());
}

/// Whether it stands in IP, of either version.
fn over_ip(format: &Format) -> bool {
    !matches!(
        format.wrap,
        Wrap::Mpls { .. }
            | Wrap::Pbb { .. }
            | Wrap::Trill { .. }
            | Wrap::FabricPath { .. }
            | Wrap::Pppoe { .. }
            | Wrap::Nsh { .. }
            | Wrap::VnTag { .. }
            | Wrap::ETag { .. }
            | Wrap::CiscoMetaData { .. }
            | Wrap::Arista { .. }
    )
}

/// What comes out has more bytes: a tag that was put into the frame is a part of it, and the bytes that tshark takes for
/// a checksum are there.
fn has_more(format: &Format) -> bool {
    [
        "FabricPath",
        "VN-Tag",
        "802.1BR E-Tag",
        "Cisco MetaData",
        "Arista time stamps",
    ]
    .contains(&format.name)
}

/// Our own way to the packets inside.
fn ours(format: &Format, wrapped: &Path, inner: &Path) {
    let mut arguments = vec!["decap", "--plain", "-w", text(inner), text(wrapped)];
    if format.name == "OTV" {
        arguments.extend(["-d", "udp.port==8472,otv"]);
    }
    run(env!("CARGO_BIN_EXE_mirrorscope"), &arguments);
}

/// The packets that a format can carry, as they are and wrapped.
fn write(format: &Format, outer: &Outer, bare: &Path, wrapped: &Path) {
    let create =
        |path: &Path, link| PcapWriter::new(OutputFile::create(path).unwrap(), link, 0).unwrap();
    let frames = format.carries == Carries::Frames;
    let mut plain = create(bare, if frames { ETHERNET } else { RAW_IP });
    let mut mirrored = create(wrapped, ETHERNET);
    for (original, time) in formats::originals()
        .iter()
        .zip(1_700_000_000_000_000_000_i64..)
    {
        let Some(mut frame) = format.frame(outer, original) else {
            continue;
        };
        let inner = if frames {
            &original[..]
        } else {
            &original[14..]
        };
        if format.name == "FabricPath" {
            // tshark takes the last four bytes for a checksum, whether there is one or not.
            frame.extend([0; 4]);
        }
        let len = |bytes: &[u8]| bytes.len() as u32;
        plain.write(time, len(inner), inner).unwrap();
        mirrored.write(time, len(&frame), &frame).unwrap();
    }
    for writer in [plain, mirrored] {
        writer.finish().unwrap().commit().unwrap();
    }
}

/// Fields of the first or last header that has them, one packet a line.
fn fields(file: &Path, occurrence: &str, options: &[&str], names: &[&str]) -> Vec<String> {
    let occurrence = format!("occurrence={occurrence}");
    let mut arguments = vec!["-n", "-r", text(file), "-T", "fields"];
    arguments.extend(["-E", &occurrence, "-E", "separator=;"]);
    arguments.extend(options);
    arguments.extend(names.iter().flat_map(|name| ["-e", name]));
    run("tshark", &arguments)
        .lines()
        .map(str::to_owned)
        .collect()
}
