//! An interface that frames are put on.

use std::io;
use std::mem;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::SendFlags;

use super::Totals;
use super::tap::Tap;
use crate::error::{Error, plain};
use crate::host::capability;
use crate::host::link::{self, Link};
use crate::live::interface::shown;
use crate::live::ring::socket::Socket;

/// What stands before the name of a tap that is to be made.
const TAP: &str = "tap:";
/// How often the state of interfaces is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A full queue is given so many times...
const TRIES: u32 = 20;
/// ... so long to be emptied.
const REST: Duration = Duration::from_micros(500);

/// An interface that frames are put on.
#[derive(Debug)]
pub struct Port {
    way: Way,
    totals: Totals,
    /// Packets that the system had dropped behind the interface before.
    dropped_before: u64,
    looked: Instant,
    /// Frames that were not sent since the interface is down, if it is.
    down: Option<u64>,
    notes: Vec<String>,
}

/// How frames get there.
#[derive(Debug)]
enum Way {
    /// They are sent by the interface: who listens at its other end, or at itself, sees them.
    Socket(Socket),
    /// They are what the interface receives.
    Tap(Tap),
}

impl Port {
    /// Opens an interface by its name; `tap:NAME` makes a tap, or takes one that nobody holds.
    ///
    /// # Errors
    ///
    /// An interface that is not there, is down, or is no Ethernet; a privilege that is missing.
    pub fn open(asked: &str) -> Result<Self, Error> {
        match asked.strip_prefix(TAP) {
            Some(name) => Self::tap(name),
            None => Self::interface(asked),
        }
    }

    /// The name of the interface.
    pub fn name(&self) -> &str {
        &self.totals.name
    }

