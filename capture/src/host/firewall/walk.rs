//! A packet's way through the chains of a table.

use super::{Chain, Probe, Rule, Table, Test, Tool, Verdict};

/// Chains that call each other deeper than this do not exist: the kernel's own bound is 16.
const MAX_DEPTH: usize = 16;

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing stops it.
    Passes,
    /// A rule stops some such packets, or is only reached by some.
    MayStop(Place),
    /// It is stopped.
    Stops(Place),
}

/// Where a packet is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What shows and changes the rule.
    pub tool: Tool,
    /// The table's family, as its tool says it.
    pub family: &'static str,
    /// The table.
    pub table: String,
    /// The chain by which packets enter.
    pub base: String,
    /// The chain that stops it.
    pub chain: String,
    /// The rule; none for the chain's policy.
    pub rule: Option<String>,
    /// The sender is told with ICMP.
    pub answers: bool,
}

impl Fate {
    /// The worse of two.
    pub(super) fn worse(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::Passes, _) | (Self::MayStop(_), Self::Stops(_)) => other,
            _ => self,
        }
    }
}

/// What is known of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    Maybe,
}

/// How a chain ended.
enum End {
    Accepted,
    Stopped(Place),
    /// No rule decided.
    Through,
}

/// A packet under way.
struct Walker<'a> {
    table: &'a Table,
    base: &'a Chain,
    probe: &'a Probe<'a>,
    /// A rule that may not have been met let it go.
    doubtful: bool,
    /// The first rule that may stop it.
    suspect: Option<Place>,
}

/// Walks a packet through a base chain.
pub fn walk(table: &Table, base: &Chain, probe: &Probe<'_>) -> Fate {
    let mut walker = Walker {
        table,
        base,
        probe,
        doubtful: false,
        suspect: None,
    };
    let end = match walker.chain(base, 0) {
        End::Through if base.drops => End::Stopped(walker.place(base, None)),
        end => end,
    };
    match (end, walker.suspect) {
        (End::Stopped(place), _) if !walker.doubtful => Fate::Stops(place),
        (_, Some(place)) | (End::Stopped(place), None) => Fate::MayStop(place),
        _ => Fate::Passes,
    }
}

impl Walker<'_> {
    fn chain(&mut self, chain: &Chain, depth: usize) -> End {
        if depth > MAX_DEPTH {
            return End::Through;
        }
        for rule in &chain.rules {
            let holds = rule
                .tests
                .iter()
                .fold(Holds::Yes, |all, test| all.and(holds(test, self.probe)));
            let certain = match holds {
                Holds::No => continue,
                Holds::Yes => true,
                Holds::Maybe => false,
            };
            match &rule.verdict {
                Verdict::Continue => {}
                Verdict::Accept if certain => return End::Accepted,
                Verdict::Return if certain => return End::Through,
                Verdict::Accept | Verdict::Return => self.doubtful = true,
                Verdict::Drop | Verdict::Reject if certain => {
                    return End::Stopped(self.place(chain, Some(rule)));
                }
                Verdict::Drop | Verdict::Reject | Verdict::Unknown => {
                    self.doubtful |= rule.verdict == Verdict::Unknown;
                    let place = self.place(chain, Some(rule));
                    self.suspect.get_or_insert(place);
                }
                Verdict::Jump(name) | Verdict::Goto(name) => {
                    let chains = self.table.chains.iter();
                    let Some(next) = chains.into_iter().find(|chain| chain.name == *name) else {
                        continue;
                    };
                    let end = self.chain(next, depth + 1);
                    match end {
                        End::Through if matches!(rule.verdict, Verdict::Jump(_)) || !certain => {}
                        End::Stopped(place) if !certain => {
                            self.suspect.get_or_insert(place);
                        }
                        End::Accepted if !certain => self.doubtful = true,
                        end => return end,
                    }
                }
            }
        }
        End::Through
    }

    fn place(&self, chain: &Chain, rule: Option<&Rule>) -> Place {
        Place {
            tool: self.table.tool,
            family: self.table.family.as_str(),
            table: self.table.name.clone(),
            base: self.base.name.clone(),
            chain: chain.name.clone(),
            rule: rule.map(|rule| rule.label.clone()),
            answers: rule.is_some_and(|rule| rule.verdict == Verdict::Reject),
        }
    }
}

impl Holds {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Maybe,
        }
    }
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

fn holds(test: &Test, probe: &Probe<'_>) -> Holds {
    match test {
        Test::Protocol(protocols) => protocols.contains(&probe.protocol).into(),
        Test::Port(ranges) => match probe.port {
            Some(port) => {
                let within = |&(first, last): &(u16, u16)| (first..=last).contains(&port);
                ranges.iter().any(within).into()
            }
            None => Holds::No,
        },
        Test::Interface(names) => match probe.interface {
            Some(interface) => names.iter().any(|name| matches(name, interface)).into(),
            // No mirror comes by the loopback interface.
            None if names.iter().all(|name| name == "lo") => Holds::No,
            None => Holds::Maybe,
        },
        Test::V6(v6) => (*v6 == probe.v6).into(),
        Test::Known(holds) => (*holds).into(),
        Test::Unknown => Holds::Maybe,
        Test::Not(test) => match holds(test, probe) {
            Holds::Yes => Holds::No,
            Holds::No => Holds::Yes,
            Holds::Maybe => Holds::Maybe,
        },
    }
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix(['*', '+']) {
        Some(beginning) => name.starts_with(beginning),
        None => pattern == name,
    }
}
