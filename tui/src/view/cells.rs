//! What cells of several tables say.

use std::net::{IpAddr, SocketAddr};

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

/// Address and port of one end; the port by its name, if that is asked for.
pub fn end(flow: &FlowReport, address: IpAddr, port: u16, cx: &Context<'_>) -> String {
    if !matches!(flow.proto.as_str(), "tcp" | "udp" | "sctp") {
        return address.to_string();
    }
    match service_name(port).filter(|_| cx.names) {
        Some(name) => match address {
            IpAddr::V4(address) => format!("{address}:{name}"),
            IpAddr::V6(address) => format!("[{address}]:{name}"),
        },
        None => SocketAddr::new(address, port).to_string(),
    }
}
