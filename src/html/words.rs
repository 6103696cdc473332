//! Words, times and figures of the page.

use std::net::{IpAddr, SocketAddr};

use maud::{Markup, html};
use mirrorscope_engine::finding::Severity;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::verdict::Verdict;

/// Sign and class of a severity: meaning is never by colour alone.
pub(super) fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Error => ("✖", "error"),
        Severity::Warning => ("▲", "warning"),
        Severity::Info => ("●", "info"),
    }
}

/// Sign and class of a verdict.
pub(super) fn verdict(verdict: Verdict) -> (&'static str, &'static str) {
    match verdict {
        Verdict::Symmetric => ("✔", "good"),
        Verdict::Asymmetric => ("✖", "error"),
        Verdict::Moved => ("↷", "warning"),
        Verdict::OneWay => ("→", "warning"),
        Verdict::Unanswered => ("…", "warning"),
        Verdict::Unknown => ("?", "info"),
    }
}

/// A time as a browser knows it; shown to the millisecond.
pub(super) fn time(time: Timestamp) -> Markup {
    let whole = time.to_string();
    let (day, clock) = whole.split_once('T').unwrap_or(("", &whole));
    let clock = clock.get(..12).unwrap_or(clock);
    html! { time datetime=(whole) { (day) " " (clock) } }
}

/// The time of day alone, to the millisecond.
pub(super) fn clock(time: Timestamp) -> Markup {
    let whole = time.to_string();
    let shown = whole.get(11..23).unwrap_or(&whole).to_owned();
    html! { time datetime=(whole) { (shown) } }
}

/// A number with thin blanks between thousands.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// `1 flow`, `2 flows`.
pub(super) fn count(many: u64, what: &str) -> String {
    let ending = if many == 1 { "" } else { "s" };
    format!("{} {what}{ending}", number(many))
}

/// Bytes with a unit.
pub(super) fn bytes(bytes: u64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let value = bytes as f64;
    match units.iter().find(|(least, _)| value >= *least) {
        Some((factor, unit)) => format!("{:.1} {unit}", value / factor),
        None => format!("{bytes} B"),
    }
}

/// An end of a flow: its name, if it has one, and its address and port.
pub(super) fn end(flow: &FlowReport, originator: bool) -> Markup {
    let (address, port, name) = if originator {
        (flow.src, flow.sport, &flow.src_name)
    } else {
        (flow.dst, flow.dport, &flow.dst_name)
    };
    html! {
        @if let Some(name) = name { span.name { (name) } " " }
        span.address { (address_and_port(flow, address, port)) }
    }
}

/// Address and port; the address alone where there are no ports.
pub(super) fn address_and_port(flow: &FlowReport, address: IpAddr, port: u16) -> String {
    match flow.proto.as_str() {
        "tcp" | "udp" | "sctp" => SocketAddr::new(address, port).to_string(),
        _ => address.to_string(),
    }
}

/// Text of at most so many characters; what is cut off is told by a sign.
pub(super) fn fit(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    cut + "…"
}

/// A first letter in capitals, for headings.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// A small number as a length in a picture.
pub(super) fn units(number: usize) -> i32 {
    i32::try_from(number).unwrap_or_default()
}
