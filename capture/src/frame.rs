//! What a source delivers: frames, and the interfaces they came from.

/// One captured frame, lent by its source.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured, in nanoseconds since the Unix epoch.
    pub time: i64,
    /// Length on the wire, in bytes; more than `bytes` when the capture cut the frame.
    pub wire_len: u32,
    /// Index into the interfaces of its source.
    pub interface: u32,
    /// The interface itself, which tells what the bytes begin with.
    pub origin: &'a Interface,
    /// Number in its file, from 1, as Wireshark shows it.
    pub number: u64,
    /// Where it can be read again; None for frames that come live, of pipes and of compressed files.
    pub place: Option<Place>,
    /// The captured bytes.
    pub bytes: &'a [u8],
}

/// Where a frame is in the files of a run: 15 bits tell the file, 48 the place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place(u64);

impl Place {
    /// Bits of the place in a file.
    const BITS: u32 = 48;
    /// Files that are told apart.
    const FILES: usize = 1 << 15;

    /// The place of a record; None where it could not be told from others.
    pub(crate) fn new(file: usize, offset: u64) -> Option<Self> {
        (file < Self::FILES && offset < 1 << Self::BITS)
            .then_some(Self((file as u64) << Self::BITS | offset))
    }

    /// The same from its number.
    pub fn from_bits(bits: u64) -> Self {
        Self(bits & (u64::MAX >> 1))
    }

    /// A number of 63 bits.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// Index of the file.
    pub(crate) fn file(self) -> usize {
        (self.0 >> Self::BITS) as usize
    }

    /// Where in it the record begins.
    pub(crate) fn offset(self) -> u64 {
        self.0 & ((1 << Self::BITS) - 1)
    }
}

/// Most frames that a source lends at once: enough that the memory which they lead to can come near together, few enough that
/// all of it has room there.
pub const BATCH: usize = 32;

/// Where frames came from: one per pcap file, one per interface block of a pcapng file.
///
/// `name` and `description` are a file's own text; it may hold control characters, so escape it
/// before it goes to a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// The file's path as given, `-` for standard input.
    pub source: String,
    /// The interface's name (pcapng `if_name`).
    pub name: Option<String>,
    /// The interface's description (pcapng `if_description`).
    pub description: Option<String>,
    /// What its frames begin with: a LINKTYPE number (1 = Ethernet).
    pub link_type: u16,
}

/// A frame as a reader found it: its facts, and where its bytes lie in the input's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub time: i64,
    pub wire_len: u32,
    pub interface: u32,
    pub number: u64,
    /// Where its record begins in the unpacked file; [`NOWHERE`] if it cannot be read alone.
    pub offset: u64,
    pub start: usize,
    pub len: usize,
}

/// No place in a file.
pub(crate) const NOWHERE: u64 = u64::MAX;

/// No capture holds longer packets (libpcap's own limit); a longer one is a sign of corruption.
pub(crate) const MAX_PACKET: u32 = 262_144;
