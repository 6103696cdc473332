//! A look at all flows while packets come between its moments: nothing untrue is said, and nothing else than otherwise
//! once they are all there.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;

use mirrorscope_engine::Engine;
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::list;
use mirrorscope_engine::look::{self, Desk};
use mirrorscope_engine::page::{self, FlowQuery};
use mirrorscope_engine::report::{FlowReport, Report, SessionReport};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;

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

/// Filters that are decided by a flow's key, by its verdict and by its words.
const FILTERS: [&str; 4] = [
    "tcp or icmp",
    "not symmetric",
    "site dc2 and packets > 3",
    "history S and not port 80",
];

/// The flows that a filter wants, and that had a packet since a time.
fn listed<D: Desk<Gone = Infallible>>(
    desk: &mut D,
    filter: Option<&Filter>,
    since: Option<Timestamp>,
) -> Vec<FlowReport> {
    let mut flows = Vec::new();
    let Ok(Ok(())) = list::flows(desk, filter, since, |flow| {
        flows.push(flow);
        Ok::<_, Infallible>(())
    });
    flows
}

#[test]
fn flows_that_are_listed_while_packets_come_are_in_order_and_not_said_to_be_what_they_are_not() {
    let mut wrong = String::new();
    let (mut lists, mut all) = (0, 0);
    for recording in Recording::all() {
        for each in [1, 4, 15, 60] {
            let mut busy = busy(&recording, each);
            while !busy.frames.as_slice().is_empty() {
                let before = busy.engine.flow_count();
                let flows = listed(&mut busy, None, None);
                let how = format!("{each} a moment, up to frame {}", busy.number);
                let report = Report::default();
                recording.judge(&flows, &report, |_| false, &how, &mut wrong);
                // Each of those that were there, once.
                assert!(flows.is_sorted_by(|one, next| one.serial < next.serial));
                assert!((before..=busy.engine.flow_count()).contains(&flows.len()));
                lists += 1;
                all += flows.len();
            }
        }
    }
    assert!(lists > 1000 && all > 10_000, "{lists} {all}");
    assert!(wrong.is_empty(), "{}\n{wrong}", wrong.lines().count());
}

/// What a filter wants is decided by what is told, and by nothing that was known before.
#[test]
fn flows_that_are_listed_while_packets_come_are_what_the_filter_wants() {
    let mut some = 0;
    for recording in Recording::all() {
        for text in FILTERS {
            let filter = Filter::parse(text).unwrap();
            let mut busy = busy(&recording, 4);
            while !busy.frames.as_slice().is_empty() {
                for flow in listed(&mut busy, Some(&filter), None) {
                    assert_eq!(filter.decide(&flow), Some(true), "{text}: {flow:?}");
                    some += 1;
                }
            }
        }
    }
    assert!(some > 1000, "{some}");
}

#[test]
fn a_list_in_moments_says_what_a_list_at_once_says() {
    let (mut some, mut theirs) = (0, 0);
    for recording in Recording::all() {
        let mut busy = busy(&recording, usize::MAX);
        busy.feed();
        busy.engine.finish();
        let (all, whole) = said(&busy.engine);
        let told = |flows: &[FlowReport]| serde_json::to_string(flows).unwrap();
        assert_eq!(told(&listed(&mut busy, None, None)), told(&all));
        let Ok(sessions) = list::sessions(&mut busy, None);
        let of = |sessions: &[SessionReport]| serde_json::to_string(sessions).unwrap();
        assert_eq!(of(&sessions), of(&whole.sessions));
        for text in FILTERS {
            let filter = Filter::parse(text).unwrap();
            let mut wanted = all.clone();
            wanted.retain(|flow| filter.decide(flow) == Some(true));
            let flows = listed(&mut busy, Some(&filter), None);
            assert_eq!(told(&flows), told(&wanted), "{text}");
            some += flows.len();
            let points = wanted.iter().flat_map(|flow| &flow.points);
            let names: BTreeSet<&String> = points.flat_map(|at| &at.sessions).collect();
            let mut own = whole.sessions.clone();
            own.retain(|session| names.contains(&session.name));
            let Ok(sessions) = list::sessions(&mut busy, Some(&filter));
            assert_eq!(of(&sessions), of(&own), "{text}");
            theirs += usize::from(own.len() < whole.sessions.len());
        }
        // Those with a packet at that very time are among them.
        let Some(since) = all.get(all.len() / 2).map(|flow| flow.last) else {
            continue;
        };
        let late = all.iter().filter(|flow| flow.last >= since);
        let late: Vec<FlowReport> = late.cloned().collect();
        assert!(late.iter().any(|flow| flow.last == since));
        assert_eq!(told(&listed(&mut busy, None, Some(since))), told(&late));
    }
    assert!(some > 100 && theirs > 10, "{some} {theirs}");
}

/// A full table has flows where others were: they are still listed in order of appearance, and none that gave way.
#[test]
fn flows_that_give_way_while_others_are_listed_are_left_out() {
    let mut gave_way = 0;
    for recording in Recording::all() {
        let mut config = recording.config();
        config.limits.flows = 8;
        let mut busy = Busy {
            engine: Engine::new(config, Arc::default()),
            ..busy(&recording, 3)
        };
        while !busy.frames.as_slice().is_empty() {
            let flows = listed(&mut busy, None, None);
            assert!(flows.is_sorted_by(|one, next| one.serial < next.serial));
            assert!(flows.len() <= 8);
        }
        gave_way += busy.engine.evicted().flows();
    }
    assert!(gave_way > 100, "{gave_way}");
}

#[test]
fn a_list_ends_when_nobody_wants_more() {
    let recordings = Recording::all();
    let recording = recordings.iter().find(|r| r.name == "healthy").unwrap();
    let mut busy = busy(recording, usize::MAX);
    busy.feed();
    let mut told = 0;
    let Ok(ended) = list::flows(&mut busy, None, None, |_| {
        told += 1;
        if told < 2 { Ok(()) } else { Err("enough") }
    });
    assert_eq!((ended, told), (Err("enough"), 2));
}

/// An engine whose sites are described anew after so many moments.
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
}

/// Sites that are described anew in the midst of a look are those of all that it tells.
#[test]
fn a_look_begins_anew_when_the_sites_change() {
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

/// What is listed behind the moment in which sites are described anew names those, and no flow is left out or told twice.
#[test]
fn a_list_goes_on_with_other_sites() {
    let recordings = Recording::all();
    let most = recordings.iter().max_by_key(|recording| {
        let mut busy = busy(recording, usize::MAX);
        busy.feed();
        busy.engine.flow_count()
    });
    let recording = most.unwrap();
    let mut both = 0;
    for moments in 1.. {
        let mut busy = busy(recording, usize::MAX);
        busy.feed();
        let mut desk = Reloaded(busy.engine, moments);
        let flows = listed(&mut desk, None, None);
        if (1..=moments).contains(&desk.1) {
            break;
        }
        assert_eq!(flows.len(), desk.0.flow_count());
        assert!(flows.is_sorted_by(|one, next| one.serial < next.serial));
        let is_old = |flow: &FlowReport| flow.points.iter().any(|at| at.site.starts_with("dc"));
        let old = flows.iter().filter(|flow| is_old(flow)).count();
        assert!(flows[..old].iter().all(is_old), "after {moments}");
        both += usize::from((1..flows.len()).contains(&old));
    }
    assert!(both > 0);
}
