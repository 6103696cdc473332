//! From words to conditions: `or` joins what `and` joins, `not` stands before one condition or a parenthesis.

use std::iter::Peekable;
use std::ops::RangeInclusive;
use std::vec::IntoIter;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::condition::{Condition, Expression, Pattern};
use super::error::{Fault, Span, quoted};
use super::subject::{End, NumberField, TextField};
use super::token::{Comparison, Kind, Token, tokens};
use super::value::Value;
use super::vocabulary::{self, Field, Word};

/// Parentheses within each other.
const MAX_DEPTH: usize = 100;
/// What a condition looks like, for those who left one out.
const EXAMPLES: &str = "a condition such as host 10.0.0.1, port 443, site dc2 or asymmetric";

/// A filter that was read.
pub(super) struct Parsed {
    pub expression: Expression,
    /// The first word that a flow's first packet does not decide.
    pub late: Option<String>,
}

/// Reads a whole filter.
pub(super) fn parse(text: &str) -> Result<Parsed, Fault> {
    let mut parser = Parser {
        tokens: tokens(text)?.into_iter().peekable(),
        end: Span {
            start: text.chars().count(),
            length: 1,
        },
        depth: 0,
        last: None,
        late: None,
    };
    let expression = parser.any()?;
    let at = parser.at();
    match parser.peek() {
        Kind::End => Ok(Parsed {
            expression,
            late: parser.late,
        }),
        Kind::Close => {
            let message = "a parenthesis is closed and was never opened";
            Err(Fault::new(at, message))
        }
        _ => Err(Fault::new(at, SIDE_BY_SIDE).expected("`and` or `or` in front of it")),
    }
}

const SIDE_BY_SIDE: &str = "nothing joins this with what stands in front of it";

/// A word with its field, which values further on may take up again: `port 80 or 443`.
#[derive(Clone)]
struct Head {
    typed: String,
    field: Field,
    end: End,
    /// The protocol in front of it.
    only: Option<Condition>,
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    end: Span,
    depth: usize,
    last: Option<Head>,
    late: Option<String>,
}

impl Parser {
    fn peek(&mut self) -> &Kind {
        self.tokens.peek().map_or(&Kind::End, |token| &token.kind)
    }

    /// Where the next word stands.
    fn at(&mut self) -> Span {
        self.tokens.peek().map_or(self.end, |token| token.at)
    }

    fn advance(&mut self) -> Token {
        self.tokens.next().unwrap_or(Token {
            kind: Kind::End,
            at: self.end,
        })
    }

    fn take(&mut self, kind: &Kind) -> bool {
        self.tokens.next_if(|token| token.kind == *kind).is_some()
    }

    fn any(&mut self) -> Result<Expression, Fault> {
        let mut parts = vec![self.all()?];
        while self.take(&Kind::Or) {
            parts.push(self.all()?);
        }
        Ok(joined(parts, Expression::Or))
    }

    fn all(&mut self) -> Result<Expression, Fault> {
        let mut parts = vec![self.one()?];
        while self.take(&Kind::And) {
            parts.push(self.one()?);
        }
        Ok(joined(parts, Expression::And))
    }

    fn one(&mut self) -> Result<Expression, Fault> {
        let mut negated = false;
        while self.take(&Kind::Not) {
            negated = !negated;
        }
        let inner = self.positive()?;
        Ok(if negated { not(inner) } else { inner })
    }

    fn positive(&mut self) -> Result<Expression, Fault> {
        let Token { kind, at } = self.advance();
        match kind {
            Kind::Open => self.parenthesis(at),
            Kind::Word(text) => match vocabulary::word(&text) {
                Some(word) => self.condition(word, text),
                None => self.taken_up(Value { text, at }),
            },
            Kind::Quoted(text) => {
                let message = format!("{} alone does not say what it names", quoted(&text));
                Err(Fault::new(at, message)
                    .expected("a word in front of it, such as site, point or session"))
            }
            Kind::End => Err(Fault::new(at, "a condition is missing here").expected(EXAMPLES)),
            _ => {
                let message = "a condition is missing in front of this";
                Err(Fault::new(at, message).expected(EXAMPLES))
            }
        }
    }

