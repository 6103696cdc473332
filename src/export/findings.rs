//! Findings are told once when they appear, and again when they have grown: not at each look.

use std::collections::HashMap;

use mirrorscope_engine::finding::{Finding, Kind, Severity};
use mirrorscope_engine::time::Timestamp;

use super::news::Told;

/// A finding is told again when it has so many times as many flows, or packets if it is about none.
const GROWN: u64 = 2;
/// Findings that are remembered; the engine tells a thousand of a kind at most.
const REMEMBERED: usize = 65_536;

/// Findings that were told, by kind and points: several may show at the same ones.
#[derive(Debug, Default)]
pub struct Findings {
    told: HashMap<(Kind, String), Vec<Last>>,
    count: usize,
}

/// What was told of one last.
#[derive(Debug)]
struct Last {
    first: Timestamp,
    examples: Vec<String>,
    size: u64,
    severity: Severity,
    times: u32,
}

impl Last {
    fn of(finding: &Finding, times: u32) -> Self {
        Self {
            first: finding.first,
            examples: finding.examples.clone(),
            size: match finding.flows {
                0 => finding.packets,
                flows => flows,
            },
            severity: finding.severity,
            times,
        }
    }

    /// Whether it is the same finding: its first flows may have given way to others meanwhile, but hardly all at once.
    fn is(&self, now: &Self) -> bool {
        let shares = now.examples.iter().any(|id| self.examples.contains(id));
        shares || self.first == now.first && (self.examples.is_empty() || now.examples.is_empty())
    }

    fn has_grown(&self, now: &Self) -> bool {
        let larger = now.size > self.size && now.size >= self.size.saturating_mul(GROWN);
        larger || now.severity > self.severity
    }
}

impl Findings {
    /// Those of a look that are to be told.
    pub fn news(&mut self, findings: &[Finding], at: Timestamp) -> Vec<Told> {
        if self.count > REMEMBERED {
            *self = Self::default();
        }
        let news = findings.iter().filter_map(|finding| {
            let before = self.note(finding)?;
            Some(Told {
                finding: finding.clone(),
                before,
                at,
            })
        });
        news.collect()
    }

    /// How often it was told before, if it is to be told.
    fn note(&mut self, finding: &Finding) -> Option<u32> {
        let place = (finding.kind, finding.points.join("\n"));
        let told = self.told.entry(place).or_default();
        let now = Last::of(finding, 1);
        let Some(last) = told.iter_mut().find(|last| last.is(&now)) else {
            told.push(now);
            self.count += 1;
            return Some(0);
        };
        if !last.has_grown(&now) {
            // What it is known by goes on with it.
            last.examples = now.examples;
            return None;
        }
        let before = last.times;
        *last = Last {
            times: before.saturating_add(1),
            ..now
        };
        Some(before)
    }
}

#[cfg(test)]
mod tests {
    use mirrorscope_engine::verdict::Confidence;

    use super::*;

    fn finding(point: &str, flows: u64, examples: &[&str]) -> Finding {
        Finding {
            kind: Kind::OneWay,
            severity: Severity::Warning,
            confidence: Confidence::High,
            confidence_why: String::new(),
            sites: Vec::new(),
            points: vec![point.to_owned()],
            flows,
            examples: examples.iter().map(|&id| id.to_owned()).collect(),
            packets: 0,
            first: Timestamp(1),
            last: Timestamp(2),
            summary: String::new(),
            because: None,
            story: None,
            evidence: Vec::new(),
            next: Vec::new(),
        }
    }

    #[test]
    fn a_finding_is_told_when_it_appears_and_when_it_doubles() {
        let mut findings = Findings::default();
        let mut told = |all: &[Finding]| -> Vec<u32> {
            let news = findings.news(all, Timestamp(3));
            news.iter().map(|told| told.before).collect()
        };
        assert_eq!(told(&[finding("fw1", 1, &["a"])]), [0]);
        assert_eq!(told(&[finding("fw1", 1, &["a"])]), [0; 0]);
        assert_eq!(
            told(&[finding("fw1", 3, &["a", "b"]), finding("fw2", 1, &["c"])]),
            [1, 0]
        );
        // The first flow has given way to others.
        assert_eq!(told(&[finding("fw1", 5, &["b", "d"])]), [0; 0]);
        assert_eq!(told(&[finding("fw1", 6, &["d"])]), [2]);
        // Another one at the same point.
        assert_eq!(
            told(&[finding("fw1", 6, &["d"]), finding("fw1", 1, &["x"])]),
            [0]
        );
        let graver = Finding {
            severity: Severity::Error,
            ..finding("fw2", 1, &["c"])
        };
        assert_eq!(told(&[graver]), [1]);
    }
}
