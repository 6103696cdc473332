//! Which flows somebody wants to see: a small language over what is known of a flow.
//!
//! `host 10.0.0.1 and port 443 and site dc2 and not symmetric` – the page `docs/filter.md` has all of it.
//!
//! A filter is asked about a [`Subject`], which may not know everything yet. The answer is three-valued: yes, no, or
//! *not known*, so that a filter over addresses and ports is decided by a flow's first packet, and another one at the
//! end of the capture.
//!
//! ```
//! use mirrorscope_engine::filter::Filter;
//!
//! let filter = Filter::parse("host 10.20.0.50 and tcp port 80 or 443")?;
//! assert!(filter.is_static());
//!
//! let error = Filter::parse("site dc2 and not symetric").unwrap_err();
//! assert_eq!((error.column(), error.suggestion()), (18, Some("symmetric")));
//! # Ok::<(), mirrorscope_engine::filter::FilterError>(())
//! ```

mod condition;
mod error;
mod judged;
mod parse;
mod subject;
#[cfg(test)]
mod tests;
mod token;
mod value;
mod vocabulary;

use std::fmt;

use condition::Expression;
pub use error::FilterError;
pub(crate) use judged::{Chooses, Judged};
use parse::Parsed;
pub use subject::{End, NumberField, Subject, TextField};
pub use vocabulary::{choices, nearest, service_name, words};

use crate::point::printable;

/// A filter, ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter {
    text: String,
    expression: Expression,
    late: Option<String>,
}

impl Filter {
    /// Reads a filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        let Parsed { expression, late } =
            parse::parse(text).map_err(|fault| FilterError::new(text, fault))?;
        Ok(Self {
            text: text.to_owned(),
            expression,
            late,
        })
    }

    /// Whether a subject is wanted; `None` if that depends on what is not known (yet).
    pub fn decide(&self, subject: &impl Subject) -> Option<bool> {
        self.expression.decide(subject)
    }

    /// Whether a flow's first packet decides: only addresses, ports and protocols of either end are asked for. Which
    /// end opened the flow is not among them, because a later packet may still tell.
    pub fn is_static(&self) -> bool {
        self.late.is_none()
    }

    /// The first word of the filter that only the end of the capture decides, as it was typed.
    pub fn late_word(&self) -> Option<&str> {
        self.late.as_deref()
    }
}

/// The text of the filter, safe for a terminal.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.text))
    }
}
