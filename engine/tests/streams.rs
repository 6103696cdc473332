//! Streams against models that cannot be wrong: what was sent, and an array that every byte is written into.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

use mirrorscope_dissectors::TcpFlags;
use mirrorscope_engine::stream::{Event, Overlap, Policy, Segment, Streams};
use mirrorscope_engine::time::{SECOND, Timestamp};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const FIN: u16 = 1;
const SYN: u16 = 2;
const ACK: u16 = 16;

/// What came of one direction: `None` for bytes that are missing.
#[derive(Default)]
struct Stitched([Vec<Option<u8>>; 2]);

impl Stitched {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Data {
                side,
                offset,
                bytes,
                ..
            } => {
                assert_eq!(
                    offset,
                    self.0[side].len() as u64,
                    "offsets leave nothing out"
                );
                assert!(!bytes.is_empty());
                self.0[side].extend(bytes.iter().copied().map(Some));
            }
            Event::Gap(gap) => {
                let bytes = &mut self.0[gap.side];
                assert_eq!(gap.offset, bytes.len() as u64, "offsets leave nothing out");
                assert!(gap.len > 0);
                bytes.resize(bytes.len() + gap.len as usize, None);
            }
            Event::Note { .. } | Event::End { .. } => {}
        }
    }
}

/// A segment on its way, and the bytes of it that are there.
#[derive(Clone, Debug)]
struct Sent {
    side: usize,
    flags: u16,
    sequence: u32,
    acknowledgement: u32,
    /// Selective acknowledgements.
    options: Vec<u8>,
    bytes: Vec<u8>,
    present: usize,
}

impl Sent {
    fn segment(&self, time: Timestamp) -> Segment<'_> {
        Segment {
            time,
            sequence: self.sequence,
            acknowledgement: self.acknowledgement,
            flags: TcpFlags(self.flags),
            options: &self.options,
            payload: &self.bytes[..self.present],
            payload_len: self.bytes.len() as u32,
        }
    }
}

/// Blocks as an option.
fn selective(blocks: &[(u32, u32)]) -> Vec<u8> {
    if blocks.is_empty() {
        return Vec::new();
    }
    let mut option = vec![1, 1, 5, 2 + 8 * blocks.len() as u8];
    let numbers = blocks.iter().flat_map(|block| [block.0, block.1]);
    option.extend(numbers.flat_map(u32::to_be_bytes));
    option
}

/// A direction: first number, bytes, lengths of the segments in which it is sent.
type Direction = (u32, Vec<u8>, Vec<usize>);

fn direction() -> impl Strategy<Value = Direction> {
    let number = prop_oneof![any::<u32>(), (u32::MAX - 2000)..=u32::MAX];
    // A zero that comes alone after its acknowledgement is a probe for life.
    let byte = 1..=u8::MAX;
    (number, vec(byte, 0..3000), vec(1_usize..1500, 1..20))
}

/// The segments of a conversation as a point sees them that joins so many neighbours (TSO).
fn segments(sides: &[Direction; 2], joined: usize) -> Vec<Sent> {
    let opening = |side: usize, flags, acknowledgement| Sent {
        side,
        flags,
        sequence: sides[side].0,
        acknowledgement,
        options: Vec::new(),
        bytes: Vec::new(),
        present: 0,
    };
    let mut all = vec![
        opening(0, SYN, 0),
        opening(1, SYN | ACK, sides[0].0.wrapping_add(1)),
    ];
    for (side, (first, bytes, lengths)) in sides.iter().enumerate() {
        let first = first.wrapping_add(1);
        let (peer, peer_bytes, _) = &sides[1 - side];
        let mut offset = 0;
        let mut lengths = lengths.iter().cycle();
        while offset < bytes.len() {
            let len: usize = lengths.by_ref().take(joined).sum();
            let end = (offset + len).min(bytes.len());
            // Whatever it acknowledges, it is not more than was sent.
            let acked = (peer_bytes.len() * offset / bytes.len()) as u32;
            let number = |acked: u32| peer.wrapping_add(1).wrapping_add(acked);
            let left = peer_bytes.len() as u32 - acked;
            all.push(Sent {
                side,
                flags: ACK,
                sequence: first.wrapping_add(offset as u32),
                acknowledgement: number(acked),
                options: if left > 2 {
                    selective(&[(number(acked + left / 3), number(acked + left / 2))])
                } else {
                    Vec::new()
                },
                bytes: bytes[offset..end].to_vec(),
                present: end - offset,
            });
            offset = end;
        }
        all.push(Sent {
            side,
            flags: FIN | ACK,
            sequence: first.wrapping_add(bytes.len() as u32),
            acknowledgement: peer.wrapping_add(1 + peer_bytes.len() as u32),
            options: Vec::new(),
            bytes: Vec::new(),
            present: 0,
        });
    }
    all
}

