//! A block of the ring: the frames in it, one after the other.
//!
//! Layout: `struct tpacket_block_desc`, and for each frame `struct tpacket3_hdr`, `struct sockaddr_ll` and the bytes; in the
//! kernel's `include/uapi/linux/if_packet.h`. All of it in the byte order of the machine.

use std::mem::offset_of;

use libc::{
    TP_STATUS_TS_RAW_HARDWARE, TP_STATUS_VLAN_TPID_VALID, TP_STATUS_VLAN_VALID, sockaddr_ll,
    tpacket_block_desc, tpacket_hdr_v1, tpacket_hdr_variant1, tpacket3_hdr,
};

use prefetch_index::prefetch_index;

use crate::live::interface::Link;

/// Where the block's own header ends.
const BLOCK_HEADER: usize = size_of::<tpacket_block_desc>();
const FRAMES: usize = field_of_block(offset_of!(tpacket_hdr_v1, num_pkts));
const FIRST: usize = field_of_block(offset_of!(tpacket_hdr_v1, offset_to_first_pkt));
const USED: usize = field_of_block(offset_of!(tpacket_hdr_v1, blk_len));
/// Where a block's state is, which says whose it is: the kernel's or ours.
pub const STATUS: usize = field_of_block(offset_of!(tpacket_hdr_v1, block_status));
/// Where the kernel counts the frames of a block, also while it fills it.
pub const COUNT: usize = FRAMES;

const fn field_of_block(offset: usize) -> usize {
    offset_of!(tpacket_block_desc, hdr) + offset
}

/// In front of a frame: its header, and the address that it came from.
const HEADER: usize = ADDRESS + size_of::<sockaddr_ll>();
const ADDRESS: usize = size_of::<tpacket3_hdr>();
const TAG: usize = offset_of!(tpacket3_hdr, hv1) + offset_of!(tpacket_hdr_variant1, tp_vlan_tci);
const TAG_TYPE: usize =
    offset_of!(tpacket3_hdr, hv1) + offset_of!(tpacket_hdr_variant1, tp_vlan_tpid);

/// Both addresses of an Ethernet header; tags come behind them.
const ADDRESSES: usize = 12;
/// Length of a VLAN tag.
pub const TAG_LEN: usize = 4;

/// Bytes of a line of the cache.
const LINE: usize = 64;
/// So many bytes in front of the reader are on their way to it: two batches of usual frames.
const AHEAD: usize = 32 * 1024;

/// What the kernel has written of a block, if the block's header is right: the rest of it is old.
pub fn written(block: &[u8]) -> &[u8] {
    let used = word(block, USED).unwrap_or_default() as usize;
    block.get(..used.max(BLOCK_HEADER)).unwrap_or(block)
}

/// A frame in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    pub wire_len: u32,
    /// Where in the block its bytes begin, and how many there are.
    pub start: usize,
    pub len: usize,
    /// Number of the interface that it came by.
    pub interface: i32,
    /// The kind of interface, `ARPHRD_…`.
    pub device_type: u16,
    /// The time is the card's.
    pub by_card: bool,
}

/// A block that contradicts itself; the rest of it cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Frames that should follow.
    pub lost: u32,
}

/// Where reading a block has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reader {
    /// Frames that follow.
    left: u32,
    /// Where the next one's header is.
    at: usize,
    /// Up to here the block was brought near.
    near: usize,
    /// Where its last frame ends.
    end: usize,
}

impl Reader {
    /// At the begin of a block.
    pub fn new(block: &[u8]) -> Self {
        let left = word(block, FRAMES).unwrap_or_default();
        // A frame needs its header at least, so that a wild number says nothing of how many were lost.
        let most = (block.len() / HEADER) as u32;
        Self {
            left: left.min(most),
            at: word(block, FIRST).unwrap_or_default() as usize,
            near: 0,
            end: (word(block, USED).unwrap_or_default() as usize).min(block.len()),
        }
    }

    /// The next frame, with the VLAN tag back in its place that the kernel has taken out; None at the end.
    pub fn next(&mut self, block: &mut [u8]) -> Result<Option<Slot>, Corrupt> {
        if self.left == 0 {
            return Ok(None);
        }
        let Some((slot, next)) = self.slot(block) else {
            let lost = std::mem::take(&mut self.left);
            return Err(Corrupt { lost });
        };
        self.left -= 1;
        self.at = next;
        self.fetch(block);
        Ok(Some(slot))
    }

