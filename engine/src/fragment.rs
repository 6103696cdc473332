//! Joins what arrives in parts in front of any encapsulation, in bounded memory: IP datagrams, frames in STT or CAPWAP.
//!
//! A mirror adds 40 to 60 bytes to every packet, so full-size packets are fragmented all the time.
//! Overlaps follow RFC 8200 §4.5 and Linux: a datagram with a partial overlap is thrown away whole, an exact repeat
//! is ignored. Many switches send identification 0 in every packet (RFC 6864 §4.1 allows it for packets that they
//! believe nobody fragments), so several datagrams may be open under one key: a fragment goes to the youngest one
//! that it fits.

use std::collections::VecDeque;
use std::net::IpAddr;

use mirrorscope_dissectors::{Fragment, Whole};

use crate::table::Map;
use crate::time::{SECOND, Timestamp};

/// Time after which an incomplete datagram is given up: Linux's own (`IP_FRAG_TIME`).
const TIMEOUT: i64 = 30 * SECOND;
/// Bytes held in incomplete datagrams.
const MAX_BYTES: usize = 32 << 20;
/// Incomplete datagrams held.
const MAX_DATAGRAMS: usize = 16_384;
/// Incomplete datagrams under one key (senders that number every packet alike).
const MAX_PER_KEY: usize = 8;
/// Separate pieces in one datagram: a 64 KiB datagram over a link of 576 bytes has 120.
const MAX_PIECES: usize = 256;

/// What became of the fragments; a datagram may be a frame in STT or CAPWAP as well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FragmentCounts {
    /// Fragments that arrived.
    pub fragments: u64,
    /// Datagrams joined.
    pub joined: u64,
    /// Datagrams given up: some part never arrived.
    pub incomplete: u64,
    /// Datagrams thrown away because parts overlapped.
    pub overlapping: u64,
    /// Fragments that repeated one that was there.
    pub repeated: u64,
    /// Fragments refused: impossible offset or length, or too many pieces.
    pub refused: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    interface: u32,
    lane: Lane,
    source: IpAddr,
    destination: IpAddr,
    whole: Whole,
}

/// VLAN and segment that a mirrored packet came with: tenants may have the same addresses. Nothing in front of any
/// encapsulation.
pub type Lane = (Option<u16>, Option<u64>);

/// How a fragment arrived; for a datagram, how its first part did.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Capture interface.
    pub interface: u32,
    /// What keeps equal addresses apart.
    pub lane: Lane,
    /// Number of the frame in its file.
    pub number: u64,
    /// Bytes on the wire, headers and all; for a datagram, of all its parts.
    pub wire_len: u32,
    /// When.
    pub time: Timestamp,
}

#[derive(Debug)]
struct Datagram {
    serial: u64,
    arrival: Arrival,
    /// Header of the first fragment, once that has arrived, as the datagram's own.
    header: Option<Vec<u8>>,
    /// Length of the payload, known once the last fragment has arrived.
    total: Option<u32>,
    payload: Vec<u8>,
    /// Sorted, disjoint ranges of the payload that have arrived.
    pieces: Vec<(u32, u32)>,
}

enum Fit {
    Free,
    Repeat,
    Overlap,
}

impl Datagram {
    fn fit(&self, start: u32, end: u32, more: bool) -> Fit {
        if self.pieces.contains(&(start, end)) {
            return Fit::Repeat;
        }
        let beyond = self
            .total
            .is_some_and(|total| end > total || (!more && end != total));
        let behind = !more && self.pieces.last().is_some_and(|last| last.1 > end);
        if beyond || behind || self.pieces.iter().any(|&(s, e)| start < e && s < end) {
            Fit::Overlap
        } else {
            Fit::Free
        }
    }

    fn add(&mut self, start: u32, bytes: &[u8], more: bool) {
        let end = start + bytes.len() as u32;
        if self.payload.len() < end as usize {
            self.payload.resize(end as usize, 0);
        }
        if let Some(place) = self.payload.get_mut(start as usize..end as usize) {
            place.copy_from_slice(bytes);
        }
        let position = self.pieces.partition_point(|piece| piece.0 < start);
        self.pieces.insert(position, (start, end));
        if !more {
            self.total = Some(end);
        }
    }

    /// Bytes of payload without a hole from the start.
    fn contiguous(&self) -> u32 {
        let mut reached = 0;
        for &(start, end) in &self.pieces {
            if start > reached {
                break;
            }
            reached = end;
        }
        reached
    }

    fn complete(&self) -> bool {
        self.header.is_some() && self.total.is_some_and(|total| self.contiguous() == total)
    }

