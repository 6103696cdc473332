//! What the GRE sequence numbers of a mirror say about the mirror itself: what it lost, doubled and reordered.
//!
//! RFC 2890 §2.2 gives the counter 32 bits that wrap. Real senders differ in what they count: most keep a counter
//! for each session, others one for all sessions of a switch, or (Open vSwitch in user space) one for every tunnel
//! of the process, whatever its source address. [`Sequences`] therefore follows three groupings side by side and
//! reports the one under which the numbers make sense, so that a shared counter never looks like loss.

mod episodes;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::session::SessionId;
use crate::table::{Map, Set};
use crate::time::Timestamp;
use episodes::Episodes;

/// Numbers behind the newest one in which a late packet is told from a repeated one.
const WINDOW: u64 = 4096;
/// Words of one bit each for them.
const WORDS: usize = (WINDOW / 64) as usize;
/// Numbers after which it is asked whether a wider grouping can be right; a power of two.
const TRIAL: u64 = 1 << 16;
/// A jump ahead by more than this is a restarted counter, not loss.
const RESTART: i64 = 1 << 24;

/// Packets that were missing between two packets of the same counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Episode {
    /// Arrival of the last packet before the gap.
    pub from: Timestamp,
    /// Arrival of the first packet after the gap.
    pub to: Timestamp,
    /// Numbers that never arrived.
    pub missing: u64,
    /// Extended sequence numbers: first missing, and first after the gap.
    range: (u64, u64),
    /// The sum of the squares of the gaps that were merged into it.
    squares: u64,
}

impl Episode {
    /// All numbers from the first up to the second.
    fn gap(from: Timestamp, to: Timestamp, range: (u64, u64)) -> Self {
        let missing = range.1 - range.0;
        Self {
            from,
            to,
            missing,
            range,
            squares: missing.saturating_mul(missing),
        }
    }

    /// Packets that are known to be missing though nothing numbers them: all at once, as far as anybody can tell.
    pub(crate) fn unnumbered(from: Timestamp, to: Timestamp, missing: u64) -> Self {
        Self::gap(from, to, (0, missing))
    }

    /// Takes in its later neighbour.
    fn merge(&mut self, later: &Self) {
        self.to = later.to;
        self.missing += later.missing;
        self.range.1 = later.range.1;
        self.squares = self.squares.saturating_add(later.squares);
    }

    /// One of its numbers arrived late, nobody knows of which gap.
    fn found(&mut self) {
        self.squares -= self.squares / self.missing.max(1);
        self.missing = self.missing.saturating_sub(1);
    }

    /// How many packets went missing in a row where a missing one did, on the average.
    pub(crate) fn in_a_row(&self) -> u64 {
        let missing = self.missing.max(1);
        ((self.squares + missing / 2) / missing).clamp(1, missing)
    }

    /// Whether all of it was lost at once; neighbours that were merged had packets between them.
    pub fn at_once(&self) -> bool {
        self.range.1 - self.range.0 <= self.missing.saturating_mul(2)
    }

    /// Share of its numbers that never arrived, 0 to 1.
    pub fn density(&self) -> f64 {
        let numbers = (self.range.1 - self.range.0).max(1);
        self.missing as f64 / numbers as f64
    }
}

/// One counter, as seen by its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Next number expected, extended to 64 bits (starts at 2^32, so that earlier numbers stay positive).
    next: u64,
    /// Packets that carried a number.
    pub received: u64,
    last: Timestamp,
    /// The numbers from this one up to `next` came one after the other; their bits are not written yet.
    run: u64,
    /// Lowest number that can count as missing.
    base: u64,
    /// One bit for each of the last `WINDOW` numbers up to `run`, by number modulo `WINDOW`.
    seen: Box<[u64; WORDS]>,
    /// No number was seen before `run`, whatever the bits say.
    blank: bool,
    first: Timestamp,
    /// Numbers that never arrived.
    pub missing: u64,
    /// Packets whose number had arrived before.
    pub duplicate: u64,
    /// Packets that arrived after a later number.
    pub reordered: u64,
    /// Times the counter was started anew.
    pub restarts: u64,
    episodes: Episodes,
    /// There is no such counter: it is followed no more.
    refuted: bool,
}

impl Counter {
    fn new(number: u32, time: Timestamp) -> Self {
        let mut counter = Self {
            next: 0,
            received: 0,
            last: time,
            run: 0,
            base: 0,
            seen: Box::new([0; WORDS]),
            blank: true,
            first: time,
            missing: 0,
            duplicate: 0,
            reordered: 0,
            restarts: 0,
            episodes: Episodes::default(),
            refuted: false,
        };
        counter.start(number);
        counter
    }

