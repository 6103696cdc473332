//! Fragments in any order, repeated, changed, lost: what is joined is what was split, and memory keeps its bound.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mirrorscope_dissectors::encap::{Outer, Wrap, fragment, wrap};
use mirrorscope_dissectors::{LinkType, Options, Stop, decapsulate};
use mirrorscope_engine::fragment::{Arrival, Reassembler};
use mirrorscope_engine::time::Timestamp;

#[derive(Arbitrary, Debug)]
struct Input {
    /// Datagrams: identification, length of the payload, MTU, IPv6.
    datagrams: Vec<(u16, u16, u16, bool)>,
    /// Which fragment arrives next, how much later, what of it is changed.
    arrivals: Vec<(u16, u32, Option<(u16, u8)>)>,
}

fuzz_target!(|input: Input| {
    let mut parts = Vec::new();
    let mut wholes = Vec::new();
    for &(identification, len, mtu, ipv6) in input.datagrams.iter().take(4) {
        let (source, destination) = if ipv6 {
            ([1; 16].into(), [2; 16].into())
        } else {
            ([10, 0, 0, 1].into(), [10, 0, 0, 2].into())
        };
        let outer = Outer {
            identification,
            ..Outer::new(source, destination)
        };
        let inner: Vec<u8> = (0..len % 4000)
            .map(|n| n as u8 ^ identification as u8)
            .collect();
        let mut frame = Vec::new();
        wrap(&outer, &Wrap::Erspan1, &inner, &mut frame);
        let mtu = usize::from(mtu % 1500).max(68);
        parts.extend(fragment(&frame, mtu).into_iter().take(100));
        wholes.push(inner);
    }
    if parts.is_empty() {
        return;
    }
    // Senders that number every packet alike mix their datagrams up, and nobody can tell.
    let mut numbers: Vec<u16> = input.datagrams.iter().take(4).map(|d| d.0).collect();
    numbers.sort_unstable();
    let mut untouched = numbers.windows(2).all(|pair| pair[0] != pair[1]);
    let mut reassembler = Reassembler::default();
    let mut time = 0;
    for &(index, later, change) in input.arrivals.iter().take(300) {
        time += i64::from(later);
        let mut bytes = parts[usize::from(index) % parts.len()].clone();
        if let Some((place, value)) = change {
            untouched = false;
            let place = usize::from(place) % bytes.len();
            bytes[place] = value;
        }
        let stripped = decapsulate(LinkType::Ethernet, &bytes, &Options::default());
        let Stop::Fragment(part) = stripped.stop else {
            continue;
        };
        let arrival = Arrival {
            interface: 0,
            lane: (None, None),
            number: 1,
            wire_len: bytes.len() as u32,
            time: Timestamp(time),
        };
        if let Some(joined) = reassembler.push(&part, arrival) {
            let stripped = decapsulate(LinkType::RawIp, joined.bytes, &Options::default());
            if untouched {
                assert!(wholes.iter().any(|whole| whole == stripped.inner.bytes));
            }
        }
        assert!(reassembler.held_bytes() < 34 << 20);
        drop(reassembler.salvaged());
    }
    reassembler.finish();
    assert_eq!(reassembler.held_bytes(), 0);
});
