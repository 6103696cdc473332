//! What the screens draw.

use std::io::Write;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::page::{FlowQuery, FlowSort};
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::verdict::Verdict;
use mirrorscope_tui::data::{Answer, Ask, InputState, Weight};

use super::driver::{Watched, sample};

#[test]
fn a_file_that_was_read_can_be_asked_in_any_order() {
    let (watched, all) = Watched::over(&sample("asymmetric-strict.pcap"), &[]);
    assert_eq!((all.flows.total, all.flows.matching), (10, 10));
    assert_eq!(all.report.totals.flows, 10);
    assert_eq!(all.report.totals.frames, 219);
    let InputState::Files {
        names,
        read,
        total,
        problems,
        ..
    } = &all.input
    else {
        panic!("{:?}", all.input);
    };
    assert!(names[0].ends_with("asymmetric-strict.pcap"));
    assert_eq!((Some(*read), problems.len()), (*total, 0));
    assert!(!all.endpoints.is_empty());

    let asymmetric = watched.flows(&FlowQuery {
        filter: Some(Filter::parse("asymmetric").unwrap()),
        sort: FlowSort::Source,
        descending: true,
        window: 1..3,
    });
    assert!(asymmetric.generation > all.generation);
    assert_eq!((asymmetric.flows.total, asymmetric.flows.matching), (10, 6));
    let rows = asymmetric.flows.rows.iter();
    let sources: Vec<String> = rows.map(|f| format!("{}:{}", f.src, f.sport)).collect();
    assert_eq!(sources, ["10.9.0.12:40008", "10.9.0.11:40011"]);
    // The report is that of everything.
    assert_eq!(asymmetric.report.totals.verdicts["symmetric"], 4);

    let worst = watched.flows(&FlowQuery {
        sort: FlowSort::Verdict,
        descending: true,
        window: 0..1,
        ..FlowQuery::default()
    });
    assert_eq!(worst.flows.rows[0].verdict, Verdict::Asymmetric);
    watched.quit().unwrap();
}

/// Filters are asked before a flow is put into words: they must say what its words say.
#[test]
fn pages_hold_the_flows_that_a_filter_wants_of_their_words() {
    const FILTERS: [&str; 16] = [
        "host 10.20.0.50",
        "src 10.9.0.10 and not port 80",
        "tcp port 80 or udp",
        "asymmetric or unanswered",
        "unknown and cause mirror-loss",
        "state SF,S1",
        "site dc2 and not point vm2",
        "role firewall",
        "packets > 8 and bytes < 2000",
        "src bytes > 400",
        "payload 0",
        "duration > 1s",
        "out-of-state > 0",
        "history ShA",
        "not (session erspan2-101@10.60.0.1)",
        "vlan 20 or vni 5203",
    ];
    let mut some = [false; FILTERS.len()];
    for name in [
        "asymmetric-strict",
        "mirror-loss-10",
        "asymmetric-udp-icmp",
        "port-scan",
    ] {
        let (watched, all) = Watched::over(&sample(&format!("{name}.pcap")), &[]);
        for (text, some) in FILTERS.iter().zip(&mut some) {
            let filter = Filter::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            let rows = all.flows.rows.iter();
            let wanted = rows.filter(|flow| filter.decide(*flow) == Some(true));
            let wanted: Vec<u64> = wanted.map(|flow| flow.serial).collect();
            let page = watched.flows(&FlowQuery {
                filter: Some(filter.clone()),
                window: 0..1000,
                ..FlowQuery::default()
            });
            let found: Vec<u64> = page.flows.rows.iter().map(|flow| flow.serial).collect();
            assert_eq!(found, wanted, "{name}: {text}");
            assert_eq!(page.flows.matching, wanted.len());
            *some |= !wanted.is_empty();
        }
        watched.quit().unwrap();
    }
    let none: Vec<&str> = FILTERS
        .iter()
        .zip(some)
        .filter(|(_, some)| !some)
        .map(|f| *f.0)
        .collect();
    assert!(none.is_empty(), "these found nothing: {none:?}");
}

#[test]
fn pages_are_in_the_order_that_is_asked_for() {
    let (watched, all) = Watched::over(&sample("asymmetric-udp-icmp.pcap"), &[]);
    let total = all.flows.total;
    assert!(total > 10);
    let sorted = |sort: FlowSort, key: &dyn Fn(&FlowReport) -> (IpAddr, u64)| {
        for descending in [false, true] {
            let page = watched.flows(&FlowQuery {
                sort,
                descending,
                window: 0..total,
                ..FlowQuery::default()
            });
            let keys: Vec<_> = page.flows.rows.iter().map(key).collect();
            assert_eq!(keys.len(), total);
            let in_order = if descending {
                keys.is_sorted_by(|a, b| a >= b)
            } else {
                keys.is_sorted()
            };
            assert!(in_order, "{sort:?} {descending}: {keys:?}");
            // Any part of it is the same part of all.
            let part = watched.flows(&FlowQuery {
                sort,
                descending,
                window: 3..7,
                ..FlowQuery::default()
            });
            let ids = |rows: &[FlowReport]| rows.iter().map(|f| f.serial).collect::<Vec<_>>();
            assert_eq!(ids(&part.flows.rows), ids(&page.flows.rows[3..7]));
        }
    };
    let nobody = IpAddr::from([0, 0, 0, 0]);
    sorted(FlowSort::First, &|f| (nobody, f.first.0.cast_unsigned()));
    sorted(FlowSort::Last, &|f| (nobody, f.last.0.cast_unsigned()));
    sorted(FlowSort::Source, &|f| (f.src, 0));
    sorted(FlowSort::Destination, &|f| (f.dst, 0));
    sorted(FlowSort::Packets, &|f| {
        (nobody, f.orig.packets + f.resp.packets)
    });
    sorted(FlowSort::Bytes, &|f| (nobody, f.orig.bytes + f.resp.bytes));
    sorted(FlowSort::Duration, &|f| {
        (nobody, f.last.since(f.first).cast_unsigned())
    });
    sorted(FlowSort::Points, &|f| (nobody, f.points.len() as u64));
    watched.quit().unwrap();
}

