//! Records of logs: lines, and messages of syslog.

use std::io::Write as _;

use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::time::Timestamp;
use serde::Serialize;

use super::chunk::Chunk;
use super::news::{End, News};
use super::outlet::Form;
use crate::output::{eve, syslog, zeek};

/// Suricata's EVE: flows and findings.
pub struct Eve;

impl Form for Eve {
    fn put(&mut self, news: &News, chunk: &mut Chunk) {
        match news {
            News::Flows(flows) => {
                for (flow, end) in over(flows) {
                    line(chunk, &eve::FlowEvent::new(flow, *end));
                }
            }
            News::Findings(findings) => {
                for told in findings {
                    line(chunk, &eve::AlertEvent::new(told));
                }
            }
        }
    }
}

/// Those that are logged: once, when they are over.
fn over(flows: &[(FlowReport, End)]) -> impl Iterator<Item = &(FlowReport, End)> {
    flows.iter().filter(|(_, end)| *end != End::UnderWay)
}

fn line(chunk: &mut Chunk, value: &impl Serialize) {
    // Maps with keys that are no text are all that could fail.
    if let Ok(mut line) = serde_json::to_vec(value) {
        line.push(b'\n');
        chunk.add(&line);
    }
}

/// Zeek's conn.log.
pub struct ZeekLog;

impl Form for ZeekLog {
    fn begin(&mut self, chunk: &mut Chunk) {
        let mut header = Vec::new();
        if zeek::header(&mut header, now()).is_ok() {
            chunk.add_of(&header, 0);
        }
    }

    fn put(&mut self, news: &News, chunk: &mut Chunk) {
        let News::Flows(flows) = news else { return };
        for (flow, _) in over(flows) {
            let mut row = Vec::new();
            if zeek::row(&mut row, flow).is_ok() {
                chunk.add(&row);
            }
        }
    }

    fn end(&mut self, chunk: &mut Chunk) {
        let mut line = Vec::new();
        if zeek::close(&mut line, now()).is_ok() {
            chunk.add_of(&line, 0);
        }
    }
}

fn now() -> Timestamp {
    Timestamp(mirrorscope_capture::live::now())
}

/// The same as JSON.
pub struct ZeekJson;

impl Form for ZeekJson {
    fn put(&mut self, news: &News, chunk: &mut Chunk) {
        let News::Flows(flows) = news else { return };
        for (flow, _) in over(flows) {
            let mut row = Vec::new();
            if zeek::line(&mut row, flow).is_ok() {
                chunk.add(&row);
            }
        }
    }
}

/// Findings for syslog.
pub struct Syslog {
    /// This machine's name.
    pub host: String,
    /// On a connection each message has its length in front (RFC 6587 §3.4.1).
    pub counted: bool,
}

impl Form for Syslog {
    fn put(&mut self, news: &News, chunk: &mut Chunk) {
        let News::Findings(findings) = news else {
            return;
        };
        for told in findings {
            let message = syslog::message(told, &self.host);
            let mut record = Vec::new();
            if self.counted {
                let _ = write!(record, "{} ", message.len());
            }
            record.extend_from_slice(message.as_bytes());
            chunk.add(&record);
        }
    }
}
