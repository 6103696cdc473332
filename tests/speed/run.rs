//! One run of a program: its time, its processor time and its memory, as the kernel counts them.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;
use wait4::Wait4 as _;

/// What a run took, and what it said.
#[derive(Debug)]
pub struct Run {
    /// Seconds on the wall.
    pub wall: f64,
    /// Seconds of processors, in the program and in the kernel for it.
    pub cpu: f64,
    /// Most resident memory, in bytes.
    pub memory: u64,
    pub success: bool,
    /// Holds what it said, as that may be more than should be held here.
    said: TempDir,
}

impl Run {
    /// Runs a program to its end.
    pub fn of(command: Command) -> io::Result<Self> {
        Self::with_input(command, Stdio::null())
    }

    /// The same with something to read. What it says goes to files, so that it never waits for a reader.
    pub fn with_input(mut command: Command, input: Stdio) -> io::Result<Self> {
        let said = tempfile::tempdir()?;
        command
            .stdin(input)
            .stdout(File::create(said.path().join("out"))?)
            .stderr(File::create(said.path().join("err"))?);
        let begin = Instant::now();
        let mut child = command.spawn()?;
        let used = child.wait4()?;
        Ok(Self {
            wall: begin.elapsed().as_secs_f64(),
            cpu: (used.rusage.utime + used.rusage.stime).as_secs_f64(),
            memory: used.rusage.maxrss,
            success: used.status.success(),
            said,
        })
    }

    /// The file with what it printed.
    pub fn out_path(&self) -> PathBuf {
        self.said.path().join("out")
    }

    /// What it printed.
    pub fn out(&self) -> String {
        fs::read_to_string(self.out_path()).unwrap_or_default()
    }

    /// What it said on standard error.
    pub fn err(&self) -> String {
        fs::read_to_string(self.said.path().join("err")).unwrap_or_default()
    }
}

/// The one in the middle; of an even number the mean of the two there.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}