    /// Has what follows brought near. Another processor has written it, and each header tells where the next is: to wait
    /// for one after the other takes longer than to fetch all of it at once, the payload too.
    #[inline]
    fn fetch(&mut self, block: &[u8]) {
        let to = self.end.min(self.at.saturating_add(AHEAD));
        while self.near < to {
            prefetch_index(block, self.near);
            self.near += LINE;
        }
    }

    #[inline]
    fn slot(self, block: &mut [u8]) -> Option<(Slot, usize)> {
        if self.at < BLOCK_HEADER {
            return None;
        }
        let header = block.get(self.at..)?.first_chunk::<HEADER>()?;
        let field = |offset: usize| word(header, offset);
        let next = field(offset_of!(tpacket3_hdr, tp_next_offset))? as usize;
        // The last frame leads nowhere.
        if self.left > 1 && next < HEADER {
            return None;
        }
        let seconds = i64::from(field(offset_of!(tpacket3_hdr, tp_sec))?);
        let fraction = i64::from(field(offset_of!(tpacket3_hdr, tp_nsec))?);
        let status = field(offset_of!(tpacket3_hdr, tp_status))?;
        let mac = usize::from(half(header, offset_of!(tpacket3_hdr, tp_mac))?);
        let network = usize::from(half(header, offset_of!(tpacket3_hdr, tp_net))?);
        let device_type = half(header, ADDRESS + offset_of!(sockaddr_ll, sll_hatype))?;
        let interface = field(ADDRESS + offset_of!(sockaddr_ll, sll_ifindex))?.cast_signed();
        let mut wire_len = field(offset_of!(tpacket3_hdr, tp_len))?;
        let mut len = field(offset_of!(tpacket3_hdr, tp_snaplen))? as usize;

        let link = Link::of(device_type);
        let mut begin = mac;
        if !link.with_header() {
            // Whatever stands before the packet is of no use to anybody.
            let header = network.checked_sub(mac)?;
            begin = network;
            len = len.saturating_sub(header);
            wire_len = wire_len.saturating_sub(header as u32);
        }
        if begin < HEADER {
            return None;
        }
        let mut start = self.at + begin;
        block.get(start..)?.get(..len)?;
        if status & TP_STATUS_VLAN_VALID != 0 && link == Link::Ethernet && len >= ADDRESSES {
            let kind = match status & TP_STATUS_VLAN_TPID_VALID {
                0 => 0x8100,
                _ => half(header, TAG_TYPE)?,
            };
            let tag = field(TAG)? as u16;
            // The room is reserved when the ring is made, so that it is there.
            if begin - HEADER >= TAG_LEN {
                block.copy_within(start..start + ADDRESSES, start - TAG_LEN);
                start -= TAG_LEN;
                len += TAG_LEN;
                wire_len = wire_len.saturating_add(TAG_LEN as u32);
                let place = block.get_mut(start + ADDRESSES..)?.first_chunk_mut()?;
                let ([k0, k1], [t0, t1]) = (kind.to_be_bytes(), tag.to_be_bytes());
                *place = [k0, k1, t0, t1];
            }
        }
        let slot = Slot {
            time: seconds * 1_000_000_000 + fraction,
            wire_len: wire_len.max(len as u32),
            start,
            len,
            interface,
            device_type,
            by_card: status & TP_STATUS_TS_RAW_HARDWARE != 0,
        };
        Some((slot, self.at.checked_add(next)?))
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A frame of Ethernet, and the type and content of its tag.
    type Framed<'a> = (&'a [u8], Option<(u16, u16)>);

