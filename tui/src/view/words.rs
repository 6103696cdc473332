//! Words, times and lines that several screens use.

use std::borrow::Cow;

use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::time::{SECOND, Timestamp};
use ratatui::text::{Line, Span};

use crate::look::Look;
use crate::widget::text;

/// `1 packet`, `2 packets`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// Who spoke with whom: `tcp 10.0.0.1:40000 > 10.0.0.2:443`.
pub(super) fn flow(flow: &FlowReport) -> String {
    let end = |address: std::net::IpAddr, port: u16, name: Option<&str>| {
        let end = match flow.proto.as_str() {
            "tcp" | "udp" | "sctp" => std::net::SocketAddr::new(address, port).to_string(),
            _ => address.to_string(),
        };
        end + &name.map(|name| format!(" ({name})")).unwrap_or_default()
    };
    let source = end(flow.src, flow.sport, flow.src_name.as_deref());
    let destination = end(flow.dst, flow.dport, flow.dst_name.as_deref());
    format!("{} {source} > {destination}", flow.proto)
}

/// A time of day to the microsecond.
pub(super) fn clock(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(11..26).unwrap_or(&text).to_owned()
}

/// A span of time with the unit that fits it: `0.111 ms`, `12.3 s`.
pub(super) fn span(nanoseconds: i64) -> String {
    let size = nanoseconds.unsigned_abs();
    let value = nanoseconds as f64;
    if size < 1_000_000 {
        return format!("{:.1} µs", value / 1e3);
    }
    if size < SECOND.unsigned_abs() {
        return format!("{:.3} ms", value / 1e6);
    }
    format!("{:.3} s", value / 1e9)
}

/// Text broken into lines of at most `width` columns, the first behind `first`, the others behind `other`.
pub(super) fn wrapped(text: &str, width: u16, first: &str, other: &str) -> Vec<String> {
    let width = usize::from(width).max(other.len() + 8);
    let options = textwrap::Options::new(width)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .initial_indent(first)
        .subsequent_indent(other);
    let lines = textwrap::wrap(text, options);
    lines.into_iter().map(Cow::into_owned).collect()
}

/// A line cut to a width; what was cut off is told by a sign.
pub(super) fn cut(mut line: Line<'static>, width: u16, look: &Look) -> Line<'static> {
    let width = usize::from(width);
    if line.width() <= width {
        return line;
    }
    let more = look.signs.more();
    let tells = |spans: &[Span<'_>]| {
        let last = spans.iter().rfind(|span| !span.content.is_empty());
        width == 0 || last.is_some_and(|span| span.content.ends_with(more))
    };
    let mut spans = text::cell(&line.spans, width, "", look);
    if !tells(&spans) {
        // The cut falls between two spans.
        spans = text::cell(&line.spans, width.saturating_sub(1), "", look);
        if !tells(&spans) {
            spans.push(Span::raw(more));
        }
    }
    line.spans = spans;
    line
}
