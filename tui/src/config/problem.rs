//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;

use mirrorscope_engine::filter::nearest;
use mirrorscope_engine::point::printable;

/// Choices beyond which a message lists them only where none is near.
const MANY: usize = 12;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column, in characters from 1.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Prints as `line:column: what`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl Problem {
    /// Something that is wrong at a place of a text, in bytes.
    pub fn new(text: &str, at: Option<Range<usize>>, message: &str) -> Self {
        let start = at.map_or(0, |at| at.start).min(text.len());
        let before = text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let begin = before.rfind('\n').map_or(0, |end| end + 1);
        let column = before.get(begin..).unwrap_or_default().chars().count() + 1;
        Self {
            line,
            column,
            message: message.lines().map(printable).collect::<Vec<_>>().join(" "),
        }
    }
}

/// That a word is none of those that are allowed, and which was probably meant.
pub fn unknown(word: &str, what: &str, allowed: &[&str]) -> String {
    let word_shown = printable(word);
    let list = allowed.join(", ");
    match nearest(word, allowed.iter().copied()) {
        Some(near) if allowed.len() > MANY => {
            format!("`{word_shown}` is no {what}; did you mean {near}?")
        }
        Some(near) => format!("`{word_shown}` is no {what}; did you mean {near}? ({list})"),
        None => format!("`{word_shown}` is no {what}; there are {list}"),
    }
}
