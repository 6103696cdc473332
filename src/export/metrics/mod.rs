//! Metrics for Prometheus: a picture of the run, made now and then, and put into words when somebody asks.

mod families;
mod serve;
mod text;

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::report::Report;
use mirrorscope_engine::time::Timestamp;
use rustix::time::{ClockId, clock_gettime};

use serve::Server;

use super::target::Listen;

/// What is known of the run by now.
#[derive(Clone, Debug, Default)]
pub struct Picture {
    /// How a live run goes.
    pub live: Option<LiveReport>,
    /// What was found when all flows were looked at last, and when that was.
    pub report: Option<(Timestamp, Arc<Report>)>,
    /// Flows in the table, what they take, and how many there may be.
    pub flows: usize,
    /// Bytes that they take.
    pub flow_bytes: usize,
    /// Most of them.
    pub max_flows: usize,
    /// Bytes of memory that the process has, where the system tells.
    pub resident: Option<u64>,
    /// Seconds of processor time that it took.
    pub processor: f64,
    /// Others who are fed.
    pub outlets: Vec<Way>,
}

/// How it goes with somebody who is fed.
#[derive(Clone, Debug)]
pub struct Way {
    /// Who that is.
    pub name: String,
    /// Records that arrived.
    pub delivered: u64,
    /// Records that never will.
    pub lost: u64,
    /// Whether the last ones arrived.
    pub reached: bool,
}

/// A port that was taken for metrics.
pub struct Port {
    server: Server,
    /// The system's own count of memory: opened before files can no longer be.
    memory: Option<File>,
}

impl Port {
    /// Takes it.
    pub fn open(at: &Listen) -> Result<Self> {
        Ok(Self {
            server: Server::bind(at)?,
            memory: File::open("/proc/self/statm").ok(),
        })
    }

    /// Where metrics can be read, for people; and whether others than this host may.
    pub fn told(&self) -> Result<String> {
        let address = self.server.address()?;
        let all = if address.ip().is_loopback() {
            ""
        } else {
            ", by everybody who reaches that address"
        };
        Ok(format!(
            "metrics can be read at http://{address}/metrics{all}"
        ))
    }

    /// Serves them from now on.
    pub fn start(self) -> Result<Metrics> {
        let picture = Arc::new(Mutex::new(Arc::new(Picture::default())));
        let shown = Arc::clone(&picture);
        let page = move || families::page(&latest(&shown));
        self.server
            .start(Arc::new(page))
            .context("no thread for --metrics")?;
        Ok(Metrics {
            picture,
            memory: self.memory,
        })
    }
}

/// What readers get.
pub struct Metrics {
    picture: Arc<Mutex<Arc<Picture>>>,
    memory: Option<File>,
}

impl Metrics {
    /// Shows this from now on.
    pub fn show(&self, mut picture: Picture) {
        let mut shown = self.picture.lock().unwrap_or_else(PoisonError::into_inner);
        picture.resident = self.resident();
        let time = clock_gettime(ClockId::ProcessCPUTime);
        picture.processor = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
        *shown = Arc::new(picture);
    }

    /// Bytes of memory: the second number of statm, in pages.
    fn resident(&self) -> Option<u64> {
        let mut text = [0; 128];
        let length = self.memory.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(text.get(..length)?).ok()?;
        let pages: u64 = text.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }
}

fn latest(shown: &Mutex<Arc<Picture>>) -> Arc<Picture> {
    Arc::clone(&shown.lock().unwrap_or_else(PoisonError::into_inner))
}
