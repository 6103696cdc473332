//! Everything that can go wrong with capture files and live sources, in words for the person who gave them.

use std::fmt;
use std::io;

/// A fault of one file or interface. Its text names the file, the place and the reason, in one line.
///
/// Byte offsets count from the start of the capture data: in a compressed file, of what it unpacks
/// to. Packets are numbered from 1, as in Wireshark.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing has this name.
    #[error("{file}: no such file")]
    NoSuchFile {
        /// The path as given.
        file: String,
    },
    /// The path names a directory.
    #[error("{file}: is a directory")]
    Directory {
        /// The path as given.
        file: String,
    },
    /// The system does not let us open it.
    #[error("{file}: permission denied")]
    PermissionDenied {
        /// The path as given.
        file: String,
    },
    /// It could not be opened or created, for another reason.
    #[error("{file}: cannot open: {}", Plain(cause))]
    Open {
        /// The path as given.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// `-` was given more than once.
    #[error("standard input can be read only once")]
    StandardInputTwice,
    /// It ended before its first byte.
    #[error("{file}: empty file")]
    Empty {
        /// The path as given.
        file: String,
    },
    /// Its first bytes are those of no capture format.
    #[error("{file}: not a capture file: starts with {}", Start(start))]
    NotACapture {
        /// The path as given.
        file: String,
        /// The first bytes, 8 at most.
        start: Vec<u8>,
    },
    /// A known format that is not read here.
    #[error("{file}: {format} is not supported")]
    Unsupported {
        /// The path as given.
        file: String,
        /// What it is.
        format: &'static str,
    },
    /// A version of a capture format that is not read here.
    #[error("{file}: unsupported {format} version {major}.{minor}")]
    Version {
        /// The path as given.
        file: String,
        /// `pcap` or `pcapng`.
        format: &'static str,
        /// Version before the dot.
        major: u16,
        /// Version after the dot.
        minor: u16,
    },
    /// The file ends inside its first header.
    #[error("{file}: cut short inside the file header, {have} of {want} bytes")]
    CutHeader {
        /// The path as given.
        file: String,
        /// Bytes that are there.
        have: u64,
        /// Bytes the header has.
        want: u64,
    },
    /// The file ends inside a packet; every packet before it was delivered.
    #[error("{file}: packet {packet} at byte {offset}: cut short, {have} of {want} bytes")]
    CutPacket {
        /// The path as given.
        file: String,
        /// Number of the packet.
        packet: u64,
        /// Where its record or block begins.
        offset: u64,
        /// Bytes of the record or block that are there, header included.
        have: u64,
        /// Bytes it has, as far as known.
        want: u64,
    },
    /// The file ends inside a pcapng block that is no packet.
    #[error("{file}: block at byte {offset}: cut short, {have} of {want} bytes")]
    CutBlock {
        /// The path as given.
        file: String,
        /// Where the block begins.
        offset: u64,
        /// Bytes of the block that are there.
        have: u64,
        /// Bytes it has, as far as known.
        want: u64,
    },
    /// A packet with an impossible captured length; the file cannot be read past it.
    #[error("{file}: packet {packet} at byte {offset}: corrupt: packet claims {claimed} bytes")]
    Oversized {
        /// The path as given.
        file: String,
        /// Number of the packet.
        packet: u64,
        /// Where its record or block begins.
        offset: u64,
        /// The captured length in its header.
        claimed: u32,
    },
    /// A pcapng block that contradicts itself; the file cannot be read past it.
    #[error("{file}: block at byte {offset}: corrupt: {reason}")]
    BadBlock {
        /// The path as given.
        file: String,
        /// Where the block begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The first packet of a pcapng interface that no block declared; such packets are left out.
    #[error(
        "{file}: packet {packet} at byte {offset}: left out, interface {interface} is not declared"
    )]
    UndeclaredInterface {
        /// The path as given.
        file: String,
        /// Number of the packet.
        packet: u64,
        /// Where its block begins.
        offset: u64,
        /// The interface's number in its section.
        interface: u32,
    },
    /// Compressed data that does not unpack; what came before was delivered.
    #[error("{file}: {compression} data {} at unpacked byte {offset}", if *.cut { "cut short" } else { "damaged" })]
    Compressed {
        /// The path as given.
        file: String,
        /// `gzip` or `zstd`.
        compression: &'static str,
        /// It ends too early, rather than being wrong.
        cut: bool,
        /// How many bytes were unpacked before.
        offset: u64,
    },
    /// The system failed to read on.
    #[error("{file}: read error at byte {offset}: {}", Plain(cause))]
    Read {
        /// The path as given.
        file: String,
        /// How many bytes were read before.
        offset: u64,
        /// What the system said.
        cause: io::Error,
    },
    /// An output could not be written or put in its place.
    #[error("{file}: {}", Plain(cause))]
    Write {
        /// The path as given, `standard output` for `-`.
        file: String,
        /// What the system said.
        cause: io::Error,
    },
    /// A live source could not be opened or read.
    #[error("{name}: {cause}")]
    Receive {
        /// The interface, or the kind of source.
        name: String,
        /// What the system said, or what is missing.
        cause: String,
    },
    /// A live source was asked for without an interface.
    #[error("no interface given: {}", Known(known))]
    NoInterface {
        /// The interfaces that there are.
        known: Vec<String>,
    },
    /// No interface has this name, number or address.
    #[error("{interface}: no such interface: {}", Known(known))]
    NoSuchInterface {
        /// The interface as given.
        interface: String,
        /// The interfaces that there are.
        known: Vec<String>,
    },
    /// The system lets only programs with a capability capture.
    #[error("{interface}: cannot capture: {how}, or receive without it: --via endpoint")]
    MissingCapability {
        /// The interface as given.
        interface: String,
        /// What is missing, and how it is granted.
        how: String,
    },
    /// No frames can be put on an interface.
    #[error("{interface}: {cause}")]
    Inject {
        /// The interface as given.
        interface: String,
        /// Why not, and what to do.
        cause: String,
    },
    /// An interface cannot be captured, for another reason.
    #[error("{interface}: {what}: {}", Plain(cause))]
    Live {
        /// The interface as given.
        interface: String,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        cause: io::Error,
    },
    /// So many prefixes or ports were given that the kernel takes no filter for them.
    #[error(
        "the kernel filter would have {needed} instructions, {most} at most are possible: give fewer prefixes or ports"
    )]
    FilterTooLong {
        /// Instructions of the filter.
        needed: usize,
        /// The kernel's bound.
        most: usize,
    },
}

