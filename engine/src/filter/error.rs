//! What is wrong with the text of a filter, and where.

use std::fmt;

use crate::point::printable;

/// Characters of the text that are shown on either side of the fault.
const SHOWN: usize = 60;
/// Characters of a word that a message repeats.
const QUOTED: usize = 40;

/// A place in the text, in characters from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub start: usize,
    pub length: usize,
}

/// What is wrong, before it is known in which text.
#[derive(Debug)]
pub(super) struct Fault {
    pub at: Span,
    message: String,
    expected: String,
    suggestion: Option<String>,
}

impl Fault {
    pub fn new(at: Span, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            expected: String::new(),
            suggestion: None,
        }
    }

    /// What would be right here.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// What was probably meant.
    pub fn suggest(mut self, suggestion: Option<impl Into<String>>) -> Self {
        self.suggestion = suggestion.map(Into::into);
        self
    }
}

/// A filter that cannot be read. Prints as three lines: what is wrong, the text, and a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    text: String,
    start: usize,
    length: usize,
    message: String,
    expected: String,
    suggestion: Option<String>,
}

impl FilterError {
    pub(super) fn new(text: &str, fault: Fault) -> Self {
        let Fault {
            at,
            message,
            expected,
            suggestion,
        } = fault;
        Self {
            text: text.to_owned(),
            start: at.start,
            length: at.length.max(1),
            message,
            expected,
            suggestion,
        }
    }

    /// Where the fault begins, in characters from 1.
    pub fn column(&self) -> usize {
        self.start + 1
    }

    /// How many characters it spans; at least one.
    pub fn length(&self) -> usize {
        self.length
    }

    /// What would be right at that place: the valid choices, or the form of a value.
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// What was probably meant, if something is near.
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column(), self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {}?", printable(suggestion))?,
            None if !self.expected.is_empty() => write!(f, "; expected {}", self.expected)?,
            None => {}
        }
        let from = self.start.saturating_sub(SHOWN);
        let part = |from: usize, count: usize| -> String {
            let part: String = self.text.chars().skip(from).take(count).collect();
            printable(&part)
        };
        let before = part(from, self.start - from);
        let place = part(self.start, self.length.min(SHOWN));
        let rest = self.start + self.length.min(SHOWN);
        let after = part(rest, SHOWN);
        let cut_before = if from > 0 { "…" } else { "" };
        let cut_after = if self.text.chars().nth(rest + SHOWN).is_some() {
            "…"
        } else {
            ""
        };
        let blanks = before.chars().count() + cut_before.chars().count();
        let carets = place.chars().count().max(1);
        write!(f, "\n  {cut_before}{before}{place}{after}{cut_after}")?;
        write!(f, "\n  {}{}", " ".repeat(blanks), "^".repeat(carets))
    }
}

impl std::error::Error for FilterError {}

/// A word of the text as a message repeats it.
pub(super) fn quoted(word: &str) -> String {
    let start: String = word.chars().take(QUOTED).collect();
    let more = if start.len() < word.len() { "…" } else { "" };
    format!("`{}{more}`", printable(&start))
}
