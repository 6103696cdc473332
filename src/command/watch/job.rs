//! What takes longer than packets can wait: done by a thread of its own.

use std::sync::mpsc::{Receiver, Sender};

use anyhow::Result;
use mirrorscope_tui::data::{Answer, FlowId, PacketRef};

use super::export::{Packets, Pages};
use super::{packet, stream};
use crate::command::replay::{Replay, Source, ladder};
use crate::output::error_text;

/// Something to be done, with all that it needs.
pub enum Job {
    /// The packets of a flow.
    Ladder(FlowId, Box<Replay>),
    /// What the ends said.
    Stream(FlowId, Box<Replay>),
    /// One packet.
    Packet(PacketRef, Box<Source>),
    /// Packets into a file.
    Packets(Box<Packets>),
    /// Words into a file.
    Page(Box<Pages>),
}

impl Job {
    /// Does it.
    pub fn run(self) -> Answer {
        let told =
            |result: Result<String>| Answer::Exported(result.map_err(|error| error_text(&error)));
        match self {
            Self::Ladder(id, replay) => Answer::Ladder(id, ladder(*replay)),
            Self::Stream(id, replay) => Answer::Stream(id, stream::stream(*replay)),
            Self::Packet(at, source) => Answer::Packet(at, packet::packet(*source, at)),
            Self::Packets(packets) => told(packets.write()),
            Self::Page(pages) => told(pages.write()),
        }
    }
}

/// Does one after the other, as long as any may come.
pub fn work(jobs: &Receiver<Job>, answers: &Sender<Answer>) {
    for job in jobs {
        // An interface that has ended needs no answer.
        let _ = answers.send(job.run());
    }
}
