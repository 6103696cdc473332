//! pnet's datalink: the source for systems without a packet ring. A thread for each interface copies frames into a queue.
//!
//! Frames have the time at which they were read, not the kernel's, and VLAN tags that the card takes off are lost. What the
//! kernel drops is counted on Linux only. Where these matter, there is the ring.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::mem;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pnet_datalink::{Channel, Config, DataLinkReceiver, NetworkInterface};

use super::clock::now;
use super::{Dropped, Event, InterfaceStatistics, Options, Taken, Via, find};
use crate::error::{Error, plain};
use crate::frame::{Interface, MAX_PACKET};
use crate::host::capability;

const LINKTYPE_ETHERNET: u16 = 1;
const LINKTYPE_RAW: u16 = 101;
/// After so long without a frame a thread looks whether it shall end.
const PATIENCE: Duration = Duration::from_millis(250);

/// A frame that was read.
#[derive(Debug)]
struct Copied {
    time: i64,
    interface: u32,
    bytes: Box<[u8]>,
}

/// What the threads and the reader share.
#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// The reader has found nothing, and sleeps.
    sleeps: AtomicBool,
    /// The reader is gone.
    ended: AtomicBool,
    doors: Vec<Door>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Copied>,
    bytes: usize,
}

/// The state of an interface, as its thread sees it.
#[derive(Debug, Default)]
struct Door {
    dropped: AtomicU64,
    /// It gives errors instead of frames.
    down: AtomicBool,
}

/// What the kernel lost of an interface.
#[derive(Default)]
struct Kernel {
    /// Its socket, by which it is asked.
    socket: Option<OwnedFd>,
    dropped: u64,
}

/// All interfaces.
pub struct Portable {
    interfaces: Vec<Interface>,
    frames: Vec<u64>,
    down: Vec<bool>,
    kernel: Vec<Kernel>,
    /// Those that no thread reads yet.
    receivers: Vec<Box<dyn DataLinkReceiver>>,
    shared: Arc<Shared>,
    /// Bytes that may wait.
    room: usize,
    wake: UnixStream,
    waker: UnixStream,
    batch: VecDeque<Copied>,
    /// Frames at the front of it that were taken.
    taken: usize,
}

impl Portable {
    /// Opens all interfaces; frames come once it was started.
    pub fn open(options: &Options) -> Result<(Self, Vec<String>), Error> {
        let found = find::interfaces(&options.interfaces)?;
        let found = if found.is_empty() {
            let all = pnet_datalink::interfaces().into_iter();
            all.filter(NetworkInterface::is_up).collect()
        } else {
            found
        };
        let channels: Result<Vec<_>, Error> = found
            .iter()
            .map(|interface| channel(interface, options))
            .collect();
        let (receivers, kernel) = channels?.into_iter().unzip();
        let refused = |error: io::Error| Error::Receive {
            name: "portable source".to_owned(),
            cause: plain(&error),
        };
        let (wake, waker) = UnixStream::pair().map_err(refused)?;
        wake.set_nonblocking(true).map_err(refused)?;
        waker.set_nonblocking(true).map_err(refused)?;
        let portable = Self {
            interfaces: found.iter().map(described).collect(),
            frames: vec![0; found.len()],
            down: vec![false; found.len()],
            kernel,
            receivers,
            shared: Arc::new(Shared {
                queue: Mutex::default(),
                sleeps: AtomicBool::new(false),
                ended: AtomicBool::new(false),
                doors: found.iter().map(|_| Door::default()).collect(),
            }),
            room: options.queue,
            wake,
            waker,
            batch: VecDeque::new(),
            taken: 0,
        };
        let mut notes = vec![
            "through the portable source, times are those of reading, and VLAN tags may be missing"
                .to_owned(),
        ];
        if portable.kernel.iter().any(|kernel| kernel.socket.is_none()) {
            notes.push("what the kernel drops is not known through the portable source".to_owned());
        }
        if !options.pass.all || !options.pass.sources.is_empty() {
            notes.push("the portable source has no kernel filter: all frames are read".to_owned());
        }
        Ok((portable, notes))
    }

