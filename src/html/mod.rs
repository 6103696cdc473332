//! The report as one page for a browser, to be attached to a ticket: nothing is fetched, and nothing of the traffic is more than text.
//!
//! Templates are `maud`'s, which escapes every value by itself; nothing here writes a value in another way. The page allows its
//! browser nothing but the one style and the one script in it, by their hashes.

mod endpoints;
mod findings;
mod flows;
mod health;
mod ladder;
mod lead;
mod outline;
mod sites;
mod totals;
mod words;

pub use flows::LISTED;

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use mirrorscope_engine::inventory::EndpointReport;
use mirrorscope_engine::page::FlowPage;
use mirrorscope_engine::report::Report;
use mirrorscope_tui::data::Ladder;
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// All that a page shows.
pub struct Page {
    /// Files or interfaces, fit to be shown.
    pub input: Vec<String>,
    /// What was found.
    pub report: Report,
    /// Flows, the gravest first.
    pub flows: FlowPage,
    /// Endpoints.
    pub endpoints: Vec<EndpointReport>,
    /// The packets of example flows; or why they cannot be shown.
    pub ladders: Vec<Result<Arc<Ladder>, String>>,
}

impl Page {
    /// Writes it.
    pub fn write(&self, out: &mut dyn Write) -> Result<()> {
        out.write_all(self.markup().into_string().as_bytes())?;
        out.write_all(b"\n")?;
        Ok(())
    }

    fn markup(&self) -> Markup {
        let title = lead::headline(&self.report);
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(policy());
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="referrer" content="no-referrer";
                    meta name="generator" content=(concat!("mirrorscope ", env!("CARGO_PKG_VERSION")));
                    title { (title) " – mirrorscope" }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a.skip href="#findings" { "To the findings" }
                    (lead::lead(self))
                    main {
                        (totals::figures(&self.report))
                        (findings::all(&self.report, &self.flows))
                        (ladder::all(&self.ladders))
                        (sites::tables(&self.report))
                        (health::sessions(&self.report))
                        (flows::table(&self.flows))
                        (endpoints::table(&self.endpoints))
                        (totals::rest(&self.report))
                    }
                    footer {
                        p {
                            "Made by mirrorscope " (env!("CARGO_PKG_VERSION"))
                            ". This file holds all that it shows: it loads nothing and sends nothing."
                        }
                    }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        }
    }
}

/// What the browser may do: use the style and the script that are in the page.
fn policy() -> String {
    let hash = |text: &str| {
        format!(
            "'sha256-{}'",
            STANDARD.encode(Sha256::digest(text.as_bytes()))
        )
    };
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}
