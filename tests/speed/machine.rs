//! What the figures were measured on.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustix::fs::statvfs;

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Bytes of memory that programs can still have.
pub fn available() -> u64 {
    let memory = read("/proc/meminfo");
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) << 10
}

/// Prints what is known of the machine and the programs.
pub fn print(programs: &[crate::tool::Program]) {
    let field = |text: &str, name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .map(str::to_owned);
        let value = line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()));
        value.unwrap_or_default()
    };
    let cpu = read("/proc/cpuinfo");
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let memory: f64 = memory.trim_end_matches(" kB").parse().unwrap_or(0.0);
    println!(
        "{} × {}, {} cache, {:.0} GiB; Linux {}; {}\n",
        std::thread::available_parallelism().map_or(1, usize::from),
        field(&cpu, "model name"),
        field(&cpu, "cache size"),
        memory / f64::from(1 << 20),
        read("/proc/sys/kernel/osrelease").trim(),
        read("/etc/os-release")
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))
            .unwrap_or_default()
            .trim_matches('"'),
    );
    for (program, argument) in programs
        .iter()
        .map(|program| (program.path.as_path(), "--version"))
        .chain([("tcpdump", "--version"), ("tshark", "--version")].map(|(p, a)| (Path::new(p), a)))
    {
        let Ok(said) = Command::new(program).arg(argument).output() else {
            continue;
        };
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        println!("- {}", said.lines().next().unwrap_or_default());
    }
    println!("- load when it began: {}", read("/proc/loadavg").trim());
    println!();
}

/// Bytes that are free where a folder is.
pub fn free(folder: &Path) -> u64 {
    statvfs(folder).map_or(u64::MAX, |disk| disk.f_bavail * disk.f_frsize)
}