/// What a point does to what passes it.
#[derive(Clone, Debug)]
struct Place {
    joined: usize,
    /// Directions that it sees.
    sees: [bool; 2],
    lost: Vec<Index>,
    doubled: Vec<Index>,
    /// Bytes that are kept of a segment.
    cut: Vec<(Index, Index)>,
}

fn place() -> impl Strategy<Value = Place> {
    (
        1_usize..4,
        prop_oneof![Just([true, true]), Just([true, false]), Just([false, true])],
        vec(any::<Index>(), 0..8),
        vec(any::<Index>(), 0..4),
        vec(any::<(Index, Index)>(), 0..4),
    )
        .prop_map(|(joined, sees, lost, doubled, cut)| Place {
            joined,
            sees,
            lost,
            doubled,
            cut,
        })
}

/// Everything that the points see, in the order given by `shuffle`.
fn seen(sides: &[Direction; 2], places: &[Place], shuffle: &[u64]) -> Vec<Sent> {
    let mut all = Vec::new();
    for place in places {
        let mut seen = segments(sides, place.joined);
        seen.retain(|sent| place.sees[sent.side]);
        for (which, keep) in &place.cut {
            if !seen.is_empty() {
                let sent = which.get_mut(&mut seen);
                sent.present = sent.present.min(keep.index(sent.bytes.len() + 1));
            }
        }
        for which in &place.doubled {
            if !seen.is_empty() {
                seen.push(which.get(&seen).clone());
            }
        }
        for which in &place.lost {
            if !seen.is_empty() {
                seen.remove(which.index(seen.len()));
            }
        }
        all.extend(seen);
    }
    let mut order: Vec<(u64, Sent)> = shuffle.iter().copied().cycle().zip(all).collect();
    // The same keys for many of them: some stay in order.
    order.sort_by_key(|(key, _)| *key);
    order.into_iter().map(|(_, sent)| sent).collect()
}

fn stitch(streams: &mut Streams, all: &[Sent]) -> Stitched {
    let mut stitched = Stitched::default();
    for (n, sent) in (0..).zip(all) {
        let segment = sent.segment(Timestamp(n * 1000));
        streams.push(0, sent.side, &segment, &mut |_, event| stitched.take(event));
    }
    streams.finish(&mut |_, event| stitched.take(event));
    assert!(
        streams.is_empty() && streams.memory() <= 64,
        "which flows were there is all that is held"
    );
    stitched
}

