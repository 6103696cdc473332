//! What a screen asked of the analysis, and has or has not yet.

use std::sync::Arc;

use mirrorscope_engine::report::FlowReport;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::Context;
use crate::data::InputState;
use crate::look::{Look, Role};
use crate::widget::text::clean;

/// Snapshots until something is asked again of which nothing is known meanwhile: some seconds.
const PATIENCE: u64 = 12;

/// Something that was asked for.
#[derive(Clone, Debug, Default)]
pub(super) enum Asked<T> {
    /// No answer yet.
    #[default]
    Waiting,
    /// Here it is.
    Here(Arc<T>),
    /// It cannot be had, and why.
    Failed(String),
}

impl<T> Asked<T> {
    /// Takes an answer. What is there already stays if there is nothing newer.
    pub(super) fn take(&mut self, answer: &Result<Arc<T>, String>) {
        match (answer, &self) {
            (Ok(value), _) => *self = Self::Here(Arc::clone(value)),
            (Err(_), Self::Here(_)) => {}
            (Err(why), _) => *self = Self::Failed(why.clone()),
        }
    }

    /// It, if it is here.
    pub(super) fn get(&self) -> Option<&Arc<T>> {
        match self {
            Self::Here(value) => Some(value),
            Self::Waiting | Self::Failed(_) => None,
        }
    }

    /// Says why it is not here.
    pub(super) fn draw(&self, frame: &mut Frame<'_>, area: Rect, look: &Look, what: &str) {
        let (role, text) = match self {
            Self::Waiting => (Role::Faint, format!("Looking for {what} …")),
            Self::Failed(why) => (Role::Warning, why.clone()),
            Self::Here(_) => return,
        };
        let line = Line::styled(clean(&text, look.signs), look.style(role));
        frame.render_widget(Paragraph::new(line).wrap(Wrap { trim: true }), area);
    }
}

/// When something was asked for: at which snapshot, and whether all was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    generation: u64,
    done: bool,
}

impl Moment {
    /// Now.
    pub(super) fn now(cx: &Context<'_>) -> Self {
        Self {
            generation: cx.snapshot.generation,
            done: is_done(cx),
        }
    }

    /// Whether more may be known by now, and it is time to ask again.
    pub(super) fn is_over(self, cx: &Context<'_>) -> bool {
        if is_done(cx) {
            return !self.done;
        }
        cx.snapshot.generation >= self.generation.saturating_add(PATIENCE)
    }
}

/// Whether all is read.
fn is_done(cx: &Context<'_>) -> bool {
    match cx.snapshot.input {
        InputState::Files { done, .. } | InputState::Live { done } => done,
    }
}

/// Whether it is worth asking again for what was asked of a flow: its packets may have become more since.
pub(super) fn is_old(flow: &FlowReport, asked: Moment, cx: &Context<'_>) -> bool {
    let mut rows = cx.snapshot.flows.rows.iter();
    match rows.find(|row| row.id == flow.id) {
        Some(newer) => newer.last > flow.last,
        // Those that are not on any screen are asked for now and then.
        None => asked.is_over(cx),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;

    #[test]
    fn what_was_asked_is_asked_again_now_and_then_and_once_when_all_is_read() {
        fixture::world(|cx| {
            let at = |generation, finished| {
                let mut snapshot = fixture::snapshot();
                snapshot.generation = generation;
                if let InputState::Files { done, .. } = &mut snapshot.input {
                    *done = finished;
                }
                snapshot
            };
            let is_over = |asked: (u64, bool), now: (u64, bool)| {
                let [asked, now] = [asked, now].map(|(generation, done)| at(generation, done));
                let context = |snapshot| Context { snapshot, ..*cx };
                Moment::now(&context(&asked)).is_over(&context(&now))
            };
            assert!(!is_over((5, false), (16, false)));
            assert!(is_over((5, false), (17, false)));
            assert!(is_over((5, false), (6, true)), "the end was reached");
            assert!(!is_over((5, true), (90, true)));
        });
    }
}
