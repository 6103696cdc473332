//! TCP's numbers, counted from the first one of each side; what is missing in front of a packet, and what was sent again.

use std::collections::BTreeMap;

use mirrorscope_dissectors::Tcp;

use super::Step;

/// What the numbers of a segment say.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    sequence: u32,
    acknowledgement: Option<u32>,
    /// Numbers that it takes: those of its payload, of SYN and FIN.
    len: u32,
    syn: bool,
    rst: bool,
}

impl Segment {
    /// That of a header.
    pub fn new(tcp: &Tcp<'_>) -> Self {
        let flags = tcp.flags;
        Self {
            sequence: tcp.sequence,
            acknowledgement: flags.ack().then_some(tcp.acknowledgement),
            len: tcp.payload_len + u32::from(flags.syn()) + u32::from(flags.fin()),
            syn: flags.syn(),
            rst: flags.rst(),
        }
    }
}

/// Puts the numbers of all segments, which are in order of time, into relation.
pub fn relate(steps: &mut [Step]) {
    let bases = [true, false].map(|from_originator| base(steps, from_originator));
    let mut sides = bases.map(Side::new);
    for Step {
        rung,
        segment,
        known,
    } in steps
    {
        let Some(segment) = segment else {
            continue;
        };
        let own = usize::from(!rung.from_originator);
        rung.sequence = Some(
            segment
                .sequence
                .wrapping_sub(bases[own].unwrap_or_default()),
        );
        if let (Some(number), Some(base)) = (segment.acknowledgement, bases[1 - own]) {
            rung.acknowledgement = Some(number.wrapping_sub(base));
        }
        if segment.rst {
            continue;
        }
        let seen = sides[own].take(segment);
        rung.gap = seen.gap;
        rung.retransmission |= seen.again && !*known;
    }
}

/// The first number of a side: of its SYN, else the lowest that was seen, else the one in front of what the other side
/// acknowledged first.
fn base(steps: &[Step], from_originator: bool) -> Option<u32> {
    let of = |side: bool| {
        let steps = steps.iter().filter(move |s| s.rung.from_originator == side);
        steps.filter_map(|step| step.segment)
    };
    if let Some(first) = of(from_originator).find(|segment| segment.syn) {
        return Some(first.sequence);
    }
    let numbers = of(from_originator).filter(|segment| !segment.rst);
    let lowest = numbers.map(|segment| segment.sequence).reduce(|a, b| {
        if b.wrapping_sub(a).cast_signed() < 0 {
            b
        } else {
            a
        }
    });
    let told = || {
        let numbers = of(!from_originator).filter(|segment| !segment.rst);
        let mut told = numbers.filter_map(|segment| segment.acknowledgement);
        told.next().map(|number| number.wrapping_sub(1))
    };
    lowest.or_else(told)
}

/// What was seen of a side.
struct Side {
    base: u32,
    /// The number that follows the highest one; positions have 64 bits.
    reached: Option<i64>,
    /// What was seen, from and to.
    ranges: BTreeMap<i64, i64>,
}

/// What a segment is among those before it.
struct Among {
    /// Numbers missing in front of it.
    gap: u32,
    /// All of it had been seen.
    again: bool,
}

impl Side {
    fn new(base: Option<u32>) -> Self {
        Self {
            base: base.unwrap_or_default(),
            reached: None,
            ranges: BTreeMap::new(),
        }
    }

    fn take(&mut self, segment: &Segment) -> Among {
        let relative = segment.sequence.wrapping_sub(self.base);
        let near = self.reached.unwrap_or_default();
        let start = near + i64::from(relative.wrapping_sub(near as u32).cast_signed());
        let end = start + i64::from(segment.len);
        let gap = self.reached.map_or(0, |reached| (start - reached).max(0));
        let covered = |(from, to): (&i64, &i64)| *from <= start && *to >= end;
        let before = self.ranges.range(..=start).next_back();
        let again = segment.len > 0 && before.is_some_and(covered);
        self.reached = Some(near.max(end).max(start));
        if segment.len > 0 {
            self.add(start, end);
        }
        Among {
            gap: u32::try_from(gap).unwrap_or(u32::MAX),
            again,
        }
    }

    /// Adds a range, joined with those that it touches.
    fn add(&mut self, mut start: i64, mut end: i64) {
        while let Some((&from, &to)) = self.ranges.range(..=end).next_back()
            && to >= start
        {
            self.ranges.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.ranges.insert(start, end);
    }
}
