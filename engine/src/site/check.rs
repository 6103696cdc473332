//! What is wrong with the text of a sites file, and where: beyond what its form tells.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::ops::Range;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

use super::{Match, Role, Sites};
use crate::filter::nearest;
use crate::point::printable;

/// Longer lines of a file are not repeated.
const SHOWN: usize = 200;
/// Problems that are told.
const TOLD: usize = 100;

/// A place in a file, from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Something wrong, or odd, at a place of a sites file. Prints with the line and a mark under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file can be used all the same.
    pub harmless: bool,
    /// Where.
    pub at: Position,
    /// What.
    pub message: String,
    /// The other place that it is about, and what is there.
    pub other: Option<(Position, String)>,
    /// The line as it stands, made safe to print, and where in it how many characters are meant.
    shown: Option<(String, usize, usize)>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.message)?;
        if let Some((line, before, length)) = &self.shown {
            let number = self.at.line.to_string();
            let margin = " ".repeat(number.len());
            write!(f, "\n{margin} |\n{number} | {line}\n{margin} | ")?;
            write!(f, "{}{}", " ".repeat(*before), "^".repeat(*length))?;
        }
        if let Some((at, what)) = &self.other {
            write!(f, "\n{what} at {at}")?;
        }
        Ok(())
    }
}

/// All that is wrong with a sites file; at least one thing. Prints the first.
#[derive(Clone, Debug)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut errors = self.0.iter().filter(|problem| !problem.harmless);
        if let Some(first) = errors.next() {
            write!(f, "{first}")?;
        }
        match errors.count() {
            0 => Ok(()),
            more => write!(f, "\nand {more} more; mirrorscope sites check tells all"),
        }
    }
}

impl std::error::Error for Problems {}

/// The parts of a sites file whose places matter. Its form has been checked.
#[derive(Deserialize)]
struct File {
    #[serde(default)]
    site: Vec<SiteAt>,
    #[serde(default)]
    tenant: Vec<TenantAt>,
}

#[derive(Deserialize)]
struct SiteAt {
    name: Spanned<String>,
    source: Option<Spanned<OneOrMany<String>>>,
    #[serde(default)]
    point: Vec<PointAt>,
}

#[derive(Deserialize)]
struct PointAt {
    name: Spanned<String>,
    #[serde(default)]
    role: Role,
    #[serde(rename = "match")]
    matches: Spanned<OneOrMany<Match>>,
    sampling: Option<Spanned<u32>>,
    firewall: Option<Spanned<IgnoredAny>>,
}

#[derive(Deserialize)]
struct TenantAt {
    name: Spanned<String>,
    #[serde(default)]
    vlans: Vec<Spanned<u16>>,
    #[serde(default)]
    segments: Vec<Spanned<u64>>,
    #[serde(default)]
    points: Vec<Spanned<String>>,
}

/// One value, whose place is that of the whole, or a list of them, each with its own.
struct OneOrMany<T>(Vec<(Option<Range<usize>>, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Values<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Values<T> {
            type Value = Vec<(Option<Range<usize>>, T)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value, or a list of them")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                use serde::de::IntoDeserializer;
                Ok(vec![(None, T::deserialize(text.into_deserializer())?)])
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let one = T::deserialize(MapAccessDeserializer::new(map))?;
                Ok(vec![(None, one)])
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = seq.next_element::<Spanned<T>>()? {
                    many.push((Some(one.span()), one.into_inner()));
                }
                Ok(many)
            }
        }
        let values = deserializer.deserialize_any(Values(std::marker::PhantomData))?;
        Ok(Self(values))
    }
}

/// Finds out what is wrong.
struct Checker<'t> {
    text: &'t str,
    /// Byte offsets at which lines begin.
    lines: Vec<usize>,
    problems: Vec<Problem>,
}

/// Reads a sites file and tells everything that is wrong with it; the description is there unless something is really
/// wrong.
pub(super) fn read(text: &str) -> (Option<Sites>, Vec<Problem>) {
    let mut checker = Checker::new(text);
    let sites: Sites = match toml::from_str(text) {
        Ok(sites) => sites,
        Err(error) => {
            checker.malformed(&error);
            return (None, checker.problems);
        }
    };
    match toml::from_str(text) {
        Ok(file) => checker.file(&file),
        Err(error) => checker.malformed(&error),
    }
    checker
        .problems
        .sort_by_key(|problem| (problem.harmless, problem.at));
    let sound = checker.problems.iter().all(|problem| problem.harmless);
    (sound.then_some(sites), checker.problems)
}

/// The names of one kind of things.
struct Names<'t> {
    what: &'static str,
    known: BTreeMap<&'t str, Range<usize>>,
}

