//! One flow as a page: who spoke with whom, what became of it, and what every point saw.

use std::io::Write;

use anyhow::Result;
use mirrorscope_engine::observation::Sum;
use mirrorscope_engine::report::{
    AtPoint, DirectionAtPoint, FirewallReport, FlowReport, OutOfState,
};
use mirrorscope_engine::tcp::{Counts, EndSummary, Handshake, RttSummary, Summary};
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::verdict::Verdict;
use mirrorscope_tui::theme::Meaning;

use super::text::{count, paragraph};
use super::{Screen, table};

/// Flows, a page each.
pub struct Pages {
    screen: Screen,
    any: bool,
}

impl Pages {
    /// Starts with none.
    pub fn new(screen: Screen) -> Self {
        Self { screen, any: false }
    }

    /// Writes one flow.
    pub fn add(&mut self, out: &mut dyn Write, flow: &FlowReport) -> Result<()> {
        if std::mem::replace(&mut self.any, true) {
            writeln!(out)?;
        }
        page(out, self.screen, flow)
    }

    /// Ends the list.
    pub fn finish(self, out: &mut dyn Write) -> Result<()> {
        if !self.any {
            writeln!(out, "no flow")?;
        }
        Ok(())
    }
}

fn page(out: &mut dyn Write, screen: Screen, flow: &FlowReport) -> Result<()> {
    let theme = screen.theme;
    let ends = [
        (flow.src, flow.sport, &flow.src_name),
        (flow.dst, flow.dport, &flow.dst_name),
    ];
    let [orig, resp] = ends.map(|(address, port, name)| {
        let end = table::endpoint(flow, address, port);
        let name = name.as_ref().map(|name| format!(" ({name})"));
        end + &name.unwrap_or_default()
    });
    let head = format!("{}  {} {orig} > {resp}", flow.id, flow.proto);
    writeln!(out, "{}", theme.paint(Meaning::Heading, &head))?;
    let verdict = format!(
        "{} (confidence {}): {}",
        flow.verdict.as_str(),
        flow.confidence.as_str(),
        flow.why
    );
    let verdict = theme.paint(meaning(flow.verdict), &verdict);
    paragraph(out, screen, "  ", "  ", &verdict)?;
    let mut facts = vec![
        period(flow.first, flow.last),
        state(flow.state, &flow.history),
    ];
    if let Some(identifier) = flow.icmp_id {
        facts.push(format!("identifier {identifier}"));
    }
    facts.push(format!("Community ID {}", flow.community_id));
    facts.extend(flow.tenant.as_ref().map(|name| format!("tenant {name}")));
    paragraph(out, screen, "  ", "  ", &facts.join("; "))?;
    for error in &flow.icmp_errors {
        let told = format!(
            "{} says {} type {} code {}: {}, the first at {}",
            error.from,
            error.proto,
            error.kind,
            error.code,
            count(error.packets, "time"),
            error.first
        );
        paragraph(
            out,
            screen,
            "  ",
            "    ",
            &theme.paint(Meaning::Warning, &told),
        )?;
    }
    if !flow.quotes.is_empty() {
        let quotes = format!("quotes packets of {}", flow.quotes.join(", "));
        paragraph(out, screen, "  ", "    ", &quotes)?;
    }
    heading(out, screen, "all points together, each packet once")?;
    let ends = flow.tcp.as_ref().map(|tcp| [&tcp.orig, &tcp.resp]);
    for (index, (mark, counts)) in [(">", &flow.orig), ("<", &flow.resp)]
        .into_iter()
        .enumerate()
    {
        let mut facts = vec![amount(counts)];
        if let Some(ends) = ends {
            facts.extend(happened(ends[index]));
            facts.extend(sent(ends[index]));
        }
        paragraph(
            out,
            screen,
            &format!("    {mark} "),
            "      ",
            &facts.join("; "),
        )?;
    }
    if let Some(tcp) = &flow.tcp {
        times(out, screen, tcp)?;
    }
    let mut points = flow.points.iter();
    points.try_for_each(|at| point(out, screen, at, flow.tcp.as_ref()))
}