    fn start(&mut self, number: u32) {
        self.base = (1 << 32) + u64::from(number);
        self.next = self.base;
        self.run = self.base;
        self.blank = true;
    }

    /// Writes the bits of all numbers up to `next`.
    fn settle(&mut self) {
        if self.next - self.run >= WINDOW {
            self.seen.fill(u64::MAX);
        } else {
            if self.blank {
                self.seen.fill(0);
            }
            for number in self.run..self.next {
                self.mark(number, true);
            }
        }
        self.blank = false;
        self.run = self.next;
    }

    fn bit(&mut self, number: u64) -> (&mut u64, u64) {
        let slot = number % WINDOW;
        // The slot is below WINDOW, so the word is always there.
        (&mut self.seen[(slot / 64) as usize], 1 << (slot % 64))
    }

    /// Whether one of the last `WINDOW` numbers arrived.
    fn was_seen(&mut self, number: u64) -> bool {
        let (word, mask) = self.bit(number);
        let marked = *word & mask != 0;
        number >= self.run || (marked && !self.blank)
    }

    fn mark(&mut self, number: u64, seen: bool) {
        let (word, mask) = self.bit(number);
        if seen {
            *word |= mask;
        } else {
            *word &= !mask;
        }
    }

    /// Takes a number; true if it had come before.
    #[inline(always)]
    fn push(&mut self, number: u32, time: Timestamp) -> bool {
        // Nearly all numbers are those that are expected.
        if number == self.next as u32 {
            self.received += 1;
            self.next += 1;
            self.last = time;
            return false;
        }
        self.push_any(number, time)
    }

    /// The same, whatever number it is.
    fn push_any(&mut self, number: u32, time: Timestamp) -> bool {
        if self.refuted {
            return false;
        }
        self.received += 1;
        let repeated = self.duplicate;
        let step = i64::from(number.wrapping_sub(self.next as u32).cast_signed());
        if step.abs() > RESTART || step < -WINDOW.cast_signed() {
            self.restarts += 1;
            self.start(number);
            self.next += 1;
        } else if step >= 0 {
            let number = self.next + step as u64;
            if step > 0 {
                self.gap(number, time);
            }
            self.next = number + 1;
        } else {
            let number = self.next.saturating_add_signed(step);
            if self.was_seen(number) {
                self.duplicate += 1;
            } else {
                self.reordered += 1;
                self.settle();
                self.mark(number, true);
                // What was sent before the first packet that arrived was never counted as missing.
                if number >= self.base {
                    self.missing = self.missing.saturating_sub(1);
                    self.episodes.found(number);
                }
            }
        }
        self.last = time;
        self.duplicate > repeated
    }

    fn gap(&mut self, until: u64, time: Timestamp) {
        let missing = until - self.next;
        if missing >= WINDOW {
            self.blank = true;
        } else {
            self.settle();
            for number in self.next..until {
                self.mark(number, false);
            }
        }
        self.run = until;
        self.missing += missing;
        let gap = Episode::gap(self.last, time, (self.next, until));
        self.episodes.push(gap);
    }

    /// The first and the last gap's time, if there was any.
    pub fn loss_period(&self) -> Option<(Timestamp, Timestamp)> {
        let mut episodes = self.episodes.iter();
        let first = episodes.next()?;
        let last = episodes.next_back().unwrap_or(first);
        Some((first.from, last.to))
    }

    /// Arrival of its first packet and of its last: what was lost before or after has no number.
    pub fn period(&self) -> (Timestamp, Timestamp) {
        (self.first, self.last)
    }

    /// When how many were missing; neighbours may have been merged.
    pub fn episodes(&self) -> impl Iterator<Item = &Episode> {
        self.episodes.iter()
    }
}

/// How well numbers fit the idea that they come from so many counters.
#[derive(Clone, Copy, Debug, Default)]
struct Fit {
    received: u64,
    /// Numbers that came twice, and counters that seem to have been started anew.
    repeated: u64,
    /// Everything that would not be there if the idea were right and nothing were lost.
    misfit: u64,
}

impl Fit {
    fn of(counter: &Counter) -> Self {
        let restarts = counter.restarts.saturating_mul(16);
        let repeated = counter.duplicate + restarts;
        Self {
            received: counter.received,
            repeated,
            misfit: counter.missing + counter.reordered + repeated,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            received: self.received + other.received,
            repeated: self.repeated + other.repeated,
            misfit: self.misfit + other.misfit,
        }
    }

