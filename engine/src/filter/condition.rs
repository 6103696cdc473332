//! Conditions, and whether they hold: true, false, or not known.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::subject::{End, NumberField, Subject, TextField};

/// One thing that is asked of a flow.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// Addresses, or names of machines.
    Address(End, Vec<IpNet>, Vec<Pattern>),
    Port(End, Vec<RangeInclusive<u64>>),
    Protocol(Vec<RangeInclusive<u64>>),
    Text(TextField, Vec<Pattern>),
    Number(NumberField, End, Vec<RangeInclusive<u64>>),
}

impl Condition {
    /// Whether a flow's first packet decides it.
    pub fn is_static(&self) -> bool {
        match self {
            Self::Address(end, _, names) => *end == End::Either && names.is_empty(),
            Self::Port(end, _) => *end == End::Either,
            Self::Protocol(_) => true,
            Self::Text(..) | Self::Number(..) => false,
        }
    }

    fn decide(&self, subject: &impl Subject) -> Option<bool> {
        match self {
            Self::Address(end, prefixes, names) => {
                let test = |address: IpAddr| prefixes.iter().any(|p| p.contains(&address));
                let found = subject.address(*end, &test);
                if names.is_empty() || found == Some(true) {
                    return found;
                }
                subject.name(*end, &|text| names.iter().any(|p| p.matches(text)))
            }
            Self::Port(end, ranges) => subject.port(*end, &|port| within(ranges, port.into())),
            Self::Protocol(ranges) => subject.protocol(&|number| within(ranges, number.into())),
            Self::Text(field, patterns) => {
                subject.text(*field, &|text| patterns.iter().any(|p| p.matches(text)))
            }
            Self::Number(field, end, ranges) => {
                subject.number(*field, *end, &|number| within(ranges, number))
            }
        }
    }
}

fn within(ranges: &[RangeInclusive<u64>], number: u64) -> bool {
    ranges.iter().any(|range| range.contains(&number))
}

/// What a word must look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Exactly so.
    Exact(String),
    /// A name in whatever case, where `*` stands for anything.
    Name(Vec<char>),
    /// A session's name, or its id.
    Session(Vec<char>, Option<u64>),
    /// All these letters occur, in any order.
    Letters(String),
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == text,
            Self::Name(pattern) => glob(pattern, text),
            Self::Session(pattern, id) => {
                glob(pattern, text) || id.is_some() && *id == session_id(text)
            }
            Self::Letters(letters) => letters.chars().all(|letter| text.contains(letter)),
        }
    }
}

/// Whether a name fits a pattern in lower case, in which `*` stands for any characters.
fn glob(pattern: &[char], text: &str) -> bool {
    let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
    let (mut at, mut place) = (0, 0);
    // Where the last `*` stands, and how far its text reaches so far.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&character) = text.get(place) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(&wanted) if wanted == character => {
                at += 1;
                place += 1;
            }
            _ => {
                let Some((behind, reached)) = star else {
                    return false;
                };
                star = Some((behind, reached + 1));
                at = behind + 1;
                place = reached + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|&rest| rest == '*')
}

/// The id in a session's name: 101 in `erspan2-101@10.60.0.1`.
fn session_id(name: &str) -> Option<u64> {
    let (front, _) = name.rsplit_once('@')?;
    let (_, id) = front.rsplit_once('-')?;
    number(id)
}

/// A number in digits, or in hexadecimal behind `0x`.
pub(super) fn number(text: &str) -> Option<u64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
    // `parse` would take a sign.
    let plain = digits.chars().all(|c| c.is_ascii_alphanumeric());
    u64::from_str_radix(digits, radix).ok().filter(|_| plain)
}

/// Conditions put together.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Condition(Condition),
    Not(Box<Expression>),
    /// All of them.
    And(Vec<Expression>),
    /// At least one of them.
    Or(Vec<Expression>),
}

impl Expression {
    /// By Kleene's logic: what is not known matters only as long as the rest leaves the question open.
    pub fn decide(&self, subject: &impl Subject) -> Option<bool> {
        match self {
            Self::Condition(condition) => condition.decide(subject),
            Self::Not(inner) => inner.decide(subject).map(|decided| !decided),
            Self::And(parts) => settled(parts, subject, false),
            Self::Or(parts) => settled(parts, subject, true),
        }
    }
}

/// `settles` if one of the parts is; its opposite if all parts are known to be so.
fn settled(parts: &[Expression], subject: &impl Subject, settles: bool) -> Option<bool> {
    let mut known = true;
    for part in parts {
        match part.decide(subject) {
            Some(decided) if decided == settles => return Some(settles),
            Some(_) => {}
            None => known = false,
        }
    }
    known.then_some(!settles)
}
