//! A file that is written under its own name, and holds whole packets at any moment.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// An ordinary file that only ever grows by whole packets: if the process is killed, readers find at most the very last one cut;
/// if the disk is full, not even that.
///
/// It is locked while it is written, so that a second writer notices.
pub(super) struct OwnFile {
    path: PathBuf,
    file: File,
    /// Bytes that are written.
    len: u64,
}

/// Why not all was written, and how much was.
#[derive(Debug)]
pub(super) struct Cut {
    /// What the system said.
    pub cause: io::Error,
    /// Of the packets that were to be written, those that the file holds.
    pub packets: usize,
}

impl OwnFile {
    /// Makes a file, or empties one that is there.
    pub fn create(path: &Path) -> io::Result<Self> {
        // Not before it is known that nobody else writes it.
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let new = Self::lock(path, file)?;
        new.file.set_len(0)?;
        Ok(new)
    }

    /// Makes a file that must not be there yet.
    pub fn create_new(path: &Path) -> io::Result<Self> {
        Self::lock(path, File::create_new(path)?)
    }

    fn lock(path: &Path, file: File) -> io::Result<Self> {
        // Where files cannot be locked, nothing can be noticed.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let text = "another process is writing it";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        Ok(Self {
            path: path.to_owned(),
            file,
            len: 0,
        })
    }

    /// Its name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that are written.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Somebody deleted it: what is written now is lost.
    pub fn is_deleted(&self) -> bool {
        self.file
            .metadata()
            .is_ok_and(|metadata| metadata.nlink() == 0)
    }

    /// Empties it.
    pub fn empty(&mut self) -> io::Result<()> {
        self.len = 0;
        self.file.set_len(0)
    }

    /// Deletes it.
    pub fn remove(self) {
        // There is nothing in it; if it stays, it is only in the way.
        let _ = fs::remove_file(&self.path);
    }

    /// Appends packets. `ends` are the places in `bytes` where each of them ends.
    pub fn append(&mut self, bytes: &[u8], ends: &[usize]) -> Result<(), Cut> {
        let mut written = 0;
        while written < bytes.len() {
            match self
                .file
                .write_at(&bytes[written..], self.len + written as u64)
            {
                Ok(0) => return Err(self.cut(io::ErrorKind::WriteZero.into(), written, ends)),
                Ok(count) => written += count,
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                Err(cause) => return Err(self.cut(cause, written, ends)),
            }
        }
        self.len += written as u64;
        Ok(())
    }

    /// Cuts the file behind its last whole packet.
    pub(super) fn cut(&mut self, cause: io::Error, written: usize, ends: &[usize]) -> Cut {
        let packets = ends.partition_point(|&end| end <= written);
        if let Some(last) = packets.checked_sub(1) {
            self.len += ends[last] as u64;
        }
        // If that fails too, readers find a cut packet.
        let _ = self.file.set_len(self.len);
        Cut { cause, packets }
    }
}
