//! Zeek's conn.log: its header, its columns in its order, and at the end what only we know.
//!
//! As Zeek 6 writes it (scripts/base/protocols/conn/main.zeek, src/threading/formatters/Ascii.cc), with the column that
//! its package community-id adds.

use std::io::Write;

use anyhow::Result;
use mirrorscope_engine::flow::{icmp_counterpart, protocol};
use mirrorscope_engine::observation::Sum;
use mirrorscope_engine::point::acts;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::tcp::EndSummary;
use mirrorscope_engine::time::Timestamp;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;

const UNSET: &str = "-";
const EMPTY: &str = "(empty)";

/// What stands in a column.
enum Cell {
    /// Nothing that is known.
    Unset,
    Text(String),
    Set(Vec<String>),
    Count(u64),
    /// Microseconds, which are shown as seconds.
    Time(i64),
}

/// A column of the log.
struct Column {
    name: &'static str,
    kind: &'static str,
    cell: fn(&FlowReport) -> Cell,
}

const fn column(name: &'static str, kind: &'static str, cell: fn(&FlowReport) -> Cell) -> Column {
    Column { name, kind, cell }
}

const COLUMNS: &[Column] = &[
    column("ts", "time", |f| Cell::Time(micros(f.first))),
    column("uid", "string", |f| Cell::Text(format!("C{}", f.id))),
    column("id.orig_h", "addr", |f| Cell::Text(f.src.to_string())),
    column("id.orig_p", "port", |f| Cell::Count(f.sport.into())),
    column("id.resp_h", "addr", |f| Cell::Text(f.dst.to_string())),
    column("id.resp_p", "port", |f| Cell::Count(responder_port(f))),
    column("proto", "enum", |f| Cell::Text(transport(f).to_owned())),
    column("service", "string", |_| Cell::Unset),
    column("duration", "interval", |f| {
        lasting(f, Cell::Time(duration(f)))
    }),
    column("orig_bytes", "count", |f| {
        payload(f, &f.orig, f.tcp.as_ref().map(|tcp| &tcp.orig))
    }),
    column("resp_bytes", "count", |f| {
        payload(f, &f.resp, f.tcp.as_ref().map(|tcp| &tcp.resp))
    }),
    column("conn_state", "string", |f| Cell::Text(f.state.to_owned())),
    column("local_orig", "bool", |_| Cell::Unset),
    column("local_resp", "bool", |_| Cell::Unset),
    column("missed_bytes", "count", |f| {
        let missed = f.tcp.as_ref().map(|tcp| {
            let [orig, resp] = [&tcp.orig, &tcp.resp].map(|end| end.counts.unseen_bytes);
            orig + resp
        });
        Cell::Count(missed.unwrap_or(0))
    }),
    column("history", "string", |f| match f.history.as_str() {
        "" => Cell::Unset,
        history => Cell::Text(history.to_owned()),
    }),
    column("orig_pkts", "count", |f| Cell::Count(f.orig.packets)),
    column("orig_ip_bytes", "count", |f| Cell::Count(f.orig.bytes)),
    column("resp_pkts", "count", |f| Cell::Count(f.resp.packets)),
    column("resp_ip_bytes", "count", |f| Cell::Count(f.resp.bytes)),
    column("tunnel_parents", "set[string]", |_| Cell::Unset),
    column("community_id", "string", |f| {
        Cell::Text(f.community_id.clone())
    }),
    column("verdict", "string", |f| {
        Cell::Text(f.verdict.as_str().to_owned())
    }),
    column("points", "set[string]", |f| {
        Cell::Set(f.points.iter().map(|at| at.point.clone()).collect())
    }),
];

/// Zeek's own packets have microseconds.
fn micros(time: Timestamp) -> i64 {
    time.0.div_euclid(1000)
}

fn duration(flow: &FlowReport) -> i64 {
    micros(flow.last).saturating_sub(micros(flow.first))
}

/// Where no time passed Zeek knows neither how long a connection was nor how much it carried.
fn lasting(flow: &FlowReport, cell: Cell) -> Cell {
    if duration(flow) > 0 {
        cell
    } else {
        Cell::Unset
    }
}

/// What one side sent behind the transport header, of TCP by its sequence numbers; of other protocols we do not know
/// where that ends.
fn payload(flow: &FlowReport, direction: &Sum, tcp: Option<&EndSummary>) -> Cell {
    let bytes = tcp.map_or(direction.payload, |end| end.stream_bytes);
    match transport(flow) {
        "unknown_transport" => Cell::Unset,
        _ => lasting(flow, Cell::Count(bytes)),
    }
}

fn transport(flow: &FlowReport) -> &'static str {
    match flow.proto.as_str() {
        "tcp" => "tcp",
        "udp" => "udp",
        "icmp" | "icmp6" => "icmp",
        _ => "unknown_transport",
    }
}

/// For ICMP the type of the answer; of messages that have none, the code.
fn responder_port(flow: &FlowReport) -> u64 {
    let number = match flow.proto.as_str() {
        "icmp" => protocol::ICMP,
        "icmp6" => protocol::ICMP6,
        _ => return flow.dport.into(),
    };
    let counterpart = icmp_counterpart(number, flow.sport as u8);
    counterpart.map_or(flow.dport.into(), u64::from)
}

/// A conn.log that is being written.
pub struct Log<'a> {
    out: &'a mut dyn Write,
    closed: Timestamp,
}

