//! The captures: what is in each, and the files that hold them.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use mirrorscope_capture::writer::PcapWriter;
use serde::{Deserialize, Serialize};

use crate::conversation::Sizes;
use crate::frame::{Form, Frames};
use crate::traffic::{Lives, Made, Mix, Places, Traffic};

/// 2026-03-02T09:00:00Z in nanoseconds since the Unix epoch.
const START: i64 = 1_772_442_000_000_000_000;
const SEED: u64 = 1;
const ETHERNET: u16 = 1;
/// To be counted up when the same recipe gives other bytes.
const VERSION: u32 = 1;

/// A capture that can be made.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    pub name: &'static str,
    pub about: &'static str,
    pub load: Load,
}

/// The packets of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    pub form: Form,
    pub mix: Mix,
    /// Where mirrored packets are split.
    pub mtu: Option<usize>,
    /// Mirror sessions of each point: a flow has one of them.
    pub sessions: u16,
}

const LARGE: Mix = Mix {
    flows: 20_000,
    packets: 5_000_000,
    sizes: Sizes::Mixed,
    udp: 0,
    lives: Lives::Long,
    places: Places::Row(1),
};

const LARGE_LOAD: Load = Load {
    form: Form::Erspan2,
    mix: LARGE,
    mtu: None,
    sessions: 1,
};

/// All of them.
pub const RECIPES: [Recipe; 7] = [
    Recipe {
        name: "erspan2",
        about: "interleaved TCP flows by ERSPAN II",
        load: LARGE_LOAD,
    },
    Recipe {
        name: "vxlan",
        about: "the same by VXLAN",
        load: Load {
            form: Form::Vxlan,
            ..LARGE_LOAD
        },
    },
    Recipe {
        name: "bare",
        about: "the same without an encapsulation",
        load: Load {
            form: Form::Bare,
            ..LARGE_LOAD
        },
    },
    Recipe {
        name: "short",
        about: "short flows by ERSPAN II, of ten one by UDP",
        load: Load {
            mix: Mix {
                flows: 2_000_000,
                packets: 18_000_000,
                udp: 10,
                lives: Lives::Short,
                ..LARGE
            },
            ..LARGE_LOAD
        },
    },
    Recipe {
        name: "small",
        about: "packets of 64 bytes by ERSPAN II",
        load: Load {
            mix: Mix {
                packets: 10_000_000,
                sizes: Sizes::Small,
                ..LARGE
            },
            ..LARGE_LOAD
        },
    },
    Recipe {
        name: "fragments",
        about: "full-size packets by ERSPAN II in outer fragments",
        load: Load {
            mix: Mix {
                flows: 2_000,
                packets: 1_500_000,
                sizes: Sizes::Full,
                ..LARGE
            },
            mtu: Some(1500),
            ..LARGE_LOAD
        },
    },
    Recipe {
        name: "sites",
        about: "two sites with two points each by ERSPAN II, one flow of ten asymmetric",
        load: Load {
            mix: Mix {
                packets: 3_000_000,
                places: Places::TwoSites,
                ..LARGE
            },
            ..LARGE_LOAD
        },
    },
];

/// A capture file, and what is in it.
#[derive(Clone, Debug)]
pub struct Capture {
    pub recipe: Recipe,
    pub path: PathBuf,
    pub facts: Facts,
}

/// What is written beside a capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What made it: another one makes it anew.
    version: u32,
    load: Load,
    pub made: Made,
    /// Frames in the file: more than packets if these were split.
    pub frames: u64,
    /// Bytes of the file.
    pub len: u64,
}

impl Load {
    /// Writes a capture.
    pub fn write<W: Write>(&self, out: W) -> io::Result<(W, Facts)> {
        let mut writer = PcapWriter::new(out, ETHERNET, 0)?;
        let mut traffic = Traffic::new(self.mix, SEED);
        let timestamps = self.mix.sizes != Sizes::Small;
        let mut frames = Frames::new(self.form, self.mtu, self.sessions, timestamps);
        let (mut count, mut len) = (0, 24);
        for seen in traffic.by_ref() {
            let time = START + seen.time.cast_signed();
            frames.make(&seen, |frame| {
                count += 1;
                len += 16 + frame.len() as u64;
                writer.write(time, frame.len() as u32, frame)
            })?;
        }
        let facts = Facts {
            version: VERSION,
            load: *self,
            made: traffic.made,
            frames: count,
            len,
        };
        Ok((writer.finish()?, facts))
    }
}

impl Recipe {
    /// The same with a part of the flows and packets.
    pub fn part(mut self, part: u32) -> Self {
        let mix = &mut self.load.mix;
        mix.flows = (mix.flows / part).max(1);
        mix.packets = (mix.packets / u64::from(part)).max(1);
        self
    }

    /// The capture in a folder; written if it is not there, or is of another recipe.
    pub fn capture(self, folder: &Path, part: u32) -> io::Result<Capture> {
        let recipe = self.part(part);
        let path = recipe.path(folder, part);
        if let Some(facts) = recipe.facts(&path) {
            return Ok(Capture {
                recipe,
                path,
                facts,
            });
        }
        let facts_path = path.with_extension("json");
        let _ = fs::remove_file(&facts_path);
        // Whoever reads the old one meanwhile reads it to its end.
        let new = path.with_extension("new");
        let file = BufWriter::with_capacity(1 << 20, File::create(&new)?);
        let (_, facts) = recipe.load.write(file)?;
        fs::rename(&new, &path)?;
        fs::write(&facts_path, serde_json::to_string_pretty(&facts)?)?;
        Ok(Capture {
            recipe,
            path,
            facts,
        })
    }

    /// Whether the capture is there already.
    pub fn is_there(self, folder: &Path, part: u32) -> bool {
        let recipe = self.part(part);
        recipe.facts(&recipe.path(folder, part)).is_some()
    }

    fn path(&self, folder: &Path, part: u32) -> PathBuf {
        let name = self.name;
        folder.join(match part {
            1 => format!("{name}.pcap"),
            part => format!("{name}-{part}.pcap"),
        })
    }

    /// What is in a file, if it was made by this recipe and is whole.
    fn facts(&self, path: &Path) -> Option<Facts> {
        let text = fs::read(path.with_extension("json")).ok()?;
        let facts: Facts = serde_json::from_slice(&text).ok()?;
        let len = path.metadata().ok()?.len();
        (facts.version == VERSION && facts.load == self.load && facts.len == len).then_some(facts)
    }
}
