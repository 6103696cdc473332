//! Wireshark's toolbar: the mirror sessions that were seen, and the one that was chosen.
//!
//! A message is `T`, three bytes of length, the number of a control, a command, and what it is about.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::{Context, Result};

use crate::command::decap::sessions::Chosen;

/// The control that sessions are chosen by.
pub const SESSION: u8 = 0;
/// What stands for all of them there.
pub const ALL: &str = "all";
/// The first byte of a message.
const SYNC: u8 = b'T';
/// Longer messages say nothing that is known here.
const LONGEST: usize = 4096;

/// Commands that are used, by their numbers.
mod command {
    pub const SET: u8 = 1;
    pub const ADD: u8 = 2;
}

/// The two ways to and from the toolbar.
pub struct Control {
    from: File,
    to: File,
}

impl Control {
    /// Opens both. A FIFO that is open for reading and writing waits for nobody at its other end.
    pub fn open(from: &Path, to: &Path) -> Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().read(true).write(true).open(path);
            file.with_context(|| path.display().to_string())
        };
        Ok(Self {
            from: open(from)?,
            to: open(to)?,
        })
    }

    /// Listens to the toolbar, and tells it of sessions as they appear.
    pub fn start(self) -> Result<Chosen> {
        let (told, sessions) = channel();
        let chosen = Chosen::new(told);
        let Self { mut from, to } = self;
        let choice = Arc::clone(chosen.choice());
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        thread("toolbar").spawn(move || {
            // Without a toolbar the choice stays as it is.
            while let Ok((control, command, value)) = read(&mut from) {
                if control == SESSION && command == command::SET {
                    choice.set(value.parse().ok());
                }
            }
        })?;
        thread("toolbar, told").spawn(move || tell(to, &sessions))?;
        Ok(chosen)
    }
}

/// Tells of sessions until there is nobody to tell any more.
fn tell(mut to: File, sessions: &Receiver<(u32, String)>) {
    for (number, name) in sessions {
        let value = format!("{number}\0{name}");
        if to
            .write_all(&message(SESSION, command::ADD, &value))
            .is_err()
        {
            return;
        }
    }
}

/// A message as it is written.
fn message(control: u8, command: u8, value: &str) -> Vec<u8> {
    let value = value
        .as_bytes()
        .get(..LONGEST - 2)
        .unwrap_or(value.as_bytes());
    let [_, length @ ..] = (value.len() as u32 + 2).to_be_bytes();
    let mut bytes = vec![SYNC];
    bytes.extend(length);
    bytes.extend([control, command]);
    bytes.extend(value);
    bytes
}

/// Reads a message: the control, the command, and what it is about.
fn read(from: &mut impl Read) -> io::Result<(u8, u8, String)> {
    let mut head = [0; 6];
    from.read_exact(&mut head)?;
    let [sync, length @ .., control, command] = head;
    let [high, middle, low] = length;
    let length = u32::from_be_bytes([0, high, middle, low]) as usize;
    if sync != SYNC || !(2..=LONGEST).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut value = vec![0; length - 2];
    from.read_exact(&mut value)?;
    Ok((
        control,
        command,
        String::from_utf8_lossy(&value).into_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_are_written() {
        let bytes = message(0, command::ADD, "7\0dc1 fw1");
        assert_eq!(bytes[..7], [b'T', 0, 0, 11, 0, 2, b'7']);
        let read_back = read(&mut bytes.as_slice()).unwrap();
        assert_eq!(read_back, (0, 2, "7\0dc1 fw1".to_owned()));
    }

    #[test]
    fn what_is_no_message_ends_the_reading() {
        for bytes in [
            &b"X\0\0\x02\0\x01"[..],
            b"T\0\0\x01\0\x01",
            b"T\xff\xff\xff\0\x01",
            b"T\0\0\x09\0\x01ab",
            b"",
        ] {
            assert!(read(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
