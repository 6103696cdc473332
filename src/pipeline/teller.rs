//! Where it is told how a run goes, beside what it finds.

use mirrorscope_tui::data::Weight;
use mirrorscope_tui::progress::{ProgressBar, State};

/// Is told how a run goes.
pub trait Teller {
    /// Something that people shall know.
    fn tell(&mut self, weight: Weight, text: &str);

    /// Whether it is time to tell how far the run has come.
    fn wants_progress(&self) -> bool {
        false
    }

    /// How far the run has come.
    fn progress(&mut self, _state: &State) {}

    /// Others are about to write to the screen.
    fn make_room(&mut self) {}
}

/// Standard error, with a progress line where that is a terminal.
pub struct StandardError(ProgressBar);

impl StandardError {
    pub fn new() -> Self {
        Self(ProgressBar::new())
    }
}

impl Teller for StandardError {
    fn tell(&mut self, _weight: Weight, text: &str) {
        self.make_room();
        eprintln!("mirrorscope: {text}");
    }

    fn wants_progress(&self) -> bool {
        self.0.is_due()
    }

    fn progress(&mut self, state: &State) {
        self.0.draw(state);
    }

    fn make_room(&mut self) {
        self.0.clear();
    }
}

/// Standard error, for a program that shows all of it as an error: told is what is one.
pub struct Complaints;

impl Teller for Complaints {
    fn tell(&mut self, weight: Weight, text: &str) {
        if weight == Weight::Error {
            eprintln!("mirrorscope: {text}");
        }
    }
}
