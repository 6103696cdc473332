//! What people and systems ask of a running command.

use std::io::{IsTerminal, stderr, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

/// Exit status of a command that was asked to end twice.
const INTERRUPTED: i32 = 130;

/// Signals that came. The first SIGINT or SIGTERM ends the reading; once that is noticed, another one ends the program. Some
/// programs send each signal twice, to the process and to its group.
pub struct Signals {
    /// To end the reading.
    stop: Arc<AtomicBool>,
    /// The next signal ends the program.
    armed: Arc<AtomicBool>,
    hangup: Arc<AtomicBool>,
    /// Where messages or pictures go, if it was a terminal at the start.
    terminal: Option<fn() -> bool>,
}

impl Signals {
    /// Of a command that reads files: a terminal that goes away ends it as Ctrl-C does.
    pub fn of_files() -> Result<Self> {
        let signals = Self::new()?;
        signals.end_at(SIGHUP)?;
        Ok(signals)
    }

    /// Of a command that listens: SIGHUP asks it to read its settings again, as usual for services.
    pub fn of_listener() -> Result<Self> {
        let signals = Self::new()?;
        register(SIGHUP, Arc::clone(&signals.hangup))?;
        Ok(signals)
    }

    /// Of a command that holds the terminal: however often it is asked to end, it gives the terminal back before. SIGHUP
    /// asks it to read its settings again.
    pub fn of_screen() -> Result<Self> {
        let signals = Self::none(|| stdout().is_terminal());
        for signal in [SIGINT, SIGTERM] {
            register(signal, Arc::clone(&signals.stop))?;
        }
        register(SIGHUP, Arc::clone(&signals.hangup))?;
        Ok(signals)
    }

    fn none(is_terminal: fn() -> bool) -> Self {
        Self {
            stop: Arc::default(),
            armed: Arc::default(),
            hangup: Arc::default(),
            terminal: is_terminal().then_some(is_terminal),
        }
    }

    fn new() -> Result<Self> {
        let signals = Self::none(|| stderr().is_terminal());
        for signal in [SIGINT, SIGTERM] {
            signals.end_at(signal)?;
        }
        Ok(signals)
    }

    fn end_at(&self, signal: i32) -> Result<()> {
        register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&self.armed))?;
        register(signal, Arc::clone(&self.stop))?;
        Ok(())
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
        let stopped = self.stop.load(Ordering::Relaxed);
        if stopped {
            self.armed.store(true, Ordering::Relaxed);
        }
        stopped
    }

    /// Whether settings shall be read again; asked for once. The same signal comes when the terminal goes away: then
    /// the reading ends.
    pub fn take_reload(&self) -> bool {
        if !self.hangup.swap(false, Ordering::Relaxed) {
            return false;
        }
        if self.terminal.is_some_and(|is_terminal| !is_terminal()) {
            self.stop();
            return false;
        }
        true
    }
}
