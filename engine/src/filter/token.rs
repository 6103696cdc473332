//! The text of a filter as words and signs, each with its place.

use super::error::{Fault, Span};

/// How a field is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A word or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word(String),
    /// A word in quotes: always a value, never a word of the language.
    Quoted(String),
    Open,
    Close,
    Comma,
    And,
    Or,
    Not,
    Compare(Comparison),
    /// Nothing more follows; no token is of this kind.
    End,
}

/// A word or a sign, and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub kind: Kind,
    pub at: Span,
}

/// Takes the text apart.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    let characters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut rest = characters.as_slice();
    while let Some((&first, behind)) = rest.split_first() {
        let start = characters.len() - rest.len();
        if first.is_whitespace() {
            rest = behind;
            continue;
        }
        let second = behind.first();
        let (kind, length) = match (first, second) {
            ('(', _) => (Kind::Open, 1),
            (')', _) => (Kind::Close, 1),
            (',', _) => (Kind::Comma, 1),
            ('&', Some('&')) => (Kind::And, 2),
            ('|', Some('|')) => (Kind::Or, 2),
            ('!', Some('=')) => (Kind::Compare(Comparison::NotEqual), 2),
            ('!', _) => (Kind::Not, 1),
            ('<', Some('=')) => (Kind::Compare(Comparison::LessOrEqual), 2),
            ('>', Some('=')) => (Kind::Compare(Comparison::GreaterOrEqual), 2),
            ('<', _) => (Kind::Compare(Comparison::Less), 1),
            ('>', _) => (Kind::Compare(Comparison::Greater), 1),
            ('=', Some('=')) => (Kind::Compare(Comparison::Equal), 2),
            ('=', _) => (Kind::Compare(Comparison::Equal), 1),
            ('&' | '|', _) => {
                let doubled = format!("{first}{first}");
                let fault = Fault::new(Span { start, length: 1 }, "half an operator");
                return Err(fault.suggest(Some(doubled)));
            }
            ('"' | '\'', _) => {
                let length = behind.iter().position(|&c| c == first).ok_or_else(|| {
                    let length = rest.len();
                    let fault =
                        Fault::new(Span { start, length }, "a quote is opened and never closed");
                    fault.expected(format!("{first} behind the name"))
                })?;
                let inside = behind.iter().take(length).collect();
                (Kind::Quoted(inside), length + 2)
            }
            _ => {
                let word = word(rest);
                let length = word.chars().count();
                (spelled(word), length)
            }
        };
        tokens.push(Token {
            kind,
            at: Span { start, length },
        });
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(tokens)
}

/// The word at the start of `rest`, up to a blank or a sign.
fn word(rest: &[char]) -> String {
    let ends = |c: &char| {
        c.is_whitespace()
            || matches!(
                c,
                '(' | ')' | ',' | '&' | '|' | '!' | '<' | '>' | '=' | '"' | '\''
            )
    };
    let length = rest.iter().position(ends).unwrap_or(rest.len());
    let mut word: String = rest.iter().take(length).collect();
    // The padding of Community ID's base64.
    if word.starts_with("1:") && rest.get(length) == Some(&'=') {
        word.push('=');
    }
    word
}

fn spelled(word: String) -> Kind {
    if word.eq_ignore_ascii_case("and") {
        Kind::And
    } else if word.eq_ignore_ascii_case("or") {
        Kind::Or
    } else if word.eq_ignore_ascii_case("not") {
        Kind::Not
    } else {
        Kind::Word(word)
    }
}
