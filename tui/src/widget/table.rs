//! The one table: columns are declared once; the selection stays with its row; narrow screens leave out what matters least.

mod columns;
mod draw;
mod state;
#[cfg(test)]
mod tests;

pub use columns::{Column, Preference, Sort};
pub use draw::draw;
pub use state::{Click, Shown, TableState};

/// The rows of a table, of which only some need to be at hand.
pub struct Rows<'a, R> {
    /// All of them.
    pub len: usize,
    /// One of them, if it is at hand.
    pub get: &'a dyn Fn(usize) -> Option<&'a R>,
    /// What a row is known by.
    pub key: fn(&R) -> String,
}

impl<R> Rows<'_, R> {
    /// What the row at a place is known by.
    pub fn key_at(&self, index: usize) -> Option<String> {
        (self.get)(index).map(self.key)
    }
}
