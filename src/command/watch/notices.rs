//! What a run tells goes to the interface: the terminal is its own.

use std::sync::mpsc::Sender;

use mirrorscope_tui::data::{Answer, Weight};

use crate::pipeline::Teller;

/// Tells the interface.
pub struct Notices(pub Sender<Answer>);

impl Teller for Notices {
    fn tell(&mut self, weight: Weight, text: &str) {
        // An interface that has ended need not be told.
        let _ = self.0.send(Answer::Notice(weight, text.to_owned()));
    }
}
