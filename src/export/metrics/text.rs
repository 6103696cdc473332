//! The text of `OpenMetrics` 1.0: families of samples, each with what it is.

use std::fmt::Write as _;

use mirrorscope_engine::point::printable;

/// Samples of one family at most: who stores them keeps each combination of labels for months.
pub const MAX_SAMPLES: usize = 1000;

/// What a family's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They only grow while the command runs.
    Counter,
    /// They go up and down.
    Gauge,
    /// They say something in their labels.
    Info,
}

/// A label and its value.
pub type Label<'a> = (&'static str, &'a str);

/// The text while it is written.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    left_out: u64,
}

/// Samples of one kind.
pub struct Family<'a> {
    to: &'a mut Exposition,
    name: &'static str,
    kind: Kind,
    samples: usize,
}

impl Exposition {
    /// Begins a family. Its name has the unit at its end, if there is one.
    pub fn family(&mut self, name: &'static str, kind: Kind, help: &str) -> Family<'_> {
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Info => "info",
        };
        let _ = writeln!(self.text, "# TYPE {name} {word}");
        let unit = ["seconds", "bytes", "ratio"];
        if let Some((_, end)) = name.rsplit_once('_')
            && unit.contains(&end)
        {
            let _ = writeln!(self.text, "# UNIT {name} {end}");
        }
        let _ = writeln!(self.text, "# HELP {name} {help}");
        Family {
            to: self,
            name,
            kind,
            samples: 0,
        }
    }

    /// A family of one number.
    pub fn one(&mut self, name: &'static str, kind: Kind, help: &str, number: impl Number) {
        self.family(name, kind, help).add(&[], number);
    }

    /// The whole text.
    pub fn finish(mut self) -> String {
        let left_out = self.left_out;
        self.one(
            "mirrorscope_samples_left_out",
            Kind::Gauge,
            "Samples of families that have more than are told.",
            left_out,
        );
        self.text.push_str("# EOF\n");
        self.text
    }
}

impl Family<'_> {
    /// Adds a sample, or counts it if there are too many.
    pub fn add(&mut self, labels: &[Label<'_>], number: impl Number) {
        if self.samples >= MAX_SAMPLES {
            self.to.left_out += 1;
            return;
        }
        self.samples += 1;
        let text = &mut self.to.text;
        text.push_str(self.name);
        text.push_str(match self.kind {
            Kind::Counter => "_total",
            Kind::Gauge => "",
            Kind::Info => "_info",
        });
        for (index, (name, value)) in labels.iter().enumerate() {
            let sign = if index == 0 { '{' } else { ',' };
            let _ = write!(text, "{sign}{name}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            text.push('}');
        }
        text.push(' ');
        number.write(text);
        text.push('\n');
    }
}

/// A label's value: it cannot end the label or the line, nor act on a terminal.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in printable(value).chars() {
        if matches!(c, '\\' | '"') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// The number of a sample.
pub trait Number: Copy {
    /// Writes it.
    fn write(self, text: &mut String);
}

impl Number for u64 {
    fn write(self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

impl Number for usize {
    fn write(self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

impl Number for bool {
    fn write(self, text: &mut String) {
        text.push(if self { '1' } else { '0' });
    }
}

impl Number for f64 {
    fn write(self, text: &mut String) {
        let _ = write!(text, "{self}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_their_quotes() {
        let mut text = Exposition::default();
        let mut family = text.family("x", Kind::Counter, "About x.");
        family.add(&[("site", "a\"} 1\n# EOF\\"), ("point", "fw ä")], 7_u64);
        assert_eq!(
            text.finish().lines().take(3).collect::<Vec<_>>(),
            [
                "# TYPE x counter",
                "# HELP x About x.",
                "x_total{site=\"a\\\"} 1\\\\u{a}# EOF\\\\\",point=\"fw ä\"} 7"
            ]
        );
    }

    #[test]
    fn a_family_has_a_bound_and_tells_of_it() {
        let mut text = Exposition::default();
        let mut family = text.family("age_seconds", Kind::Gauge, "Age.");
        for number in 0..MAX_SAMPLES + 5 {
            family.add(&[("n", &number.to_string())], 0.5);
        }
        let text = text.finish();
        assert!(text.starts_with("# TYPE age_seconds gauge\n# UNIT age_seconds seconds\n"));
        assert_eq!(text.matches("age_seconds{").count(), MAX_SAMPLES);
        assert!(text.ends_with("mirrorscope_samples_left_out 5\n# EOF\n"));
    }
}
