//! Values as they are typed: addresses, numbers with units, names.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;

use super::condition::{Pattern, number};
use super::error::{Fault, Span, quoted};
use super::subject::{NumberField, TextField};
use super::vocabulary::{self, Field};

/// A value in the text.
pub(super) struct Value {
    pub text: String,
    pub at: Span,
}

impl Value {
    fn fault(&self, is_no: &str, field: Field) -> Fault {
        let message = format!("{} is no {is_no}", quoted(&self.text));
        Fault::new(self.at, message).expected(Self::form(field))
    }

    /// What values of a field look like.
    pub fn form(field: Field) -> String {
        let example = match field {
            Field::Address => {
                "an address, a prefix or a machine's name such as 10.0.0.1, 10.20.0.0/16, 2001:db8::/32 or web01"
            }
            Field::Port => "a port such as 443, 8000-8999 or https",
            Field::Protocol => {
                let names: Vec<&str> = vocabulary::protocols().collect();
                return format!("{} or a number up to 255", names.join(", "));
            }
            Field::Text(TextField::Role) => return vocabulary::ROLES.join(", "),
            Field::Text(TextField::Verdict) => return vocabulary::VERDICT_NAMES.join(", "),
            Field::Text(TextField::Cause) => return vocabulary::CAUSES.join(", "),
            Field::Text(TextField::State) => return vocabulary::STATES.join(", "),
            Field::Text(TextField::History) => "letters of Zeek's history such as S, h or Rr",
            Field::Text(TextField::Site | TextField::Point | TextField::Tenant) => {
                "a name; * stands for anything"
            }
            Field::Text(TextField::Session) => "a name or an id; * stands for anything",
            Field::Text(TextField::Id) => "a flow's id",
            Field::Text(TextField::CommunityId) => "a Community ID, which begins with 1:",
            Field::Number(NumberField::Segment) => "a VNI or GRE key such as 5012 or 0x1394",
            Field::Number(NumberField::Vlan) => "a VLAN up to 4095",
            Field::Number(NumberField::Duration) => "a time such as 200ms, 1.5s, 30s, 5m or 2h",
            Field::Number(
                NumberField::Bytes
                | NumberField::Packets
                | NumberField::Payload
                | NumberField::OutOfState,
            ) => "a number such as 3, 1500, 10k, 1M or 1.5GiB",
        };
        example.to_owned()
    }

    /// Whether it begins with a digit.
    pub fn is_numeric(&self) -> bool {
        self.text.starts_with(|c: char| c.is_ascii_digit())
    }

    /// Whether it is meant as a machine's name, not as an address; `*` stands for anything.
    pub fn is_name(&self) -> bool {
        let mut characters = self.text.chars();
        let first = characters
            .next()
            .is_some_and(|c| c.is_alphabetic() || c == '*');
        first && self.prefix().is_err() && !self.text.contains(['/', ':'])
    }

    /// A machine's name.
    pub fn name(&self) -> Pattern {
        Pattern::Name(self.lower())
    }

    fn lower(&self) -> Vec<char> {
        self.text.chars().flat_map(char::to_lowercase).collect()
    }

    /// An address or a prefix.
    pub fn prefix(&self) -> Result<IpNet, Fault> {
        let address = || self.text.parse::<IpAddr>().map(IpNet::from);
        let prefix = self.text.parse().or_else(|_| address());
        prefix.map_err(|_| self.fault("address", Field::Address))
    }

    /// A port, a range of ports, or a service.
    pub fn ports(&self) -> Result<RangeInclusive<u64>, Fault> {
        let one = |text: &str| {
            let port = text.parse::<u16>().ok().filter(|_| !text.starts_with('+'));
            port.or_else(|| vocabulary::service(text)).map(u64::from)
        };
        self.range(one).ok_or_else(|| {
            let nearest = vocabulary::nearest(&self.text, vocabulary::services());
            self.fault("port", Field::Port).suggest(nearest)
        })
    }

    /// An IP protocol.
    pub fn protocol(&self) -> Result<RangeInclusive<u64>, Fault> {
        let number = vocabulary::protocol_number(&self.text).map(u64::from);
        number.map(|number| number..=number).ok_or_else(|| {
            let nearest = vocabulary::nearest(&self.text, vocabulary::protocols());
            self.fault("protocol", Field::Protocol).suggest(nearest)
        })
    }

