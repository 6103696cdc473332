//! Writes the seeds of the fuzz targets: `cargo run --example generate_seeds`.
//!
//! One frame of every format, bare packets, capture files with them, and conversations of TCP.

#![expect(
    clippy::unwrap_used,
    reason = "a generator that cannot write should stop there"
)]

use std::fs;
use std::path::Path;

use mirrorscope_capture::writer::{
    InterfaceDescription, OutputFile, Packet, PcapWriter, PcapngWriter,
};
use mirrorscope_dissectors::LinkType;
use mirrorscope_dissectors::encap::{Outer, fragment};

mod conversations;
#[expect(dead_code, reason = "some of it is for tshark")]
#[path = "../../tests/compare/formats.rs"]
mod formats;

/// The first byte of an input of `decapsulate` chooses the link type.
fn choice(link: LinkType) -> u8 {
    let mut links = (0..300).filter_map(LinkType::from_number);
    links.position(|other| other == link).unwrap() as u8
}

fn main() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let seed = |target: &str, name: &str, bytes: &[u8]| {
        let folder = seeds.join(target);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(name), bytes).unwrap();
    };
    let originals: Vec<_> = formats::originals()
        .into_iter()
        .filter(|frame| frame.len() < 100)
        .collect();
    for (number, original) in originals.iter().enumerate() {
        seed("inner_packet", &format!("{number}.bin"), &original[14..]);
    }
    let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let mut frames = Vec::new();
    for (number, format) in formats::all().iter().enumerate() {
        let mut wrapped = originals
            .iter()
            .filter_map(|inner| format.frame(&outer, inner));
        let frame = wrapped.next().unwrap();
        let name = format!("{number:02}-{}.bin", slug(format.name));
        let input = [&[choice(LinkType::Ethernet)], &frame[..]].concat();
        seed("decapsulate", &name, &input);
        seed("engine", &name, &frame);
        frames.push(frame);
    }
    for (number, part) in fragment(&frames[1], 68).iter().enumerate() {
        let input = [&[choice(LinkType::Ethernet)], &part[..]].concat();
        seed("decapsulate", &format!("fragment-{number}.bin"), &input);
    }
    captures(&seeds.join("capture_file"), &frames);
    for (name, input) in conversations::all() {
        seed("streams", name, &input);
    }
}

/// A file name: lower case, with nothing but letters, digits and hyphens.
fn slug(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    name.chars().map(plain).collect()
}

/// The first frames as pcap and pcapng.
fn captures(folder: &Path, frames: &[Vec<u8>]) {
    fs::create_dir_all(folder).unwrap();
    let ethernet = LinkType::Ethernet.number();
    let create = |name: &str| OutputFile::create(&folder.join(name)).unwrap();
    let mut pcap = PcapWriter::new(create("frames.pcap"), ethernet, 0).unwrap();
    let mut pcapng = PcapngWriter::new(create("frames.pcapng"), "seed").unwrap();
    let interface = pcapng
        .add_interface(&InterfaceDescription {
            name: "erspan2-513@10.60.0.1",
            description: "seed",
            link_type: ethernet,
            snaplen: 0,
            filter: "",
        })
        .unwrap();
    for (frame, time) in frames.iter().take(4).zip(1_700_000_000_000_000_000_i64..) {
        let len = frame.len() as u32;
        pcap.write(time, len, frame).unwrap();
        let packet = Packet {
            interface,
            time,
            wire_len: len,
            bytes: frame,
            direction: None,
            comment: None,
        };
        pcapng.write(&packet).unwrap();
    }
    pcap.finish().unwrap().commit().unwrap();
    pcapng.finish().unwrap().commit().unwrap();
}
