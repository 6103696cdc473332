//! The ring's memory, which the kernel shares: blocks that belong to it or to us in turns.

#![expect(
    unsafe_code,
    reason = "memory that the kernel writes to is reached through pointers"
)]

use std::io;
use std::os::fd::AsFd;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicU32, Ordering, fence};

use libc::{TP_STATUS_KERNEL, TP_STATUS_USER};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::aside::Aside;
use super::block::{COUNT, STATUS, written};

/// The blocks of a ring, one after the other; one of them at most is ours to read at a time.
///
/// When several wait in a small ring, all are set aside: copying is many times faster than reading, and the kernel has their
/// room at once for what comes meanwhile. A large ring has room for long enough by itself.
#[derive(Debug)]
pub struct Blocks {
    start: NonNull<u8>,
    /// Bytes of a block: whole pages.
    size: usize,
    count: usize,
    /// The block of the ring that comes next.
    at: usize,
    /// The block that is ours, from the moment that its state was seen until it is given back.
    taken: Option<Taken>,
    aside: Aside,
}

/// Where the block that is ours lies.
#[derive(Clone, Copy, Debug)]
enum Taken {
    /// In the ring, as the block that comes next.
    Here,
    /// Beside it.
    Aside,
}

/// Rings of more blocks set none aside.
const SMALL: usize = 64;
/// Blocks that wait behind the next one are set aside when this part of the ring is full.
const PART: usize = 8;

// SAFETY: the memory belongs to this value alone, until it is dropped; nothing in it is bound to a thread.
unsafe impl Send for Blocks {}

impl Blocks {
    /// Maps the ring of a socket: `count` blocks of `size` bytes, as the ring was made.
    pub fn map(socket: impl AsFd, size: usize, count: usize) -> io::Result<Self> {
        let len = size.checked_mul(count).ok_or(io::ErrorKind::InvalidInput)?;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address that the kernel chooses touches no memory of ours.
        let start = unsafe { mmap(null_mut(), len, protection, MapFlags::SHARED, socket, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            start,
            size,
            count,
            at: 0,
            taken: None,
            aside: Aside::default(),
        })
    }

    /// How many blocks there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// A number in a block's header, which the kernel may write at any time.
    fn shared(&self, block: usize, offset: usize) -> &AtomicU32 {
        let block = block % self.count;
        // SAFETY: the block is within the mapping, which lives as long as `self`; `offset` is one of the two constants of
        // the header, aligned to 4 bytes because blocks are whole pages. Both sides only ever read and write it whole.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(block * self.size + offset).cast()) }
    }

    /// The block is ours: its frames can be read.
    #[inline]
    fn ready(&self, block: usize) -> bool {
        self.shared(block, STATUS).load(Ordering::Acquire) & TP_STATUS_USER != 0
    }

    /// Whether there is a block to take.
    pub fn any(&self) -> bool {
        self.aside.any() || self.ready(self.at)
    }

    /// No block is there to take, and the kernel has put nothing into the next one yet.
    ///
    /// Holds for the block that it fills now: others still have their old number there.
    pub fn none_begun(&self) -> bool {
        let none = !self.any();
        fence(Ordering::Acquire);
        none && self.shared(self.at, COUNT).load(Ordering::Acquire) == 0
    }

    /// Takes the next block to read it, if one is ours.
    pub fn take(&mut self) -> Option<&mut [u8]> {
        if self.count <= SMALL && self.ready(self.at + self.count / PART) {
            self.set_aside();
        }
        self.taken = if self.aside.take() {
            Some(Taken::Aside)
        } else {
            self.ready(self.at).then_some(Taken::Here)
        };
        self.taken_mut()
    }

    /// Copies the blocks that wait, and gives them back.
    #[cold]
    fn set_aside(&mut self) {
        while self.aside.has_room() && self.ready(self.at) {
            let Self {
                start, size, aside, ..
            } = self;
            // SAFETY: the block is within the mapping, which lives as long as `self`. Its state says that it is ours: the kernel
            // writes to it again only after it was given back below, when the slice is gone.
            let block =
                unsafe { std::slice::from_raw_parts(start.as_ptr().add(self.at * *size), *size) };
            aside.put(written(block));
            self.hand_over();
        }
    }

    /// Gives the next block of the ring, which is ours, back to the kernel.
    fn hand_over(&mut self) {
        let status = self.shared(self.at, STATUS);
        status.store(TP_STATUS_KERNEL, Ordering::Release);
        self.at = (self.at + 1) % self.count;
    }

    /// The block that was taken.
    #[inline]
    pub fn taken(&self) -> Option<&[u8]> {
        match self.taken? {
            Taken::Aside => Some(&self.aside.taken),
            // SAFETY: the block is within the mapping, which lives as long as `self`. Its state said that it is ours: the kernel
            // writes to it again only after `give_back`, which needs `self` mutably, as does every other slice that is written to.
            Taken::Here => Some(unsafe {
                std::slice::from_raw_parts(self.start.as_ptr().add(self.at * self.size), self.size)
            }),
        }
    }

    /// The same, to be written to.
    #[inline]
    pub fn taken_mut(&mut self) -> Option<&mut [u8]> {
        match self.taken? {
            Taken::Aside => Some(&mut self.aside.taken),
            // SAFETY: as of `taken`, and this slice needs `self` mutably itself.
            Taken::Here => Some(unsafe {
                std::slice::from_raw_parts_mut(
                    self.start.as_ptr().add(self.at * self.size),
                    self.size,
                )
            }),
        }
    }

    /// Gives the block that was taken back.
    pub fn give_back(&mut self) {
        if let Some(Taken::Here) = self.taken.take() {
            self.hand_over();
        }
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and no slice of it outlives `self`. It can fail only for
        // addresses that are not a mapping's.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.size * self.count) };
    }
}
