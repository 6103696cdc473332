//! A look at all flows while packets come between its moments: nothing untrue is said, and nothing else than otherwise
//! once they are all there.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use mirrorscope_engine::Engine;
use mirrorscope_engine::look::{self, Desk};
use mirrorscope_engine::page::{self, FlowQuery};
use mirrorscope_engine::report::{FlowReport, Report};
use mirrorscope_engine::site::Sites;

use crate::frames::frame;
use crate::proof::{Recording, said};

/// An engine to which frames come after every moment.
struct Busy<'a> {
    engine: Engine,
    frames: std::slice::Iter<'a, (i64, Vec<u8>)>,
    /// So many.
    each: usize,
    number: u64,
}

impl Busy<'_> {
    fn feed(&mut self) {
        for (time, bytes) in self.frames.by_ref().take(self.each) {
            self.number += 1;
            self.engine.frame(&frame(self.number, *time, bytes));
        }
    }

    /// All that a look tells.
    fn look(&mut self) -> (Vec<FlowReport>, Report) {
        let Ok((report, digest)) = page::report_and_digest(self);
        let query = FlowQuery {
            window: 0..10_000,
            ..FlowQuery::default()
        };
        let Ok(page) = page::page(self, &digest, &query);
        (page.rows, report)
    }
}

impl Desk for Busy<'_> {
    type Gone = Infallible;

    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Infallible> {
        let done = work(&self.engine);
        self.feed();
        Ok(done)
    }

    fn is_still(&self) -> bool {
        false
    }
}

fn busy(recording: &Recording, each: usize) -> Busy<'_> {
    Busy {
        engine: Engine::new(recording.config(), Arc::default()),
        frames: recording.frames.iter(),
        each,
        number: 0,
    }
}

#[test]
fn nothing_untrue_is_said_while_packets_come_between_the_moments_of_a_look() {
    let mut wrong = String::new();
    let mut looks = 0;
    for recording in Recording::all() {
        for each in [1, 4, 15, 60] {
            let mut busy = busy(&recording, each);
            while !busy.frames.as_slice().is_empty() {
                let (flows, report) = busy.look();
                let how = format!("{each} a moment, up to frame {}", busy.number);
                recording.judge(&flows, &report, |_| false, &how, &mut wrong);
                looks += 1;
            }
        }
    }
    assert!(looks > 1000, "{looks}");
    assert!(wrong.is_empty(), "{}\n{wrong}", wrong.lines().count());
}

#[test]
fn a_look_in_moments_says_what_a_look_at_once_says() {
    let mut differ = String::new();
    for recording in Recording::all() {
        let mut busy = busy(&recording, usize::MAX);
        busy.feed();
        busy.engine.finish();
        let (flows, report) = busy.look();
        let (mut all, whole) = said(&busy.engine);
        all.sort_by_key(|flow| (flow.first, flow.serial));
        let Ok(endpoints) = look::endpoints(&mut busy);
        let told = serde_json::to_string(&(flows, report, endpoints)).unwrap();
        let known = serde_json::to_string(&(all, whole, busy.engine.endpoints())).unwrap();
        if told != known {
            writeln!(differ, "{}", recording.name).unwrap();
        }
    }
    assert!(differ.is_empty(), "{differ}");
}

/// Sites that are described anew in the midst of a look are those of all that it tells.
#[test]
fn a_look_begins_anew_when_the_sites_change() {
    struct Reloaded(Engine, u32);
    impl Desk for Reloaded {
        type Gone = Infallible;

        fn at<R: Send + 'static>(
            &mut self,
            work: impl FnOnce(&Engine) -> R + Send + 'static,
        ) -> Result<R, Infallible> {
            let done = work(&self.0);
            self.1 = self.1.wrapping_sub(1);
            if self.1 == 0 {
                self.0.reload(Sites::default());
            }
            Ok(done)
        }

        fn is_still(&self) -> bool {
            false
        }
    }
    let recordings = Recording::all();
    let recording = recordings.iter().find(|r| r.name == "healthy").unwrap();
    let mut moments = 1;
    loop {
        let mut busy = busy(recording, usize::MAX);
        busy.feed();
        let mut desk = Reloaded(busy.engine, moments);
        let Ok((report, digest)) = page::report_and_digest(&mut desk);
        let Ok(page) = page::page(
            &mut desk,
            &digest,
            &FlowQuery {
                window: 0..9,
                ..FlowQuery::default()
            },
        );
        assert!(!page.rows.is_empty());
        if (1..=moments).contains(&desk.1) {
            // All was over before.
            break;
        }
        let rows = report.sites_matrix.sites.iter();
        let told: BTreeSet<&str> = rows.map(|row| row.site.as_str()).collect();
        let of_sessions = report.sessions.iter().map(|s| s.site.as_str());
        let of_sessions: BTreeSet<&str> = of_sessions.collect();
        assert!(told.is_subset(&of_sessions), "after {moments}: {told:?}");
        moments += 1;
    }
    assert!(moments > 5);
}
