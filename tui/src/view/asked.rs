//! What a screen asked of the analysis, and has or has not yet.

use std::sync::Arc;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use crate::look::{Look, Role};
use crate::widget::text::clean;

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
    /// Takes an answer.
    pub(super) fn take(&mut self, answer: &Result<Arc<T>, String>) {
        *self = match answer {
            Ok(value) => Self::Here(Arc::clone(value)),
            Err(why) => Self::Failed(why.clone()),
        };
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