#[test]
fn each_second_has_what_arrived_in_it() {
    let (watched, snapshot) = Watched::over(&sample("mirror-loss-10.pcap"), &[]);
    let rates = &snapshot.rates;
    let frames: u64 = rates.iter().map(|rate| rate.frames).sum();
    assert_eq!(frames, snapshot.report.totals.frames);
    let bytes: u64 = rates.iter().map(|rate| rate.bytes).sum();
    assert_eq!(bytes, snapshot.report.totals.bytes);
    let mut counters: Vec<(usize, u64)> = snapshot
        .report
        .sessions
        .iter()
        .filter_map(|s| Some((s.counter?, s.sequence.as_ref()?.missing)))
        .collect();
    counters.sort_unstable();
    counters.dedup();
    let missing: u64 = counters.iter().map(|(_, missing)| missing).sum();
    assert!(missing > 50, "{missing}");
    assert_eq!(rates.iter().map(|rate| rate.missing).sum::<u64>(), missing);
    watched.quit().unwrap();
}

#[test]
fn a_pipe_that_brings_nothing_holds_no_answer_up() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from(0o600)).unwrap();
    let file = std::fs::read(sample("asymmetric-strict.pcap")).unwrap();
    let writer = std::thread::spawn({
        let pipe = pipe.clone();
        move || {
            let mut pipe = std::fs::OpenOptions::new().write(true).open(pipe).unwrap();
            // The last packet is not whole yet.
            pipe.write_all(&file[..file.len() - 10]).unwrap();
            (pipe, file[file.len() - 10..].to_vec())
        }
    });
    let sites = sample("two-sites.toml");
    let watched = Watched::start(&["--sites", sites.to_str().unwrap(), pipe.to_str().unwrap()]);
    let (mut end, rest) = writer.join().unwrap();
    let snapshot = watched.snapshot(|snapshot| snapshot.report.totals.frames == 218);
    assert!(matches!(
        snapshot.input,
        InputState::Files {
            done: false,
            total: None,
            ..
        }
    ));
    let begin = Instant::now();
    let asked = watched.flows(&FlowQuery {
        window: 0..20,
        ..FlowQuery::default()
    });
    assert!(
        begin.elapsed() < Duration::from_secs(1),
        "{:?}",
        begin.elapsed()
    );
    assert_eq!(asked.flows.rows.len(), 10);
    // Packets of a pipe are kept.
    let id = &asked.flows.rows[4].id;
    let ladder = watched.ladder(id).unwrap();
    assert_eq!((ladder.rows[0].what.as_str(), ladder.forgotten), ("SYN", 0));

    end.write_all(&rest).unwrap();
    drop(end);
    let done = watched.snapshot(|s| matches!(s.input, InputState::Files { done: true, .. }));
    assert_eq!(done.report.totals.frames, 219);
    let InputState::Files { problems, .. } = &done.input else {
        unreachable!()
    };
    assert_eq!(problems.len(), 0, "{problems:?}");
    watched.quit().unwrap();
}

#[test]
fn sites_that_are_read_again_are_told_and_so_is_what_is_wrong_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let sites = folder.path().join("sites.toml");
    std::fs::copy(sample("two-sites.toml"), &sites).unwrap();
    let file = sample("asymmetric-strict.pcap");
    let watched = Watched::start(&["--sites", sites.to_str().unwrap(), file.to_str().unwrap()]);
    let done = |s: &mirrorscope_tui::data::Snapshot| {
        matches!(s.input, InputState::Files { done: true, .. })
    };
    let before = watched.snapshot(done);
    assert!(
        before
            .report
            .sessions
            .iter()
            .any(|s| s.point == "fw1-inside")
    );

    let text = std::fs::read_to_string(&sites).unwrap();
    std::fs::write(&sites, text.replace("fw1-inside", "firewall-one")).unwrap();
    watched.ask(Ask::ReloadSites);
    let notice = |watched: &Watched| {
        watched.wait(|answer| match answer {
            Answer::Notice(weight, text) => Some((weight, text)),
            _ => None,
        })
    };
    let (weight, text) = notice(&watched);
    assert_eq!(weight, Weight::Info);
    assert!(text.ends_with("sites.toml: read again"), "{text}");
    let after = watched.snapshot(|_| true);
    assert!(
        after
            .report
            .sessions
            .iter()
            .any(|s| s.point == "firewall-one")
    );

    std::fs::write(&sites, "[[site]]\nnmae = \"dc1\"\n").unwrap();
    watched.ask(Ask::ReloadSites);
    let (weight, text) = notice(&watched);
    assert_eq!(weight, Weight::Error);
    assert!(
        text.contains("sites.toml") && text.contains("nmae"),
        "{text}"
    );
    watched.quit().unwrap();
}

#[test]
fn flows_are_told_by_their_ids_those_that_are_known() {
    let (watched, all) = Watched::over(&sample("asymmetric-strict.pcap"), &[]);
    let known = &all.flows.rows[3];
    let ids = vec!["0123456789".to_owned(), known.id.clone()];
    watched.ask(Ask::Reports(ids.clone()));
    let reports = watched.wait(|answer| match answer {
        Answer::Reports(asked, reports) if asked == ids => Some(reports),
        _ => None,
    });
    let [report] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert_eq!(
        (report.serial, report.verdict),
        (known.serial, known.verdict)
    );
    watched.quit().unwrap();
}