impl<'a> Log<'a> {
    /// Writes the header. The log is opened and closed at the capture's time, so that it is the same in every run.
    pub fn new(out: &'a mut dyn Write, period: Option<(Timestamp, Timestamp)>) -> Result<Self> {
        let (opened, closed) = period.unwrap_or_default();
        header(out, opened)?;
        Ok(Self { out, closed })
    }

    /// Writes one flow.
    pub fn add(&mut self, flow: &FlowReport) -> Result<()> {
        row(self.out, flow)
    }

    /// Ends the log.
    pub fn finish(self) -> Result<()> {
        close(self.out, self.closed)
    }
}

/// Writes what stands in front of the rows.
pub fn header(out: &mut dyn Write, opened: Timestamp) -> Result<()> {
    write!(
        out,
        "#separator \\x09\n#set_separator\t,\n#empty_field\t{EMPTY}\n#unset_field\t{UNSET}\n#path\tconn\n\
         #open\t{}\n#fields",
        day_and_time(opened)
    )?;
    for column in COLUMNS {
        write!(out, "\t{}", column.name)?;
    }
    write!(out, "\n#types")?;
    for column in COLUMNS {
        write!(out, "\t{}", column.kind)?;
    }
    writeln!(out)?;
    Ok(())
}

/// Writes one flow.
pub fn row(out: &mut dyn Write, flow: &FlowReport) -> Result<()> {
    for (index, column) in COLUMNS.iter().enumerate() {
        let separator = if index > 0 { "\t" } else { "" };
        write!(out, "{separator}{}", ascii((column.cell)(flow)))?;
    }
    writeln!(out)?;
    Ok(())
}

/// Writes what stands behind the rows.
pub fn close(out: &mut dyn Write, closed: Timestamp) -> Result<()> {
    writeln!(out, "#close\t{}", day_and_time(closed))?;
    Ok(())
}

/// As Zeek writes the time in its headers: `2026-03-02-09-00-00`.
fn day_and_time(time: Timestamp) -> String {
    let text: String = time.to_string().chars().take(19).collect();
    text.replace(['T', ':'], "-")
}

fn ascii(cell: Cell) -> String {
    match cell {
        Cell::Unset => UNSET.to_owned(),
        Cell::Text(text) => escaped(&text, false),
        Cell::Set(values) if values.is_empty() => EMPTY.to_owned(),
        Cell::Set(values) => {
            let values: Vec<String> = values.iter().map(|text| escaped(text, true)).collect();
            values.join(",")
        }
        Cell::Count(count) => count.to_string(),
        Cell::Time(micros) => {
            let sign = if micros < 0 { "-" } else { "" };
            let micros = micros.unsigned_abs();
            format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
        }
    }
}

/// Text of a column: nothing in it ends the column or the line, acts on a terminal, or reads as unset or empty.
fn escaped(text: &str, in_set: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    let alone = text == UNSET || text == EMPTY;
    for (index, c) in text.chars().enumerate() {
        if c == '\\' {
            escaped.push_str("\\\\");
        } else if acts(c) || in_set && c == ',' || alone && index == 0 {
            let mut bytes = [0; 4];
            let hex = c
                .encode_utf8(&mut bytes)
                .bytes()
                .map(|byte| format!("\\x{byte:02x}"));
            escaped.extend(hex);
        } else {
            escaped.push(c);
        }
    }
    if escaped.is_empty() {
        EMPTY.clone_into(&mut escaped);
    }
    escaped
}

/// Writes one flow as Zeek does with `LogAscii::use_json`: an object in a line, without what is unset.
pub fn line(out: &mut dyn Write, flow: &FlowReport) -> Result<()> {
    let mut json = serde_json::Serializer::new(&mut *out);
    let mut object = json.serialize_map(None)?;
    for column in COLUMNS {
        let value = match (column.cell)(flow) {
            Cell::Unset => continue,
            Cell::Text(text) => Value::from(text),
            Cell::Set(values) => Value::from(values),
            Cell::Count(count) => Value::from(count),
            Cell::Time(micros) => Value::from(micros as f64 / 1e6),
        };
        object.serialize_entry(column.name, &value)?;
    }
    object.end()?;
    out.write_all(b"\n")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Cell, ascii, day_and_time};
    use mirrorscope_engine::time::Timestamp;

    #[test]
    fn text_is_escaped_as_zeek_does_it() {
        let text = |text: &str| ascii(Cell::Text(text.to_owned()));
        assert_eq!(text("fw1 inside, west"), "fw1 inside, west");
        assert_eq!(text("a\tb\nc\u{1b}"), "a\\x09b\\x0ac\\x1b");
        assert_eq!(text("back\\slash"), "back\\\\slash");
        assert_eq!(text("-"), "\\x2d");
        assert_eq!(text("(empty)"), "\\x28empty)");
        assert_eq!(text(""), "(empty)");
        assert_eq!(text("Köln\u{202e}"), "Köln\\xe2\\x80\\xae");
        let set = |values: &[&str]| ascii(Cell::Set(values.iter().map(|&v| v.into()).collect()));
        assert_eq!(set(&["a,b", "c"]), "a\\x2cb,c");
        assert_eq!(set(&[]), "(empty)");
        assert_eq!(ascii(Cell::Unset), "-");
    }

    #[test]
    fn times_have_six_decimals() {
        let time = |micros| ascii(Cell::Time(micros));
        assert_eq!(time(1_772_442_000_000_707), "1772442000.000707");
        assert_eq!(time(999_999), "0.999999");
        assert_eq!(time(-1_500_000), "-1.500000");
        assert_eq!(
            day_and_time(Timestamp(1_772_442_000_999_999_999)),
            "2026-03-02-09-00-00"
        );
    }
}
