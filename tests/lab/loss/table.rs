//! The table: a line for each run, and what follows from all of them.

use std::fmt;

use crate::plan::Kind;
use crate::receiver::Receiver;

/// One run.
#[derive(Debug)]
pub struct Row {
    pub kind: Kind,
    /// KiB.
    pub buffer: u32,
    pub receiver: Receiver,
    /// Frames that were sent.
    pub frames: u64,
    pub bytes: u64,
    pub seconds: f64,
    pub lost: u64,
    /// Processor time, in seconds.
    pub cpu: f64,
    /// Resident memory while it ran, in KiB.
    pub memory: Vec<u64>,
}

impl Row {
    pub const HEADER: &str = "\
load       buffer  program       frames/s  Gbit/s        sent        lost     lost %  CPU %  us/frame  MiB: a third, end";

    /// Memory after a third of the run, and at its end.
    fn memory(&self) -> [u64; 2] {
        let last = self.memory.len() - 1;
        [self.memory[last / 3], self.memory[last]]
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            buffer,
            receiver,
            frames,
            bytes,
            seconds,
            lost,
            cpu,
            ..
        } = self;
        let percent = percent(*lost, *frames);
        let received = (frames - lost).max(1) as f64;
        let [third, end] = self.memory().map(|kib| kib / 1024);
        write!(
            f,
            "{kind:10} {:>5}M  {receiver:11} {:>10.0} {:>7.3} {frames:>11} {lost:>11} {percent:>9.4}% {:>6.0} {:>9.3} {third:>8} {end:>8}",
            buffer / 1024,
            *frames as f64 / seconds,
            *bytes as f64 * 8e-9 / seconds,
            cpu / seconds * 100.0,
            cpu / received * 1e6,
        )
    }
}

fn percent(lost: u64, frames: u64) -> f64 {
    lost as f64 * 100.0 / frames.max(1) as f64
}

/// In a shorter run, in seconds, memory is not yet what it will be: every flow must have been seen, every buffer used.
const LONG: f64 = 30.0;

/// All runs.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// What was measured more than once, in order.
    fn groups(&self) -> Vec<(Kind, u32)> {
        let mut groups: Vec<(Kind, u32)> = self.rows.iter().map(|r| (r.kind, r.buffer)).collect();
        groups.dedup();
        groups
    }

    /// Percent that a program lost in all rounds together.
    fn lost(&self, group: (Kind, u32), receiver: Receiver) -> f64 {
        let rows = self
            .rows
            .iter()
            .filter(|row| (row.kind, row.buffer) == group && row.receiver == receiver);
        let (lost, frames) = rows.fold((0, 0), |(lost, frames), row| {
            (lost + row.lost, frames + row.frames)
        });
        percent(lost, frames)
    }

    /// Where mirrorscope lost more than tcpdump, by more than `tolerance` percent; and where its memory grew.
    pub fn faults(&self, tolerance: f64) -> Vec<String> {
        let mut faults = Vec::new();
        for group @ (kind, buffer) in self.groups() {
            let [tcpdump, ours] = Receiver::BOTH.map(|receiver| self.lost(group, receiver));
            if ours > tcpdump + tolerance {
                faults.push(format!(
                    "{kind}, buffer {} MiB: mirrorscope lost {ours:.4} %, tcpdump {tcpdump:.4} %",
                    buffer / 1024
                ));
            }
        }
        for row in &self.rows {
            let [third, end] = row.memory();
            let judged = row.receiver == Receiver::Mirrorscope && row.seconds >= LONG;
            if judged && end > third + third / 20 + 4096 {
                faults.push(format!("memory grew from {third} to {end} KiB: {row}"));
            }
        }
        faults
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nall rounds   buffer   tcpdump lost   mirrorscope lost")?;
        for group @ (kind, buffer) in self.groups() {
            let [tcpdump, ours] = Receiver::BOTH.map(|receiver| self.lost(group, receiver));
            writeln!(
                f,
                "{kind:11} {:>6}M {tcpdump:>13.4}% {ours:>17.4}%",
                buffer / 1024
            )?;
        }
        Ok(())
    }
}
