//! Memory in huge pages, wherever a lot is taken at once.
//!
//! Millions of flows are all over gigabytes of memory. In pages of 4 KiB the processor finds few of their addresses among those
//! that it knows, and the kernel has to be asked for each page. Linux gives huge pages to who asks for them
//! (Documentation/admin-guide/mm/transhuge.rst, `madvise`), or small ones where it has none or may not.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};

use rustix::mm::{
    Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap_fixed, munmap,
};
use rustix::param::page_size;

/// Bytes of a huge page. Where it is another size, memory comes in the pages that there are.
const HUGE: usize = 2 << 20;

/// The system's allocator, but that whatever takes a huge page or more begins with one, and has a mapping of its own.
///
/// ```no_run
/// use mirrorscope_capture::memory::HugePages;
///
/// #[global_allocator]
/// static MEMORY: HugePages = HugePages;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct HugePages;

/// Bytes of the mapping of what takes a huge page or more; `None` for all else.
#[inline]
fn mapped(layout: Layout) -> Option<usize> {
    let large = layout.size() >= HUGE && layout.align() <= HUGE;
    large.then(|| layout.size().next_multiple_of(page_size()))
}

/// Maps so many bytes, whole pages, that begin with a huge one; all are zero.
fn map(len: usize) -> Option<NonNull<c_void>> {
    let whole = len.checked_add(HUGE)?;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping at an address that the kernel chooses touches no memory of ours; what is taken away and what is
    // advised lies within it, and nobody else knows it yet.
    #[expect(unsafe_code, reason = "memory comes by mapping it")]
    unsafe {
        let start = mmap_anonymous(null_mut(), whole, protection, MapFlags::PRIVATE).ok()?;
        let before = start.align_offset(HUGE);
        let begin = start.byte_add(before);
        if before > 0 {
            munmap(start, before).ok()?;
        }
        munmap(begin.byte_add(len), HUGE - before).ok()?;
        // Without huge pages it works, too.
        let _ = madvise(begin, len, Advice::LinuxHugepage);
        NonNull::new(begin)
    }
}

/// Moves what a mapping holds to another of so many bytes.
///
/// # Safety
///
/// `start` is a mapping of `len` bytes that [`map`] gave, and is not used any more unless this fails.
#[expect(unsafe_code, reason = "memory is moved by mapping it elsewhere")]
unsafe fn remap(start: *mut u8, len: usize, wanted: usize) -> Option<NonNull<c_void>> {
    let to = map(wanted)?;
    // SAFETY: both mappings are ours alone; the new one holds nothing.
    unsafe { mremap_fixed(start.cast(), len, wanted, MremapFlags::MAYMOVE, to.as_ptr()).ok()? };
    Some(to)
}

fn pointer(mapping: Option<NonNull<c_void>>) -> *mut u8 {
    mapping.map_or(null_mut(), |start| start.as_ptr().cast())
}

// SAFETY: each layout is served either by the system's allocator or by a mapping of its own, and which of them follows from the
// layout alone, so that what one gave never goes to the other. A mapping has at least the layout's size and alignment.
#[expect(unsafe_code, reason = "an allocator deals in raw memory")]
unsafe impl GlobalAlloc for HugePages {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match mapped(layout) {
            // SAFETY: the caller keeps to the same contract.
            None => unsafe { System.alloc(layout) },
            Some(len) => pointer(map(len)),
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match mapped(layout) {
            // SAFETY: the caller keeps to the same contract.
            None => unsafe { System.alloc_zeroed(layout) },
            Some(len) => pointer(map(len)),
        }
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match mapped(layout) {
            // SAFETY: the caller keeps to the same contract.
            None => unsafe { System.dealloc(memory, layout) },
            // SAFETY: it is a mapping of that length, which nobody uses any more.
            Some(len) => unsafe {
                let _ = munmap(memory.cast(), len);
            },
        }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller sees to it that the size is one that a layout may have.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (mapped(layout), mapped(wanted)) {
            // SAFETY: the caller keeps to the same contract.
            (None, None) => unsafe { System.realloc(memory, layout, size) },
            (Some(len), Some(same)) if len == same => memory,
            // SAFETY: it is a mapping of that length, and the caller has no other use for it.
            (Some(len), Some(other)) => pointer(unsafe { remap(memory, len, other) }),
            // SAFETY: both pieces have the bytes that are copied, and are apart; the first goes back by its own layout.
            _ => unsafe {
                let to = self.alloc(wanted);
                if !to.is_null() {
                    memory.copy_to_nonoverlapping(to, layout.size().min(size));
                    self.dealloc(memory, layout);
                }
                to
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 64).unwrap()
    }