    /// Starts the threads.
    pub fn start(&mut self) -> Result<(), Error> {
        for (number, receiver) in self.receivers.drain(..).enumerate() {
            let refused = |error: io::Error| Error::Receive {
                name: "portable source".to_owned(),
                cause: plain(&error),
            };
            let reader = Reader {
                receiver,
                number,
                room: self.room,
                shared: Arc::clone(&self.shared),
                waker: self.waker.try_clone().map_err(refused)?,
            };
            thread::Builder::new()
                .name(format!("receive-{number}"))
                .spawn(move || reader.run())
                .map_err(refused)?;
        }
        Ok(())
    }

    /// The interfaces that were asked for.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// What to wait for.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.wake.as_fd()]
    }

    /// When the next frame came, if there is one now; never waits.
    pub fn ready(&mut self) -> Option<i64> {
        self.batch.drain(..mem::take(&mut self.taken));
        if self.batch.is_empty() {
            self.fetch();
        }
        if self.batch.is_empty() {
            // Said before the last look: who adds a frame after it sees that somebody must be woken.
            self.shared.sleeps.store(true, Ordering::SeqCst);
            let mut calls = [0; 64];
            while matches!(self.wake.read(&mut calls), Ok(1..)) {}
            self.fetch();
        }
        self.more()
    }

    /// The same, if it was fetched together with those that were taken.
    pub fn more(&mut self) -> Option<i64> {
        let frame = self.batch.get(self.taken)?;
        Some(frame.time)
    }

    fn fetch(&mut self) {
        let mut queue = lock(&self.shared.queue);
        mem::swap(&mut queue.frames, &mut self.batch);
        queue.bytes = 0;
    }

    /// The frame that `ready` or `more` told of.
    pub fn take(&mut self) -> Option<Taken> {
        let frame = self.batch.get(self.taken)?;
        if let Some(frames) = self.frames.get_mut(frame.interface as usize) {
            *frames += 1;
        }
        let taken = Taken {
            time: frame.time,
            wire_len: frame.bytes.len() as u32,
            interface: frame.interface,
            buffer: self.taken,
            start: 0,
            len: frame.bytes.len(),
        };
        self.taken += 1;
        Some(taken)
    }

    /// The bytes of a frame that was taken since `ready`.
    pub fn bytes(&self, taken: &Taken) -> Option<&[u8]> {
        let frame = self.batch.get(taken.buffer)?;
        Some(&frame.bytes)
    }

    /// Frames by interface, and what found no room in the queue.
    pub fn statistics(&mut self) -> Vec<InterfaceStatistics> {
        for kernel in &mut self.kernel {
            kernel.look();
        }
        let doors = self.shared.doors.iter().zip(&self.frames);
        let doors = doors.zip(&self.kernel);
        let all = self.interfaces.iter().zip(doors).enumerate();
        all.map(
            |(number, (interface, ((door, frames), kernel)))| InterfaceStatistics {
                interface: number as u32,
                name: interface.name.clone().unwrap_or_default(),
                via: Via::Portable,
                present: !door.down.load(Ordering::Relaxed),
                frames: *frames,
                dropped: Dropped {
                    socket: kernel.dropped,
                    queue: door.dropped.load(Ordering::Relaxed),
                    ..Dropped::default()
                },
            },
        )
        .collect()
    }

    /// Once a second: interfaces that give errors, or frames again.
    pub fn tick(&mut self, now: i64) -> Vec<Event> {
        let doors = self.shared.doors.iter().zip(&mut self.down);
        let all = self.interfaces.iter().zip(doors);
        all.filter_map(|(interface, (door, down))| {
            let is_down = door.down.load(Ordering::Relaxed);
            if mem::replace(down, is_down) == is_down {
                return None;
            }
            let name = interface.name.as_deref().unwrap_or_default();
            let what = if is_down {
                "is down or gone; one that was made anew is not followed by the portable source"
            } else {
                "is back"
            };
            Some(Event {
                time: now,
                interface: name.to_owned(),
                text: format!("{name} {what}"),
            })
        })
        .collect()
    }
}

impl Drop for Portable {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
    }
}

/// A thread's part: one interface.
struct Reader {
    receiver: Box<dyn DataLinkReceiver>,
    number: usize,
    room: usize,
    shared: Arc<Shared>,
    waker: UnixStream,
}