    fn parenthesis(&mut self, open: Span) -> Result<Expression, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let message = format!("more than {MAX_DEPTH} parentheses within each other");
            return Err(Fault::new(open, message));
        }
        let inner = self.any()?;
        self.depth -= 1;
        if self.take(&Kind::Close) {
            return Ok(inner);
        }
        let at = self.at();
        Err(match self.peek() {
            Kind::End => Fault::new(open, UNCLOSED),
            _ => Fault::new(at, SIDE_BY_SIDE).expected("`and`, `or` or `)` in front of it"),
        })
    }

    /// What a word of the language begins.
    fn condition(&mut self, word: Word, typed: String) -> Result<Expression, Fault> {
        match word {
            Word::Protocol(number) => {
                let number = u64::from(number);
                self.qualified(Condition::Protocol(vec![number..=number]))
            }
            Word::Ip { version } => {
                let all = if version == 4 {
                    IpNet::V4(Ipv4Net::default())
                } else {
                    IpNet::V6(Ipv6Net::default())
                };
                self.qualified(Condition::Address(End::Either, vec![all], Vec::new()))
            }
            Word::Verdict(verdict) => {
                let exactly = Pattern::Exact(verdict.as_str().to_owned());
                let condition = Condition::Text(TextField::Verdict, vec![exactly]);
                Ok(self.note(condition, &typed))
            }
            Word::Field(field, end) => self.field(Head {
                typed,
                field,
                end,
                only: None,
            }),
            Word::End(end) => {
                let field = self.field_of_end();
                self.field(Head {
                    typed,
                    field,
                    end,
                    only: None,
                })
            }
        }
    }

    /// A protocol, and addresses or ports right behind it as tcpdump has them: `tcp port 80`.
    fn qualified(&mut self, only: Condition) -> Result<Expression, Fault> {
        let word = match self.peek() {
            Kind::Word(text) => vocabulary::word(text).map(|word| (word, text.clone())),
            _ => None,
        };
        let (field, end, typed) = match word {
            Some((Word::Field(field @ (Field::Address | Field::Port), end), typed)) => {
                self.advance();
                (field, end, typed)
            }
            Some((Word::End(end), typed)) => {
                self.advance();
                (self.field_of_end(), end, typed)
            }
            _ => return Ok(Expression::Condition(only)),
        };
        self.field(Head {
            typed,
            field,
            end,
            only: Some(only),
        })
    }

    /// What `src` or `dst` is about: an address, unless another field follows that flows have for each end.
    fn field_of_end(&mut self) -> Field {
        let word = match self.peek() {
            Kind::Word(text) => vocabulary::word(text),
            _ => None,
        };
        match word {
            Some(Word::Field(
                field @ (Field::Address
                | Field::Port
                | Field::Number(
                    NumberField::Bytes | NumberField::Packets | NumberField::Payload,
                )),
                End::Either,
            )) => {
                self.advance();
                field
            }
            _ => Field::Address,
        }
    }

    /// What a field is compared with.
    fn field(&mut self, head: Head) -> Result<Expression, Fault> {
        let at = self.at();
        let comparison = match self.peek() {
            Kind::Compare(comparison) => {
                let comparison = *comparison;
                self.advance();
                comparison
            }
            _ => Comparison::Equal,
        };
        let values = self.values(&head)?;
        let found = match comparison {
            Comparison::Equal => self.equal(&head, &values)?,
            Comparison::NotEqual => not(self.equal(&head, &values)?),
            _ => self.ordered(&head, comparison, at, &values)?,
        };
        self.last = Some(head);
        Ok(found)
    }

    /// One value, or several: `80,443`, `(80 or 443)`.
    fn values(&mut self, head: &Head) -> Result<Vec<Value>, Fault> {
        let open = self.at();
        let enclosed = self.take(&Kind::Open);
        let mut values = vec![self.value(head)?];
        while self.take(&Kind::Comma) || enclosed && self.take(&Kind::Or) {
            values.push(self.value(head)?);
        }
        if !enclosed || self.take(&Kind::Close) {
            return Ok(values);
        }
        let at = self.at();
        Err(match self.peek() {
            Kind::End => Fault::new(open, UNCLOSED),
            _ => Fault::new(at, "this is no list of values").expected("`or`, `,` or `)`"),
        })
    }

    fn value(&mut self, head: &Head) -> Result<Value, Fault> {
        let Token { kind, at } = self.advance();
        match kind {
            Kind::Word(text) | Kind::Quoted(text) => Ok(Value { text, at }),
            _ => {
                let message = format!("a value is missing behind {}", quoted(&head.typed));
                Err(Fault::new(at, message).expected(Value::form(head.field)))
            }
        }
    }

    /// The field has one of the values.
    fn equal(&mut self, head: &Head, values: &[Value]) -> Result<Expression, Fault> {
        let values = values.iter();
        let condition = match head.field {
            Field::Address => {
                let (names, addresses): (Vec<&Value>, _) =
                    values.partition(|value| value.is_name());
                let prefixes = addresses.into_iter().map(Value::prefix);
                let names = names.into_iter().map(Value::name).collect();
                Condition::Address(head.end, prefixes.collect::<Result<_, _>>()?, names)
            }
            Field::Port => {
                let ranges = values.map(Value::ports).collect::<Result<_, _>>();
                Condition::Port(head.end, ranges?)
            }
            Field::Protocol => {
                let numbers = values.map(Value::protocol).collect::<Result<_, _>>();
                Condition::Protocol(numbers?)
            }
            Field::Text(field) => {
                let patterns = values.map(|value| value.pattern(field));
                Condition::Text(field, patterns.collect::<Result<_, _>>()?)
            }
            Field::Number(field) => {
                let ranges = values.map(|value| value.numbers(field));
                Condition::Number(field, head.end, ranges.collect::<Result<_, _>>()?)
            }
        };
        Ok(self.only(head, condition))
    }

    /// The field is above or below a value.
    fn ordered(
        &mut self,
        head: &Head,
        comparison: Comparison,
        at: Span,
        values: &[Value],
    ) -> Result<Expression, Fault> {
        let [value] = values else {
            let message = "a number is above or below one other, not several";
            return Err(Fault::new(at, message).expected("one value, or `=`"));
        };
        let limit = |range: RangeInclusive<u64>| {
            let (from, to) = range.into_inner();
            let fault = || Fault::new(value.at, "a number is above or below one other, no range");
            (from == to).then_some(from).ok_or_else(fault)
        };
        let condition = match head.field {
            Field::Port => {
                let limit = limit(value.ports()?)?;
                Condition::Port(head.end, vec![beyond(comparison, limit)])
            }
            Field::Number(field) => {
                let limit = limit(value.numbers(field)?)?;
                Condition::Number(field, head.end, vec![beyond(comparison, limit)])
            }
            Field::Address | Field::Protocol | Field::Text(_) => {
                let message = format!("{} has no order", quoted(&head.typed));
                return Err(Fault::new(at, message).expected("`=` or `!=`"));
            }
        };
        Ok(self.only(head, condition))
    }

    /// A value without a word in front of it, which takes up the last one.
    fn taken_up(&mut self, value: Value) -> Result<Expression, Fault> {
        if let Some(head) = self.last.clone()
            && match head.field {
                Field::Address => value.prefix().is_ok(),
                Field::Port => value.is_numeric() && value.ports().is_ok(),
                Field::Protocol | Field::Text(_) | Field::Number(_) => false,
            }
        {
            let mut values = vec![value];
            while self.take(&Kind::Comma) {
                values.push(self.value(&head)?);
            }
            return self.equal(&head, &values);
        }
        let message = format!("{} is no word of the filter language", quoted(&value.text));
        let words: Vec<&str> = vocabulary::words().collect();
        let fault = Fault::new(value.at, message).expected(words.join(", "));
        Err(if value.prefix().is_ok() {
            fault.suggest(Some(format!("host {}", value.text)))
        } else if value.ports().is_ok() {
            fault.suggest(Some(format!("port {}", value.text)))
        } else {
            fault.suggest(vocabulary::nearest(&value.text, words))
        })
    }

    /// The condition, and the protocol in front of its field.
    fn only(&mut self, head: &Head, condition: Condition) -> Expression {
        let condition = self.note(condition, &head.typed);
        match &head.only {
            Some(only) => Expression::And(vec![Expression::Condition(only.clone()), condition]),
            None => condition,
        }
    }

    fn note(&mut self, condition: Condition, typed: &str) -> Expression {
        if self.late.is_none() && !condition.is_static() {
            self.late = Some(typed.to_owned());
        }
        Expression::Condition(condition)
    }
}

const UNCLOSED: &str = "a parenthesis is opened and never closed";

/// The numbers above or below a limit.
fn beyond(comparison: Comparison, limit: u64) -> RangeInclusive<u64> {
    // No number: what lies above the largest and below the smallest.
    #[expect(clippy::reversed_empty_ranges, reason = "holds no number")]
    const NONE: RangeInclusive<u64> = 1..=0;
    match comparison {
        Comparison::Less => limit.checked_sub(1).map_or(NONE, |limit| 0..=limit),
        Comparison::LessOrEqual => 0..=limit,
        Comparison::Greater => limit.checked_add(1).map_or(NONE, |limit| limit..=u64::MAX),
        Comparison::GreaterOrEqual => limit..=u64::MAX,
        Comparison::Equal | Comparison::NotEqual => limit..=limit,
    }
}

fn not(inner: Expression) -> Expression {
    Expression::Not(Box::new(inner))
}

/// Several parts under one roof; a single one needs none.
fn joined(mut parts: Vec<Expression>, all: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            all(parts)
        }
    }
}
