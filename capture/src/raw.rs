//! Bytes as the system gives them: a regular file, or a pipe that may wait for more.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

use crate::Error;

/// How long a silent pipe is waited for before `stop` is looked at again.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 20_000_000,
};

/// An open file, and how far it was read.
pub(crate) struct Raw {
    file: File,
    /// Size if it is a regular file; anything else may block.
    total: Option<u64>,
    stop: Arc<AtomicBool>,
    /// Bytes read so far.
    read: u64,
    state: State,
    /// Whoever reads has something else to do while nothing comes.
    hasty: bool,
    /// Where in a regular file the reading began.
    start: u64,
}

/// How the latest read went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// It brought bytes.
    Flows,
    /// Nothing was there, and nobody waited.
    Idle,
    /// The end was reached.
    Ended,
    /// `stop` ended it.
    Interrupted,
    /// The system failed.
    Failed,
}

impl Raw {
    /// Opens a path, `-` being standard input. Does not block, not even for a FIFO without a writer.
    pub fn open(path: &Path, stop: Arc<AtomicBool>) -> Result<Self, Error> {
        let file = if path.as_os_str() == "-" {
            io::stdin().as_fd().try_clone_to_owned().map(File::from)
        } else {
            let flags = OFlags::NONBLOCK.bits().cast_signed();
            OpenOptions::new().read(true).custom_flags(flags).open(path)
        };
        let opened = file.and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|cause| Error::open(display(path), cause))?;
        if metadata.is_dir() {
            return Err(Error::Directory {
                file: display(path),
            });
        }
        // Somebody may have read from standard input before.
        let start = (&file).stream_position().unwrap_or_default();
        Ok(Self {
            file,
            start,
            total: metadata.is_file().then_some(metadata.len()),
            stop,
            read: 0,
            state: State::Flows,
            hasty: false,
        })
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// Size of the file, if it is a regular one.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Its end was reached.
    pub fn ended(&self) -> bool {
        self.state == State::Ended
    }

    /// `stop` ended it, so that its end is not the data's end.
    pub fn interrupted(&self) -> bool {
        self.state == State::Interrupted
    }

    /// The system failed to read, so that an error is not the data's fault.
    pub fn failed(&self) -> bool {
        self.state == State::Failed
    }

    /// Whether a pipe is not waited for: a read that would is an error of the kind [`io::ErrorKind::WouldBlock`] then.
    pub fn set_hasty(&mut self, hasty: bool) -> bool {
        std::mem::replace(&mut self.hasty, hasty)
    }

    /// Nothing came when it was read last, and it has not ended.
    pub fn idle(&self) -> bool {
        self.state == State::Idle
    }

    /// A regular file once more, to be read at any place, and where in it the reading began.
    pub fn again(&self) -> Option<io::Result<(File, u64)>> {
        self.total?;
        Some(self.file.try_clone().map(|file| (file, self.start)))
    }

    /// Waits a moment for bytes, or the end, to be there.
    fn ready(&self) -> io::Result<bool> {
        if self.total.is_some() {
            return Ok(true);
        }
        let mut fds = [PollFd::new(&self.file, PollFlags::IN)];
        match poll(&mut fds, Some(&PATIENCE)) {
            Ok(count) => Ok(count > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

impl Read for Raw {
    /// Reads what is there, waiting for the first byte; 0 at the end or once `stop` is true.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.stop.load(Ordering::Relaxed) {
                self.state = State::Interrupted;
                return Ok(0);
            }
            let result = match self.ready() {
                Ok(true) => self.file.read(buffer),
                Ok(false) if self.hasty => {
                    self.state = State::Idle;
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(false) => continue,
                Err(cause) => Err(cause),
            };
            match result {
                Ok(count) => {
                    self.read += count as u64;
                    self.state = if count == 0 {
                        State::Ended
                    } else {
                        State::Flows
                    };
                    return Ok(count);
                }
                Err(cause)
                    if matches!(
                        cause.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                    ) => {}
                Err(cause) => {
                    self.state = State::Failed;
                    return Err(cause);
                }
            }
        }
    }
}

/// A path as messages name it.
pub(crate) fn display(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}