impl Reader {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let Some(door) = shared.doors.get(self.number) else {
            return;
        };
        while !shared.ended.load(Ordering::Relaxed) {
            match self.receiver.next() {
                Ok(bytes) => {
                    let frame = Copied {
                        time: now(),
                        interface: self.number as u32,
                        bytes: bytes.into(),
                    };
                    door.down.store(false, Ordering::Relaxed);
                    self.hand_over(frame, door);
                }
                // Nothing came, which says that the interface can be read.
                Err(error) if error.kind() == ErrorKind::TimedOut => {
                    door.down.store(false, Ordering::Relaxed);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    door.down.store(true, Ordering::Relaxed);
                    thread::sleep(PATIENCE);
                }
            }
        }
    }

    fn hand_over(&mut self, frame: Copied, door: &Door) {
        {
            let mut queue = lock(&self.shared.queue);
            let size = frame.bytes.len() + size_of::<Copied>();
            if queue.bytes + size > self.room {
                door.dropped.fetch_add(1, Ordering::Relaxed);
                return;
            }
            queue.bytes += size;
            queue.frames.push_back(frame);
        }
        if self.shared.sleeps.swap(false, Ordering::SeqCst) {
            // If it cannot be written, calls that nobody has heard yet are waiting.
            let _ = self.waker.write(&[1]);
        }
    }
}

/// A thread that died holding it left a queue that can be used.
fn lock(queue: &Mutex<Queue>) -> std::sync::MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kernel {
    /// Adds what was lost since the last look.
    fn look(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(socket) = &self.socket {
            let dropped = super::socket::packet_drops(socket.as_fd());
            self.dropped += u64::from(dropped.unwrap_or_default());
        }
    }
}

/// What reads an interface, and what tells of its losses.
fn channel(
    interface: &NetworkInterface,
    options: &Options,
) -> Result<(Box<dyn DataLinkReceiver>, Kernel), Error> {
    let refused = |error: io::Error| Error::Receive {
        name: interface.name.clone(),
        cause: match error.kind() {
            ErrorKind::PermissionDenied => capability::how_to_grant("cap_net_raw"),
            _ => plain(&error),
        },
    };
    let (socket, kernel) = socket(options.buffer).map_err(refused)?;
    let config = Config {
        read_buffer_size: MAX_PACKET as usize,
        read_timeout: Some(PATIENCE),
        promiscuous: options.promiscuous,
        socket_fd: socket,
        ..Config::default()
    };
    match pnet_datalink::channel(interface, config).map_err(refused)? {
        Channel::Ethernet(_, receiver) => Ok((receiver, kernel)),
        _ => Err(refused(ErrorKind::Unsupported.into())),
    }
}

/// A packet socket that leaves out what this host sends, and another handle of it. It hears nothing until pnet binds it.
#[cfg(target_os = "linux")]
fn socket(buffer: usize) -> io::Result<(Option<i32>, Kernel)> {
    use std::os::fd::IntoRawFd as _;

    use socket2::{Domain, Socket, Type};

    let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
    super::socket::set(
        socket.as_fd(),
        libc::SOL_PACKET,
        libc::PACKET_IGNORE_OUTGOING,
        1,
    )?;
    super::tap::ask_for_buffer(&socket, buffer)?;
    let kernel = Kernel {
        socket: Some(socket.try_clone()?.into()),
        dropped: 0,
    };
    Ok((Some(socket.into_raw_fd()), kernel))
}

/// pnet opens what the system has.
#[cfg(not(target_os = "linux"))]
fn socket(_: usize) -> io::Result<(Option<i32>, Kernel)> {
    Ok((None, Kernel::default()))
}

fn described(interface: &NetworkInterface) -> Interface {
    // What has no MAC address and only one other end begins with IP.
    let tunnel = interface.is_point_to_point() && interface.mac.is_none();
    Interface {
        source: "live".to_owned(),
        name: Some(interface.name.clone()),
        description: None,
        link_type: if tunnel {
            LINKTYPE_RAW
        } else {
            LINKTYPE_ETHERNET
        },
    }
}
