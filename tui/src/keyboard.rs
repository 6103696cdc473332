//! Keys, the mouse and the size, as the terminal tells them.

use std::fs::File;
use std::io::{self, IsTerminal as _, stdin};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::time::Duration;

use crossterm::event::{self, Event};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Where events come from: standard input, or the terminal of the process if packets come by that.
#[derive(Debug)]
pub struct Keyboard {
    terminal: Option<File>,
}

/// How long the library looks for an event where something can be read. With no time at all it would not even look, and
/// what was typed would stay where it is.
const LOOK: Duration = Duration::from_millis(1);

/// The terminal is gone: a window was closed, a connection broke.
#[derive(Debug)]
pub struct Gone;

impl Keyboard {
    /// Finds it.
    pub fn new() -> io::Result<Self> {
        let terminal = if stdin().is_terminal() {
            None
        } else {
            Some(File::open("/dev/tty")?)
        };
        Ok(Self { terminal })
    }

    /// The next event, waited for no longer than that. To ask the library about a terminal that is gone would never
    /// end, so that is found out before.
    pub fn next(&self, wait: Duration) -> io::Result<Result<Option<Event>, Gone>> {
        let input = stdin();
        let fd: BorrowedFd<'_> = match &self.terminal {
            Some(file) => file.as_fd(),
            None => input.as_fd(),
        };
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        let wait = Timespec::try_from(wait).ok();
        match poll(&mut fds, wait.as_ref()) {
            // A signal: the size may be another one.
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [ready] = fds;
        if ready
            .revents()
            .intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
        {
            return Ok(Err(Gone));
        }
        if event::poll(LOOK)? {
            event::read().map(|event| Ok(Some(event)))
        } else {
            Ok(Ok(None))
        }
    }
}
