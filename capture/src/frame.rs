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
    /// The captured bytes.
    pub bytes: &'a [u8],
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
    pub start: usize,
    pub len: usize,
}

/// No capture holds longer packets (libpcap's own limit); a longer one is a sign of corruption.
pub(crate) const MAX_PACKET: u32 = 262_144;
