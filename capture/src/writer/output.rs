//! Output files that are never seen half-written.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::Error;

/// Bytes gathered before they are written.
const ROOM: usize = 256 * 1024;

/// A file that appears under its name only when complete.
///
/// It is written beside its place and moved there by [`commit`](Self::commit); dropped without, it
/// leaves nothing. Standard output and existing special files (`/dev/null`, a FIFO) are written
/// directly. Writes are buffered, and their errors name the file.
pub struct OutputFile {
    name: String,
    target: BufWriter<Target>,
}

enum Target {
    Direct(File),
    Beside { file: NamedTempFile, place: PathBuf },
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Direct(file) => file.write(bytes),
            // Not through `tempfile`, which would put the passing name into errors.
            Self::Beside { file, .. } => file.as_file_mut().write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl OutputFile {
    /// Prepares a file; `-` is standard output. An existing file is replaced only by `commit`.
    ///
    /// # Errors
    ///
    /// [`Error::Directory`], [`Error::PermissionDenied`], and [`Error::Open`] for anything else.
    pub fn create(path: &Path) -> Result<Self, Error> {
        if path.as_os_str() == "-" {
            let name = "standard output".to_owned();
            return match io::stdout().as_fd().try_clone_to_owned() {
                Ok(fd) => Ok(Self::new(name, Target::Direct(File::from(fd)))),
                Err(cause) => Err(Error::Open { file: name, cause }),
            };
        }
        let name = path.display().to_string();
        match Target::open(path) {
            Ok(target) => Ok(Self::new(name, target)),
            Err(cause) => Err(match cause.kind() {
                io::ErrorKind::NotFound => Error::Open { file: name, cause },
                _ => Error::open(name, cause),
            }),
        }
    }

    fn new(name: String, target: Target) -> Self {
        Self {
            name,
            target: BufWriter::with_capacity(ROOM, target),
        }
    }

    /// Writes what is buffered, and puts the file in its place.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; the place is then as it was before.
    pub fn commit(self) -> Result<(), Error> {
        let name = self.name;
        let placed = match self.target.into_inner() {
            Ok(Target::Direct(_)) => Ok(()),
            Ok(Target::Beside { file, place }) => {
                file.persist(place).map(drop).map_err(|error| error.error)
            }
            Err(error) => Err(error.into_error()),
        };
        placed.map_err(|cause| Error::Write { file: name, cause })
    }

    fn named(&self, cause: io::Error) -> io::Error {
        let kind = cause.kind();
        let file = self.name.clone();
        io::Error::new(kind, Error::Write { file, cause })
    }
}

impl Target {
    fn open(path: &Path) -> io::Result<Self> {
        // A link stays a link: what it points to is replaced (a dangling one is replaced itself).
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let existing = match fs::metadata(&place) {
            Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            // Opening also asks whether it may be written at all, which renaming would not.
            Ok(metadata) => Some((metadata, File::options().write(true).open(&place)?)),
            Err(_) => None,
        };
        let permissions = match existing {
            Some((metadata, file)) if !metadata.is_file() => return Ok(Self::Direct(file)),
            Some((metadata, _)) => Some(metadata.permissions()),
            None => None,
        };
        let folder = match place.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut prefix = OsString::from(".");
        prefix.push(place.file_name().unwrap_or_default());
        prefix.push(".");
        let file = Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        if let Some(permissions) = permissions {
            file.as_file().set_permissions(permissions)?;
        }
        Ok(Self::Beside { file, place })
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.target.write(bytes).map_err(|cause| self.named(cause))
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.target
            .write_all(bytes)
            .map_err(|cause| self.named(cause))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.target.flush().map_err(|cause| self.named(cause))
    }
}
