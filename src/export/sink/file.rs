//! A log file: it is gone on with, put aside when it is large or old, and whole at any moment.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use mirrorscope_engine::time::Timestamp;

use super::{Sink, Then, Trouble};
use crate::export::chunk::Chunk;

/// When a file is put aside, and how many are kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation {
    /// It has so many bytes.
    pub size: Option<u64>,
    /// It is so old.
    pub time: Option<Duration>,
    /// Those that were put aside; without it, all stay.
    pub keep: Option<usize>,
}

/// Why a log with a header is not begun: it would have several.
const SHARED: &str = "another run writes to it; give each a file of its own";

/// A log file. Others may rename or delete it: then another one is begun under its name.
pub struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    open: Option<Open>,
    fresh: bool,
}

struct Open {
    file: File,
    /// Nobody else writes to it who asks for that.
    alone: bool,
    /// Somebody does.
    shared: bool,
    /// Bytes of whole records in it.
    length: u64,
    /// There is more in it than a header.
    used: bool,
    since: SystemTime,
}

impl LogFile {
    /// Opens it. A file that is there is gone on with, or put aside if it cannot be: one with a header.
    pub fn open(path: PathBuf, rotation: Rotation, headed: bool) -> io::Result<Self> {
        if headed && fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() > 0) {
            if let Err(TryLockError::WouldBlock) = File::open(&path)?.try_lock() {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, SHARED));
            }
            put_aside(&path)?;
            delete_oldest(&path, rotation.keep)?;
        }
        let mut log = Self {
            path,
            rotation,
            open: None,
            fresh: false,
        };
        let shared = log.opened()?.shared;
        if headed && shared {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, SHARED));
        }
        Ok(log)
    }

    fn opened(&mut self) -> io::Result<&mut Open> {
        let open = if let Some(open) = self.open.take() {
            open
        } else {
            let mut file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(&self.path)?;
            end_line(&self.path, &mut file)?;
            let length = file.metadata()?.len();
            self.fresh = length == 0;
            let locked = file.try_lock();
            Open {
                alone: locked.is_ok(),
                shared: matches!(locked, Err(TryLockError::WouldBlock)),
                file,
                length,
                used: length > 0,
                since: SystemTime::now(),
            }
        };
        Ok(self.open.insert(open))
    }

    /// Whether it is large or old enough.
    fn is_due(&self) -> bool {
        let Some(open) = self.open.as_ref().filter(|open| open.used) else {
            return false;
        };
        let large = self.rotation.size.is_some_and(|size| open.length >= size);
        let old = self
            .rotation
            .time
            .is_some_and(|time| open.since.elapsed().is_ok_and(|age| age >= time));
        large || old
    }

    /// Whether the file of that name is another one by now, or none.
    fn is_replaced(&self) -> bool {
        let Some(open) = &self.open else {
            return false;
        };
        let identity = |file: &fs::Metadata| (file.dev(), file.ino());
        let own = open.file.metadata().map(|file| identity(&file));
        let named = fs::metadata(&self.path).map(|file| identity(&file));
        match (own, named) {
            (Ok(own), Ok(named)) => own != named,
            (_, Err(cause)) => cause.kind() == io::ErrorKind::NotFound,
            _ => false,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let open = self.opened()?;
        let written = open.file.write_all(bytes);
        match written {
            Ok(()) => open.length += bytes.len() as u64,
            // What was written in part goes, so that lines stay whole: not what others wrote. Pipes and devices have no length.
            Err(_) if open.alone => drop(open.file.set_len(open.length)),
            Err(_) => {}
        }
        written
    }
}

impl Sink for LogFile {
    fn send(&mut self, chunk: &mut Chunk) -> Result<(), Trouble> {
        let result = self.write(chunk.bytes());
        // Space may come back; what waits for it would take memory meanwhile.
        result.map_err(|cause| Trouble {
            cause,
            then: Then::Lost,
        })?;
        if let Some(open) = &mut self.open {
            open.used |= chunk.count() > 0;
        }
        chunk.clear();
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.is_due() || self.is_replaced()
    }

    fn turn(&mut self, end: &Chunk) -> io::Result<()> {
        let ours = !self.is_replaced();
        if ours {
            put_aside(&self.path)?;
        }
        // It is still open, whatever it is called by now. What cannot be ended is whole without that.
        let _ = self.write(end.bytes());
        self.open = None;
        if ours {
            delete_oldest(&self.path, self.rotation.keep)?;
        }
        Ok(())
    }

    fn is_fresh(&mut self) -> bool {
        // What is wrong shows when something is written.
        let _ = self.opened();
        std::mem::take(&mut self.fresh)
    }
}

/// Ends a line that whoever wrote the file before left in the midst of it.
fn end_line(path: &Path, file: &mut File) -> io::Result<()> {
    let told = file.metadata()?;
    if !told.is_file() || told.len() == 0 {
        return Ok(());
    }
    let mut last = [b'\n'];
    // A file that may be written may not be read: then nobody knows.
    if let Ok(written) = File::open(path) {
        written.read_exact_at(&mut last, told.len() - 1)?;
    }
    if last == *b"\n" {
        return Ok(());
    }
    file.write_all(b"\n")
}

/// Gives a file a name with the time.
fn put_aside(path: &Path) -> io::Result<()> {
    let names = Names::of(path);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = Timestamp(now.map_or(0, |now| now.as_nanos() as i64));
    // 2026-11-22T08:00:00.123456789Z, without what file systems and shells dislike.
    let stamp: String = now
        .to_string()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    fs::rename(path, names.folder.join(names.with(&stamp)))
}

