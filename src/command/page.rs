//! `report --format html`: all that a page shows, gathered from one reading; packets of example flows are read once more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use mirrorscope_engine::finding::Severity;
use mirrorscope_engine::one;
use mirrorscope_engine::page::{self, Digest, FlowQuery, FlowSort};
use mirrorscope_engine::point::printable;
use mirrorscope_engine::report::Report;
use mirrorscope_tui::data::Ladder;

use super::replay::{Recorder, Replay, ladder};
use super::{analysis, filter};
use crate::cli::{AnalysisArgs, InputArgs};
use crate::html::{LISTED, Page};
use crate::pipeline::{Input, Plan};

/// Memory for packets that cannot be read again: what comes live, through a pipe or compressed.
const KEPT: usize = 64 << 20;
/// Flows whose packets are shown.
const LADDERS: usize = 3;

/// What was found, and a page of it; whether nothing was wrong with the input.
pub fn page(args: &AnalysisArgs) -> Result<(Page, bool)> {
    analysis::refuse_interval(args, "a page is one document")?;
    let filter = filter(args)?;
    let input = Input::open(&args.input, Plan::default())?;
    // An interrupted run ends with what there is.
    let go_on = Arc::new(AtomicBool::new(false));
    let mut recorder = Recorder::new(&input, args, KEPT, go_on);
    let done = input.run(&mut recorder)?;
    recorder.finish();
    analysis::tell_refused(&recorder.engine, args);
    let Ok((whole, digest)) = page::report_and_digest(&mut &recorder.engine);
    let mut report = match &filter {
        Some(filter) => recorder.engine.report_matching(filter),
        None => whole,
    };
    if let Some((live, activity)) = done.live {
        activity.annotate(&mut report.sessions);
        report.live = Some(live);
    }
    let query = FlowQuery {
        filter,
        sort: FlowSort::Verdict,
        descending: true,
        window: 0..LISTED,
    };
    let Ok(flows) = page::page(&mut &recorder.engine, &digest, &query);
    let page = Page {
        input: names(&args.input),
        flows,
        endpoints: recorder.engine.endpoints(),
        ladders: ladders(&mut recorder, &report, &digest),
        report,
    };
    Ok((page, done.sound))
}

/// What was read, fit to be shown.
fn names(args: &InputArgs) -> Vec<String> {
    let file = |path: &Path| match path.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => printable(
            &path
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_string_lossy(),
        ),
    };
    let files = args.files.iter().map(|path| file(path));
    let interfaces = args.live.interfaces.iter().map(|name| printable(name));
    files.chain(interfaces).collect()
}

/// The packets of one flow of each of the gravest findings.
fn ladders(
    recorder: &mut Recorder,
    report: &Report,
    digest: &Digest,
) -> Vec<Result<Arc<Ladder>, String>> {
    let mut chosen: Vec<String> = Vec::new();
    let told = |severity| severity > Severity::Info;
    let findings = report.findings.iter().filter(|f| told(f.severity));
    for id in findings.filter_map(|finding| finding.examples.first()) {
        if chosen.len() < LADDERS && !chosen.contains(id) {
            chosen.push(id.clone());
        }
    }
    let Ok(flows) = one::flows(&mut &recorder.engine, digest, &chosen);
    let losses = recorder.engine.mirror_losses();
    let made = flows.into_iter().map(|flow| {
        ladder(Replay {
            flow,
            source: recorder.source(None),
            losses: losses.clone(),
        })
    });
    made.collect()
}
