//! The mirror session whose packets somebody wants to see, while they come.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;

use mirrorscope_engine::receive::Mirrored;
use mirrorscope_engine::session::SessionId;

use super::interfaces::Key;

/// All sessions.
const ALL: u64 = u64::MAX;

/// Which one was chosen last. It may change at any time.
#[derive(Debug)]
pub struct Choice(AtomicU64);

impl Choice {
    /// Chooses a session by its number, or all.
    pub fn set(&self, session: Option<u32>) {
        self.0
            .store(session.map_or(ALL, u64::from), Ordering::Relaxed);
    }
}

/// Lets packets of the chosen session through, and tells of sessions as they appear.
#[derive(Debug)]
pub struct Chosen {
    choice: Arc<Choice>,
    known: HashSet<SessionId>,
    told: Sender<(u32, String)>,
}

impl Chosen {
    /// All are chosen; `told` gets the number and the name of each.
    pub fn new(told: Sender<(u32, String)>) -> Self {
        Self {
            choice: Arc::new(Choice(AtomicU64::new(ALL))),
            known: HashSet::new(),
            told,
        }
    }

    /// What is chosen.
    pub fn choice(&self) -> &Arc<Choice> {
        &self.choice
    }

    /// Whether a packet is one of the chosen session.
    pub fn has(&mut self, mirrored: &Mirrored<'_>) -> bool {
        let session = mirrored.shown.session;
        if self.known.insert(session) {
            let key = Key::inner(mirrored);
            let name = format!(
                "{}: {}",
                key.name(mirrored, false),
                key.description(mirrored)
            );
            // Nobody looks at the list any more, then.
            let _ = self.told.send((session.0, name));
        }
        let chosen = self.choice.0.load(Ordering::Relaxed);
        chosen == ALL || chosen == u64::from(session.0)
    }
}
