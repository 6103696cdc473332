//! Decapsulation alone: packets and bytes a second for each encapsulation.
//!
//! `cargo bench --bench decapsulate`

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use etherparse::PacketBuilder;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_dissectors::{
    Direction, LinkType, Network, Options, Packet, Stripped, decapsulate,
};

fn main() {
    divan::main();
}

/// Frames a sample works on: as many as a batch of a receiver, different enough to keep branches honest.
const BATCH: u16 = 256;
/// TCP payload: a frame of 64 bytes is all headers and a little more, one of 1400 is bulk data.
const SIZES: [usize; 2] = [64, 1400];
const ETHERNET_BRIDGING: u16 = 0x6558;

const KINDS: [&str; 7] = [
    "plain",
    "erspan2",
    "erspan3",
    "gre-teb",
    "vxlan",
    "geneve",
    "erspan2+vxlan",
];

/// An Ethernet frame of `size` bytes with IPv4 and TCP.
fn inner(number: u16, size: usize) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 9, high, low], [10, 20, 0, 50], 62)
        .tcp(32_768 + number, 443, 1, 502)
        .ack(1);
    let payload = vec![0x5a; size - builder.size(0)];
    let mut frame = Vec::with_capacity(size);
    builder.write(&mut frame, &payload).unwrap();
    frame
}

fn encapsulate(kind: &str, number: u16, inner: &[u8]) -> Vec<u8> {
    let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let sequence = u32::from(number);
    let vxlan = Wrap::Vxlan {
        vni: 5101,
        port: 4789,
    };
    let erspan2 = Wrap::Erspan2 {
        session: 101,
        vlan: 120,
        cos: 0,
        en: 0,
        truncated: false,
        index: 1,
        sequence,
    };
    let erspan3 = Wrap::Erspan3 {
        session: 101,
        vlan: 120,
        cos: 0,
        truncated: false,
        timestamp: 1,
        sgt: 0,
        frame_type: 0,
        hw_id: 1,
        direction: Direction::Ingress,
        granularity: 0,
        sequence: Some(sequence),
        platform: None,
    };
    let mut frame = Vec::new();
    let mut with = |with: &Wrap<'_>, inner: &[u8]| wrap(&outer, with, inner, &mut frame);
    match kind {
        "plain" => return inner.to_vec(),
        "erspan2" => with(&erspan2, inner),
        "erspan3" => with(&erspan3, inner),
        "vxlan" => with(&vxlan, inner),
        "gre-teb" => with(
            &Wrap::Gre {
                key: Some(101),
                sequence: Some(sequence),
                checksum: false,
                protocol: ETHERNET_BRIDGING,
            },
            inner,
        ),
        "geneve" => with(
            &Wrap::Geneve {
                vni: 5101,
                port: 6081,
                protocol: ETHERNET_BRIDGING,
                options: &[1, 4, 1, 1, 0, 0, 0, 7],
            },
            inner,
        ),
        "erspan2+vxlan" => {
            let mut segment = Vec::new();
            wrap(&outer, &vxlan, inner, &mut segment);
            with(&erspan2, &segment);
        }
        other => unreachable!("{other}"),
    }
    frame
}

fn frames(kind: &str, size: usize) -> Vec<Vec<u8>> {
    (0..BATCH)
        .map(|number| encapsulate(kind, number, &inner(number, size)))
        .collect()
}

fn count<'a, 'b>(bencher: Bencher<'a, 'b>, frames: &[Vec<u8>]) -> Bencher<'a, 'b> {
    let bytes: usize = frames.iter().map(Vec::len).sum();
    bencher
        .counter(ItemsCount::new(frames.len()))
        .counter(BytesCount::new(bytes))
}

/// Layers and encapsulation fields only.
#[divan::bench(args = KINDS, consts = SIZES, sample_count = 2000, max_time = 0.4)]
fn strip<const SIZE: usize>(bencher: Bencher<'_, '_>, kind: &str) {
    let frames = frames(kind, SIZE);
    let options = Options::default();
    count(bencher, &frames).bench_local(|| {
        for frame in &frames {
            black_box(decapsulate(LinkType::Ethernet, black_box(frame), &options));
        }
    });
}

/// All that a receiver asks of a frame: the innermost packet, and the mirror that it came through.
#[divan::bench(args = KINDS, consts = SIZES, sample_count = 2000, max_time = 0.4)]
fn take_apart<const SIZE: usize>(bencher: Bencher<'_, '_>, kind: &str) {
    let frames = frames(kind, SIZE);
    let options = Options::default();
    count(bencher, &frames).bench_local(|| {
        let mut mirror = None;
        for frame in &frames {
            // In place, as a receiver does.
            let mut packet = Packet {
                macs: None,
                vlan: None,
                network: Network::Other(0),
            };
            let mut stripped = Stripped::whole(LinkType::Ethernet, black_box(frame));
            stripped.decapsulate(&options);
            stripped.packet_into(&mut packet);
            stripped.mirror_into(&mut mirror);
            black_box((&packet, &mirror, stripped.is_nested()));
        }
    });
}

/// The same as [`strip`], and the innermost addresses, ports and flags.
#[divan::bench(args = KINDS, consts = SIZES, sample_count = 2000, max_time = 0.4)]
fn strip_and_read<const SIZE: usize>(bencher: Bencher<'_, '_>, kind: &str) {
    let frames = frames(kind, SIZE);
    let options = Options::default();
    count(bencher, &frames).bench_local(|| {
        for frame in &frames {
            let stripped = decapsulate(LinkType::Ethernet, black_box(frame), &options);
            black_box(stripped.packet());
        }
    });
}
