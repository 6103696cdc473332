//! What sockets need beyond the standard library: options, a batch of datagrams in one call, drop counts.

#![expect(
    unsafe_code,
    reason = "recvmmsg and some socket options have no safe form"
)]

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use libc::{c_int, c_void, socklen_t};

/// Most datagrams taken in one call.
pub const BATCH: usize = 32;
/// Room in front of what the kernel delivers, for an IPv6 and a UDP header.
pub const ROOM: usize = 48;
/// Room for one datagram. None is longer: its length has 16 bits.
pub const SLOT: usize = ROOM + 65_536;
/// Longest address that a socket names: `sockaddr_in6`.
const NAME: usize = 28;
/// Room for the kernel's remarks on one datagram, in units of 8 bytes: stamp, destination, TTL and traffic class need 15.
const REMARKS: usize = 20;

/// What the kernel says of one datagram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Datagram {
    /// Its number in the batch: its bytes begin at `slot * SLOT + ROOM`.
    pub slot: usize,
    /// Bytes delivered.
    pub len: usize,
    /// When the kernel received it, in nanoseconds since the Unix epoch.
    pub time: Option<i64>,
    /// Index of the interface that it came by.
    pub interface: Option<u32>,
    /// Who sent it.
    pub source: Option<IpAddr>,
    /// From which port.
    pub source_port: u16,
    /// To which address.
    pub destination: Option<IpAddr>,
    /// TTL or hop limit.
    pub ttl: Option<u8>,
    /// Type of service or traffic class.
    pub class: Option<u8>,
}

/// Where the kernel puts addresses and remarks of a batch.
#[derive(Debug)]
pub struct Scratch {
    names: Box<[[u8; NAME]; BATCH]>,
    remarks: Box<[[u64; REMARKS]; BATCH]>,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            names: Box::new([[0; NAME]; BATCH]),
            remarks: Box::new([[0; REMARKS]; BATCH]),
        }
    }
}

/// Takes what a socket has, up to a batch, into `slots` (`BATCH` times `SLOT` bytes); never waits. `each` hears of
/// every datagram. Gives how many there were.
pub fn receive(
    socket: BorrowedFd<'_>,
    slots: &mut [u8],
    scratch: &mut Scratch,
    mut each: impl FnMut(Datagram),
) -> io::Result<usize> {
    let mut vectors: [MaybeUninit<libc::iovec>; BATCH] = [const { MaybeUninit::uninit() }; BATCH];
    let mut messages: [MaybeUninit<libc::mmsghdr>; BATCH] =
        [const { MaybeUninit::zeroed() }; BATCH];
    let mut count = 0;
    let rooms = slots.chunks_exact_mut(SLOT).zip(&mut vectors);
    let names = scratch.names.iter_mut().zip(scratch.remarks.iter_mut());
    for (((slot, vector), (name, remarks)), message) in rooms.zip(names).zip(&mut messages) {
        let room = &mut slot[ROOM..];
        let vector = vector.write(libc::iovec {
            iov_base: room.as_mut_ptr().cast(),
            iov_len: room.len(),
        });
        // SAFETY: it was made of zeros, which is a valid `mmsghdr`: its fields are integers and pointers.
        let header = unsafe { &mut message.assume_init_mut().msg_hdr };
        header.msg_name = name.as_mut_ptr().cast();
        header.msg_namelen = NAME as socklen_t;
        header.msg_iov = vector;
        header.msg_iovlen = 1;
        header.msg_control = remarks.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(remarks) as _;
        count += 1;
    }
    // SAFETY: `count` messages are initialised, and each points to a name, a vector and remarks of its own that live and
    // stay where they are until the call returns; the lengths are theirs.
    let received = unsafe {
        libc::recvmmsg(
            socket.as_raw_fd(),
            messages.as_mut_ptr().cast(),
            count,
            libc::MSG_DONTWAIT as _,
            std::ptr::null_mut(),
        )
    };
    let Ok(received) = usize::try_from(received) else {
        return Err(io::Error::last_os_error());
    };
    for (slot, message) in messages.iter().take(received).enumerate() {
        // SAFETY: initialised above, and the kernel wrote lengths and flags only.
        let message = unsafe { message.assume_init_ref() };
        let mut datagram = Datagram {
            slot,
            len: (message.msg_len as usize).min(SLOT - ROOM),
            ..Datagram::default()
        };
        let name = &scratch.names[slot];
        let length = (message.msg_hdr.msg_namelen as usize).min(NAME);
        (datagram.source, datagram.source_port) = address(&name[..length]);
        let remarks = &scratch.remarks[slot];
        #[allow(clippy::unnecessary_cast, reason = "with musl it has 32 bits")]
        let length = (message.msg_hdr.msg_controllen as usize).min(size_of_val(remarks));
        // SAFETY: any bytes of an array of integers may be read as bytes, and these are within it.
        let remarks = unsafe { std::slice::from_raw_parts(remarks.as_ptr().cast(), length) };
        read_remarks(remarks, &mut datagram);
        each(datagram);
    }
    Ok(received)
}

