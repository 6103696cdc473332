//! A thread that writes, so that a slow disk does not hold up whoever receives packets.

use std::io;
use std::mem;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::{self, JoinHandle};

use super::encoder::{Interface, Name};
use super::{Direction, InterfaceDescription, Packet, Series, Statistics, Totals};

/// Bytes that are handed over together.
const BATCH: usize = 256 * 1024;

/// A [`Series`] that a thread of its own writes, behind a queue of bounded size.
///
/// Packets for which the queue has no room are counted; the packets in it are never lost.
pub struct Queue {
    to: SyncSender<Batch>,
    /// Emptied batches, to be filled again.
    back: Receiver<Batch>,
    notes: Receiver<String>,
    thread: Option<JoinHandle<io::Result<Totals>>>,
    batch: Batch,
    interfaces: u32,
    dropped: u64,
}

/// What is handed over at once.
#[derive(Default)]
struct Batch {
    /// Interfaces that are new.
    interfaces: Vec<Interface>,
    names: Vec<Name>,
    /// Counters by interface.
    statistics: Vec<(u32, Statistics)>,
    packets: Vec<Waiting>,
    bytes: Vec<u8>,
    /// Behind the packets: a second is over.
    tick: Option<i64>,
    /// Behind the packets: that was all.
    end: Option<i64>,
}

/// A packet, its bytes in the batch.
struct Waiting {
    now: i64,
    time: i64,
    interface: u32,
    wire_len: u32,
    direction: Option<Direction>,
    /// Where its bytes end; they begin where what is before them ends.
    end: usize,
    /// Its comment is behind them, up to here.
    comment: usize,
}

impl Batch {
    fn size(&self) -> usize {
        self.bytes.len() + self.packets.len() * size_of::<Waiting>()
    }

    fn clear(&mut self) {
        self.interfaces.clear();
        self.names.clear();
        self.statistics.clear();
        self.packets.clear();
        self.bytes.clear();
        self.tick = None;
        self.end = None;
    }
}

impl Queue {
    /// Starts the thread. `room` is how many bytes may wait for it.
    pub fn start(series: Series, room: usize) -> io::Result<Self> {
        let (to, from) = sync_channel((room / BATCH).max(1));
        let (give_back, back) = channel();
        let (tell, notes) = channel();
        let thread = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || write(series, &from, &give_back, &tell))?;
        Ok(Self {
            to,
            back,
            notes,
            thread: Some(thread),
            batch: Batch::default(),
            interfaces: 0,
            dropped: 0,
        })
    }

    /// Declares an interface; returns its number.
    pub fn add_interface(&mut self, interface: &InterfaceDescription<'_>) -> u32 {
        self.batch.interfaces.push(Interface::new(interface));
        self.interfaces += 1;
        self.interfaces - 1
    }

    /// Tells the counters of an interface, as [`Series::tell`].
    pub fn tell(&mut self, interface: u32, statistics: Statistics) {
        let told = &mut self.batch.statistics;
        // What waits already is of no interest any more.
        told.retain(|(known, _)| *known != interface);
        told.push((interface, statistics));
    }

    /// Names an address, as [`Series::name`].
    pub fn name(&mut self, address: IpAddr, name: &str) {
        self.batch.names.push((address, name.to_owned()));
    }

    /// Hands a packet over, or counts it if there is no room.
    ///
    /// # Errors
    ///
    /// What ended the writing.
    pub fn write(&mut self, now: i64, packet: &Packet<'_>) -> io::Result<()> {
        if self.batch.size() >= BATCH && !self.send()? {
            self.dropped += 1;
            return Ok(());
        }
        let bytes = &mut self.batch.bytes;
        bytes.extend_from_slice(packet.bytes);
        let end = bytes.len();
        bytes.extend_from_slice(packet.comment.unwrap_or_default().as_bytes());
        self.batch.packets.push(Waiting {
            now,
            time: packet.time,
            interface: packet.interface,
            wire_len: packet.wire_len,
            direction: packet.direction,
            end,
            comment: self.batch.bytes.len(),
        });
        Ok(())
    }

    /// Hands over what there is, to be written soon. To be called once a second.
    ///
    /// # Errors
    ///
    /// What ended the writing.
    pub fn tick(&mut self, now: i64) -> io::Result<()> {
        self.batch.tick = Some(now);
        self.send().map(drop)
    }

    /// What people should know of what happened since this was asked last, a line each.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.notes.try_iter().collect()
    }

    /// Packets for which there was no room in the queue.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Waits until all is written.
    ///
    /// # Errors
    ///
    /// What ended the writing.
    pub fn finish(&mut self, now: i64) -> io::Result<Totals> {
        self.batch.end = Some(now);
        // Whether it was taken or the thread has ended already, its result tells.
        let _ = self.to.send(mem::take(&mut self.batch));
        self.result()
    }

    /// Sends the batch; false if the queue is full, and the batch stays.
    fn send(&mut self) -> io::Result<bool> {
        let batch = mem::take(&mut self.batch);
        match self.to.try_send(batch) {
            Ok(()) => {
                self.batch = self.back.try_recv().unwrap_or_default();
                Ok(true)
            }
            Err(TrySendError::Full(batch)) => {
                self.batch = batch;
                Ok(false)
            }
            Err(TrySendError::Disconnected(_)) => Err(match self.result() {
                Err(cause) => cause,
                Ok(_) => io::Error::other("the writing ended too early"),
            }),
        }
    }

    fn result(&mut self) -> io::Result<Totals> {
        let ended = || io::Error::other("the thread that writes ended with an error");
        let thread = self.thread.take().ok_or_else(ended)?;
        thread.join().unwrap_or_else(|_| Err(ended()))
    }
}

/// The thread.
fn write(
    mut series: Series,
    from: &Receiver<Batch>,
    give_back: &Sender<Batch>,
    tell: &Sender<String>,
) -> io::Result<Totals> {
    while let Ok(mut batch) = from.recv() {
        for interface in batch.interfaces.drain(..) {
            series.add(interface);
        }
        for (address, name) in batch.names.drain(..) {
            series.name(address, &name);
        }
        let mut start = 0;
        for packet in &batch.packets {
            series.write(
                packet.now,
                &Packet {
                    interface: packet.interface,
                    time: packet.time,
                    wire_len: packet.wire_len,
                    bytes: &batch.bytes[start..packet.end],
                    direction: packet.direction,
                    comment: str::from_utf8(&batch.bytes[packet.end..packet.comment]).ok(),
                },
            )?;
            start = packet.comment;
        }
        for (interface, statistics) in batch.statistics.drain(..) {
            series.tell(interface, statistics);
        }
        if let Some(now) = batch.tick {
            series.tick(now)?;
        }
        let end = batch.end.map(|now| series.finish(now));
        for note in series.take_notes() {
            // Whoever asked for packets to be written may be gone.
            let _ = tell.send(note);
        }
        if let Some(totals) = end {
            return totals;
        }
        batch.clear();
        let _ = give_back.send(batch);
    }
    // Nobody waits for the result.
    Ok(Totals::default())
}