    fn size(&self) -> usize {
        let header = self.header.as_ref().map_or(0, Vec::len);
        header + self.payload.len() + size_of::<Self>()
    }
}

/// What is left of a datagram whose other parts never came: its first fragment, as a datagram that was cut.
#[derive(Clone, Debug)]
pub struct Salvaged {
    /// How its first part arrived.
    pub arrival: Arrival,
    /// Headers from IP on, and the payload up to the first hole.
    pub bytes: Vec<u8>,
}

/// A datagram that was put together.
#[derive(Clone, Copy, Debug)]
pub struct Joined<'a> {
    /// Headers from IP on, and payload, as if it had never been fragmented.
    pub bytes: &'a [u8],
    /// What the fragments had on the wire in all.
    pub wire_len: u32,
}

/// Incomplete datagrams, and the last one that was completed.
#[derive(Debug, Default)]
pub struct Reassembler {
    open: Map<Key, Vec<Datagram>>,
    /// Every open datagram in order of its first fragment; entries of finished ones are skipped.
    order: VecDeque<(Timestamp, Key, u64)>,
    bytes: usize,
    datagrams: usize,
    serial: u64,
    finished: Vec<u8>,
    salvaged: Vec<Salvaged>,
    /// What became of the fragments so far.
    pub counts: FragmentCounts,
}