/// Address and port of a `sockaddr_in` or `sockaddr_in6`.
fn address(name: &[u8]) -> (Option<IpAddr>, u16) {
    let Some((family, rest)) = name.split_first_chunk::<2>() else {
        return (None, 0);
    };
    let Some((port, rest)) = rest.split_first_chunk::<2>() else {
        return (None, 0);
    };
    let address = match c_int::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => ip(rest, 0, false),
        // The flow label lies between.
        libc::AF_INET6 => ip(rest, 4, true),
        _ => None,
    };
    (address, u16::from_be_bytes(*port))
}

/// An address at a place in some bytes.
fn ip(bytes: &[u8], at: usize, v6: bool) -> Option<IpAddr> {
    let bytes = bytes.get(at..)?;
    Some(if v6 {
        Ipv6Addr::from(*bytes.first_chunk::<16>()?).into()
    } else {
        Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()
    })
}

/// Reads the control messages of one datagram.
fn read_remarks(mut rest: &[u8], datagram: &mut Datagram) {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    const WORD: usize = size_of::<usize>();
    while let Some((header, _)) = rest.split_first_chunk::<HEADER>() {
        let (length, kind) = header.split_at(WORD);
        let length = usize::from_ne_bytes(length.try_into().unwrap_or_default());
        let (level, kind) = (int(kind, 0).unwrap_or(-1), int(kind, 4).unwrap_or(-1));
        let Some(data) = rest.get(HEADER..length) else {
            return;
        };
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS) => datagram.time = stamp(data),
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                datagram.interface = int(data, 0).and_then(|index| u32::try_from(index).ok());
                datagram.destination = ip(data, 8, false);
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                datagram.destination = ip(data, 0, true);
                datagram.interface = int(data, 16).and_then(|index| u32::try_from(index).ok());
            }
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                datagram.ttl = int(data, 0).map(|ttl| ttl as u8);
            }
            (libc::IPPROTO_IP, libc::IP_TOS) => datagram.class = data.first().copied(),
            (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                datagram.class = int(data, 0).map(|class| class as u8);
            }
            _ => {}
        }
        let Some(next) = rest.get(length.next_multiple_of(WORD)..) else {
            return;
        };
        rest = next;
    }
}

/// A `timespec` of the kernel: two words.
fn stamp(data: &[u8]) -> Option<i64> {
    let (seconds, nanoseconds) = if data.len() >= 16 {
        let seconds = i64::from_ne_bytes(*data.first_chunk()?);
        (
            seconds,
            i64::from_ne_bytes(*data.get(8..)?.first_chunk::<8>()?),
        )
    } else {
        (i64::from(int(data, 0)?), i64::from(int(data, 4)?))
    };
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

fn int(bytes: &[u8], at: usize) -> Option<c_int> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(c_int::from_ne_bytes(*bytes))
}