impl Names<'_> {
    fn new(what: &'static str) -> Self {
        Self {
            what,
            known: BTreeMap::new(),
        }
    }
}

impl<'t> Checker<'t> {
    fn new(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            lines: std::iter::once(0).chain(ends).collect(),
            problems: Vec::new(),
        }
    }

    fn malformed(&mut self, error: &toml::de::Error) {
        let span = error.span().unwrap_or_default();
        self.problems
            .push(self.problem(false, span, error.message()));
    }

    fn error(&mut self, at: Range<usize>, message: &str) {
        self.push(false, at, message, None);
    }

    fn warning(&mut self, at: Range<usize>, message: &str) {
        self.push(true, at, message, None);
    }

    fn push(
        &mut self,
        harmless: bool,
        at: Range<usize>,
        message: &str,
        other: Option<(Range<usize>, String)>,
    ) {
        if self.problems.len() >= TOLD {
            return;
        }
        let other = other.map(|(at, what)| (self.position(at.start), what));
        let problem = self.problem(harmless, at, message);
        self.problems.push(Problem { other, ..problem });
    }

    fn problem(&self, harmless: bool, at: Range<usize>, message: &str) -> Problem {
        let position = self.position(at.start);
        Problem {
            harmless,
            at: position,
            message: message.lines().map(printable).collect::<Vec<_>>().join(" "),
            other: None,
            shown: self.shown(position, at),
        }
    }

    fn position(&self, at: usize) -> Position {
        let line = self.lines.partition_point(|begin| *begin <= at);
        let begin = line.checked_sub(1).and_then(|line| self.lines.get(line));
        let begin = begin.copied().unwrap_or_default();
        let before = self.text.get(begin..at).unwrap_or_default();
        Position {
            line: line.max(1),
            column: before.chars().count() + 1,
        }
    }

    /// The line of a place, and where in it the place is.
    fn shown(&self, position: Position, at: Range<usize>) -> Option<(String, usize, usize)> {
        let begin = *self.lines.get(position.line - 1)?;
        let line = self.text.get(begin..)?.lines().next().unwrap_or_default();
        let before = printable(self.text.get(begin..at.start)?);
        let end = at
            .end
            .clamp(at.start, begin + line.len().max(at.start - begin));
        let meant = printable(self.text.get(at.start..end)?);
        let width = |text: &str| text.chars().count();
        let line = printable(line);
        (width(&line) <= SHOWN && !line.is_empty())
            .then(|| (line, width(&before), width(&meant).max(1)))
    }

    fn name<'f>(&mut self, names: &mut Names<'f>, name: &'f Spanned<String>) {
        let what = names.what;
        let (text, at) = (name.get_ref(), name.span());
        if text.trim().is_empty() {
            self.error(at, &format!("a {what} has an empty name"));
            return;
        }
        match names.known.get(text.as_str()) {
            Some(first) => {
                let message = format!("{what} {text:?} is defined twice");
                let first = (first.clone(), "it is defined first".to_owned());
                self.push(false, at, &message, Some(first));
            }
            None => {
                names.known.insert(text, at);
            }
        }
    }

    fn file(&mut self, file: &File) {
        let mut sites = Names::new("site");
        let mut points = Names::new("point");
        let mut before: Vec<(&PointAt, Range<usize>, &Match)> = Vec::new();
        for site in &file.site {
            self.name(&mut sites, &site.name);
            if site.source.is_none() && site.point.is_empty() {
                let name = site.name.get_ref();
                let message =
                    format!("site {name:?} has neither source nor points: nothing belongs to it");
                self.warning(site.name.span(), &message);
            }
            for point in &site.point {
                self.name(&mut points, &point.name);
                self.point(point);
                self.order(&before, point);
                let matches = point.matches.get_ref().0.iter();
                before.extend(
                    matches
                        .map(|(at, one)| (point, at.clone().unwrap_or(point.matches.span()), one)),
                );
            }
        }
        self.sources(&file.site);
        self.tenants(&file.tenant, &points);
    }

    fn point(&mut self, point: &PointAt) {
        let name = point.name.get_ref();
        let whole = point.matches.span();
        let matches = &point.matches.get_ref().0;
        let empty = matches.iter().find(|(_, one)| one.is_empty());
        if let Some(at) = empty
            .map(|(at, _)| at.clone())
            .or(matches.is_empty().then_some(None))
        {
            let message = format!(
                "point {name:?}: match is empty; give at least one of source, destination, encapsulation, session, \
                 interface, file, port_index, direction"
            );
            self.error(at.unwrap_or(whole), &message);
        }
        if let Some(sampling) = point.sampling.as_ref().filter(|n| *n.get_ref() == 0) {
            let message = format!(
                "point {name:?}: sampling must be 1 or more (one of that many packets is mirrored)"
            );
            self.error(sampling.span(), &message);
        }
        if let Some(firewall) = &point.firewall
            && point.role != Role::Firewall
        {
            let message =
                format!("point {name:?}: firewall settings, but its role is not \"firewall\"");
            self.error(firewall.span(), &message);
        }
    }

    /// Whether points further up leave sessions for this one: the first that fits takes a session.
    fn order(&mut self, before: &[(&PointAt, Range<usize>, &Match)], point: &PointAt) {
        let name = point.name.get_ref();
        let whole = point.matches.span();
        let matches = &point.matches.get_ref().0;
        if matches.iter().any(|(_, one)| one.is_empty()) {
            return;
        }
        let taken = |one: &Match| {
            let mut before = before.iter().filter(|(_, _, earlier)| !earlier.is_empty());
            before.find(|(_, _, earlier)| earlier.covers(one))
        };
        let all: Vec<_> = matches.iter().map(|(_, one)| taken(one)).collect();
        for ((at, one), taken) in matches.iter().zip(&all) {
            let at = at.clone().unwrap_or(whole.clone());
            if let Some((earlier, there, _)) = taken {
                let by = earlier.name.get_ref();
                let never = all.iter().all(Option::is_some);
                let message = if never {
                    format!(
                        "point {name:?} can never match: {by:?} further up takes all its sessions"
                    )
                } else {
                    format!("{by:?} further up takes all sessions of this alternative")
                };
                self.push(
                    !never,
                    at,
                    &message,
                    Some((there.clone(), format!("{by:?} takes them"))),
                );
                if never {
                    return;
                }
                continue;
            }
            let mut some = before.iter().filter(|(_, _, earlier)| !earlier.is_empty());
            let shared = some.find(|(_, _, earlier)| earlier.overlaps(one) && !one.covers(earlier));
            if let Some((earlier, there, _)) = shared {
                let by = earlier.name.get_ref();
                let message = format!(
                    "sessions that fit both {by:?} and {name:?} go to {by:?}, which comes first"
                );
                self.push(
                    true,
                    at,
                    &message,
                    Some((there.clone(), format!("{by:?} is described"))),
                );
            }
        }
    }

    /// Whether a source is one site's alone.
    fn sources(&mut self, sites: &[SiteAt]) {
        let mut known: BTreeMap<IpNet, (&str, Range<usize>)> = BTreeMap::new();
        for site in sites {
            let name = site.name.get_ref();
            let Some(source) = &site.source else {
                continue;
            };
            for (at, text) in &source.get_ref().0 {
                let at = at.clone().unwrap_or(source.span());
                let Some(net) = super::parse_prefix(text).map(|net| net.trunc()) else {
                    continue;
                };
                match known.get(&net) {
                    Some((other, there)) if *other != name => {
                        let message = format!(
                            "source {net} is given to both site {other:?} and site {name:?}"
                        );
                        let there = (there.clone(), format!("it is given to {other:?}"));
                        self.push(false, at, &message, Some(there));
                    }
                    _ => {
                        known.insert(net, (name, at));
                    }
                }
            }
        }
    }

    fn tenants(&mut self, tenants: &[TenantAt], points: &Names<'_>) {
        let mut names = Names::new("tenant");
        let mut taken: BTreeMap<(&str, String), (&str, Range<usize>)> = BTreeMap::new();
        for tenant in tenants {
            self.name(&mut names, &tenant.name);
            let name = tenant.name.get_ref();
            if tenant.vlans.is_empty() && tenant.segments.is_empty() && tenant.points.is_empty() {
                let message = format!(
                    "tenant {name:?} has neither vlans, segments nor points: nothing belongs to it"
                );
                self.warning(tenant.name.span(), &message);
            }
            for vlan in tenant
                .vlans
                .iter()
                .filter(|id| !(1..4095).contains(id.get_ref()))
            {
                let message = format!("{} is no VLAN id: they are 1 to 4094", vlan.get_ref());
                self.error(vlan.span(), &message);
            }
            for point in &tenant.points {
                let wanted = point.get_ref();
                if !points.known.contains_key(wanted.as_str()) {
                    let mut message = format!("tenant {name:?}: no point is named {wanted:?}");
                    if let Some(meant) = nearest(wanted, points.known.keys().copied()) {
                        let _ = write!(message, "; did you mean {meant:?}?");
                    }
                    self.error(point.span(), &message);
                }
            }
            let vlans = tenant
                .vlans
                .iter()
                .map(|id| ("VLAN", id.get_ref().to_string(), id.span()));
            let segments = tenant
                .segments
                .iter()
                .map(|id| ("segment", id.get_ref().to_string(), id.span()));
            let points = tenant
                .points
                .iter()
                .map(|point| ("point", point.get_ref().clone(), point.span()));
            for (what, which, at) in vlans.chain(segments).chain(points) {
                let key = (what, which);
                if let Some((other, there)) = taken.get(&key) {
                    let (what, which) = &key;
                    let message = if *other == name {
                        format!("tenant {name:?} has {what} {which} twice")
                    } else {
                        format!(
                            "{what} {which} belongs to both tenant {other:?} and tenant {name:?}"
                        )
                    };
                    let there = (there.clone(), format!("it is given to {other:?}"));
                    self.push(*other == name, at, &message, Some(there));
                } else {
                    taken.insert(key, (name, at));
                }
            }
        }
    }
}

