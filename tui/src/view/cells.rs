//! What cells of several tables say.

use std::net::IpAddr;

use mirrorscope_engine::filter::service_name;
use mirrorscope_engine::report::FlowReport;
use ratatui::text::{Line, Span};

use super::Context;
use crate::look::Role;

/// A cell in the style of a role.
pub fn styled(text: impl Into<String>, role: Role, cx: &Context<'_>) -> Line<'static> {
    Line::from(Span::styled(text.into(), cx.look.style(role)))
}

/// A cell that says nothing if there is nothing to say.
pub fn or_dash(text: Option<impl ToString>, cx: &Context<'_>) -> Line<'static> {
    match text {
        Some(text) => Line::raw(text.to_string()),
        None => styled("-", Role::Faint, cx),
    }
}

/// A count that is bad unless it is 0.
pub fn alarming(number: u64, text: String, cx: &Context<'_>) -> Line<'static> {
    let role = if number > 0 {
        Role::Warning
    } else {
        Role::Faint
    };
    styled(text, role, cx)
}

/// The end of a flow that opened it, or the other one: address and port, by their names if these are asked for.
pub fn end(flow: &FlowReport, originator: bool, cx: &Context<'_>) -> String {
    let (address, port, name) = if originator {
        (flow.src, flow.sport, &flow.src_name)
    } else {
        (flow.dst, flow.dport, &flow.dst_name)
    };
    let name = name.as_deref().filter(|_| cx.names);
    if !matches!(flow.proto.as_str(), "tcp" | "udp" | "sctp") {
        return name.map_or_else(|| address.to_string(), str::to_owned);
    }
    let service = service_name(port).filter(|_| cx.names);
    let service = service.map_or_else(|| port.to_string(), str::to_owned);
    match (name, address) {
        (Some(name), _) => format!("{name}:{service}"),
        (None, IpAddr::V4(address)) => format!("{address}:{service}"),
        (None, IpAddr::V6(address)) => format!("[{address}]:{service}"),
    }
}
