//! What is wrong with an inventory file, and where.

use std::fmt;

/// Problems that are told; further ones are counted.
const TOLD: usize = 10;

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u64,
    /// Column: its number, from 1, or its title where the file is a table.
    pub column: String,
}

/// Something wrong at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What; fit for a terminal.
    pub message: String,
}

impl Problem {
    /// Something wrong at a place.
    pub(super) fn at(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = &self.place;
        write!(f, "line {line}, column {column}: {}", self.message)
    }
}

/// All that is wrong with a file: the first few, and how many more.
#[derive(Clone, Debug, Default)]
pub struct Problems {
    /// The first.
    pub told: Vec<Problem>,
    /// Others.
    pub more: u64,
}

impl Problems {
    /// Nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    pub(super) fn add(&mut self, problem: Problem) {
        if self.told.len() < TOLD {
            self.told.push(problem);
        } else {
            self.more += 1;
        }
    }
}

/// Places in a text by offset, quick as long as one comes behind the other.
pub(super) struct Lines<'a> {
    text: &'a str,
    /// Up to here lines are counted.
    reached: usize,
    line: u64,
    begins: usize,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self {
            text,
            reached: 0,
            line: 1,
            begins: 0,
        }
    }

    /// The place of an offset.
    pub(super) fn place(&mut self, offset: usize) -> Place {
        if offset < self.reached {
            *self = Self::of(self.text);
        }
        let between = self.text.get(self.reached..offset).unwrap_or_default();
        self.line += between.matches('\n').count() as u64;
        if let Some(last) = between.rfind('\n') {
            self.begins = self.reached + last + 1;
        }
        self.reached = offset;
        let before = self.text.get(self.begins..offset).unwrap_or_default();
        Place {
            line: self.line,
            column: (before.chars().count() + 1).to_string(),
        }
    }

    /// The place of a part of the text.
    pub(super) fn place_of(&mut self, part: &str) -> Place {
        let offset = part.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        self.place(offset.min(self.text.len()))
    }
}
