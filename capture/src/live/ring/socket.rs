//! The packet socket: what is asked of the kernel, call by call.
//!
//! Specification: packet(7), netdevice(7); Linux, `Documentation/networking/packet_mmap.rst`.

#![expect(
    unsafe_code,
    reason = "options of packet sockets, and ioctls, have no safe form"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use libc::{
    SOL_PACKET, c_int, c_short, c_ulong, hwtstamp_config, ifreq, packet_mreq, sockaddr_ll,
    socklen_t, tpacket_req3, tpacket_versions,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType, netdevice, socket_with};
use socket2::{SockFilter, SockRef};

use super::block::TAG_LEN;
use crate::live::filter::Instruction;

/// Any `tp_frame_size` that divides a block will do: frames of this version of the ring are as long as they are.
const FRAME: usize = 2048;

/// `struct tpacket_stats_v3`: packets, drops, and how often the ring was full.
const STATISTICS: usize = size_of::<libc::tpacket_stats_v3>() / size_of::<u32>();

/// Values of which any bytes are one.
trait Plain: Default {}
impl Plain for u32 {}
impl Plain for [u32; STATISTICS] {}

/// A packet socket.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// What an interface is, as the kernel says by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub up: bool,
    /// `ARPHRD_…`.
    pub device_type: u16,
}

