//! The terminal: set up, given back however the program ends, and left alone while it is suspended.

use std::io::{self, IsTerminal as _, Stdout, Write as _, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::CrosstermBackend;
use signal_hook::consts::{SIGCONT, SIGINT, SIGTERM, SIGTSTP};

use crate::app::App;

/// Exit status of a process that had to be told twice to end.
const KILLED: i32 = 2;
/// Terminals cut or refuse longer texts for the clipboard.
const CLIPBOARD: usize = 74_994;

/// A terminal that is drawn to.
pub struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<Stdout>>,
    mouse: bool,
    /// The program was told to go on.
    resumed: Arc<AtomicBool>,
    /// The program was told to end.
    ended: Arc<AtomicBool>,
}

impl Terminal {
    /// Takes the terminal. It is given back when this is dropped, and before a panic says what happened.
    pub fn new(mouse: bool) -> io::Result<Self> {
        let (resumed, ended) = (Arc::default(), Arc::default());
        signal_hook::flag::register(SIGCONT, Arc::clone(&resumed))?;
        for signal in [SIGTERM, SIGINT] {
            // The second one ends the process wherever it is.
            signal_hook::flag::register_conditional_shutdown(signal, KILLED, Arc::clone(&ended))?;
            signal_hook::flag::register(signal, Arc::clone(&ended))?;
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
        take(mouse).inspect_err(|_| give_back())?;
        let inner = ratatui::Terminal::new(CrosstermBackend::new(stdout()));
        Ok(Self {
            inner: inner.inspect_err(|_| give_back())?,
            mouse,
            resumed,
            ended,
        })
    }

    /// Draws what changed, so that the terminal shows all of it at once.
    pub fn draw(&mut self, app: &mut App) -> io::Result<()> {
        queue!(stdout(), BeginSynchronizedUpdate)?;
        self.inner.draw(|frame| app.draw(frame))?;
        execute!(stdout(), EndSynchronizedUpdate)
    }

    /// Forgets what stands on the screen. Not by the library's own `clear`: that asks the terminal where its cursor is, and
    /// some never answer.
    pub fn clear(&mut self) -> io::Result<()> {
        let size = self.inner.size()?;
        self.inner.resize(size.into())
    }

    /// Gives the terminal back and stops until somebody tells the program to go on.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        signal_hook::low_level::emulate_default_handler(SIGTSTP)?;
        self.resumed.store(true, Ordering::Relaxed);
        self.resume().map(|_| ())
    }

    /// Takes the terminal again if the program was stopped meanwhile.
    pub fn resume(&mut self) -> io::Result<bool> {
        if !self.resumed.swap(false, Ordering::Relaxed) {
            return Ok(false);
        }
        take(self.mouse)?;
        self.clear()?;
        Ok(true)
    }

    /// Whether a signal told the program to end, or the terminal is gone. SIGHUP alone says neither: it also asks for the
    /// sites to be read again.
    pub fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed) || !stdout().is_terminal()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
        // What the hook of panics would do is done.
        drop(std::panic::take_hook());
    }
}

fn take(mouse: bool) -> io::Result<()> {
    enable_raw_mode()?;
    execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste)?;
    if mouse {
        execute!(stdout(), EnableMouseCapture)?;
    }
    Ok(())
}

/// A terminal that is gone needs nothing any more.
fn give_back() {
    let _ = execute!(
        stdout(),
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

/// Puts a text on the clipboard of whoever sits at the terminal, through SSH and tmux too (OSC 52). False if it is too
/// long for terminals.
pub fn copy(text: &str) -> io::Result<bool> {
    if text.len() > CLIPBOARD {
        return Ok(false);
    }
    write!(stdout(), "\u{1b}]52;c;{}\u{1b}\\", STANDARD.encode(text))?;
    stdout().flush()?;
    Ok(true)
}