/// What a point saw; what all points together show of TCP's numbers and options is not said again.
fn point(out: &mut dyn Write, screen: Screen, at: &AtPoint, all: Option<&Summary>) -> Result<()> {
    let head = format!("{} ({}, {})", at.point, at.site, at.role);
    heading(out, screen, &head)?;
    let mut facts = vec![period(at.first, at.last), state(at.state, &at.history)];
    if at.sessions.iter().any(|name| *name != at.point) {
        facts.push(format!("by {}", at.sessions.join(", ")));
    }
    facts.extend(list("VLAN", &at.vlans));
    facts.extend(list("segment", &at.segments));
    paragraph(out, screen, "    ", "    ", &facts.join("; "))?;
    let tcp = at.tcp.as_ref().zip(all);
    let ends = tcp.map(|(here, all)| [(&here.orig, &all.orig), (&here.resp, &all.resp)]);
    for (index, (mark, seen)) in [(">", &at.orig), ("<", &at.resp)].into_iter().enumerate() {
        let mut facts = passed(seen);
        if let Some(ends) = ends.filter(|_| seen.packets > 0) {
            let (here, all) = ends[index];
            let known = sent(all);
            facts.extend(happened(here));
            facts.extend(sent(here).into_iter().filter(|fact| !known.contains(fact)));
        }
        paragraph(
            out,
            screen,
            &format!("    {mark} "),
            "      ",
            &facts.join("; "),
        )?;
    }
    if let Some(firewall) = &at.firewall {
        out_of_state(out, screen, firewall)?;
    }
    match &at.tcp {
        Some(tcp) => times(out, screen, tcp),
        None => Ok(()),
    }
}

/// What a firewall matches to no connection.
fn out_of_state(out: &mut dyn Write, screen: Screen, firewall: &FirewallReport) -> Result<()> {
    let OutOfState { orig, resp } = firewall.out_of_state;
    let first = &firewall.first;
    let mark = if first.from == "orig" { '>' } else { '<' };
    let told = format!(
        "out of state for {}: {orig} >, {resp} <; the first {mark} {} at {}; {}",
        firewall.preset, first.packet, first.time, firewall.why
    );
    let meaning = if firewall.cause.is_none() {
        Meaning::Error
    } else {
        Meaning::Info
    };
    paragraph(
        out,
        screen,
        "    ",
        "      ",
        &screen.theme.paint(meaning, &told),
    )
}

fn heading(out: &mut dyn Write, screen: Screen, text: &str) -> Result<()> {
    writeln!(out, "  {}", screen.theme.paint(Meaning::Heading, text))?;
    Ok(())
}

fn meaning(verdict: Verdict) -> Meaning {
    match verdict {
        Verdict::Symmetric => Meaning::Good,
        Verdict::Asymmetric => Meaning::Error,
        Verdict::OneWay | Verdict::Unanswered | Verdict::Moved => Meaning::Warning,
        Verdict::Unknown => Meaning::Info,
    }
}

fn period(first: Timestamp, last: Timestamp) -> String {
    let seconds = last.since(first) as f64 / SECOND as f64;
    format!("from {first}, {seconds:.6} s")
}

fn state(state: &str, history: &str) -> String {
    match history {
        "" => format!("state {state}"),
        history => format!("state {state}, history {history}"),
    }
}

fn list<T: ToString>(name: &str, values: &[T]) -> Option<String> {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    (!values.is_empty()).then(|| format!("{name} {}", values.join(", ")))
}

fn amount(direction: &Sum) -> String {
    let Sum {
        packets,
        bytes,
        payload,
    } = direction;
    format!(
        "{}, {bytes} bytes, {payload} of payload",
        count(*packets, "packet")
    )
}

/// What one direction of a point shows.
fn passed(seen: &DirectionAtPoint) -> Vec<String> {
    let counts = Sum {
        packets: seen.packets,
        bytes: seen.bytes,
        payload: seen.payload,
    };
    let mut facts = vec![match counts.packets {
        0 => "nothing".to_owned(),
        _ => amount(&counts),
    }];
    if let Some(doubled) = &seen.doubled {
        facts.push(format!("{} more came twice", doubled.packets));
    }
    if let Some((low, high)) = seen.ttl {
        facts.push(if low == high {
            format!("TTL {low}")
        } else {
            format!("TTL {low} to {high}")
        });
    }
    if seen.dscp.iter().any(|value| *value != 0) {
        facts.extend(list("DSCP", &seen.dscp));
    }
    if let Some((from, to)) = &seen.macs {
        facts.push(format!("{from} to {to}"));
    }
    facts
}