impl Socket {
    /// A socket that receives nothing yet. This is the one call that needs a capability.
    pub fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        Ok(Self(socket))
    }

    fn set<T>(&self, name: c_int, value: &T) -> io::Result<()> {
        // SAFETY: the kernel reads as many bytes as the value has, and keeps no pointer to it.
        let result = unsafe {
            libc::setsockopt(
                self.0.as_raw_fd(),
                SOL_PACKET,
                name,
                std::ptr::from_ref(value).cast(),
                size_of::<T>() as socklen_t,
            )
        };
        checked(result)
    }

    fn get<T: Plain>(&self, name: c_int) -> io::Result<T> {
        let mut value = T::default();
        let mut len = size_of::<T>() as socklen_t;
        // SAFETY: the kernel writes at most `len` bytes, the value's own length, and any bytes are such a value.
        let result = unsafe {
            libc::getsockopt(
                self.0.as_raw_fd(),
                SOL_PACKET,
                name,
                std::ptr::from_mut(&mut value).cast(),
                &raw mut len,
            )
        };
        checked(result)?;
        Ok(value)
    }

    /// Lets packets through that the program passes; in place of the one before, without a moment in between.
    pub fn filter(&self, program: &[Instruction]) -> io::Result<()> {
        let filters: Vec<SockFilter> = program
            .iter()
            .map(|step| SockFilter::new(step.code, step.jt, step.jf, step.k))
            .collect();
        SockRef::from(&self.0).attach_filter(&filters)
    }

    /// Leaves out what this host sends; false where the kernel is too old for that (before 4.20).
    pub fn ignore_outgoing(&self) -> bool {
        self.set(libc::PACKET_IGNORE_OUTGOING, &1_i32).is_ok()
    }

    /// The version of the ring, and room in front of frames for the tag that the kernel takes out of them.
    pub fn prepare(&self) -> io::Result<()> {
        let version = tpacket_versions::TPACKET_V3 as c_int;
        self.set(libc::PACKET_VERSION, &version)?;
        self.set(libc::PACKET_RESERVE, &(TAG_LEN as u32))
    }

    /// Makes the ring: `count` blocks of `size` bytes, each of which is handed over when it is full, or `patience`
    /// milliseconds after its first frame.
    pub fn ring(&self, size: usize, count: usize, patience: u32) -> io::Result<()> {
        let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
        let request = tpacket_req3 {
            tp_block_size: u32::try_from(size).map_err(too_large)?,
            tp_block_nr: u32::try_from(count).map_err(too_large)?,
            tp_frame_size: FRAME as u32,
            tp_frame_nr: u32::try_from(size / FRAME * count).map_err(too_large)?,
            tp_retire_blk_tov: patience,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        self.set(libc::PACKET_RX_RING, &request)
    }

    /// Receives all packets of an interface, of all interfaces for 0. Needs no capability, also when done anew.
    pub fn bind(&self, interface: i32) -> io::Result<()> {
        self.bind_for(interface, libc::ETH_P_ALL as u16)
    }

    /// Sends by an interface, and receives nothing. Needs no capability, also when done anew.
    pub fn bind_to_send(&self, interface: i32) -> io::Result<()> {
        self.bind_for(interface, 0)
    }

    fn bind_for(&self, interface: i32, protocol: u16) -> io::Result<()> {
        let address = sockaddr_ll {
            sll_family: libc::AF_PACKET as u16,
            sll_protocol: protocol.to_be(),
            sll_ifindex: interface,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        // SAFETY: the kernel reads the address, which has this length, and keeps no pointer to it.
        let result = unsafe {
            libc::bind(
                self.0.as_raw_fd(),
                std::ptr::from_ref(&address).cast(),
                size_of::<sockaddr_ll>() as socklen_t,
            )
        };
        checked(result)
    }

    /// Takes frames for other stations, too, as long as the socket and the interface exist.
    pub fn promiscuous(&self, interface: i32) -> io::Result<()> {
        let membership = packet_mreq {
            mr_ifindex: interface,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        self.set(libc::PACKET_ADD_MEMBERSHIP, &membership)
    }

    /// Joins others that share the packets of one interface, by a program that tells which one gets a packet; without a
    /// group, founds one. Gives the group. A socket in a group cannot be bound anew.
    pub fn join(&self, group: Option<u16>, spread: &[Instruction]) -> io::Result<u16> {
        let mut flags = libc::PACKET_FANOUT_CBPF
            // Rather to another thread than lost.
            | libc::PACKET_FANOUT_FLAG_ROLLOVER
            | libc::PACKET_FANOUT_FLAG_IGNORE_OUTGOING;
        if group.is_none() {
            flags |= libc::PACKET_FANOUT_FLAG_UNIQUEID;
        }
        let request = u32::from(group.unwrap_or_default()) | flags << 16;
        self.set(libc::PACKET_FANOUT, &request)?;
        if let Some(group) = group {
            return Ok(group);
        }
        let mut steps: Vec<libc::sock_filter> = spread
            .iter()
            .map(|step| libc::sock_filter {
                code: step.code,
                jt: step.jt,
                jf: step.jf,
                k: step.k,
            })
            .collect();
        let program = libc::sock_fprog {
            len: steps.len() as u16,
            filter: steps.as_mut_ptr(),
        };
        // The kernel copies the instructions at once.
        self.set(libc::PACKET_FANOUT_DATA, &program)?;
        let founded: u32 = self.get(libc::PACKET_FANOUT)?;
        Ok(founded as u16)
    }

    /// Packets that were lost because the ring was full, since this was asked last.
    pub fn take_drops(&self) -> io::Result<u32> {
        let [_packets, drops, _freezes]: [u32; STATISTICS] = self.get(libc::PACKET_STATISTICS)?;
        Ok(drops)
    }

    /// The fault that was noted for the socket, as of an interface that went away; it is asked for once.
    pub fn take_error(&self) {
        let _ = SockRef::from(&self.0).take_error();
    }

    /// The number of an interface.
    pub fn index(&self, name: &str) -> Option<i32> {
        let index = netdevice::name_to_index(&self.0, name).ok()?;
        i32::try_from(index).ok()
    }

    /// The name of an interface; it may hold any characters but blanks, `/` and `:`.
    pub fn name(&self, index: i32) -> Option<String> {
        let index = u32::try_from(index).ok()?;
        netdevice::index_to_name(&self.0, index).ok()
    }

    /// What an interface is.
    pub fn state(&self, name: &str) -> io::Result<State> {
        let flags = self.ask(name, libc::SIOCGIFFLAGS)?;
        let address = self.ask(name, libc::SIOCGIFHWADDR)?;
        // SAFETY: the kernel has filled in this member of the union, by that call; any bytes are such a number.
        let (flags, family) = unsafe {
            (
                flags.ifr_ifru.ifru_flags,
                address.ifr_ifru.ifru_hwaddr.sa_family,
            )
        };
        Ok(State {
            up: flags & (libc::IFF_UP as c_short) != 0,
            device_type: family,
        })
    }

    /// Frames get the time stamps of the card from now on, where it makes one. The card is told to make one for every frame
    /// unless it does so already; that needs a capability of its own.
    pub fn hardware_time(&self, name: &str) -> io::Result<()> {
        let mut config = hwtstamp_config {
            flags: 0,
            tx_type: libc::HWTSTAMP_TX_OFF.cast_signed(),
            rx_filter: libc::HWTSTAMP_FILTER_NONE.cast_signed(),
        };
        let all = libc::HWTSTAMP_FILTER_ALL.cast_signed();
        let asked = self.configure(name, libc::SIOCGHWTSTAMP, &mut config);
        if asked.is_err() || config.rx_filter != all {
            // What somebody else has set for sending stays.
            config.flags = 0;
            config.rx_filter = all;
            self.configure(name, libc::SIOCSHWTSTAMP, &mut config)?;
            if config.rx_filter != all {
                return Err(io::ErrorKind::Unsupported.into());
            }
        }
        let stamps = libc::SOF_TIMESTAMPING_RAW_HARDWARE.cast_signed();
        self.set(libc::PACKET_TIMESTAMP, &stamps)
    }

    fn configure(
        &self,
        name: &str,
        request: c_ulong,
        config: &mut hwtstamp_config,
    ) -> io::Result<()> {
        let mut asked = named(name)?;
        asked.ifr_ifru.ifru_data = std::ptr::from_mut(config).cast();
        // SAFETY: both requests read the name, and read or write the configuration, which outlives the call.
        let result = unsafe { ioctl(&self.0, request, &mut asked) };
        checked(result)
    }

    fn ask(&self, name: &str, request: c_ulong) -> io::Result<ifreq> {
        let mut asked = named(name)?;
        // SAFETY: the requests used with this read the name and write a member of the union.
        let result = unsafe { ioctl(&self.0, request, &mut asked) };
        checked(result)?;
        Ok(asked)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A request about an interface.
fn named(name: &str) -> io::Result<ifreq> {
    // SAFETY: all bytes zero are a value of every member.
    let mut asked: ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    let room = asked.ifr_name.len() - 1;
    if name.len() > room {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (place, byte) in asked.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte.cast_signed();
    }
    Ok(asked)
}

/// # Safety
///
/// The request must be one that takes a `struct ifreq`, and whatever that points to must be valid for it.
unsafe fn ioctl(socket: &OwnedFd, request: c_ulong, asked: &mut ifreq) -> c_int {
    let asked: *mut ifreq = asked;
    // SAFETY: as the caller promises; the pointer is valid for the call.
    unsafe { libc::ioctl(socket.as_raw_fd(), request as libc::Ioctl, asked) }
}

fn checked(result: c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
