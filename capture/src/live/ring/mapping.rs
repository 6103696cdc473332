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

use super::block::{COUNT, STATUS};

/// The blocks of a ring; one of them at most is ours to read at a time.
#[derive(Debug)]
pub struct Blocks {
    start: NonNull<u8>,
    /// Bytes of a block: whole pages.
    size: usize,
    count: usize,
    /// The block that is ours, from the moment that its state was seen until it is given back.
    taken: Option<usize>,
}

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
            taken: None,
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
    pub fn ready(&self, block: usize) -> bool {
        self.shared(block, STATUS).load(Ordering::Acquire) & TP_STATUS_USER != 0
    }

    /// The kernel has put nothing into this block yet, nor given it to us.
    ///
    /// Holds for the block that it fills now: others still have their old number there.
    pub fn is_untouched(&self, block: usize) -> bool {
        let kernels = !self.ready(block);
        fence(Ordering::Acquire);
        kernels && self.shared(block, COUNT).load(Ordering::Acquire) == 0
    }

    /// Takes a block to read it, if it is ours.
    pub fn take(&mut self, block: usize) -> Option<&mut [u8]> {
        if !self.ready(block) {
            return None;
        }
        self.taken = Some(block % self.count);
        self.taken_mut()
    }

    /// The block that was taken.
    #[inline]
    pub fn taken(&self) -> Option<&[u8]> {
        let block = self.taken?;
        // SAFETY: the block is within the mapping, which lives as long as `self`. Its state said that it is ours: the kernel
        // writes to it again only after `give_back`, which needs `self` mutably, as does every other slice that is written to.
        Some(unsafe {
            std::slice::from_raw_parts(self.start.as_ptr().add(block * self.size), self.size)
        })
    }

    /// The same, to be written to.
    #[inline]
    pub fn taken_mut(&mut self) -> Option<&mut [u8]> {
        let block = self.taken?;
        // SAFETY: as of `taken`, and this slice needs `self` mutably itself.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.start.as_ptr().add(block * self.size), self.size)
        })
    }

    /// Gives the block that was taken back to the kernel; false if there is none.
    pub fn give_back(&mut self) -> bool {
        let Some(block) = self.taken.take() else {
            return false;
        };
        let status = self.shared(block, STATUS);
        status.store(TP_STATUS_KERNEL, Ordering::Release);
        true
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length, and no slice of it outlives `self`. It can fail only for
        // addresses that are not a mapping's.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.size * self.count) };
    }
}