/// A start that waits for everything, so that any order will do.
fn patient() -> Policy {
    Policy {
        start_segments: u32::MAX,
        ..Policy::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_somebody_saw_is_in_the_stream(
        sides in [direction(), direction()],
        places in vec(place(), 1..4),
        shuffle in vec(0_u64..50, 1..100),
    ) {
        let all = seen(&sides, &places, &shuffle);
        let stitched = stitch(&mut Streams::new(patient()), &all);
        for side in [0, 1] {
            let (first, bytes, _) = &sides[side];
            let mut expected: Vec<Option<u8>> = vec![None; bytes.len()];
            for sent in all.iter().filter(|sent| sent.side == side) {
                let offset = sent.sequence.wrapping_sub(*first).wrapping_sub(1) as usize;
                for (n, byte) in sent.bytes[..sent.present].iter().enumerate() {
                    expected[offset + n] = Some(*byte);
                }
            }
            // Without a SYN the stream begins where something shows that it was there.
            let opened = all.iter().any(|sent| {
                sent.flags & SYN != 0 && (sent.side == side || sent.flags & ACK != 0)
            });
            let found = &stitched.0[side];
            prop_assert!(found.len() <= expected.len(), "{} of {}", found.len(), expected.len());
            if expected.iter().all(Option::is_some) && opened {
                prop_assert_eq!(found, &expected);
            }
            // At its start and its end the model has bytes that nothing told of.
            let from = if opened {
                0
            } else {
                let seen = expected.iter().position(Option::is_some);
                let told = all.iter().filter(|sent| sent.side != side && sent.flags != SYN);
                let told = told.map(|sent| sent.acknowledgement.wrapping_sub(*first).wrapping_sub(1) as usize);
                let own = found.iter().position(Option::is_some);
                match (seen, own) {
                    (Some(seen), Some(own)) => {
                        prop_assert!(own <= seen);
                        seen - own
                    }
                    _ => told.min().unwrap_or_default(),
                }
            };
            let until = (from + found.len()).min(expected.len());
            prop_assert_eq!(found, &expected[from..until]);
            prop_assert!(expected[until..].iter().all(Option::is_none));
        }
    }

    #[test]
    fn the_policy_decides_which_bytes_count(
        number in any::<u32>(),
        segments in vec((0_usize..400, vec(any::<u8>(), 1..60)), 1..60),
        last in any::<bool>(),
    ) {
        let overlap = if last { Overlap::Last } else { Overlap::First };
        let mut streams = Streams::new(Policy { overlap, ..Policy::default() });
        let mut all = vec![Sent {
            side: 0, flags: SYN, sequence: number, acknowledgement: 0, options: Vec::new(), bytes: Vec::new(), present: 0,
        }];
        let mut model: Vec<Option<u8>> = Vec::new();
        let mut delivered = 0;
        let mut right = 0;
        for (offset, bytes) in &segments {
            let end = offset + bytes.len();
            // A single byte at the end again is a probe for life.
            let probe = bytes.len() == 1 && end == right && *offset < delivered;
            right = right.max(end);
            model.resize(model.len().max(end), None);
            for (n, byte) in bytes.iter().enumerate() {
                let place = &mut model[offset + n];
                if place.is_none() || last && offset + n >= delivered && !probe {
                    *place = Some(*byte);
                }
            }
            delivered = model.iter().position(Option::is_none).unwrap_or(model.len());
            all.push(Sent {
                side: 0, flags: ACK, sequence: number.wrapping_add(1 + *offset as u32), acknowledgement: 1,
                options: Vec::new(), bytes: bytes.clone(), present: bytes.len(),
            });
        }
        prop_assert_eq!(&stitch(&mut streams, &all).0[0], &model);
    }

    #[test]
    fn whatever_comes_memory_keeps_its_bound_and_offsets_ascend(
        segments in vec((
            (0_u64..6, any::<bool>(), any::<u16>(), any::<u32>(), 0_u32..3000, 0_usize..2000, any::<u16>()),
            vec((0_u32..20_000, 0_u32..20_000), 0..5),
        ), 1..300),
        memory in 4_000_usize..100_000,
    ) {
        let mut streams = Streams::new(Policy::within(memory));
        let mut stitched: Vec<[u64; 2]> = vec![[0; 2]; 6];
        let payload = [7; 2000];
        let mut check = |flow: u64, event: Event<'_>| {
            let (side, offset, len) = match event {
                Event::Data { side, offset, bytes, .. } => (side, offset, bytes.len() as u64),
                Event::Gap(gap) => (gap.side, gap.offset, gap.len),
                _ => return,
            };
            let reached = &mut stitched[flow as usize][side];
            assert_eq!(offset, *reached);
            *reached += len;
        };
        let mut time = 0;
        for ((flow, side, flags, sequence, ack, len, later), blocks) in segments {
            let options = selective(&blocks);
            time += i64::from(later) * 100_000;
            let near = if flags & 0x300 == 0 { sequence } else { sequence % 20_000 };
            let segment = Segment {
                time: Timestamp(time),
                sequence: near,
                acknowledgement: ack,
                // Few begin or end anything.
                flags: TcpFlags(if flags & 0x1c00 == 0 { flags & 0x3f } else { ACK }),
                options: &options,
                payload: &payload[..len],
                payload_len: len as u32 + u32::from(flags & 0x2000 != 0) * 5,
            };
            streams.push(flow, side.into(), &segment, &mut check);
            prop_assert!(streams.memory() <= memory.max(4096), "{} of {memory}", streams.memory());
        }
        streams.finish(&mut check);
    }
}

/// What becomes of a segment on its way: a mirror in the middle sees it or not, the receiver gets it or not, and the
/// mirror sees the receiver's answer or not.
#[derive(Clone, Copy, Debug)]
struct Fate {
    seen: bool,
    arrives: bool,
    answer_seen: bool,
}

const GOOD: Fate = Fate {
    seen: true,
    arrives: true,
    answer_seen: true,
};

/// Bytes of each segment of a transfer.
const LEN: usize = 4;