/// Deletes the oldest of those that were put aside if there are too many.
fn delete_oldest(path: &Path, keep: Option<usize>) -> io::Result<()> {
    let Some(keep) = keep else {
        return Ok(());
    };
    let names = Names::of(path);
    let mut aside = names.existing()?;
    aside.sort_unstable();
    let many = aside.len().saturating_sub(keep);
    for old in aside.into_iter().take(many) {
        match fs::remove_file(names.folder.join(old)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
    }
    Ok(())
}

/// Names of files that were put aside: `eve-20261122T080000123456789Z.json` of `eve.json`. They are in the order of time.
struct Names {
    folder: PathBuf,
    stem: String,
    ending: String,
}

impl Names {
    fn of(path: &Path) -> Self {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.unwrap_or_default().to_string_lossy().into_owned()
        };
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        Self {
            folder: folder.unwrap_or(Path::new(".")).to_owned(),
            stem: text(path.file_stem()),
            ending: path.extension().map_or_else(String::new, |ending| {
                format!(".{}", ending.to_string_lossy())
            }),
        }
    }

    fn with(&self, stamp: &str) -> String {
        format!("{}-{stamp}{}", self.stem, self.ending)
    }

    fn existing(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if self.has(&name) {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn has(&self, name: &str) -> bool {
        let stamp = name
            .strip_prefix(&self.stem)
            .and_then(|rest| rest.strip_prefix('-'))
            .and_then(|rest| rest.strip_suffix(&self.ending));
        stamp.is_some_and(|stamp| {
            stamp.len() == STAMP.len()
                && stamp.bytes().zip(STAMP.bytes()).all(|(own, model)| {
                    own == model || own.is_ascii_digit() && model.is_ascii_digit()
                })
        })
    }
}

/// A time as it stands in names.
const STAMP: &str = "20261122T080000123456789Z";

#[cfg(test)]
mod tests {
    use super::*;

    fn write(log: &mut LogFile, text: &str) {
        let mut chunk = Chunk::default();
        chunk.add(text.as_bytes());
        log.send(&mut chunk).unwrap();
        assert!(chunk.is_empty());
        if log.is_full() {
            let mut end = Chunk::default();
            end.add_of(b"end\n", 0);
            log.turn(&end).unwrap();
        }
    }

    fn listed(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn large_files_are_put_aside_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("eve-old.json"), "mine").unwrap();
        let rotation = Rotation {
            size: Some(10),
            keep: Some(2),
            ..Rotation::default()
        };
        let path = folder.path().join("eve.json");
        let mut log = LogFile::open(path.clone(), rotation, false).unwrap();
        for number in 0..5 {
            assert!(log.is_fresh(), "{number}");
            write(&mut log, &format!("line {number}\n"));
            assert!(!log.is_fresh());
            write(&mut log, "more\n");
        }
        write(&mut log, "last\n");
        let names = listed(folder.path());
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(names.contains(&"eve-old.json".to_owned()));
        let text = |name: &String| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!(text(&names[0]), "line 3\nmore\nend\n");
        assert_eq!(text(&names[1]), "line 4\nmore\nend\n");
        assert_eq!(fs::read_to_string(path).unwrap(), "last\n");
    }

    #[test]
    fn a_file_is_gone_on_with_unless_it_has_a_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conn.log");
        for headed in [false, false, true] {
            let mut log = LogFile::open(path.clone(), Rotation::default(), headed).unwrap();
            write(&mut log, "line\n");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "line\n");
        let names = listed(folder.path());
        assert_eq!(names.len(), 2);
        let aside = fs::read_to_string(folder.path().join(&names[0])).unwrap();
        assert_eq!(aside, "line\nline\n");
    }

    #[test]
    fn a_file_with_a_header_has_one_writer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("conn.log");
        let open = |headed| LogFile::open(path.clone(), Rotation::default(), headed);
        let mut log = open(true).unwrap();
        let refused = || open(true).map(drop).unwrap_err();
        assert_eq!(refused().kind(), io::ErrorKind::ResourceBusy);
        write(&mut log, "line\n");
        assert_eq!(refused().kind(), io::ErrorKind::ResourceBusy);
        assert!(
            open(false).is_ok(),
            "without one its lines may be of several"
        );
        drop(log);
        assert!(open(true).is_ok());
        assert_eq!(listed(folder.path()).len(), 2);
    }

    #[test]
    fn a_line_that_was_left_in_its_midst_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eve.json");
        fs::write(&path, "{\"half").unwrap();
        let mut log = LogFile::open(path.clone(), Rotation::default(), false).unwrap();
        write(&mut log, "one\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"half\none\n");
    }

    #[test]
    fn a_file_that_others_take_away_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("eve.json");
        let mut log = LogFile::open(path.clone(), Rotation::default(), false).unwrap();
        write(&mut log, "one\n");
        fs::rename(&path, folder.path().join("eve.json.1")).unwrap();
        assert!(log.is_full());
        let mut end = Chunk::default();
        end.add_of(b"end\n", 0);
        log.turn(&end).unwrap();
        assert!(log.is_fresh() && !log.is_full());
        write(&mut log, "two\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "two\n");
        let aside = fs::read_to_string(folder.path().join("eve.json.1")).unwrap();
        assert_eq!(aside, "one\nend\n");
    }

    #[test]
    fn a_full_disk_leaves_whole_lines() {
        // This device is always full.
        let mut log = LogFile::open("/dev/full".into(), Rotation::default(), false).unwrap();
        let mut chunk = Chunk::default();
        chunk.add(b"line\n");
        let trouble = log.send(&mut chunk).unwrap_err();
        assert_eq!(trouble.then, Then::Lost);
        assert_eq!(trouble.cause.kind(), io::ErrorKind::StorageFull);
    }
}