impl Match {
    /// Whether every session that fits `other` fits this too.
    fn covers(&self, other: &Self) -> bool {
        fn equal<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.is_none_or(|one| other == Some(one))
        }
        let holds = |one: Option<&IpNet>, other: Option<&IpNet>| {
            one.is_none_or(|one| other.is_some_and(|other| one.contains(other)))
        };
        let file = |one: &String, other: &String| {
            let name = other.strip_suffix(one.as_str());
            name.is_some_and(|folder| folder.is_empty() || folder.ends_with('/'))
        };
        let files = self
            .file
            .as_ref()
            .is_none_or(|one| other.file.as_ref().is_some_and(|other| file(one, other)));
        files
            && holds(self.source.as_ref(), other.source.as_ref())
            && holds(self.destination.as_ref(), other.destination.as_ref())
            && equal(self.encapsulation.as_ref(), other.encapsulation.as_ref())
            && equal(self.session.as_ref(), other.session.as_ref())
            && equal(self.interface.as_ref(), other.interface.as_ref())
            && equal(self.port_index.as_ref(), other.port_index.as_ref())
            && equal(self.direction.as_ref(), other.direction.as_ref())
    }

    /// Whether a session may fit both.
    fn overlaps(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(one: Option<&T>, other: Option<&T>) -> bool {
            one.zip(other).is_none_or(|(one, other)| one == other)
        }
        let share = |one: Option<&IpNet>, other: Option<&IpNet>| {
            one.zip(other)
                .is_none_or(|(one, other)| one.contains(other) || other.contains(one))
        };
        share(self.source.as_ref(), other.source.as_ref())
            && share(self.destination.as_ref(), other.destination.as_ref())
            && agree(self.encapsulation.as_ref(), other.encapsulation.as_ref())
            && agree(self.session.as_ref(), other.session.as_ref())
            && agree(self.interface.as_ref(), other.interface.as_ref())
            && agree(self.file.as_ref(), other.file.as_ref())
            && agree(self.port_index.as_ref(), other.port_index.as_ref())
            && agree(self.direction.as_ref(), other.direction.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line, column and message of everything that is wrong.
    fn wrong(text: &str) -> Vec<(usize, usize, String)> {
        let (_, problems) = read(text);
        let told = problems.into_iter();
        told.map(|problem| (problem.at.line, problem.at.column, problem.message))
            .collect()
    }

    fn only(text: &str) -> Problem {
        let (sites, mut problems) = read(text);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let problem = problems.remove(0);
        assert_eq!(sites.is_some(), problem.harmless);
        problem
    }

    #[test]
    fn a_name_that_is_there_twice_is_told_with_both_places() {
        let problem = only(
            "[[site]]\nname = \"a\"\nsource = \"10.0.0.1\"\n\n[[site]]\n  name = \"a\"\nsource = \"10.0.0.2\"\n",
        );
        assert_eq!((problem.at.line, problem.at.column), (6, 10));
        assert_eq!(problem.message, "site \"a\" is defined twice");
        let (first, _) = problem.other.clone().unwrap();
        assert_eq!((first.line, first.column), (2, 8));
        let shown = problem.to_string();
        assert!(
            shown.contains("6 |   name = \"a\"\n  |          ^^^\n"),
            "{shown}"
        );
    }

    #[test]
    fn columns_count_characters() {
        let problem = only("[[site]]\nname='ü'\npoint = [{ name = 'äöü', match = {} }]\n");
        assert_eq!((problem.at.line, problem.at.column), (3, 34));
        assert!(problem.message.contains("match is empty"));
    }

    #[test]
    fn a_point_that_nothing_is_left_for_is_an_error() {
        let text = "[[site]]\nname = 'a'\npoint = [\n\
            { name = 'all', match = { source = '10.60.0.0/24' } },\n\
            { name = 'one', match = { source = '10.60.0.1', session = 7 } },\n]\n";
        let problem = only(text);
        assert_eq!((problem.at.line, problem.harmless), (5, false));
        assert!(
            problem.message.contains("\"one\" can never match"),
            "{}",
            problem.message
        );
        assert_eq!(problem.other.map(|(at, _)| at.line), Some(4));
    }

    #[test]
    fn what_is_more_general_may_stand_behind_what_is_special() {
        let text = "[[site]]\nname = 'a'\npoint = [\n\
            { name = 'one', match = { source = '10.60.0.1', session = 7 } },\n\
            { name = 'all', match = { source = '10.60.0.0/24' } },\n]\n";
        assert_eq!(wrong(text), []);
        let crossing = text.replace("10.60.0.0/24' }", "10.60.0.1', encapsulation = 'vxlan' }");
        let problem = only(&crossing);
        assert!(
            problem.harmless && problem.message.contains("go to \"one\""),
            "{problem}"
        );
    }

    #[test]
    fn one_of_several_alternatives_may_be_taken() {
        let text = "[[site]]\nname = 'a'\npoint = [\n\
            { name = 'one', match = { session = 7 } },\n\
            { name = 'two', match = [{ session = 8 }, { session = 7, encapsulation = 'gre' }] },\n]\n";
        let problem = only(text);
        assert!(problem.harmless);
        assert_eq!((problem.at.line, problem.at.column), (5, 43));
    }

    #[test]
    fn a_tag_belongs_to_one_tenant() {
        let text = "[[tenant]]\nname = 'red'\nvlans = [12]\n[[tenant]]\nname = 'blue'\nvlans = [11,\n 12]\n";
        let problem = only(text);
        assert_eq!((problem.at.line, problem.at.column), (7, 2));
        assert_eq!(
            problem.message,
            "VLAN 12 belongs to both tenant \"red\" and tenant \"blue\""
        );
        assert_eq!(
            problem.other.map(|(at, _)| (at.line, at.column)),
            Some((3, 10))
        );
        assert!(
            only("[[tenant]]\nname='a'\nvlans=[4095]\n")
                .message
                .contains("1 to 4094")
        );
    }

    #[test]
    fn a_tenant_is_of_points_that_exist() {
        let problem = only(
            "[[site]]\nname='a'\npoint=[{name='vm-red', match={session=1}}]\n[[tenant]]\nname='t'\npoints=['vm-rde']\n",
        );
        assert!(
            problem.message.contains("did you mean \"vm-red\"?"),
            "{}",
            problem.message
        );
        assert_eq!((problem.at.line, problem.at.column), (6, 9));
    }

    #[test]
    fn a_source_belongs_to_one_site() {
        let problem = only(
            "[[site]]\nname='a'\nsource=['10.0.0.1','10.0.0.2']\n[[site]]\nname='b'\nsource='10.0.0.2'\n",
        );
        assert_eq!((problem.at.line, problem.at.column), (6, 8));
        assert_eq!(
            problem.other.map(|(at, _)| (at.line, at.column)),
            Some((3, 20))
        );
    }

    #[test]
    fn a_role_that_is_none_is_told_with_those_that_are() {
        let problem = only(
            "[[site]]\nname='a'\n[[site.point]]\nname='p'\nrole='fierwall'\nmatch={session=1}\n",
        );
        assert_eq!((problem.at.line, problem.at.column), (5, 6));
        for word in ["did you mean firewall", "vnic", "uplink"] {
            assert!(problem.message.contains(word), "{}", problem.message);
        }
    }

    #[test]
    fn everything_is_told_at_once() {
        let text = "[[site]]\nname=''\n[[site]]\nname='b'\n[[site.point]]\nname='p'\nsampling=0\nmatch=[]\n";
        let lines: Vec<usize> = wrong(text).iter().map(|problem| problem.0).collect();
        assert_eq!(
            lines,
            [2, 7, 8, 2],
            "errors first, in the order of the file"
        );
    }

    #[test]
    fn text_that_acts_on_a_terminal_is_shown_and_does_not_act() {
        let (_, problems) =
            read("[[site]]\nname=\"a\\u001b[2J\"\n[[site]]\nname=\"a\\u001b[2J\"\n\u{202e}");
        assert!(!problems.is_empty());
        for problem in problems {
            assert!(
                !problem
                    .to_string()
                    .lines()
                    .any(|line| line.chars().any(crate::point::acts))
            );
        }
    }
}