impl Reassembler {
    /// Takes one fragment; gives the whole datagram if this was its last missing part.
    pub fn push(&mut self, fragment: &Fragment<'_>, arrival: Arrival) -> Option<Joined<'_>> {
        self.counts.fragments += 1;
        let start = fragment.offset;
        let end = start
            .checked_add(fragment.payload.len() as u32)
            .filter(|&end| end <= 65_535);
        let cut = (fragment.payload.len() as u32) < fragment.claimed_payload;
        let odd = fragment.more && !fragment.claimed_payload.is_multiple_of(fragment.unit());
        let Some(end) = end.filter(|_| !cut && !odd && !fragment.payload.is_empty()) else {
            self.counts.refused += 1;
            // Cut by the capture, so that no datagram will come of it; its first fragment still shows the inner headers.
            if start == 0 && !fragment.payload.is_empty() {
                let claimed = fragment.claimed_payload as usize;
                self.salvage(fragment, claimed, fragment.payload, arrival);
            }
            return None;
        };
        let key = Key {
            interface: arrival.interface,
            lane: arrival.lane,
            source: fragment.source,
            destination: fragment.destination,
            whole: fragment.whole,
        };
        let (index, fresh) = self.place(key, start, end, fragment, arrival)?;
        let list = self.open.get_mut(&key)?;
        let datagram = list.get_mut(index)?;
        let before = if fresh { 0 } else { datagram.size() };
        if datagram.pieces.len() >= MAX_PIECES {
            self.counts.refused += 1;
            return None;
        }
        if start == 0 {
            datagram.header = Some(fragment.header.to_vec());
        }
        datagram.add(start, fragment.payload, fragment.more);
        if !fresh {
            datagram.arrival.wire_len = datagram.arrival.wire_len.saturating_add(arrival.wire_len);
        }
        self.bytes = self.bytes + datagram.size() - before;
        if !datagram.complete() {
            self.enforce(arrival.time);
            return None;
        }
        let datagram = list.remove(index);
        if list.is_empty() {
            self.open.remove(&key);
        }
        self.bytes -= datagram.size();
        self.datagrams -= 1;
        self.finished.clear();
        if !fragment_header(&datagram, fragment, &mut self.finished) {
            self.counts.refused += 1;
            return None;
        }
        self.finished.extend_from_slice(&datagram.payload);
        self.counts.joined += 1;
        Some(Joined {
            bytes: &self.finished,
            wire_len: datagram.arrival.wire_len,
        })
    }

    /// The open datagram that a fragment belongs to, and whether it was just opened.
    fn place(
        &mut self,
        key: Key,
        start: u32,
        end: u32,
        fragment: &Fragment<'_>,
        arrival: Arrival,
    ) -> Option<(usize, bool)> {
        let list = self.open.entry(key).or_default();
        let mut overlap = None;
        for (index, datagram) in list.iter().enumerate().rev() {
            match datagram.fit(start, end, fragment.more) {
                Fit::Free => return Some((index, false)),
                Fit::Repeat => {
                    let range = start as usize..end as usize;
                    if datagram.payload.get(range) == Some(fragment.payload) {
                        self.counts.repeated += 1;
                        return None;
                    }
                    // The same place with other bytes: another datagram of a sender that numbers all alike.
                }
                Fit::Overlap => overlap = Some(index),
            }
        }
        if let Some(index) = overlap {
            let datagram = list.remove(index);
            self.bytes -= datagram.size();
            self.datagrams -= 1;
            self.counts.overlapping += 1;
            if list.is_empty() {
                self.open.remove(&key);
            }
            return None;
        }
        if list.len() >= MAX_PER_KEY {
            let oldest = list.remove(0);
            self.bytes -= oldest.size();
            self.give_up(key, &oldest);
        }
        let list = self.open.entry(key).or_default();
        self.serial += 1;
        list.push(Datagram {
            serial: self.serial,
            arrival,
            header: None,
            total: None,
            payload: Vec::new(),
            pieces: Vec::new(),
        });
        self.datagrams += 1;
        self.order.push_back((arrival.time, key, self.serial));
        Some((list.len() - 1, true))
    }

    /// Gives up what has waited for too long at a time.
    pub fn pass_time(&mut self, now: Timestamp) {
        self.enforce(now);
    }

    /// Gives up what is too old, and the oldest while there is too much.
    fn enforce(&mut self, now: Timestamp) {
        while let Some(&(started, key, serial)) = self.order.front() {
            let full = self.bytes > MAX_BYTES || self.datagrams > MAX_DATAGRAMS;
            // Finished datagrams leave their entry behind; the queue must not outgrow the datagrams by far.
            let stale = self.order.len() > 4 * MAX_DATAGRAMS;
            if now.since(started) <= TIMEOUT && !full && !stale {
                break;
            }
            self.order.pop_front();
            let Some(list) = self.open.get_mut(&key) else {
                continue;
            };
            let Some(index) = list.iter().position(|d| d.serial == serial) else {
                continue;
            };
            let datagram = list.remove(index);
            if list.is_empty() {
                self.open.remove(&key);
            }
            self.bytes -= datagram.size();
            self.give_up(key, &datagram);
        }
    }

    /// A first fragment holds the inner headers, most often: it is worth as much as a packet that the mirror cut.
    fn give_up(&mut self, key: Key, datagram: &Datagram) {
        self.datagrams -= 1;
        self.counts.incomplete += 1;
        let Some(header) = &datagram.header else {
            return;
        };
        let present = datagram.contiguous() as usize;
        let fragment = Fragment {
            source: key.source,
            destination: key.destination,
            whole: key.whole,
            offset: 0,
            more: true,
            header,
            payload: &[],
            claimed_payload: 0,
            encapsulated: false,
        };
        let payload = datagram.payload.get(..present).unwrap_or_default();
        self.salvage(&fragment, present, payload, datagram.arrival);
    }

    /// Keeps the start of a datagram that stays incomplete, as one that was cut.
    fn salvage(
        &mut self,
        fragment: &Fragment<'_>,
        claimed: usize,
        payload: &[u8],
        arrival: Arrival,
    ) {
        let mut bytes = Vec::with_capacity(fragment.header.len() + payload.len());
        if fragment.write_header(claimed, &mut bytes) {
            bytes.extend_from_slice(payload);
            self.salvaged.push(Salvaged { arrival, bytes });
        }
    }

    /// Bytes held for datagrams that are not complete.
    pub fn held_bytes(&self) -> usize {
        self.bytes
    }

    /// Gives up every open datagram: the capture has ended.
    pub fn finish(&mut self) {
        for (_, key, serial) in std::mem::take(&mut self.order) {
            let Some(list) = self.open.get_mut(&key) else {
                continue;
            };
            let Some(index) = list.iter().position(|d| d.serial == serial) else {
                continue;
            };
            let datagram = list.remove(index);
            self.bytes -= datagram.size();
            self.give_up(key, &datagram);
        }
        self.open.clear();
    }

    /// Forgets what is left of the datagrams that were given up.
    pub fn forget_salvaged(&mut self) {
        self.salvaged.clear();
    }

    /// Whether datagrams were given up since then.
    #[inline]
    pub fn has_salvaged(&self) -> bool {
        !self.salvaged.is_empty()
    }

    /// What is left of the datagrams that were given up since the last call.
    pub fn salvaged(&mut self) -> Vec<Salvaged> {
        std::mem::take(&mut self.salvaged)
    }
}

/// Writes the header of the whole datagram: the first fragment's, with the length of all.
fn fragment_header(datagram: &Datagram, last: &Fragment<'_>, out: &mut Vec<u8>) -> bool {
    let Some(header) = &datagram.header else {
        return false;
    };
    let whole = Fragment { header, ..*last };
    whole.write_header(datagram.payload.len(), out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mirrorscope_dissectors::{LinkType, Options, Stop, decapsulate, encap};

    fn frame(byte: u8, identification: u16) -> Vec<u8> {
        let outer = encap::Outer {
            source_mac: [2, 0, 0, 0, 0, 1],
            destination_mac: [2, 0, 0, 0, 0, 2],
            source: IpAddr::from([10, 60, 0, 1]),
            destination: IpAddr::from([10, 60, 0, 9]),
            ttl: 64,
            identification,
            dont_fragment: false,
            udp_source_port: 50_000,
        };
        let mut out = Vec::new();
        encap::wrap(
            &outer,
            &encap::Wrap::Vxlan { vni: 7, port: 4789 },
            &[byte; 3000],
            &mut out,
        );
        out
    }

    fn push(r: &mut Reassembler, bytes: &[u8], time: i64) -> Option<Vec<u8>> {
        let options = Options::default();
        let stripped = decapsulate(LinkType::Ethernet, bytes, &options);
        let Stop::Fragment(fragment) = stripped.stop else {
            panic!("not a fragment: {:?}", stripped.stop)
        };
        let arrival = Arrival {
            interface: 0,
            lane: (None, None),
            number: 1,
            wire_len: bytes.len() as u32,
            time: Timestamp(time),
        };
        r.push(&fragment, arrival)
            .map(|joined| joined.bytes.to_vec())
    }

    #[test]
    fn joins_in_every_order_to_the_original_datagram() {
        let whole = frame(0xaa, 7);
        let parts = encap::fragment(&whole, 1500);
        assert_eq!(parts.len(), 3);
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]] {
            let mut r = Reassembler::default();
            assert!(push(&mut r, &parts[order[0]], 0).is_none());
            assert!(push(&mut r, &parts[order[1]], 0).is_none());
            assert_eq!(push(&mut r, &parts[order[2]], 0).unwrap(), whole[14..]);
            assert_eq!((r.datagrams, r.held_bytes()), (0, 0));
        }
    }

