//! The screens that are open: a stack for each tab.

use crate::view::{TABS, Tables, View, tab};

/// They.
pub struct Screens {
    stacks: Vec<Vec<Box<dyn View>>>,
    current: usize,
}

impl Screens {
    /// The first screen of every tab; flows are chosen by a filter.
    pub fn new(tables: &Tables, filter: &str) -> Self {
        Self {
            stacks: (0..TABS.len())
                .map(|index| vec![tab(index, tables, filter)])
                .collect(),
            current: 0,
        }
    }

    /// The tab at hand, from 0.
    pub fn current(&self) -> usize {
        self.current
    }

    /// The screens of the tab at hand, the one on top last.
    pub fn stack(&self) -> &[Box<dyn View>] {
        self.stacks.get(self.current).map_or(&[], Vec::as_slice)
    }

    /// All screens of all tabs.
    pub fn all(&mut self) -> impl Iterator<Item = &mut Box<dyn View>> {
        self.stacks.iter_mut().flatten()
    }

    /// The screen on top.
    pub fn top(&mut self) -> Option<&mut Box<dyn View>> {
        self.stacks.get_mut(self.current)?.last_mut()
    }

    /// To a tab; to its first screen if it is the one at hand.
    pub fn switch(&mut self, tab: usize) {
        if tab == self.current {
            if let Some(stack) = self.stacks.get_mut(tab) {
                stack.truncate(1);
            }
        } else if tab < self.stacks.len() {
            self.current = tab;
        }
    }

    /// To the tab so many after the one at hand.
    pub fn turn(&mut self, by: usize) {
        self.current = (self.current + by) % self.stacks.len().max(1);
    }

    /// Opens a screen over the one at hand.
    pub fn push(&mut self, view: Box<dyn View>) {
        if let Some(stack) = self.stacks.get_mut(self.current) {
            stack.push(view);
        }
    }

    /// Closes the screen on top; false if it is a tab's first.
    pub fn pop(&mut self) -> bool {
        match self.stacks.get_mut(self.current) {
            Some(stack) if stack.len() > 1 => stack.pop().is_some(),
            _ => false,
        }
    }
}