    fn tap(name: &str) -> Result<Self, Error> {
        let tap = Tap::open(name).map_err(|cause| {
            let cause = match cause.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => {
                    format!(
                        "cannot make a tap: {}",
                        capability::how_to_grant("cap_net_admin")
                    )
                }
                Some(libc::EBUSY) => "another program holds this tap".to_owned(),
                Some(libc::EINVAL) => {
                    "no name for a tap: it is of another kind, or too long".to_owned()
                }
                Some(libc::ENOENT | libc::ENODEV) => {
                    "this kernel has no taps (sudo modprobe tun)".to_owned()
                }
                _ => format!("cannot make a tap: {}", plain(&cause)),
            };
            refused(name, cause)
        })?;
        Ok(Self::new(name, Way::Tap(tap), None, 0))
    }

    fn interface(name: &str) -> Result<Self, Error> {
        let links = link::links().map_err(|cause| refused(name, plain(&cause)))?;
        let Some(link) = links.iter().find(|link| link.name == name) else {
            let known: Vec<String> = links.iter().map(|link| shown(&link.name)).collect();
            return Err(refused(
                name,
                format!(
                    "no such interface: there are {}; --to {TAP}{} makes one",
                    known.join(", "),
                    shown(name)
                ),
            ));
        };
        check(link)?;
        let socket = Socket::open().map_err(|cause| {
            let cause = match cause.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => {
                    format!("cannot send: {}", capability::how_to_grant("cap_net_raw"))
                }
                _ => format!("cannot send: {}", plain(&cause)),
            };
            refused(name, cause)
        })?;
        socket
            .bind_to_send(link.index.cast_signed())
            .map_err(|cause| refused(name, plain(&cause)))?;
        let kind = link.kind.clone();
        let before = link.counters.unsent;
        Ok(Self::new(name, Way::Socket(socket), kind, before))
    }

    fn new(name: &str, way: Way, kind: Option<String>, dropped_before: u64) -> Self {
        Self {
            way,
            totals: Totals {
                name: name.to_owned(),
                kind,
                ..Totals::default()
            },
            dropped_before,
            looked: Instant::now(),
            down: None,
            notes: Vec::new(),
        }
    }

    /// Sends a frame, or counts why it was not.
    pub(super) fn send(&mut self, frame: &[u8]) {
        if self.looked.elapsed() >= LOOK {
            self.look();
        }
        if self.down.is_some() && matches!(self.way, Way::Socket(_)) {
            // It may go on sending into the void: the next look tells.
            return self.miss();
        }
        for _ in 0..TRIES {
            match self.put(frame) {
                Ok(()) => return self.note_sent(frame),
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => match cause.raw_os_error() {
                    Some(libc::ENOBUFS) if self.is_veth() => {
                        // It has no queue: its other end does not take the frame, and will not.
                        self.totals.dropped += 1;
                        return;
                    }
                    Some(libc::ENOBUFS | libc::EAGAIN) => thread::sleep(REST),
                    _ => return self.fail(frame, &cause),
                },
            }
        }
        self.totals.no_room += 1;
    }

    fn is_veth(&self) -> bool {
        self.totals.kind.as_deref() == Some("veth")
    }

    /// A frame is left behind, because the end was asked for.
    pub(super) fn leave(&mut self) {
        self.totals.left += 1;
    }

    /// What people should know of what happened since this was asked last.
    pub(super) fn take_notes(&mut self) -> Vec<String> {
        mem::take(&mut self.notes)
    }

    /// What became of everything.
    pub(super) fn finish(mut self) -> Totals {
        self.look();
        self.totals
    }

    fn put(&self, frame: &[u8]) -> io::Result<()> {
        match &self.way {
            Way::Socket(socket) => {
                rustix::net::send(socket, frame, SendFlags::empty())?;
            }
            Way::Tap(tap) => {
                rustix::io::write(tap.fd(), frame)?;
            }
        }
        Ok(())
    }

    fn note_sent(&mut self, frame: &[u8]) {
        self.totals.sent += 1;
        self.totals.bytes += frame.len() as u64;
        self.is_up();
    }

    fn fail(&mut self, frame: &[u8], cause: &io::Error) {
        match cause.raw_os_error() {
            Some(libc::EMSGSIZE) => {
                self.totals.too_long += 1;
                self.totals.longest = self.totals.longest.max(frame.len());
            }
            // A tap that is down says the last but one, and one that was deleted the last.
            Some(libc::ENETDOWN | libc::ENXIO | libc::ENODEV | libc::EIO | libc::EBADFD) => {
                self.is_down("is down, or away");
                self.miss();
            }
            _ => {
                self.totals.refused += 1;
                self.totals.reason = plain(cause);
            }
        }
    }

    fn miss(&mut self) {
        self.totals.down += 1;
        if let Some(missed) = &mut self.down {
            *missed += 1;
        }
    }

    fn is_down(&mut self, how: &str) {
        if self.down.is_none() {
            self.down = Some(0);
            self.notes.push(format!(
                "{}: {how}; frames are counted instead of sent until it is there again",
                shown(&self.totals.name)
            ));
        }
    }

    fn is_up(&mut self) {
        if let Some(missed) = self.down.take() {
            self.notes.push(format!(
                "{}: is there again; {missed} frames are missing before",
                shown(&self.totals.name)
            ));
        }
    }

    /// Looks at what became of the interface: it may be down, away, or there again under another number. A tap says so
    /// itself.
    fn look(&mut self) {
        self.looked = Instant::now();
        let Way::Socket(socket) = &self.way else {
            return;
        };
        let Ok(links) = link::links() else {
            return;
        };
        let Some(link) = links.iter().find(|link| link.name == self.totals.name) else {
            self.dropped_before = 0;
            return self.is_down("is away");
        };
        // Older kernels tell of it by the counter alone.
        let dropped = link.counters.unsent.saturating_sub(self.dropped_before);
        self.totals.dropped = self.totals.dropped.max(dropped);
        if !link.is_up() || !link.is_running() {
            self.is_down("is down");
        } else if self.down.is_some() && socket.bind_to_send(link.index.cast_signed()).is_ok() {
            // The fault of the time before would else be that of the next frame.
            socket.take_error();
            self.is_up();
        }
    }
}

/// Refuses what no Ethernet frame can be sent by.
fn check(link: &Link) -> Result<(), Error> {
    let Link { name, .. } = link;
    let name = shown(name);
    if !matches!(link.hardware, libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK) {
        let cause = "is no Ethernet interface; use a veth pair, or a tap".to_owned();
        return Err(refused(&name, cause));
    }
    if !link.is_up() {
        return Err(refused(
            &name,
            format!("is down: sudo ip link set {name} up"),
        ));
    }
    if !link.is_running() {
        let cause = match link.kind.as_deref() {
            Some("tun") => format!("is a tap that no program holds: --to {TAP}{name}"),
            Some("veth") => "its other end is down: sudo ip link set PEER up".to_owned(),
            _ => "has no carrier: nothing is at its other end".to_owned(),
        };
        return Err(refused(&name, cause));
    }
    Ok(())
}

fn refused(name: &str, cause: String) -> Error {
    Error::Inject {
        interface: shown(name),
        cause,
    }
}