    #[test]
    fn datagrams_with_the_same_identification_do_not_mix() {
        let (one, two) = (frame(1, 0), frame(2, 0));
        let (a, b) = (encap::fragment(&one, 1500), encap::fragment(&two, 1500));
        let mut r = Reassembler::default();
        assert!(push(&mut r, &a[0], 0).is_none());
        assert!(push(&mut r, &a[1], 0).is_none());
        assert_eq!(push(&mut r, &a[2], 0).unwrap(), one[14..]);
        assert!(push(&mut r, &b[0], 0).is_none());
        assert!(push(&mut r, &b[1], 0).is_none());
        assert_eq!(push(&mut r, &b[2], 0).unwrap(), two[14..]);
    }

    #[test]
    fn an_overlap_throws_the_datagram_away() {
        let whole = frame(3, 9);
        let (a, b) = (encap::fragment(&whole, 1500), encap::fragment(&whole, 1000));
        let mut r = Reassembler::default();
        assert!(push(&mut r, &a[0], 0).is_none());
        assert!(push(&mut r, &b[1], 0).is_none());
        assert_eq!(
            (r.counts.overlapping, r.datagrams, r.held_bytes()),
            (1, 0, 0)
        );
    }

    #[test]
    fn a_repeated_fragment_changes_nothing() {
        let parts = encap::fragment(&frame(4, 9), 1500);
        let mut r = Reassembler::default();
        assert!(push(&mut r, &parts[0], 0).is_none());
        assert!(push(&mut r, &parts[0], 0).is_none());
        assert!(push(&mut r, &parts[1], 0).is_none());
        assert!(push(&mut r, &parts[2], 0).is_some());
        assert_eq!(r.counts.repeated, 1);
    }

    #[test]
    fn memory_is_bounded_and_old_datagrams_are_given_up() {
        let mut r = Reassembler::default();
        for id in 0..60_000_u32 {
            let parts = encap::fragment(&frame(5, id as u16), 1500);
            assert!(push(&mut r, &parts[0], i64::from(id)).is_none());
        }
        assert!(r.datagrams <= MAX_DATAGRAMS && r.held_bytes() <= MAX_BYTES + 70_000);
        assert_eq!(r.counts.incomplete, 60_000 - r.datagrams as u64);
        let parts = encap::fragment(&frame(6, 7), 1500);
        assert!(push(&mut r, &parts[1], 3 * TIMEOUT).is_none());
        assert_eq!(r.datagrams, 1);
    }