    fn fill(memory: *mut u8, len: usize) {
        // SAFETY: the test took so many bytes.
        #[expect(unsafe_code, reason = "an allocator deals in raw memory")]
        let bytes = unsafe { std::slice::from_raw_parts_mut(memory, len) };
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = place.to_le_bytes()[0] ^ place.to_le_bytes()[1];
        }
    }

    fn is_filled(memory: *mut u8, len: usize) -> bool {
        // SAFETY: the test took so many bytes.
        #[expect(unsafe_code, reason = "an allocator deals in raw memory")]
        let bytes = unsafe { std::slice::from_raw_parts(memory, len) };
        let mut bytes = bytes.iter().enumerate();
        bytes.all(|(place, byte)| *byte == place.to_le_bytes()[0] ^ place.to_le_bytes()[1])
    }

    #[test]
    fn what_takes_a_huge_page_begins_with_one_and_is_zero() {
        for size in [HUGE, HUGE + 1, 3 * HUGE + 4097, 5 * HUGE] {
            // SAFETY: it goes back by the same layout, and nothing is read behind it.
            #[expect(unsafe_code, reason = "an allocator deals in raw memory")]
            unsafe {
                let memory = HugePages.alloc_zeroed(layout(size));
                assert!(!memory.is_null() && memory.addr().is_multiple_of(HUGE));
                assert_eq!((*memory, *memory.add(size - 1)), (0, 0));
                fill(memory, size);
                assert!(is_filled(memory, size));
                HugePages.dealloc(memory, layout(size));
            }
        }
    }

    #[test]
    fn memory_that_grows_and_shrinks_keeps_what_it_holds() {
        let sizes = [
            100,
            HUGE - 1,
            HUGE,
            HUGE + 5,
            9 * HUGE + 7,
            40 * HUGE,
            2 * HUGE + 1,
            HUGE,
            300,
            12 * HUGE,
            64,
        ];
        // SAFETY: what is taken has the layout that is told with it, and goes back at the end.
        #[expect(unsafe_code, reason = "an allocator deals in raw memory")]
        unsafe {
            let mut size = sizes[0];
            let mut memory = HugePages.alloc(layout(size));
            fill(memory, size);
            for wanted in sizes {
                memory = HugePages.realloc(memory, layout(size), wanted);
                assert!(is_filled(memory, size.min(wanted)), "{size} to {wanted}");
                assert!(wanted < HUGE || memory.addr().is_multiple_of(HUGE));
                size = wanted;
                fill(memory, size);
            }
            HugePages.dealloc(memory, layout(size));
        }
    }

    #[test]
    fn memory_that_there_is_not_is_refused() {
        let much = layout(isize::MAX.cast_unsigned() / 2);
        // SAFETY: a small piece, which goes back, and one that nobody has.
        #[expect(unsafe_code, reason = "an allocator deals in raw memory")]
        unsafe {
            assert!(HugePages.alloc(much).is_null());
            let memory = HugePages.alloc(layout(HUGE));
            fill(memory, HUGE);
            assert!(
                HugePages
                    .realloc(memory, layout(HUGE), much.size())
                    .is_null()
            );
            assert!(is_filled(memory, HUGE));
            HugePages.dealloc(memory, layout(HUGE));
        }
    }
}
