//! The two system calls that have no safe form elsewhere: ethtool's, and the one that tells of the clock.

#![expect(
    unsafe_code,
    reason = "ioctl with a pointer inside its argument, and adjtimex"
)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use libc::c_char;

/// Bytes of an interface's name, with its closing zero.
const NAME: usize = libc::IFNAMSIZ;

/// What `SIOCETHTOOL` takes: a name and a pointer, in the place of a `struct ifreq`.
#[repr(C)]
struct Request {
    name: [u8; NAME],
    data: *mut u32,
    /// `struct ifreq` is larger; the kernel copies all of it.
    rest: [usize; 4],
}

/// Asks ethtool's side of the kernel about an interface. `answer` begins with the number of the question; the kernel
/// writes what belongs to it, so it must be one of those below whose answers have a known size.
fn ethtool(socket: BorrowedFd<'_>, interface: &str, answer: &mut [u32]) -> io::Result<()> {
    let mut request = Request {
        name: [0; NAME],
        data: answer.as_mut_ptr(),
        rest: [0; 4],
    };
    let name = interface.as_bytes();
    if name.len() >= NAME {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    request.name[..name.len()].copy_from_slice(name);
    // SAFETY: the request is as large as a `struct ifreq` at least, and the callers give as many words as the kernel
    // writes for their question; both live through the call.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// `struct ethtool_drvinfo`: 196 bytes, of which the driver's name comes first.
pub fn driver(socket: BorrowedFd<'_>, interface: &str) -> io::Result<[u32; 49]> {
    const GET_DRIVER: u32 = 0x03;
    let mut answer = [0; 49];
    answer[0] = GET_DRIVER;
    ethtool(socket, interface, &mut answer).map(|()| answer)
}

/// `struct ethtool_ringparam`: nine words.
pub fn ring(socket: BorrowedFd<'_>, interface: &str) -> io::Result<[u32; 9]> {
    const GET_RING: u32 = 0x10;
    let mut answer = [0; 9];
    answer[0] = GET_RING;
    ethtool(socket, interface, &mut answer).map(|()| answer)
}

/// `struct ethtool_ts_info`: eleven words.
pub fn time_stamping(socket: BorrowedFd<'_>, interface: &str) -> io::Result<[u32; 11]> {
    const GET_TIME_STAMPING: u32 = 0x41;
    let mut answer = [0; 11];
    answer[0] = GET_TIME_STAMPING;
    ethtool(socket, interface, &mut answer).map(|()| answer)
}

/// The set of names that is about features.
const FEATURES: u32 = 4;

/// How many features the kernel knows.
pub fn feature_count(socket: BorrowedFd<'_>, interface: &str) -> io::Result<u32> {
    const GET_SET_SIZE: u32 = 0x37;
    // The question, a reserved word, a mask of sets in two words, and a count for each set asked for.
    let mut answer = [GET_SET_SIZE, 0, 0, 0, 0];
    // The mask is a number of 64 bits in the machine's order.
    let mask = (1_u64 << FEATURES).to_ne_bytes();
    answer[2] = u32::from_ne_bytes([mask[0], mask[1], mask[2], mask[3]]);
    answer[3] = u32::from_ne_bytes([mask[4], mask[5], mask[6], mask[7]]);
    ethtool(socket, interface, &mut answer)?;
    Ok(answer[4])
}

/// Longest name of a feature, in words.
pub const FEATURE_NAME: usize = 8;
/// More features than any kernel has: an answer that says otherwise is not believed.
const MOST_FEATURES: u32 = 4096;

/// Their names, of `FEATURE_NAME` words each.
pub fn feature_names(socket: BorrowedFd<'_>, interface: &str, count: u32) -> io::Result<Vec<u32>> {
    const GET_NAMES: u32 = 0x1b;
    if count > MOST_FEATURES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    // The kernel writes as many names as it knows, which is what it has just said.
    let mut answer = vec![0; 3 + count as usize * FEATURE_NAME];
    answer[..3].copy_from_slice(&[GET_NAMES, FEATURES, count]);
    ethtool(socket, interface, &mut answer)?;
    Ok(answer.split_off(3))
}

/// Their states, in blocks of 32: four words each, of which the third tells what is on.
pub fn feature_states(socket: BorrowedFd<'_>, interface: &str, count: u32) -> io::Result<Vec<u32>> {
    const GET_STATES: u32 = 0x3a;
    if count > MOST_FEATURES {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let blocks = count.div_ceil(32);
    let mut answer = vec![0; 2 + blocks as usize * 4];
    answer[..2].copy_from_slice(&[GET_STATES, blocks]);
    ethtool(socket, interface, &mut answer)?;
    Ok(answer.split_off(2))
}

/// What the kernel says of its clock: whether somebody keeps it in time, and its largest error in microseconds.
pub fn clock() -> io::Result<(bool, i64)> {
    // SAFETY: all bytes zero are a valid `timex`: its fields are integers.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: with no mode set the kernel only writes into `state`, which lives through the call.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    let kept = state.status & libc::STA_UNSYNC == 0;
    #[allow(clippy::useless_conversion, reason = "it has 32 bits on some machines")]
    Ok((kept, i64::from(state.maxerror)))
}

/// Text in words of the machine's order, up to its closing zero.
pub fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

const _: () = assert!(size_of::<Request>() >= size_of::<libc::ifreq>());
const _: () = assert!(size_of::<c_char>() == 1);
