//! Packets in the order in which they passed: mirrors bring them in another one, and number them.
//!
//! Where a number is missing, packets wait for a moment, so that one that comes late finds its place by the number that its
//! session gave it. Without numbers the order is that of arrival.

use std::collections::VecDeque;

use crate::session::SessionId;
use crate::time::Timestamp;

/// How long packets wait for those in front of them.
const WAIT: i64 = 50_000_000;
/// Packets that wait at once; with more, they wait shorter.
const ROOM: usize = 8192;
/// A number this far from the last one is no late packet's: the sender counts anew.
const LATE: u32 = 4096;

/// A packet that waits.
#[derive(Debug)]
struct Held<T> {
    id: u64,
    number: Option<u32>,
    packet: T,
}

/// The packets of a session.
#[derive(Debug)]
struct Lane<T> {
    /// The highest number of them.
    last: Option<u32>,
    /// Those that wait, in order.
    waiting: VecDeque<Held<T>>,
}

/// Packets that wait, by session.
#[derive(Debug)]
pub(super) struct Order<T> {
    lanes: Vec<Lane<T>>,
    /// The waiting packets in order of arrival: when each need not wait any longer, session, packet.
    queue: VecDeque<(Timestamp, usize, u64)>,
    next: u64,
    /// All of a session up to this packet are due.
    until: Option<(usize, u64)>,
}

impl<T> Order<T> {
    pub(super) fn new() -> Self {
        Self {
            lanes: Vec::new(),
            queue: VecDeque::new(),
            next: 0,
            until: None,
        }
    }

