//! Messages of syslog (RFC 5424), with structured data.

use std::fmt::Write as _;

use mirrorscope_engine::finding::Severity;
use mirrorscope_engine::point::printable;

use crate::export::news::Told;

/// System daemons.
const FACILITY: u8 = 3;
/// Who names the data: the enterprise number that RFC 5424 §7.2.2 leaves to examples, for there is none of our own.
const DATA: &str = "mirrorscope@32473";
/// A message is no longer; RFC 5424 §6.1 has receivers take 2048 at least.
const MOST: usize = 8192;

/// Writes a finding; `host` is this machine's name.
pub fn message(told: &Told, host: &str) -> String {
    let finding = &told.finding;
    let severity = match finding.severity {
        Severity::Error => 3,
        Severity::Warning => 4,
        Severity::Info => 6,
    };
    let time: String = told.at.to_string().chars().take(26).collect();
    let mut text = format!(
        "<{}>1 {time}Z {} mirrorscope {} {} [{DATA}",
        FACILITY * 8 + severity,
        name(host, 255),
        std::process::id(),
        finding.kind.as_str(),
    );
    let numbers = [
        ("flows", finding.flows.to_string()),
        ("packets", finding.packets.to_string()),
        ("told", (told.before + 1).to_string()),
    ];
    let words = [
        ("kind", finding.kind.as_str().to_owned()),
        ("severity", finding.severity.as_str().to_owned()),
        ("confidence", finding.confidence.as_str().to_owned()),
        ("sites", finding.sites.join(",")),
        ("points", finding.points.join(",")),
        ("first", finding.first.to_string()),
        ("last", finding.last.to_string()),
        ("examples", finding.examples.join(",")),
    ];
    for (field, value) in words.into_iter().chain(numbers) {
        let _ = write!(text, " {field}=\"{}\"", escaped(&value));
    }
    // The byte order mark says that what follows is UTF-8.
    text.push_str("] \u{feff}");
    text.push_str(&printable(&finding.summary));
    if text.len() > MOST {
        let end = (0..=MOST).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or_default());
    }
    text
}

/// A field of the header: printable ASCII without blanks, or `-`.
fn name(text: &str, most: usize) -> String {
    let name: String = text
        .chars()
        .filter(char::is_ascii_graphic)
        .take(most)
        .collect();
    if name.is_empty() {
        "-".to_owned()
    } else {
        name
    }
}

/// A value: nothing in it ends it, nor acts on a terminal.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    // Long lists leave room for what follows.
    for c in printable(value).chars().take(512) {
        if matches!(c, '"' | '\\' | ']') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_quotes() {
        assert_eq!(escaped("a\"] x\\\n"), "a\\\"\\] x\\\\\\\\u{a}");
        assert_eq!(name("my host\n", 255), "myhost");
        assert_eq!(name("", 255), "-");
    }
}