impl Error {
    /// The fault of a path that did not open.
    pub(crate) fn open(file: String, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::NotFound => Self::NoSuchFile { file },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { file },
            io::ErrorKind::IsADirectory => Self::Directory { file },
            _ => Self::Open { file, cause },
        }
    }
}

/// The text of a system error as people read it: lower case, without its number.
#[must_use]
pub fn plain(error: &io::Error) -> String {
    Plain(error).to_string()
}

/// The interfaces that there are.
struct Known<'a>(&'a [String]);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => write!(f, "there is none"),
            names => write!(f, "there are {}, and any", names.join(", ")),
        }
    }
}

/// A system error as people read it: lower case, without its number.
struct Plain<'a>(&'a io::Error);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = text.split(" (os error ").next().unwrap_or_default();
        let mut letters = text.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        write!(
            f,
            "{}{}",
            first.map(String::from).unwrap_or_default(),
            letters.as_str()
        )
    }
}

/// The first bytes of a file, and what they may be.
struct Start<'a>(&'a [u8]);

impl fmt::Display for Start<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            write!(f, "{}{byte:02x}", if i == 0 { "" } else { " " })?;
        }
        if self
            .0
            .iter()
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
        {
            write!(f, ", text: \"{}\"", self.0.escape_ascii())?;
        }
        Ok(())
    }
}