    /// Whether no packet waits.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.until.is_none()
    }

    /// Notes the number of a session's next packet, whether it is to be judged or not. True if none is missing in front of it.
    pub(super) fn goes_on(&mut self, session: SessionId, number: Option<u32>) -> bool {
        let Some(lane) = self.lane(session) else {
            return false;
        };
        let (Some(last), Some(number)) = (lane.last, number) else {
            lane.last = lane.last.or(number);
            return number.is_none();
        };
        if !(1..LATE).contains(&last.wrapping_sub(number)) {
            lane.last = Some(number);
        }
        number.wrapping_sub(last) <= 1
    }

    fn lane(&mut self, session: SessionId) -> Option<&mut Lane<T>> {
        let index = session.0 as usize;
        if self.lanes.len() <= index {
            self.lanes.resize_with(index + 1, || Lane {
                last: None,
                waiting: VecDeque::new(),
            });
        }
        self.lanes.get_mut(index)
    }

    /// Takes a packet in. One that goes on waits for those that came before, not for itself.
    pub(super) fn push(
        &mut self,
        session: SessionId,
        (number, goes_on): (Option<u32>, bool),
        arrival: Timestamp,
        packet: T,
    ) {
        let id = self.next;
        let Some(Lane { waiting: lane, .. }) = self.lane(session) else {
            return;
        };
        let later = |held: &&Held<T>| match (held.number, number) {
            (Some(held), Some(number)) => (1..LATE).contains(&held.wrapping_sub(number)),
            _ => false,
        };
        let place = lane.len() - lane.iter().rev().take_while(later).count();
        let held = Held { id, number, packet };
        if place == lane.len() {
            lane.push_back(held);
        } else {
            lane.insert(place, held);
        }
        self.next += 1;
        let patience = if goes_on { 0 } else { WAIT };
        let due = arrival.plus(patience);
        self.queue.push_back((due, session.0 as usize, id));
    }

    /// The next packet that need not wait any longer; without a time none does.
    pub(super) fn next(&mut self, now: Option<Timestamp>) -> Option<T> {
        loop {
            if let Some((index, id)) = self.until {
                let lane = self.lanes.get_mut(index);
                let held = lane.and_then(|lane| lane.waiting.pop_front());
                if held.as_ref().is_none_or(|held| held.id == id) {
                    self.until = None;
                }
                if let Some(held) = held {
                    return Some(held.packet);
                }
            }
            let &(due, index, id) = self.queue.front()?;
            if now.is_some_and(|now| now < due) && self.queue.len() <= ROOM {
                return None;
            }
            self.queue.pop_front();
            // One that came late went with those behind it.
            let lane = self.lanes.get(index)?;
            if lane.waiting.iter().any(|held| held.id == id) {
                self.until = Some((index, id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: i64 = 1_000_000;

    /// What comes out of numbers that come in, a millisecond apart; 0 has none.
    fn sorted(numbers: &[u32]) -> Vec<u32> {
        let mut order = Order::new();
        let mut out = Vec::new();
        for (time, &number) in (0..).zip(numbers) {
            let arrival = Timestamp(time * MILLISECOND);
            let told = (number != 0).then_some(number);
            let goes_on = order.goes_on(SessionId(3), told);
            order.push(SessionId(3), (told, goes_on), arrival, number);
            out.extend(std::iter::from_fn(|| order.next(Some(arrival))));
        }
        out.extend(std::iter::from_fn(|| order.next(None)));
        out
    }

    #[test]
    fn a_late_packet_finds_its_place_and_a_lost_one_holds_nobody_up() {
        assert_eq!(sorted(&[1, 2, 5, 3, 9, 8, 7]), [1, 2, 3, 5, 7, 8, 9]);
        assert_eq!(sorted(&[0, 5, 0, 3]), [0, 5, 0, 3], "without numbers");
        let around = [u32::MAX - 1, 1, u32::MAX, 2];
        assert_eq!(sorted(&around), [u32::MAX - 1, u32::MAX, 1, 2]);
    }

    #[test]
    fn a_packet_too_late_comes_when_it_comes() {
        let mut numbers: Vec<u32> = (10..80).collect();
        numbers.push(5);
        numbers.push(80);
        let out = sorted(&numbers);
        assert_eq!(out.len(), 72);
        assert_eq!(out[..3], [10, 11, 12]);
        assert!(out.iter().position(|n| *n == 5).unwrap() > 15);
    }

    #[test]
    fn a_sender_that_counts_anew_is_not_late() {
        assert_eq!(
            sorted(&[900_000, 900_001, 1, 2, 3]),
            [900_000, 900_001, 1, 2, 3]
        );
    }

    #[test]
    fn many_packets_at_once_wait_no_longer_than_there_is_room() {
        let mut order = Order::new();
        let mut out = 0;
        for number in 0..20_000 {
            order.push(SessionId(0), (Some(number), false), Timestamp(0), number);
            while let Some(packet) = order.next(Some(Timestamp(0))) {
                assert_eq!(packet, out);
                out += 1;
            }
        }
        assert_eq!(out, 20_000 - ROOM as u32);
    }

    #[test]
    fn none_is_missing_in_front_of_those_that_go_on() {
        let mut order = Order::<u32>::new();
        let [first, other] = [SessionId(0), SessionId(1)];
        let mut goes_on = |number| order.goes_on(first, Some(number));
        assert!(!goes_on(u32::MAX), "one before it may be late");
        assert!(goes_on(0));
        assert!(goes_on(0), "one number, several packets");
        assert!(!goes_on(2));
        assert!(
            goes_on(3),
            "what is missing is missing in front of the other"
        );
        assert!(!goes_on(1), "it came late");
        assert!(goes_on(4), "the late one was not the last");
        assert!(!goes_on(900_000), "counted anew");
        assert!(goes_on(900_001));
        assert!(order.goes_on(other, None));
    }

    #[test]
    fn who_goes_on_waits_only_for_those_that_came_before() {
        let mut order = Order::new();
        let [first, other] = [SessionId(0), SessionId(1)];
        order.push(first, (Some(3), false), Timestamp(0), 3);
        order.push(other, (None, true), Timestamp(1), 10);
        order.push(first, (Some(2), false), Timestamp(2), 2);
        order.push(first, (Some(4), true), Timestamp(3), 4);
        assert_eq!(order.next(Some(Timestamp(WAIT - 1))), None);
        let now = Some(Timestamp(WAIT));
        let due: Vec<u32> = std::iter::from_fn(|| order.next(now)).collect();
        assert_eq!(due, [2, 3, 10]);
        let rest: Vec<u32> = std::iter::from_fn(|| order.next(None)).collect();
        assert_eq!(rest, [4], "it came behind one that waits");
        assert!(order.is_empty());
    }

    #[test]
    fn a_packet_is_given_once_its_time_has_come() {
        let mut order = Order::new();
        order.push(SessionId(0), (Some(7), false), Timestamp(0), 7);
        assert_eq!(order.next(Some(Timestamp(WAIT - 1))), None);
        assert_eq!(order.next(Some(Timestamp(WAIT))), Some(7));
        assert_eq!(order.next(None), None);
    }
}
