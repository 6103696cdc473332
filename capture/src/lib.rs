//! Packet sources and writers.
//!
//! [`Files`] lends the frames of capture files – pcap and pcapng, plain or compressed, regular files
//! and pipes – merged in time order. [`live::Live`] lends frames as they arrive. [`writer`] writes both formats, and
//! [`inject`] puts frames on interfaces.
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::AtomicBool;
//!
//! use mirrorscope_capture::writer::{OutputFile, PcapWriter};
//! use mirrorscope_capture::{BATCH, Files};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("dc1.pcap");
//!
//! let ethernet = 1;
//! let mut writer = PcapWriter::new(OutputFile::create(&path)?, ethernet, 0)?;
//! writer.write(1_700_000_000_000_000_000, 1500, &[0; 60])?;
//! writer.finish()?.commit()?;
//!
//! let stop = Arc::new(AtomicBool::new(false));
//! let mut files = Files::open(&[path], stop)?;
//! for frame in files.next_frames(BATCH) {
//!     assert_eq!((frame.number, frame.wire_len, frame.bytes.len()), (1, 1500, 60));
//! }
//! assert_eq!(files.next_frames(BATCH).len(), 0);
//! assert!(files.problems().is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod again;
mod error;
mod files;
mod frame;
mod gzip;
pub mod host;
pub mod inject;
mod input;
pub mod live;
pub mod memory;
mod pcap;
mod pcapng;
mod raw;
#[cfg(test)]
mod testing;
pub mod writer;
mod zstd;

pub use again::{Again, Reread};
pub use error::{Error, plain};
pub use files::{Files, Progress};
pub use frame::{BATCH, Frame, Interface, Place};