/// A transfer of so many segments to a receiver that acknowledges selectively, as a mirror on its way sees it; and which
/// segments it saw. With `stuck` the first one never arrives.
fn transfer(number: u32, count: usize, fates: &[Fate], stuck: bool) -> (Vec<Sent>, Vec<bool>) {
    let place = |index: usize| number.wrapping_add(1 + (index * LEN) as u32);
    let mut all = vec![
        Sent {
            side: 0,
            flags: SYN,
            sequence: number,
            acknowledgement: 0,
            options: Vec::new(),
            bytes: Vec::new(),
            present: 0,
        },
        Sent {
            side: 1,
            flags: SYN | ACK,
            sequence: 0,
            acknowledgement: place(0),
            options: Vec::new(),
            bytes: Vec::new(),
            present: 0,
        },
    ];
    let (mut seen, mut has) = (vec![false; count], vec![false; count]);
    let mut fresh = 0..count;
    let mut fates = std::iter::once(GOOD).chain(fates.iter().copied());
    loop {
        let fate = fates.next();
        // New data first, then whatever the receiver lacks.
        let lacks = (usize::from(stuck)..count).find(|index| !has[*index]);
        let Some(index) = fresh.next().or(lacks) else {
            return (all, seen);
        };
        let fate = fate.unwrap_or(GOOD);
        if fate.seen {
            seen[index] = true;
            all.push(Sent {
                side: 0,
                flags: ACK,
                sequence: place(index),
                acknowledgement: 1,
                options: Vec::new(),
                bytes: vec![index as u8; LEN],
                present: LEN,
            });
        }
        if !fate.arrives || stuck && index == 0 {
            continue;
        }
        has[index] = true;
        if fate.answer_seen || fresh.is_empty() && !(usize::from(stuck)..count).any(|n| !has[n]) {
            let acked = has.iter().position(|has| !has).unwrap_or(count);
            let mut blocks = Vec::new();
            // The block with the latest segment comes first (RFC 2018 §4).
            for start in std::iter::once(index).chain(acked..count) {
                let until = (start..count).find(|n| !has[*n]).unwrap_or(count);
                let from = (0..=start).rev().find(|n| !has[*n]).map_or(0, |n| n + 1);
                let block = (place(from), place(until));
                if start > acked && has[start] && blocks.len() < 3 && !blocks.contains(&block) {
                    blocks.push(block);
                }
            }
            all.push(Sent {
                side: 1,
                flags: ACK,
                sequence: 1,
                acknowledgement: place(acked),
                options: selective(&blocks),
                bytes: Vec::new(),
                present: 0,
            });
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_the_receiver_lacks_is_waited_for_and_what_it_has_is_not(
        number in prop_oneof![any::<u32>(), (u32::MAX - 200)..=u32::MAX],
        count in 1_usize..40,
        fates in vec(any::<(bool, bool, bool)>(), 0..100),
        stuck in any::<bool>(),
    ) {
        let fates: Vec<Fate> = fates
            .into_iter()
            .map(|(seen, arrives, answer_seen)| Fate { seen, arrives, answer_seen })
            .collect();
        let (all, seen) = transfer(number, count, &fates, stuck);
        let mut streams = Streams::new(Policy::default());
        let mut stitched = Stitched::default();
        let mut late = 0;
        let mut sink = |flow, event: Event<'_>| {
            if let Event::End { counts, .. } = event {
                late += counts.late;
            }
            if flow == 0 {
                stitched.take(event);
            }
        };
        // A second between any two: whatever may be given up is given up at once.
        let mut time = Timestamp(0);
        for sent in &all {
            time = time.plus(SECOND);
            streams.push(0, sent.side, &sent.segment(time), &mut sink);
        }
        let other = all[0].segment(time.plus(10 * SECOND));
        streams.push(1, 0, &other, &mut sink);
        streams.end(0, &mut |flow, event| {
            let waited = matches!(event, Event::Data { .. });
            assert!(!waited, "the receiver had it ten seconds ago");
            sink(flow, event);
        });
        prop_assert_eq!(late, 0, "nothing was given up that was still to come");
        let mut expected: Vec<Option<u8>> = seen
            .iter()
            .enumerate()
            .flat_map(|(index, seen)| [seen.then_some(index as u8); LEN])
            .collect();
        expected.truncate(stitched.0[0].len());
        prop_assert_eq!(&stitched.0[0], &expected);
    }
}

#[test]
fn a_gigabyte_with_holes_passes_through_its_bound() {
    const BOUND: usize = 64 << 20;
    const FLOWS: u64 = 100;
    let mut streams = Streams::new(Policy::within(BOUND));
    let payload = [7; 1448];
    let (mut most, mut sent, mut got, mut missing) = (0, 0_u64, 0, 0);
    let mut sink = |_, event: Event<'_>| match event {
        Event::Data { bytes, .. } => got += bytes.len() as u64,
        Event::Gap(gap) => missing += gap.len,
        _ => {}
    };
    for n in 0_u32..7_500 {
        for flow in 0..FLOWS {
            let segment = Segment {
                time: Timestamp(i64::from(n) * 1000),
                sequence: n * 1448,
                acknowledgement: 0,
                flags: TcpFlags(if n == 0 { SYN } else { ACK }),
                options: &[],
                payload: &payload,
                payload_len: 1448,
            };
            // One segment of fifty is lost, and nothing is ever acknowledged.
            if n == 0 || (u64::from(n) + flow) % 50 != 0 {
                sent += 1448;
                streams.push(flow, 0, &segment, &mut sink);
            }
        }
        most = most.max(streams.memory());
    }
    streams.finish(&mut sink);
    assert!(most > BOUND / 2 && most <= BOUND, "{most}");
    // A SYN takes a number too: where nothing is missing behind it, one byte overlaps the next segment.
    assert!(sent - got <= FLOWS, "{sent} sent, {got} delivered");
    assert!(missing > 1448 * 140 * FLOWS, "{missing}");
}