/// What went wrong with what one end of a TCP connection sent.
fn happened(end: &EndSummary) -> Vec<String> {
    let Counts {
        fast_retransmissions,
        timeout_retransmissions,
        spurious_retransmissions,
        out_of_order,
        duplicate_acks,
        zero_windows,
        window_full,
        keep_alives,
        zero_window_probes,
        lost_segments,
        acks_of_unseen,
        unseen_bytes,
        largest_payload: _,
        largest_packets: _,
    } = end.counts;
    let kinds = [
        (fast_retransmissions, "fast"),
        (timeout_retransmissions, "after a timeout"),
        (spurious_retransmissions, "in vain"),
    ];
    let kinds = kinds.into_iter().filter(|(number, _)| *number > 0);
    let kinds: Vec<String> = kinds
        .map(|(number, kind)| format!("{number} {kind}"))
        .collect();
    let sent_again = format!("sent again ({})", kinds.join(", "));
    let counts = [
        (end.retransmissions, sent_again.as_str()),
        (out_of_order, "out of order"),
        (lost_segments, "behind a gap"),
        (duplicate_acks, "duplicate ACKs"),
        (zero_windows, "with a closed window"),
        (window_full, "that filled the window"),
        (keep_alives, "to keep it alive"),
        (zero_window_probes, "that probed a closed window"),
    ];
    let happened = counts.into_iter().filter(|(number, _)| *number > 0);
    let mut facts: Vec<String> = happened
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if acks_of_unseen > 0 {
        facts.push(format!("{unseen_bytes} bytes acknowledged but never seen"));
    }
    facts
}

/// Numbers and options of what one end of a TCP connection sent.
fn sent(end: &EndSummary) -> Vec<String> {
    let mut facts = Vec::new();
    let largest = end.counts.largest_payload;
    if largest > 0 {
        facts.push(format!("at most {largest} bytes in one"));
    }
    if let Some((first, next)) = end.sequence {
        facts.push(format!("sequence {first} to {next}"));
    }
    let mut offers = Vec::new();
    offers.extend(end.mss.map(|mss| format!("MSS {mss}")));
    offers.extend(
        end.window_scale
            .map(|scale| format!("window scale {scale}")),
    );
    offers.extend(end.sack_permitted.then(|| "SACK".to_owned()));
    offers.extend(end.timestamps.then(|| "timestamps".to_owned()));
    if !offers.is_empty() {
        facts.push(format!("offers {}", offers.join(", ")));
    }
    facts
}

/// How long answers took.
fn times(out: &mut dyn Write, screen: Screen, tcp: &Summary) -> Result<()> {
    let mut facts = Vec::new();
    facts.push(match tcp.handshake {
        Handshake::Whole => "whole handshake".to_owned(),
        Handshake::Partial => "half a handshake".to_owned(),
        Handshake::None => "no handshake".to_owned(),
    });
    let parts = [
        ("to the responder and back", tcp.handshake_rtt_resp_ns),
        ("to the originator and back", tcp.handshake_rtt_orig_ns),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(way, time)| Some((way, time?)));
    facts.extend(parts.map(|(way, time)| format!("{way} {}", milliseconds(time))));
    let data = [("data >", tcp.orig.rtt), ("data <", tcp.resp.rtt)];
    let data = data.into_iter().filter_map(|(way, rtt)| Some((way, rtt?)));
    facts.extend(data.map(|(way, rtt)| round_trips(way, rtt)));
    if tcp.idle_ns > 0 {
        facts.push(format!("silent for {} at most", milliseconds(tcp.idle_ns)));
    }
    paragraph(out, screen, "    ", "    ", &facts.join("; "))
}

fn round_trips(way: &str, rtt: RttSummary) -> String {
    let RttSummary {
        count: samples,
        min_ns,
        mean_ns,
        max_ns,
    } = rtt;
    if samples == 1 {
        return format!("{way} acknowledged after {}", milliseconds(min_ns));
    }
    format!(
        "{way} acknowledged after {} to {}, {} on average of {samples}",
        milliseconds(min_ns),
        milliseconds(max_ns),
        milliseconds(mean_ns)
    )
}

fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.3} ms", nanoseconds as f64 / 1e6)
}