    /// Whether one counter explains more than several. It gives each number once: several counters that pass the same
    /// numbers give themselves away, however much was lost of each.
    fn beats(self, several: Self) -> bool {
        self.misfit < several.misfit && self.repeated <= several.repeated + self.received / 64
    }
}

/// Which packets share a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Group {
    Session(SessionId),
    Source(IpAddr, IpAddr),
    Destination(IpAddr),
}

/// The counters of all sessions, in every grouping that senders use.
#[derive(Debug, Default)]
pub struct Sequences {
    counters: Vec<Counter>,
    groups: Map<Group, usize>,
    /// For each session, by its id: its counters, if it has numbers.
    members: Vec<Option<Member>>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    session: usize,
    source: usize,
    destination: usize,
}

impl Sequences {
    /// Notes the number that a packet of a session carried; true if the session had it before. `ends` are its addresses,
    /// asked for only if the session is new.
    #[inline]
    pub fn push(
        &mut self,
        session: SessionId,
        ends: impl FnOnce() -> (IpAddr, IpAddr),
        number: u32,
        time: Timestamp,
    ) -> bool {
        let member = match self.members.get(session.0 as usize) {
            Some(Some(member)) => *member,
            _ => self.join(session, ends(), number, time),
        };
        for index in [member.source, member.destination] {
            if let Some(counter) = self.counters.get_mut(index) {
                counter.push(number, time);
                if counter.received.is_multiple_of(TRIAL) && !counter.refuted {
                    self.try_grouping(index);
                }
            }
        }
        let own = self.counters.get_mut(member.session);
        own.is_some_and(|counter| counter.push(number, time))
    }

    #[cold]
    fn join(
        &mut self,
        session: SessionId,
        addresses: (IpAddr, IpAddr),
        number: u32,
        time: Timestamp,
    ) -> Member {
        let mut index = |group| {
            *self.groups.entry(group).or_insert_with(|| {
                self.counters.push(Counter::new(number, time));
                self.counters.len() - 1
            })
        };
        let member = Member {
            session: index(Group::Session(session)),
            source: index(Group::Source(addresses.0, addresses.1)),
            destination: index(Group::Destination(addresses.1)),
        };
        let place = session.0 as usize;
        if self.members.len() <= place {
            self.members.resize(place + 1, None);
        }
        if let Some(slot) = self.members.get_mut(place) {
            *slot = Some(member);
        }
        member
    }

    /// Gives a wider grouping up whose numbers make no sense together, while those of its sessions do: it would take longer than
    /// all the rest to follow.
    #[cold]
    fn try_grouping(&mut self, index: usize) {
        let members = self.members();
        let members = members.filter(|(_, m)| m.source == index || m.destination == index);
        let sessions = members.fold(Fit::default(), |sum, (_, m)| sum.and(self.fit(m.session)));
        let together = self.fit(index);
        let refuted = together.misfit > together.received / 2
            && sessions.misfit < sessions.received / 16
            && !together.beats(sessions);
        if let Some(counter) = self.counters.get_mut(index) {
            counter.refuted = refuted;
        }
    }

    fn fit(&self, index: usize) -> Fit {
        let counter = self.counters.get(index);
        counter.map_or_else(Fit::default, Fit::of)
    }

    fn members(&self) -> impl Iterator<Item = (SessionId, &Member)> {
        (0..)
            .map(SessionId)
            .zip(&self.members)
            .filter_map(|(session, member)| Some((session, member.as_ref()?)))
    }

    /// For each session with numbers: the counter that it belongs to, as far as the numbers tell.
    pub fn assign(&self) -> Map<SessionId, Assigned<'_>> {
        let fit = |index: usize| self.fit(index);
        let mut by_source: Map<usize, Fit> = Map::default();
        let mut by_destination: Map<usize, Set<usize>> = Map::default();
        for (_, member) in self.members() {
            let sum = by_source.entry(member.source).or_default();
            *sum = sum.and(fit(member.session));
            by_destination
                .entry(member.destination)
                .or_default()
                .insert(member.source);
        }
        // A wider grouping is believed only if it explains the numbers better than the narrower one.
        let sessions = |source: usize| by_source.get(&source).copied().unwrap_or_default();
        let may_be = |index: usize| self.counters.get(index).is_some_and(|c| !c.refuted);
        let source_is_shared =
            |source: usize| may_be(source) && fit(source).beats(sessions(source));
        let destination_is_shared = |destination: usize| {
            let sources = by_destination.get(&destination).into_iter().flatten();
            let narrower = sources.fold(Fit::default(), |sum, &source| {
                sum.and(if source_is_shared(source) {
                    fit(source)
                } else {
                    sessions(source)
                })
            });
            may_be(destination) && fit(destination).beats(narrower)
        };
        let shared: Set<usize> = by_destination
            .keys()
            .copied()
            .filter(|&destination| destination_is_shared(destination))
            .collect();
        let mut assigned: Vec<(SessionId, usize)> = Vec::with_capacity(self.members.len());
        for (session, member) in self.members() {
            let index = if shared.contains(&member.destination) {
                member.destination
            } else if source_is_shared(member.source) {
                member.source
            } else {
                member.session
            };
            assigned.push((session, index));
        }
        let mut sharing: Map<usize, usize> = Map::default();
        for (_, index) in &assigned {
            *sharing.entry(*index).or_default() += 1;
        }
        assigned
            .into_iter()
            .filter_map(|(session, index)| {
                let counter = self.counters.get(index)?;
                Some((
                    session,
                    Assigned {
                        counter,
                        id: index,
                        sessions: sharing.get(&index).copied().unwrap_or(1),
                    },
                ))
            })
            .collect()
    }
}

