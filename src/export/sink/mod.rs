//! Where bytes leave the process.

mod datagram;
mod file;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;

use std::io::{self, Write};

pub use datagram::Datagrams;
pub use file::{LogFile, Rotation};
pub use stream::Stream;

use super::chunk::Chunk;

/// Takes records. What arrived is taken out of the chunk, also of one that could not be sent whole.
pub trait Sink: Send {
    /// Sends records.
    fn send(&mut self, chunk: &mut Chunk) -> Result<(), Trouble>;

    /// What became of records that were sent: of so many more, now, and of those before.
    fn fate(&mut self, sent: u64) -> Fate {
        Fate::Arrived(sent)
    }

    /// Waits for what is told of the last ones only after a while.
    fn wait(&mut self) {}

    /// Does what is to be done about once a second.
    fn tick(&mut self) {}

    /// What records are written to is full, or somebody took it away: it is to be ended, and another one begun.
    fn is_full(&self) -> bool {
        false
    }

    /// Ends it with these bytes. Whatever fails, nothing is lost, and what is there is gone on with.
    fn turn(&mut self, _end: &Chunk) -> io::Result<()> {
        Ok(())
    }

    /// What a reader must have before anything else, from now on: the header of a file, templates of a connection.
    /// True if it is to be sent.
    fn is_fresh(&mut self) -> bool {
        false
    }
}

/// Why records were not sent.
#[derive(Debug)]
pub struct Trouble {
    pub cause: io::Error,
    pub then: Then,
}

/// What became of records, as far as it is known by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// So many arrived, as far as the system tells.
    Arrived(u64),
    /// Nobody was there to take so many.
    Refused(u64),
    /// That is not known yet of any of them.
    Unknown,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The same records are to be sent once more, later.
    Again,
    /// They are lost; others may be sent.
    Lost,
    /// Nothing can ever be sent.
    Over,
}

/// Standard output.
#[derive(Default)]
pub struct Stdout {
    begun: bool,
}

impl Sink for Stdout {
    fn send(&mut self, chunk: &mut Chunk) -> Result<(), Trouble> {
        let mut out = io::stdout().lock();
        let written = out.write_all(chunk.bytes()).and_then(|()| out.flush());
        written.map_err(|cause| Trouble {
            cause,
            then: Then::Over,
        })?;
        chunk.clear();
        Ok(())
    }

    fn is_fresh(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }
}