    /// A block as the kernel writes it.
    fn block(frames: &[Framed<'_>]) -> Vec<u8> {
        let mut bytes = vec![0; BLOCK_HEADER];
        bytes[FRAMES..][..4].copy_from_slice(&(frames.len() as u32).to_ne_bytes());
        bytes[FIRST..][..4].copy_from_slice(&(BLOCK_HEADER as u32).to_ne_bytes());
        for (index, (frame, tag)) in frames.iter().enumerate() {
            let mac = HEADER + 18;
            let len = (mac + frame.len()).next_multiple_of(16);
            let mut slot = vec![0xee; len];
            let mut put =
                |at: usize, value: &[u8]| slot[at..][..value.len()].copy_from_slice(value);
            let last = index + 1 == frames.len();
            put(0, &(if last { 0 } else { len as u32 }).to_ne_bytes());
            put(4, &(100 + index as u32).to_ne_bytes());
            put(8, &7_u32.to_ne_bytes());
            put(12, &(frame.len() as u32).to_ne_bytes());
            put(16, &(frame.len() as u32 + 10).to_ne_bytes());
            let status = if tag.is_some() { 0x51_u32 } else { 1 };
            put(20, &status.to_ne_bytes());
            put(24, &(mac as u16).to_ne_bytes());
            put(26, &(mac as u16 + 14).to_ne_bytes());
            let (kind, tci) = tag.unwrap_or((0xdead, 0xdead));
            put(32, &u32::from(tci).to_ne_bytes());
            put(36, &kind.to_ne_bytes());
            put(48 + 4, &3_i32.to_ne_bytes());
            put(48 + 8, &1_u16.to_ne_bytes());
            put(mac, frame);
            bytes.extend(slot);
        }
        bytes
    }

    fn read(block: &mut [u8]) -> (Vec<(Slot, Vec<u8>)>, Option<Corrupt>) {
        let mut reader = Reader::new(block);
        let mut slots = Vec::new();
        loop {
            match reader.next(block) {
                Ok(Some(slot)) => slots.push((slot, block[slot.start..][..slot.len].to_vec())),
                Ok(None) => return (slots, None),
                Err(corrupt) => return (slots, Some(corrupt)),
            }
        }
    }

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!((BLOCK_HEADER, STATUS, FRAMES, FIRST), (48, 8, 12, 16));
        assert_eq!((ADDRESS, HEADER, TAG, TAG_TYPE), (48, 68, 32, 36));
    }

    #[test]
    fn frames_come_in_order_with_their_tags_in_place() {
        let first: Vec<u8> = (0..60).collect();
        let second: Vec<u8> = (100..200).collect();
        let mut block = block(&[(&first, None), (&second, Some((0x88a8, 0x3064)))]);
        let (slots, corrupt) = read(&mut block);
        assert_eq!(corrupt, None);
        assert_eq!(slots.len(), 2);
        assert_eq!(slots[0].1, first);
        let Slot {
            time,
            wire_len,
            interface,
            device_type,
            ..
        } = slots[0].0;
        assert_eq!((time, wire_len), (100_000_000_007, 70));
        assert_eq!((interface, device_type), (3, 1));
        let tag: &[u8] = &[0x88, 0xa8, 0x30, 0x64];
        assert_eq!(slots[1].1, [&second[..12], tag, &second[12..]].concat());
        assert_eq!(slots[1].0.wire_len, 114);
        assert_eq!(slots[1].0.time, 101_000_000_007);
    }

    #[test]
    fn a_block_that_ends_in_a_frame_gives_the_others() {
        let frame = [7; 100];
        let whole = block(&[(&frame, None), (&frame, None), (&frame, None)]);
        let mut cut = whole[..whole.len() - 20].to_vec();
        let (slots, corrupt) = read(&mut cut);
        assert_eq!(slots.len(), 2);
        assert_eq!(corrupt, Some(Corrupt { lost: 1 }));

        // A frame that leads back to itself.
        let mut looped = whole;
        looped[BLOCK_HEADER..][..4].copy_from_slice(&[0; 4]);
        let (slots, corrupt) = read(&mut looped);
        assert_eq!((slots.len(), corrupt), (0, Some(Corrupt { lost: 3 })));
    }

    proptest! {
        #[test]
        fn any_block_is_read_within_its_bounds(
            mut bytes in prop::collection::vec(any::<u8>(), 0..600),
            count in 0..9_u32,
            first in 0..80_u32,
        ) {
            if bytes.len() > 20 {
                bytes[FRAMES..][..4].copy_from_slice(&count.to_ne_bytes());
                bytes[FIRST..][..4].copy_from_slice(&first.to_ne_bytes());
            }
            let (slots, _) = read(&mut bytes);
            prop_assert!(slots.len() <= bytes.len());
        }

        #[test]
        fn a_damaged_block_is_read_within_its_bounds(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
            len in 0..90_usize,
        ) {
            let frame = vec![1; len];
            let mut bytes = block(&[
                (&frame, None),
                (&frame, Some((0x8100, 5))),
                (&frame, Some((0x8100, 6))),
            ]);
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let (slots, corrupt) = read(&mut bytes);
            prop_assert!(slots.len() + corrupt.map_or(0, |corrupt| corrupt.lost as usize) <= 20);
        }
    }
}
