//! Keys, the mouse and the size, as the terminal tells them.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event};

/// What the user does, read on a thread of its own: the library never comes back from a terminal that is gone, and the
/// program must.
#[derive(Debug)]
pub struct Keyboard {
    events: Receiver<io::Result<Event>>,
}

impl Keyboard {
    /// Begins to read. The thread ends with the program, or with the terminal.
    pub fn new() -> io::Result<Self> {
        let (events, read) = channel();
        thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || {
                loop {
                    let event = event::read();
                    let failed = event.is_err();
                    if events.send(event).is_err() || failed {
                        return;
                    }
                }
            })?;
        Ok(Self { events: read })
    }

    /// The next event, waited for no longer than that.
    pub fn next(&self, wait: Duration) -> io::Result<Option<Event>> {
        match self.events.recv_timeout(wait) {
            Ok(event) => event.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(io::Error::other("no more keys can be read"))
            }
        }
    }
}