    #[test]
    fn a_first_fragment_that_the_capture_cut_is_used_at_once() {
        let parts = encap::fragment(&frame(8, 9), 1500);
        let mut r = Reassembler::default();
        assert!(push(&mut r, &parts[0][..200], 5).is_none());
        assert!(push(&mut r, &parts[1][..200], 5).is_none());
        let salvaged = r.salvaged();
        assert_eq!((salvaged.len(), r.counts.refused), (1, 2));
        assert_eq!(salvaged[0].bytes[20..], parts[0][34..200]);
        let claimed = u16::from_be_bytes([salvaged[0].bytes[2], salvaged[0].bytes[3]]);
        assert_eq!(
            usize::from(claimed),
            parts[0].len() - 14,
            "it still claims what the fragment had"
        );
    }

    #[test]
    fn the_first_fragment_of_an_incomplete_datagram_is_salvaged() {
        let whole = frame(8, 9);
        let parts = encap::fragment(&whole, 1500);
        let mut r = Reassembler::default();
        assert!(push(&mut r, &parts[0], 5).is_none());
        assert!(push(&mut r, &parts[2], 6).is_none());
        r.finish();
        let salvaged = r.salvaged();
        assert_eq!(salvaged.len(), 1);
        assert_eq!(salvaged[0].bytes[20..], parts[0][34..]);
        assert_eq!(
            (salvaged[0].arrival.time, r.datagrams, r.held_bytes()),
            (Timestamp(5), 0, 0)
        );
    }

    fn tunnelled(with: &encap::Wrap<'_>, byte: u8) -> (Vec<u8>, Vec<Vec<u8>>) {
        let outer = encap::Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let (inner, mut frame) = (vec![byte; 3000], Vec::new());
        encap::wrap(&outer, with, &inner, &mut frame);
        let parts = encap::segment(&frame, 1500);
        assert_eq!(parts.len(), 3);
        (inner, parts)
    }

    fn stt(frame_id: u32) -> encap::Wrap<'static> {
        encap::Wrap::Stt(encap::SttHeader {
            context: 77,
            frame_id,
            vlan: None,
        })
    }

    fn capwap(fragment_id: u16) -> encap::Wrap<'static> {
        encap::Wrap::Capwap {
            radio_id: 1,
            fragment_id,
        }
    }

    fn opened(packet: &[u8]) -> Vec<u8> {
        let stripped = decapsulate(LinkType::RawIp, packet, &Options::default());
        assert!(stripped.mirror().is_some());
        stripped.inner.bytes.to_vec()
    }

    #[test]
    fn frames_in_stt_and_capwap_are_joined_in_every_order() {
        for with in [stt(1), capwap(1)] {
            let (inner, parts) = tunnelled(&with, 0xaa);
            for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
                let mut r = Reassembler::default();
                assert!(push(&mut r, &parts[order[0]], 0).is_none());
                assert!(push(&mut r, &parts[order[1]], 0).is_none());
                let joined = push(&mut r, &parts[order[2]], 0).unwrap();
                assert_eq!(opened(&joined), inner);
                assert_eq!((r.datagrams, r.bytes, r.counts.joined), (0, 0, 1));
            }
        }
    }

    #[test]
    fn interleaved_frames_do_not_mix() {
        for with in [[stt(1), stt(2)], [capwap(1), capwap(2)]] {
            let (one, a) = tunnelled(&with[0], 1);
            let (two, b) = tunnelled(&with[1], 2);
            let mut r = Reassembler::default();
            for part in [&a[0], &b[2], &b[0], &a[2]] {
                assert!(push(&mut r, part, 0).is_none());
            }
            assert_eq!(opened(&push(&mut r, &a[1], 0).unwrap()), one);
            assert_eq!(opened(&push(&mut r, &b[1], 0).unwrap()), two);
        }
    }

    #[test]
    fn the_first_part_of_an_incomplete_frame_is_salvaged() {
        for (with, header) in [(stt(1), 40 + 18), (capwap(1), 28 + 8)] {
            let (_, parts) = tunnelled(&with, 8);
            let mut r = Reassembler::default();
            assert!(push(&mut r, &parts[0], 5).is_none());
            assert!(push(&mut r, &parts[2], 6).is_none());
            assert_eq!(r.counts.fragments, 2);
            r.finish();
            let salvaged = r.salvaged();
            assert_eq!(salvaged.len(), 1);
            assert_eq!(opened(&salvaged[0].bytes), parts[0][14 + header..]);
            assert_eq!((r.counts.incomplete, r.datagrams, r.bytes), (1, 0, 0));
            let mut r = Reassembler::default();
            let cut = &parts[0][..1000];
            assert!(push(&mut r, cut, 5).is_none());
            assert_eq!(opened(&r.salvaged()[0].bytes), cut[14 + header..]);
            assert_eq!(r.counts.refused, 1);
        }
    }
}
