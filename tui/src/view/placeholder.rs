//! A screen that says its name and nothing else.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{Context, Effect, View};
use crate::action::Action;
use crate::look::Role;

/// It.
#[derive(Debug)]
pub struct Placeholder {
    title: String,
}

impl Placeholder {
    /// A screen of that name.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
        }
    }
}

impl View for Placeholder {
    fn title(&self, _cx: &Context<'_>) -> String {
        self.title.clone()
    }

    fn actions(&self) -> &'static [Action] {
        &[]
    }

    fn act(&mut self, _action: Action, _cx: &Context<'_>) -> Vec<Effect> {
        Vec::new()
    }

    fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
        let line = Line::styled(self.title.as_str(), cx.look.style(Role::Faint));
        frame.render_widget(line.centered(), area);
    }
}
