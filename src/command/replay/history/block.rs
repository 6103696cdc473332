//! A piece of the history.

use std::sync::atomic::{AtomicU32, Ordering};

use mirrorscope_capture::Place;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::Timestamp;

/// Entries in a block, at most.
const ENTRIES: usize = 1 << 16;
/// The frame is in the block itself.
const HERE: u64 = 1 << 63;
/// Nobody knows whose the frame is; a part of a datagram that is not complete.
const NOBODY: u32 = u32::MAX;

/// Entries, and the frames among them that cannot be read again.
pub struct Block {
    /// Number of the first entry.
    first: u64,
    entries: Vec<Entry>,
    kept: Vec<Kept>,
    bytes: Vec<u8>,
}

/// A frame of a flow.
struct Entry {
    /// The lower half of the flow's number: flows that share it are billions apart.
    flow: AtomicU32,
    /// The lower half of the frame's number in its file.
    number: u32,
    place: u64,
}

/// A frame in memory.
struct Kept {
    time: Timestamp,
    wire_len: u32,
    interface: u32,
    link: LinkType,
    start: u32,
    len: u32,
}

/// Where a frame is.
pub enum Spot<'a> {
    /// In a file, with its number there.
    File(Place, u64),
    /// Here.
    Memory(Frame<'a>),
}

impl Block {
    /// An empty one.
    pub fn new(first: u64) -> Self {
        Self {
            first,
            entries: Vec::new(),
            kept: Vec::new(),
            bytes: Vec::new(),
        }
    }

    /// Number of its first entry.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Number of the entry that follows its last.
    pub fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// No entry has room any more.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= ENTRIES
    }

    /// Bytes of frames and of entries.
    pub fn size(&self) -> [usize; 2] {
        let kept = self.bytes.len() + self.kept.len() * size_of::<Kept>();
        [kept, self.entries.len() * size_of::<Entry>()]
    }

    /// Adds a frame, which is copied unless it has a place in a file. Returns the number of its entry.
    pub fn add(&mut self, frame: &Frame<'_>, place: Option<Place>, flow: Option<u64>) -> u64 {
        let place = place.map_or_else(|| HERE | self.keep(frame), Place::to_bits);
        self.entries.push(Entry {
            flow: AtomicU32::new(flow.map_or(NOBODY, |flow| flow as u32)),
            number: frame.number as u32,
            place,
        });
        self.next() - 1
    }

    /// Adds an entry of another flow for the frame that was added last.
    pub fn add_again(&mut self, flow: u64) {
        let Some(last) = self.entries.last() else {
            return;
        };
        let entry = Entry {
            flow: AtomicU32::new(flow as u32),
            ..*last
        };
        self.entries.push(entry);
    }

    fn keep(&mut self, frame: &Frame<'_>) -> u64 {
        self.kept.push(Kept {
            time: frame.time,
            wire_len: frame.wire_len,
            interface: frame.interface,
            link: frame.link,
            start: self.bytes.len() as u32,
            len: frame.bytes.len() as u32,
        });
        self.bytes.extend_from_slice(frame.bytes);
        self.kept.len() as u64 - 1
    }

    /// Tells whose frame an entry is.
    pub fn assign(&self, number: u64, flow: u64) {
        let index = number.checked_sub(self.first);
        if let Some(entry) = index.and_then(|index| self.entries.get(index as usize)) {
            entry.flow.store(flow as u32, Ordering::Relaxed);
        }
    }

    /// The frames of some flows, in order of arrival: the numbers of their first entries. `flows` ascend. What carries packets
    /// of several of them is told several times.
    pub fn of<'a>(&'a self, flows: &'a [u32]) -> impl Iterator<Item = u64> + 'a {
        let wanted = move |entry: &Entry| {
            let flow = entry.flow.load(Ordering::Relaxed);
            match flows {
                [only] => *only == flow,
                several => several.binary_search(&flow).is_ok(),
            }
        };
        let entries = self.entries.iter().enumerate();
        let entries = entries.filter(move |(_, entry)| wanted(entry));
        entries.map(|(index, entry)| {
            let before = self.entries.get(..index).unwrap_or_default().iter().rev();
            let same = before.take_while(|before| before.place == entry.place);
            self.first + (index - same.count()) as u64
        })
    }

    /// Where the frame of an entry is.
    pub fn spot(&self, number: u64) -> Option<Spot<'_>> {
        let index = number.checked_sub(self.first)?;
        let entry = self.entries.get(index as usize)?;
        let number = u64::from(entry.number);
        if entry.place & HERE == 0 {
            return Some(Spot::File(Place::from_bits(entry.place), number));
        }
        let kept = self.kept.get((entry.place & !HERE) as usize)?;
        let start = kept.start as usize;
        Some(Spot::Memory(Frame {
            time: kept.time,
            wire_len: kept.wire_len,
            link: kept.link,
            interface: kept.interface,
            number,
            bytes: self.bytes.get(start..start + kept.len as usize)?,
        }))
    }
}