/// Sets an option whose value is an integer.
pub fn set(socket: BorrowedFd<'_>, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    let pointer: *const c_int = &raw const value;
    // SAFETY: the pointer is to an integer that lives through the call, with its size.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            pointer.cast::<c_void>(),
            size_of::<c_int>() as socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Datagrams that a socket had no room for since it was opened; wraps.
pub fn dropped(socket: BorrowedFd<'_>) -> io::Result<u32> {
    const SO_MEMINFO: c_int = 55;
    let mut info = [0_u32; 16];
    let mut length = size_of_val(&info) as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `info`, which lives through the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_MEMINFO,
            info.as_mut_ptr().cast::<c_void>(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(info[libc::SK_MEMINFO_DROPS as usize])
}

/// Frames that a packet socket had no room for since it was asked last.
pub fn packet_drops(socket: BorrowedFd<'_>) -> io::Result<u32> {
    // `struct tpacket_stats`: frames, and those of them that were dropped.
    let mut counters = [0_u32; 2];
    let mut length = size_of_val(&counters) as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into `counters`, which live through the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            counters.as_mut_ptr().cast::<c_void>(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(counters[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A control message as the kernel writes it.
    fn remark(level: c_int, kind: c_int, data: &[u8]) -> Vec<u8> {
        let mut bytes = (16 + data.len()).to_ne_bytes().to_vec();
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    #[test]
    fn remarks_are_read_in_any_order_and_unknown_ones_skipped() {
        let time = [1_700_000_000_i64.to_ne_bytes(), 7_i64.to_ne_bytes()].concat();
        let mut info = 3_i32.to_ne_bytes().to_vec();
        info.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        let bytes = [
            remark(libc::SOL_SOCKET, 99, &[1, 2, 3]),
            remark(libc::IPPROTO_IP, libc::IP_TOS, &[0xb8]),
            remark(libc::IPPROTO_IP, libc::IP_PKTINFO, &info),
            remark(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &time),
            remark(libc::IPPROTO_IP, libc::IP_TTL, &61_i32.to_ne_bytes()),
        ];
        let mut datagram = Datagram::default();
        read_remarks(&bytes.concat(), &mut datagram);
        assert_eq!(datagram.class, Some(0xb8));
        assert_eq!(datagram.interface, Some(3));
        assert_eq!(datagram.destination, Some("10.0.0.2".parse().unwrap()));
        assert_eq!(datagram.time, Some(1_700_000_000_000_000_007));
        assert_eq!(datagram.ttl, Some(61));
    }

    #[test]
    fn remarks_of_ipv6_are_read() {
        let mut info = "2001:db8::7".parse::<Ipv6Addr>().unwrap().octets().to_vec();
        info.extend(9_u32.to_ne_bytes());
        let bytes = [
            remark(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info),
            remark(
                libc::IPPROTO_IPV6,
                libc::IPV6_HOPLIMIT,
                &5_i32.to_ne_bytes(),
            ),
            remark(
                libc::IPPROTO_IPV6,
                libc::IPV6_TCLASS,
                &0x28_i32.to_ne_bytes(),
            ),
        ];
        let mut datagram = Datagram::default();
        read_remarks(&bytes.concat(), &mut datagram);
        assert_eq!(datagram.destination, Some("2001:db8::7".parse().unwrap()));
        assert_eq!((datagram.interface, datagram.ttl), (Some(9), Some(5)));
        assert_eq!(datagram.class, Some(0x28));
    }

    #[test]
    fn remarks_cut_anywhere_are_harmless() {
        let time = [5_i64.to_ne_bytes(), 7_i64.to_ne_bytes()].concat();
        let mut bytes = remark(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &time);
        for length in 0..bytes.len() {
            let mut datagram = Datagram::default();
            read_remarks(&bytes[..length], &mut datagram);
            assert_eq!(datagram, Datagram::default());
        }
        // A length of nothing must not go round for ever.
        bytes[..8].fill(0);
        read_remarks(&bytes, &mut Datagram::default());
    }
}
