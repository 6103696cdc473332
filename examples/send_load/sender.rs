//! Sends frames as fast as the kernel takes them: many in one call, on a packet socket.

use std::io::{self, IoSlice};
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, IntoRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mirrorscope_dissectors::encap::Outer;
use pnet_datalink::{ChannelType, Config};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, MMsgHdr, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType, sendmmsg,
    socket_with,
};

use crate::load::Load;

/// Frames in one call.
const BATCH: usize = 64;

/// What to offer, and for how long.
#[derive(Clone, Debug)]
pub struct Offer {
    pub load: Load,
    /// The outer addresses and the id of the session of each of the two points.
    pub points: [(Outer, u16); 2],
    pub time: Duration,
    /// Frames in a second; as many as can be without.
    pub rate: Option<u64>,
}

/// What was sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// How often the interface could take no more; such frames were sent again until it took them.
    pub refused: u64,
    pub time: Duration,
}

impl Offer {
    /// Sends on an interface of the calling thread's network namespace until the load or the time is over, or until `stop`.
    pub fn send(&self, interface: &str, stop: &AtomicBool) -> io::Result<Sent> {
        let batch = self
            .rate
            .map_or(BATCH, |rate| (rate as usize / 1000).clamp(1, BATCH));
        let mut sender = Sender::open(interface, batch)?;
        let start = Instant::now();
        self.load.frames(self.points, |_, frame| {
            if !sender.push(frame) {
                return ControlFlow::Continue(());
            }
            if let Err(error) = sender.flush() {
                return ControlFlow::Break(Err(error));
            }
            if start.elapsed() >= self.time || stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(Ok(()));
            }
            if let Some(rate) = self.rate {
                let due = Duration::from_secs_f64(sender.sent.frames as f64 / rate as f64);
                std::thread::sleep(due.saturating_sub(start.elapsed()));
            }
            ControlFlow::Continue(())
        })?;
        sender.flush()?;
        sender.sent.time = start.elapsed();
        Ok(sender.sent)
    }
}

/// A packet socket, and the frames that wait for the next call.
struct Sender {
    socket: OwnedFd,
    batch: usize,
    bytes: Vec<u8>,
    /// Where each waiting frame ends in `bytes`.
    ends: Vec<usize>,
    sent: Sent,
}

impl Sender {
    fn open(interface: &str, batch: usize) -> io::Result<Self> {
        let found = pnet_datalink::interfaces()
            .into_iter()
            .find(|found| found.name == interface)
            .ok_or_else(|| io::Error::other(format!("no interface {interface}")))?;
        let flags = SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)?;
        // pnet binds it, by a copy that it then closes. Protocol 0: it shall receive nothing.
        let config = Config {
            channel_type: ChannelType::Layer3(0),
            promiscuous: false,
            socket_fd: Some(socket.try_clone()?.into_raw_fd()),
            ..Config::default()
        };
        pnet_datalink::channel(&found, config)?;
        rustix::io::ioctl_fionbio(&socket, false)?;
        Ok(Self {
            socket,
            batch,
            bytes: Vec::with_capacity(batch * 1600),
            ends: Vec::with_capacity(batch),
            sent: Sent::default(),
        })
    }

    /// Takes a frame; true if it is time to flush.
    fn push(&mut self, frame: &[u8]) -> bool {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
        self.ends.len() >= self.batch
    }

    /// Sends what waits, in order.
    fn flush(&mut self) -> io::Result<()> {
        let mut start = 0;
        let frames: Vec<[IoSlice<'_>; 1]> = self
            .ends
            .iter()
            .map(|end| {
                let frame = &self.bytes[start..*end];
                start = *end;
                [IoSlice::new(frame)]
            })
            .collect();
        let mut nothing: Vec<_> = frames
            .iter()
            .map(|_| SendAncillaryBuffer::default())
            .collect();
        let mut messages: Vec<MMsgHdr<'_>> = frames
            .iter()
            .zip(&mut nothing)
            .map(|(frame, nothing)| MMsgHdr::new(frame, nothing))
            .collect();
        let mut done = 0;
        while done < messages.len() {
            match sendmmsg(
                self.socket.as_fd(),
                &mut messages[done..],
                SendFlags::empty(),
            ) {
                Ok(sent) => done += sent,
                Err(Errno::NOBUFS | Errno::AGAIN) => self.sent.refused += 1,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        drop(messages);
        self.sent.frames += self.ends.len() as u64;
        self.sent.bytes += self.bytes.len() as u64;
        self.ends.clear();
        self.bytes.clear();
        Ok(())
    }
}
