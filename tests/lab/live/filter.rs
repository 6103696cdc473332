//! What the kernel lets through.

use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use serde_json::Value;

use super::bench::Bench;
use super::listener::Listener;
use crate::frames;
use crate::network::COLLECTOR;

/// A frame, and whether a mirror may have sent it.
type Sample = (&'static str, Vec<u8>, bool);

const VXLAN: Wrap<'static> = Wrap::Vxlan {
    vni: 7001,
    port: 4789,
};

fn mirrored(source: [u8; 4], format: &Wrap<'_>) -> Vec<u8> {
    let outer = Outer::new(source.into(), COLLECTOR.parse().unwrap());
    around(&outer, format)
}

fn around(outer: &Outer, format: &Wrap<'_>) -> Vec<u8> {
    let mut inner = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6];
    inner.resize(200, 7);
    let mut frame = Vec::new();
    wrap(outer, format, &inner, &mut frame);
    frame
}

fn erspan(session: u16) -> Wrap<'static> {
    Wrap::Erspan2 {
        session,
        vlan: 0,
        cos: 0,
        en: 0,
        truncated: false,
        index: 0,
        sequence: 1,
    }
}

/// In VLANs, outermost first.
fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let mut bytes = frame[..12].to_vec();
    for (ethertype, vlan) in tags {
        bytes.extend(ethertype.to_be_bytes());
        bytes.extend(vlan.to_be_bytes());
    }
    bytes.extend(&frame[12..]);
    bytes
}

/// The two fragments of an IPv4 packet without options.
fn fragments(frame: &[u8]) -> [Vec<u8>; 2] {
    let cut = 14 + 20 + 96;
    let part = |flags: u16, payload: &[u8]| {
        let mut bytes = [&frame[..34], payload].concat();
        bytes[16..18].copy_from_slice(&((20 + payload.len()) as u16).to_be_bytes());
        bytes[20..22].copy_from_slice(&flags.to_be_bytes());
        bytes[24..26].fill(0);
        let sum: u32 = bytes[14..34]
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
            .sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        bytes
    };
    [part(0x2000, &frame[34..cut]), part(12, &frame[cut..])]
}

fn samples() -> Vec<Sample> {
    let gre = mirrored([10, 60, 0, 1], &erspan(101));
    let vxlan = mirrored([10, 60, 1, 1], &VXLAN);
    let six: std::net::IpAddr = "2001:db8::1".parse().unwrap();
    let six = Outer::new(six, "2001:db8::9".parse().unwrap());
    let [first, second] = fragments(&gre);
    let mut web = vxlan.clone();
    web[36..38].copy_from_slice(&80_u16.to_be_bytes());
    let mut tcp = gre.clone();
    tcp[23] = 6;
    let mut arp = gre.clone();
    arp[12..14].copy_from_slice(&[8, 6]);
    vec![
        ("GRE", gre.clone(), true),
        ("VXLAN", vxlan.clone(), true),
        ("GRE in a VLAN", tagged(&gre, &[(0x8100, 120)]), true),
        ("VXLAN in a VLAN", tagged(&vxlan, &[(0x8100, 120)]), true),
        (
            "GRE in two VLANs",
            tagged(&gre, &[(0x88a8, 100), (0x8100, 120)]),
            true,
        ),
        ("first fragment", first, true),
        ("second fragment", second, true),
        ("GRE over IPv6", around(&six, &erspan(101)), true),
        ("VXLAN over IPv6", around(&six, &VXLAN), true),
        ("another UDP port", web.clone(), false),
        (
            "another UDP port in a VLAN",
            tagged(&web, &[(0x8100, 120)]),
            false,
        ),
        ("TCP", tcp, false),
        ("ARP", arp, false),
    ]
}

/// Sends all samples to a listener with these options.
fn offer(words: &str) -> (Bench, Vec<Sample>, Value) {
    let bench = Bench::new();
    let words = format!("report --format json --interval 1h -i eth0 {words}");
    let listener = Listener::start(&bench.collector, &words);
    let samples = samples();
    for (_, frame, _) in &samples {
        frames::send(&bench.switch, "eth0", frame, 1);
    }
    let report = listener.interrupt().last();
    (bench, samples, report)
}

fn bytes<'a>(samples: impl Iterator<Item = &'a Sample>) -> (usize, usize) {
    samples.fold((0, 0), |(frames, bytes), (_, frame, _)| {
        (frames + 1, bytes + frame.len())
    })
}

#[track_caller]
fn passed(report: &Value, expected: (usize, usize)) {
    let totals = &report["totals"];
    assert_eq!(totals["frames"], expected.0, "{totals:#}");
    // VLAN tags count: the kernel takes the first one off, and it must be put back.
    assert_eq!(totals["bytes"], expected.1, "{totals:#}");
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn mirrors_pass_and_nothing_else() {
    let (_bench, samples, report) = offer("");
    passed(
        &report,
        bytes(samples.iter().filter(|(_, _, passes)| *passes)),
    );
    let totals = &report["totals"];
    assert_eq!(totals["plain"], 0, "{totals:#}");
    assert_eq!(totals["reassembly"]["joined"], 1, "{totals:#}");
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn everything_passes_with_all() {
    let (_bench, samples, report) = offer("--all");
    passed(&report, bytes(samples.iter()));
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn only_some_sources_pass() {
    let (_bench, samples, report) = offer("--capture-filter 10.60.1.0/24,2001:db8::/64");
    let wanted = [
        "VXLAN",
        "VXLAN in a VLAN",
        "GRE over IPv6",
        "VXLAN over IPv6",
    ];
    let wanted = samples.iter().filter(|(name, _, _)| wanted.contains(name));
    passed(&report, bytes(wanted));
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn every_byte_is_as_it_was_sent() {
    let bench = Bench::new();
    let file = bench.file("all.pcapng");
    let words = format!("decap --all --plain -i eth0 -w {}", file.display());
    let listener = Listener::start(&bench.collector, &words);
    // Nothing to strip: a frame in one VLAN, in two, and in none.
    let (_, plain, _) = samples()
        .into_iter()
        .find(|(name, ..)| *name == "ARP")
        .unwrap();
    let sent = [
        plain.clone(),
        tagged(&plain, &[(0x8100, 0x6078)]),
        tagged(&plain, &[(0x88a8, 100), (0x8100, 120)]),
    ];
    for frame in &sent {
        frames::send(&bench.switch, "eth0", frame, 1);
    }
    let heard = listener.interrupt();
    assert!(heard.status.success(), "{}", heard.err);
    let stop = std::sync::Arc::default();
    let mut files = mirrorscope_capture::Files::open(&[file], stop).unwrap();
    let mut got = Vec::new();
    while let Some(frame) = files.next_frames(1).next() {
        got.push(frame.bytes.to_vec());
    }
    assert_eq!(got, sent);
}
