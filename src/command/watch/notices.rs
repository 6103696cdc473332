//! What a run tells goes to the interface: the terminal is its own.

use std::sync::mpsc::Sender;

use mirrorscope_engine::site::Sites;
use mirrorscope_tui::data::{Answer, Weight};

use crate::cli::InputArgs;
use crate::pipeline::{self, Teller};

/// Tells the interface.
pub struct Notices(pub Sender<Answer>);

impl Teller for Notices {
    fn tell(&mut self, weight: Weight, text: &str) {
        // An interface that has ended need not be told.
        let _ = self.0.send(Answer::Notice(weight, text.to_owned()));
    }
}

/// Reads the sites file again, and tells of it. A wrong one changes nothing.
pub fn sites_again(input: &InputArgs, answers: &Sender<Answer>) -> Option<Sites> {
    let mut notices = Notices(answers.clone());
    match pipeline::sites_again(input) {
        Ok((sites, text)) => {
            notices.tell(Weight::Info, &text);
            Some(sites)
        }
        Err(text) => {
            notices.tell(Weight::Error, &text);
            None
        }
    }
}