/// The counter that a session's packets are numbered by.
#[derive(Clone, Copy, Debug)]
pub struct Assigned<'a> {
    /// The counter.
    pub counter: &'a Counter,
    /// Equal for sessions that share the counter.
    pub id: usize,
    /// How many sessions share it, this one included.
    pub sessions: usize,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counter(numbers: &[u32]) -> Counter {
        let mut counter = Counter::new(numbers[0], Timestamp(0));
        for (time, number) in (0..).zip(numbers) {
            counter.push(*number, Timestamp(time));
        }
        counter
    }

    /// A counter that takes all numbers alike, and writes every bit at once.
    fn eager(numbers: &[u32]) -> Counter {
        let mut counter = Counter::new(numbers[0], Timestamp(0));
        for (time, number) in (0..).zip(numbers) {
            counter.push_any(*number, Timestamp(time));
            counter.settle();
        }
        counter
    }

    proptest! {
        #[test]
        fn numbers_in_order_are_taken_as_all_others_are(
            runs in prop::collection::vec(
                prop_oneof![
                    8 => (-40_i64..40, 0..50_u32),
                    4 => (-5_000_i64..5_000, 0..5_000_u32),
                    1 => (any::<i64>(), 0..5_u32),
                ],
                1..30,
            ),
            first in any::<u32>(),
        ) {
            let mut numbers = vec![first];
            for (step, run) in runs {
                let next = numbers[numbers.len() - 1].wrapping_add(step as u32);
                numbers.extend((0..run).map(|n| next.wrapping_add(n)));
            }
            let (mut lazy, eager) = (counter(&numbers), eager(&numbers));
            lazy.settle();
            prop_assert_eq!(lazy, eager);
        }
    }

    #[test]
    fn counts_gaps_late_and_repeated_packets() {
        let c = counter(&[5, 6, 9, 7, 9, 10]);
        assert_eq!(
            (c.received, c.missing, c.reordered, c.duplicate, c.restarts),
            (6, 1, 1, 1, 0)
        );
        let episode = c.episodes().next().unwrap();
        assert_eq!(
            (episode.from, episode.to, episode.missing),
            (Timestamp(1), Timestamp(2), 1)
        );
    }

    #[test]
    fn the_counter_wraps_without_loss() {
        let c = counter(&[u32::MAX - 1, u32::MAX, 0, 1]);
        assert_eq!(
            (c.missing, c.duplicate, c.reordered, c.restarts),
            (0, 0, 0, 0)
        );
    }

    #[test]
    fn a_step_far_back_is_a_restart_and_not_four_billion_lost() {
        let c = counter(&[1_000_000, 1_000_001, 0, 1]);
        assert_eq!((c.missing, c.restarts), (0, 1));
    }

    #[test]
    fn a_packet_from_before_the_first_one_is_late_and_never_missing() {
        let c = counter(&[10, 9, 11]);
        assert_eq!((c.missing, c.reordered, c.duplicate), (0, 1, 0));
        let c = counter(&[10, 12, 5, 7, 5, 13]);
        assert_eq!((c.missing, c.reordered, c.duplicate), (1, 2, 1));
    }

    #[test]
    fn a_gap_wider_than_the_window_is_counted_whole() {
        let c = counter(&[0, 10_000, 9_999, 10_001]);
        assert_eq!((c.missing, c.reordered, c.duplicate), (9_998, 1, 0));
    }

    #[test]
    fn episodes_stay_bounded_and_keep_the_sum() {
        let numbers: Vec<u32> = (0..3000).map(|n| n * 2).collect();
        let c = counter(&numbers);
        assert_eq!(c.missing, 2999);
        assert_eq!(c.episodes().count(), episodes::EPISODES);
        assert_eq!(c.episodes().map(|e| e.missing).sum::<u64>(), 2999);
    }

    fn addresses(source: u8) -> (IpAddr, IpAddr) {
        (
            IpAddr::from([10, 60, 0, source]),
            IpAddr::from([10, 60, 0, 9]),
        )
    }

    #[test]
    fn a_counter_shared_over_sources_is_not_loss() {
        let mut s = Sequences::default();
        for n in 0..300_u32 {
            s.push(
                SessionId(n % 3),
                || addresses(1 + (n % 2) as u8),
                n,
                Timestamp(i64::from(n)),
            );
        }
        let assigned = s.assign();
        assert_eq!(assigned[&SessionId(0)].counter.missing, 0);
        assert_eq!(assigned[&SessionId(2)].sessions, 3);
    }

    #[test]
    fn a_counter_shared_within_one_source_keeps_the_other_source_apart() {
        let mut s = Sequences::default();
        for n in 0..300_u32 {
            s.push(
                SessionId(n % 2),
                || addresses(1),
                n,
                Timestamp(i64::from(n)),
            );
            if n != 100 {
                s.push(SessionId(7), || addresses(2), n, Timestamp(i64::from(n)));
            }
        }
        let assigned = s.assign();
        assert_eq!(
            (
                assigned[&SessionId(0)].counter.missing,
                assigned[&SessionId(0)].sessions
            ),
            (0, 2)
        );
        assert_eq!(
            (
                assigned[&SessionId(7)].counter.missing,
                assigned[&SessionId(7)].sessions
            ),
            (1, 1)
        );
    }

    #[test]
    fn heavy_loss_of_several_counters_is_not_one_shared_counter() {
        let mut s = Sequences::default();
        let mut random = 12345_u32;
        for n in 0..600_u32 {
            for session in 0..3 {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                if random >> 24 < 154 {
                    s.push(
                        SessionId(session),
                        || addresses(1),
                        n,
                        Timestamp(i64::from(n)),
                    );
                }
            }
        }
        let assigned = s.assign();
        for session in 0..3 {
            let counter = &assigned[&SessionId(session)];
            assert_eq!(counter.sessions, 1);
            assert!(
                counter.counter.missing > 200,
                "four of ten are missing: {}",
                counter.counter.missing
            );
        }
    }

    #[test]
    fn a_grouping_that_numbers_refute_is_followed_no_more() {
        // One of a hundred numbers of each session is lost; both sessions come from one source.
        let mut apart = Sequences::default();
        // The same of one counter that both share.
        let mut shared = Sequences::default();
        let push = |s: &mut Sequences, session: u32, number: u32, n: u32| {
            let time = Timestamp(i64::from(n));
            s.push(SessionId(session), || addresses(1), number, time);
        };
        let numbers = 3 * TRIAL as u32;
        for n in (0..numbers).filter(|n| n % 100 != 7) {
            push(&mut apart, n % 2, n / 2 + 1_000_000 * (n % 2), n);
            push(&mut shared, n % 3 % 2, n, n);
        }
        let member = |s: &Sequences| s.members[0].unwrap();
        let followed = |s: &Sequences, index: usize| s.counters[index].received;
        let received = (0..numbers).filter(|n| n % 100 != 7).count() as u64;
        let (source, destination) = (member(&apart).source, member(&apart).destination);
        for index in [source, destination] {
            let seen = followed(&apart, index);
            assert!(
                seen < TRIAL + 100,
                "but for some that fit by chance: {seen}"
            );
        }
        assert_eq!(followed(&shared, member(&shared).source), received);
        let assigned = apart.assign();
        let of = |session: u32| &assigned[&SessionId(session)];
        assert_eq!([0, 1].map(|session| of(session).sessions), [1, 1]);
        assert_eq!(shared.assign()[&SessionId(0)].sessions, 2);
    }

    #[test]
    fn equal_numbers_of_another_session_do_not_hide_loss() {
        let mut s = Sequences::default();
        for n in 0..1000_u32 {
            if n % 10 != 3 {
                s.push(SessionId(0), || addresses(1), n, Timestamp(i64::from(n)));
            }
            s.push(SessionId(1), || addresses(1), n, Timestamp(i64::from(n)));
        }
        let assigned = s.assign();
        assert_eq!(assigned[&SessionId(0)].counter.missing, 100);
        assert_eq!(assigned[&SessionId(1)].counter.missing, 0);
    }
}
