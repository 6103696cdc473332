//! What people and systems ask of a running command.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

/// Exit status of a command that was asked to end twice.
const INTERRUPTED: i32 = 130;

/// Signals that came. The first SIGINT or SIGTERM ends the reading, the second one the program.
pub struct Signals {
    /// To end the reading.
    stop: Arc<AtomicBool>,
    hangup: Arc<AtomicBool>,
    terminal: bool,
}

impl Signals {
    /// Of a command that reads files: a terminal that goes away ends it as Ctrl-C does.
    pub fn of_files() -> Result<Self> {
        let signals = Self::new()?;
        ends(SIGHUP, &signals.stop)?;
        Ok(signals)
    }

    /// Of a command that listens: SIGHUP asks it to read its settings again, as usual for services.
    pub fn of_listener() -> Result<Self> {
        let signals = Self::new()?;
        register(SIGHUP, Arc::clone(&signals.hangup))?;
        Ok(signals)
    }

    fn new() -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            ends(signal, &stop)?;
        }
        Ok(Self {
            stop,
            hangup: Arc::default(),
            terminal: stderr().is_terminal(),
        })
    }

    /// What sources look at to know that the reading shall end.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Ends the reading.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the reading shall end.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether settings shall be read again; asked for once. The same signal comes when the terminal goes away: then
    /// the reading ends.
    pub fn take_reload(&self) -> bool {
        if !self.hangup.swap(false, Ordering::Relaxed) {
            return false;
        }
        if self.terminal && !stderr().is_terminal() {
            self.stop();
            return false;
        }
        true
    }
}

fn ends(signal: i32, stop: &Arc<AtomicBool>) -> Result<()> {
    register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(stop))?;
    register(signal, Arc::clone(stop))?;
    Ok(())
}
