//! A tap: an interface whose other end is this program. What is written here, the interface receives.
//!
//! Specification: Linux, `Documentation/networking/tuntap.rst`, netdevice(7).

#![expect(
    unsafe_code,
    reason = "taps are made by an ioctl, which has no safe form"
)]

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};

use libc::{c_int, c_short, ifreq};
use rustix::net::{AddressFamily, SocketType, netdevice, socket};

/// Where they are made.
const DEVICE: &str = "/dev/net/tun";

/// A tap that this program holds. It goes away with it, unless somebody else made it to stay.
#[derive(Debug)]
pub(super) struct Tap(File);

impl Tap {
    /// Makes a tap, or takes one that is there and held by nobody, and switches it on.
    pub fn open(name: &str) -> io::Result<Self> {
        let control = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        let is_new = netdevice::name_to_index(&control, name).is_err();
        let file = File::options().read(true).write(true).open(DEVICE)?;
        let mut asked = named(name)?;
        asked.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as c_short;
        // SAFETY: the request reads the name and the flags, and writes the name; the structure outlives the call.
        let made = unsafe {
            libc::ioctl(
                file.as_raw_fd(),
                libc::TUNSETIFF as libc::Ioctl,
                &raw mut asked,
            )
        };
        checked(made)?;
        if is_new {
            // This host has no part in what was mirrored: it gives itself no address, and asks nobody for one. Where IPv6 is
            // off altogether, there is nothing to switch off.
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6"), "1");
        }
        let mut asked = named(name)?;
        // SAFETY: both requests read the name, and write or read the flags; the structure outlives the calls.
        unsafe {
            checked(libc::ioctl(
                control.as_raw_fd(),
                libc::SIOCGIFFLAGS as libc::Ioctl,
                &raw mut asked,
            ))?;
            let quiet = if is_new { libc::IFF_NOARP } else { 0 };
            asked.ifr_ifru.ifru_flags |= (libc::IFF_UP | quiet) as c_short;
            checked(libc::ioctl(
                control.as_raw_fd(),
                libc::SIOCSIFFLAGS as libc::Ioctl,
                &raw mut asked,
            ))?;
        }
        Ok(Self(file))
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A request about an interface.
fn named(name: &str) -> io::Result<ifreq> {
    // SAFETY: all bytes zero are a value of every member.
    let mut asked: ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero.
    if name.is_empty() || name.len() >= asked.ifr_name.len() || name.contains(['/', '%', '\0']) {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    for (place, byte) in asked.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte.cast_signed();
    }
    Ok(asked)
}

fn checked(result: c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
