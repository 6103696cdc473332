//! Turns on the processor: a receiver is to run soon after frames have come, not when others have had their turns.

#![expect(unsafe_code, reason = "the calls have no safe form")]

use std::mem;

use libc::{SYS_sched_getattr, SYS_sched_setattr, c_long, sched_attr};

/// Nanoseconds of a turn. Those of other programs are some milliseconds long, and a small ring is full before that.
const TURN: u64 = 500_000;

/// Asks for short turns for the calling thread, which then wait for less: Linux 6.12 and later give them, to anybody.
///
/// The thread gets no more of the processor than before. Where the system does not do it, nothing changes.
pub fn shorten() {
    let len = size_of::<sched_attr>();
    // SAFETY: all bytes zero are a value of this type.
    let mut attributes: sched_attr = unsafe { mem::zeroed() };
    let asked: *mut sched_attr = &raw mut attributes;
    let (this, no_flags): (c_long, c_long) = (0, 0);
    // SAFETY: the kernel writes at most `len` bytes, the value's own length; any bytes are such a value.
    let result = unsafe { libc::syscall(SYS_sched_getattr, this, asked, len, no_flags) };
    let usual = [libc::SCHED_OTHER, libc::SCHED_BATCH].map(i32::cast_unsigned);
    if result < 0 || !usual.contains(&attributes.sched_policy) {
        return;
    }
    attributes.sched_runtime = TURN;
    let given: *const sched_attr = &raw const attributes;
    // SAFETY: the kernel reads as many bytes as the value says that it has, its own length.
    let _ = unsafe { libc::syscall(SYS_sched_setattr, this, given, no_flags) };
}
