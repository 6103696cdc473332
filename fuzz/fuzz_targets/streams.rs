//! Any segments of a few flows, within a tight bound: offsets leave nothing out, and memory keeps its bound.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use mirrorscope_dissectors::TcpFlags;
use mirrorscope_engine::stream::{Event, Overlap, Policy, Segment, Streams};
use mirrorscope_engine::time::Timestamp;

/// What the input begins with. `examples/generate_seeds` writes the same, field by field.
#[derive(Arbitrary, Debug)]
struct Rules {
    last: bool,
    limit: Option<u16>,
}

/// A segment; its payload follows.
#[derive(Arbitrary, Debug)]
struct Sent {
    flow: u8,
    side: bool,
    flags: u16,
    /// Most numbers lie near each other.
    sequence: Result<u16, u32>,
    acknowledgement: Result<u16, u32>,
    blocks: [Option<(u16, u16)>; 2],
    len: u8,
    cut: u16,
    /// Milliseconds after the segment before, which may be fewer than none.
    later: i16,
}

const BOUND: usize = 20_000;
const FLOWS: usize = 16;

fuzz_target!(|input: &[u8]| {
    let mut input = Unstructured::new(input);
    let Ok(rules) = Rules::arbitrary(&mut input) else {
        return;
    };
    let mut streams = Streams::new(Policy {
        overlap: if rules.last {
            Overlap::Last
        } else {
            Overlap::First
        },
        limit: rules.limit.map(u64::from),
        ..Policy::within(BOUND)
    });
    let mut reached = [[0; 2]; FLOWS];
    let mut ended = [[false; 2]; FLOWS];
    let mut sink = |flow: u64, event: Event<'_>| {
        let (side, offset, len) = match event {
            Event::Data {
                side,
                offset,
                bytes,
                ..
            } => {
                assert!(!bytes.is_empty());
                (side, offset, bytes.len() as u64)
            }
            Event::Gap(gap) => {
                assert!(gap.len > 0);
                (gap.side, gap.offset, gap.len)
            }
            Event::Note { side, offset, .. } => (side, offset, 0),
            Event::End { side, counts, .. } => {
                assert!(!ended[flow as usize][side]);
                ended[flow as usize][side] = true;
                let place = reached[flow as usize][side];
                assert_eq!(counts.delivered + counts.missing, place);
                (side, place, 0)
            }
        };
        assert_eq!(offset, reached[flow as usize][side]);
        reached[flow as usize][side] += len;
    };
    let near = |number| match number {
        Ok(near) => u32::from(near).wrapping_sub(1 << 15),
        Err(any) => any,
    };
    let mut time = 0;
    while !input.is_empty()
        && let Ok(sent) = Sent::arbitrary(&mut input)
    {
        let len = input.len().min(sent.len.into());
        let Ok(payload) = input.bytes(len) else {
            return;
        };
        time += i64::from(sent.later) * 1_000_000;
        let numbers = sent.blocks.iter().flatten().flat_map(|(l, r)| [*l, *r]);
        let mut options: Vec<u8> = numbers.flat_map(|n| near(Ok(n)).to_be_bytes()).collect();
        options.splice(..0, [5, 2 + options.len() as u8]);
        let segment = Segment {
            time: Timestamp(time),
            sequence: near(sent.sequence),
            acknowledgement: near(sent.acknowledgement),
            flags: TcpFlags(sent.flags),
            options: &options,
            payload,
            payload_len: payload.len() as u32 + u32::from(sent.cut),
        };
        let flow = u64::from(sent.flow) % FLOWS as u64;
        streams.push(flow, sent.side.into(), &segment, &mut sink);
        assert!(streams.memory() <= BOUND, "{}", streams.memory());
    }
    streams.finish(&mut sink);
    assert!(streams.is_empty());
});