    /// A number, or a range, in the unit of the field.
    pub fn numbers(&self, field: NumberField) -> Result<RangeInclusive<u64>, Fault> {
        let (is_no, range) = match field {
            NumberField::Segment => ("segment", self.range(number)),
            NumberField::Vlan => {
                let vlan = |text: &str| number(text).filter(|&vlan| vlan <= 4095);
                ("VLAN", self.range(vlan))
            }
            NumberField::Duration => ("time", self.range(time)),
            NumberField::Bytes
            | NumberField::Packets
            | NumberField::Payload
            | NumberField::OutOfState => ("number", self.range(size)),
        };
        range.ok_or_else(|| self.fault(is_no, Field::Number(field)))
    }

    /// One value, or two with a hyphen between them.
    fn range(&self, one: impl Fn(&str) -> Option<u64>) -> Option<RangeInclusive<u64>> {
        if let Some(value) = one(&self.text) {
            return Some(value..=value);
        }
        let (from, to) = self.text.split_once('-')?;
        let (from, to) = (one(from)?, one(to)?);
        (from <= to).then_some(from..=to)
    }

    /// What a field of words is compared with.
    pub fn pattern(&self, field: TextField) -> Result<Pattern, Fault> {
        Ok(match field {
            TextField::Site | TextField::Point | TextField::Tenant => self.name(),
            TextField::Session => Pattern::Session(self.lower(), number(&self.text)),
            TextField::Role => self.one_of("role", field, vocabulary::ROLES)?,
            TextField::Verdict => self.one_of("verdict", field, vocabulary::VERDICT_NAMES)?,
            TextField::Cause => {
                self.one_of("cause of an unknown verdict", field, vocabulary::CAUSES)?
            }
            TextField::State => self.one_of("connection state", field, vocabulary::STATES)?,
            TextField::History => {
                let letter = |c: char| c.is_ascii_alphabetic() || c == '^';
                if !self.text.chars().all(letter) {
                    return Err(self.fault("part of a history", Field::Text(field)));
                }
                Pattern::Letters(self.text.clone())
            }
            TextField::Id => {
                // In a conn.log, `C` stands in front of it.
                let uid = self.text.strip_prefix('C').filter(|id| id.len() == 10);
                Pattern::Exact(uid.unwrap_or(&self.text).to_owned())
            }
            TextField::CommunityId => Pattern::Exact(self.text.clone()),
        })
    }

    fn one_of(
        &self,
        is_no: &str,
        field: TextField,
        choices: &'static [&'static str],
    ) -> Result<Pattern, Fault> {
        let known = choices.iter().find(|c| c.eq_ignore_ascii_case(&self.text));
        let known = known.map(|known| Pattern::Exact((*known).to_owned()));
        known.ok_or_else(|| {
            let nearest = vocabulary::nearest(&self.text, choices.iter().copied());
            self.fault(is_no, Field::Text(field)).suggest(nearest)
        })
    }
}

/// Units by name, in lower case, and what they are worth.
type Units = &'static [(&'static str, u64)];

const SIZES: Units = &[
    ("", 1),
    ("k", 1000),
    ("m", 1_000_000),
    ("g", 1_000_000_000),
    ("t", 1_000_000_000_000),
    ("ki", 1 << 10),
    ("mi", 1 << 20),
    ("gi", 1 << 30),
    ("ti", 1 << 40),
];

/// In nanoseconds; seconds where no unit is told.
const TIMES: Units = &[
    ("", 1_000_000_000),
    ("ns", 1),
    ("us", 1000),
    ("µs", 1000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Digits behind the point that are read.
const DECIMALS: usize = 9;

fn size(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    measured(text.strip_suffix('b').unwrap_or(&text), SIZES)
}

fn time(text: &str) -> Option<u64> {
    measured(&text.to_lowercase(), TIMES)
}

/// A decimal number with a unit.
fn measured(text: &str, units: Units) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (digits, unit) = text.split_at_checked(unit.unwrap_or(text.len()))?;
    let (_, worth) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    if fraction.len() > DECIMALS {
        return None;
    }
    let worth = u128::from(*worth);
    let ten = 10_u128.pow(fraction.len() as u32);
    let whole = u128::from(whole.parse::<u64>().ok()?) * worth;
    let part = u128::from(fraction.parse::<u64>().ok()?) * worth;
    // There is no half byte.
    let exact = part % ten == 0;
    u64::try_from(whole + part / ten).ok().filter(|_| exact)
}
