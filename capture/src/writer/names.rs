//! Names of the files that a rotating writer makes: `mirror_00001_20261121212759.pcapng`, as dumpcap has them.

use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Digits of a time: year, month, day, hour, minute, second.
const STAMP: usize = 14;
/// Digits that a number has at least.
const NUMBER: usize = 5;

/// The names that belong to one name: a number and a time before its ending.
pub(super) struct Names {
    folder: PathBuf,
    stem: OsString,
    /// With its dot, or nothing.
    ending: OsString,
    next: u64,
}

/// A file with such a name.
#[derive(Debug)]
struct Kept {
    /// Its time, as digits.
    stamp: u64,
    number: u64,
    path: PathBuf,
}

impl Names {
    /// Goes on behind what earlier runs left. `path` is a name without number and time.
    pub fn new(path: &Path) -> io::Result<Self> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let mut ending = OsString::new();
        if let Some(extension) = path.extension() {
            ending.push(".");
            ending.push(extension);
        }
        let mut names = Self {
            folder,
            stem: path.file_stem().unwrap_or_default().to_owned(),
            ending,
            next: 1,
        };
        let highest = names.existing()?.into_iter().map(|file| file.number).max();
        names.next = highest.map_or(1, |highest| highest + 1);
        Ok(names)
    }

    /// The folder of all of them.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The next name, for a file that begins at `time` in nanoseconds since the epoch.
    pub fn next(&mut self, time: i64) -> PathBuf {
        let time = Timestamp::from_nanosecond(i128::from(time)).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut name = self.stem.clone();
        name.push(format!(
            "_{:05}_{}",
            self.next,
            time.strftime("%Y%m%d%H%M%S")
        ));
        name.push(&self.ending);
        self.next += 1;
        self.folder.join(name)
    }

    /// Takes the last number back: its file is not there.
    pub fn take_back(&mut self) {
        self.next = self.next.saturating_sub(1).max(1);
    }

    /// Whether a file has such a name.
    pub fn has(&self, path: &Path) -> bool {
        let folder = |folder: &Path| fs::canonicalize(folder).ok();
        let same = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => {
                folder(parent) == folder(&self.folder)
            }
            _ => folder(Path::new(".")) == folder(&self.folder),
        };
        same && path
            .file_name()
            .is_some_and(|name| self.parse(name).is_some())
    }

    /// How many files have such names.
    pub fn count(&self) -> io::Result<usize> {
        Ok(self.existing()?.len())
    }

    /// Deletes the files with the lowest numbers until `keep` are left, those of earlier runs among them. A file that is being written, by this
    /// process or another one, stays.
    pub fn prune(&self, keep: usize) -> io::Result<()> {
        let mut files = self.existing()?;
        files.sort_unstable_by_key(|file| Reverse((file.number, file.stamp)));
        for file in files.iter().skip(keep) {
            let open = File::open(&file.path);
            if matches!(
                open.map(|file| file.try_lock()),
                Ok(Err(TryLockError::WouldBlock))
            ) {
                continue;
            }
            match fs::remove_file(&file.path) {
                Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
                _ => {}
            }
        }
        Ok(())
    }

    /// The files with such names.
    fn existing(&self) -> io::Result<Vec<Kept>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Some((number, stamp)) = self.parse(&entry.file_name())
                && entry.file_type().is_ok_and(|kind| kind.is_file())
            {
                files.push(Kept {
                    stamp,
                    number,
                    path: entry.path(),
                });
            }
        }
        Ok(files)
    }

    /// The number and the time in a name, if it is of this pattern.
    fn parse(&self, name: &OsStr) -> Option<(u64, u64)> {
        let middle = name
            .as_bytes()
            .strip_prefix(self.stem.as_bytes())?
            .strip_suffix(self.ending.as_bytes())?
            .strip_prefix(b"_")?;
        let (number, stamp) = std::str::from_utf8(middle).ok()?.split_once('_')?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if number.len() < NUMBER || stamp.len() != STAMP || !digits(number) || !digits(stamp) {
            return None;
        }
        let number: u32 = number.parse().ok()?;
        Some((u64::from(number), stamp.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T21:27:59.5Z.
    const TIME: i64 = 1_795_296_479_500_000_000;

    fn touch(folder: &Path, name: &str) {
        fs::write(folder.join(name), b"").unwrap();
    }

    fn listed(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn names_are_those_of_dumpcap_and_go_on_behind_earlier_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mirror.pcapng");
        let name = |names: &mut Names| names.next(TIME).file_name().unwrap().to_owned();
        let mut names = Names::new(&path).unwrap();
        assert_eq!(name(&mut names), "mirror_00001_20261121212759.pcapng");
        assert_eq!(name(&mut names), "mirror_00002_20261121212759.pcapng");
        touch(folder.path(), "mirror_00041_20261121212759.pcapng");
        touch(folder.path(), "mirror_99999999999999_20261121212759.pcapng");
        let mut names = Names::new(&path).unwrap();
        assert_eq!(name(&mut names), "mirror_00042_20261121212759.pcapng");
        let mut bare = Names::new(&folder.path().join("mirror")).unwrap();
        assert_eq!(name(&mut bare), "mirror_00001_20261121212759");
    }

    #[test]
    fn the_oldest_go_and_other_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let others = [
            "mirror.pcapng",
            "mirror_00001_20261121212759.pcap",
            "mirror_0001_20261121212759.pcapng",
            "mirror_00001_2026112121275x.pcapng",
            "mirror_+0001_20261121212759.pcapng",
            "mirror_b_00001_20261121212759.pcapng",
        ];
        for name in others {
            touch(folder.path(), name);
        }
        // Two runs of a program that counts from 1 each time.
        for name in [
            "00002_20261121000001",
            "00001_20261122000000",
            "00002_20261122000001",
            "00003_20261121000002",
        ] {
            touch(folder.path(), &format!("mirror_{name}.pcapng"));
        }
        let names = Names::new(&folder.path().join("mirror.pcapng")).unwrap();
        names.prune(2).unwrap();
        let mut expected: Vec<String> = others.map(str::to_owned).to_vec();
        expected.push("mirror_00002_20261122000001.pcapng".to_owned());
        expected.push("mirror_00003_20261121000002.pcapng".to_owned());
        expected.sort();
        assert_eq!(listed(folder.path()), expected);
    }

    #[test]
    fn a_file_that_is_being_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let held = folder.path().join("mirror_00001_20261121000000.pcapng");
        let file = File::create(&held).unwrap();
        file.lock().unwrap();
        touch(folder.path(), "mirror_00002_20261121000001.pcapng");
        touch(folder.path(), "mirror_00003_20261121000002.pcapng");
        let names = Names::new(&folder.path().join("mirror.pcapng")).unwrap();
        names.prune(1).unwrap();
        let left = [
            "mirror_00001_20261121000000.pcapng",
            "mirror_00003_20261121000002.pcapng",
        ];
        assert_eq!(listed(folder.path()), left);
    }
}
