//! Blocks that are put together here: those of packets, because they are many, and those whose 64-bit times `pcap-file` writes
//! with the halves exchanged.

use std::io;

/// The end of options, and its length.
const END: [u8; 4] = [0; 4];
/// Option with a text for people, for any block.
const COMMENT: u16 = 1;
/// Length of a block's type and length before its fields.
const HEAD: usize = 8;

/// A block that grows, in a buffer that is used again.
pub(super) struct Block<'a> {
    bytes: &'a mut Vec<u8>,
    options: bool,
}

impl<'a> Block<'a> {
    /// Begins one of a type.
    pub fn new(bytes: &'a mut Vec<u8>, kind: u32) -> Self {
        bytes.clear();
        bytes.extend(kind.to_le_bytes());
        // Its length is known at the end.
        bytes.extend([0; 4]);
        Self {
            bytes,
            options: false,
        }
    }

    /// Adds a field.
    pub fn field(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    /// Adds a time: its upper half comes first, whatever the byte order.
    pub fn time(&mut self, time: u64) {
        self.field((time >> 32) as u32);
        self.field(time as u32);
    }

    /// Adds bytes, and fills them up to whole words.
    pub fn padded(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// Adds a record or an option: two numbers, and bytes that have room in it.
    pub fn entry(&mut self, code: u16, parts: &[&[u8]]) {
        let len: usize = parts.iter().map(|part| part.len()).sum();
        self.bytes.extend(code.to_le_bytes());
        self.bytes.extend((len as u16).to_le_bytes());
        for part in parts {
            self.bytes.extend(*part);
        }
        self.padded(&[]);
    }

    /// Adds an option of 32 bits.
    pub fn number(&mut self, code: u16, value: u32) {
        self.option(code, &value.to_le_bytes());
    }

    /// Adds an option of 64 bits that is no time.
    pub fn count(&mut self, code: u16, value: u64) {
        self.option(code, &value.to_le_bytes());
    }

    /// Adds an option that is a time.
    pub fn moment(&mut self, code: u16, time: u64) {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&((time >> 32) as u32).to_le_bytes());
        bytes[4..].copy_from_slice(&(time as u32).to_le_bytes());
        self.option(code, &bytes);
    }

    /// Adds a text for people, if there is one, as much of it as there is room for.
    pub fn comment(&mut self, text: &str) {
        if !text.is_empty() {
            self.option(COMMENT, fitting(text).as_bytes());
        }
    }

    fn option(&mut self, code: u16, bytes: &[u8]) {
        self.options = true;
        self.entry(code, &[bytes]);
    }

    /// Ends it. The error is a block of 4 GiB or more.
    pub fn finish(self) -> io::Result<()> {
        if self.options {
            self.bytes.extend(END);
        }
        let len = u32::try_from(self.bytes.len() + 4).map_err(|_| {
            let text = "frame of nearly 4 GiB or more";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })?;
        self.bytes[4..HEAD].copy_from_slice(&len.to_le_bytes());
        self.bytes.extend(len.to_le_bytes());
        Ok(())
    }
}

/// As much of a text as an option holds.
pub(super) fn fitting(text: &str) -> &str {
    cut(text, usize::from(u16::MAX))
}

/// The beginning of a text, cut between letters.
pub(super) fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
