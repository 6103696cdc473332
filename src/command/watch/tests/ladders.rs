//! The packets of a flow at all points.

use std::collections::BTreeMap;

use mirrorscope_tui::data::{Ladder, PacketRef, Rung};

use super::driver::{Watched, command, compressed, flow, sample, samples};

/// Names of the lanes where a packet was seen, from left to right.
fn seen<'a>(ladder: &'a Ladder, rung: &Rung) -> Vec<&'a str> {
    let mut lanes: Vec<usize> = rung.sights.iter().map(|sight| sight.lane).collect();
    lanes.sort_unstable();
    let names = lanes.into_iter();
    names
        .map(|lane| ladder.lanes[lane].point.as_str())
        .collect()
}

/// The same but for the places of frames.
fn without_places(ladder: &Ladder) -> Vec<Rung> {
    let mut rows = ladder.rows.clone();
    let sights = rows.iter_mut().flat_map(|rung| &mut rung.sights);
    sights.for_each(|sight| sight.frame = PacketRef(0));
    rows
}

#[test]
fn an_asymmetric_flow_has_each_direction_at_its_points_and_shows_what_the_firewall_cannot_match() {
    let (watched, snapshot) = Watched::over(&sample("asymmetric-strict.pcap"), &[]);
    let flow = flow(&snapshot, 40006, 80);
    let ladder = watched.ladder(&flow.id).unwrap();
    let lanes: Vec<&str> = ladder.lanes.iter().map(|l| l.point.as_str()).collect();
    assert_eq!(lanes, ["fw1-inside", "dci1", "dci2", "fw2-inside", "vm2"]);
    assert_eq!(ladder.forgotten, 0);
    assert_eq!(ladder.flow.id, flow.id);

    let syn = &ladder.rows[0];
    assert_eq!((syn.what.as_str(), syn.from_originator), ("SYN", true));
    assert_eq!(seen(&ladder, syn), ["fw1-inside", "dci1", "dci2", "vm2"]);
    assert!(syn.sights.iter().all(|sight| sight.out_of_state.is_none()));
    assert_eq!((syn.sequence, syn.acknowledgement), (Some(0), None));
    assert_eq!((syn.gap, syn.retransmission), (0, false));

    let answer = &ladder.rows[1];
    assert_eq!(answer.what, "SYN ACK");
    assert!(!answer.from_originator);
    assert_eq!(seen(&ladder, answer), ["fw2-inside", "vm2"]);
    assert!(answer.sights[0].time < answer.sights[1].time);
    assert_eq!(
        (answer.sequence, answer.acknowledgement),
        (Some(0), Some(1))
    );
    assert_eq!(answer.sights[0].out_of_state, None);
    assert_eq!(
        answer.sights[1].out_of_state,
        Some("no connection to match")
    );
    assert_eq!(answer.sights[0].ttl, 64);

    // Neither side hears the other: both repeat themselves.
    let again = ladder.rows.iter().filter(|rung| rung.retransmission);
    assert_eq!(again.count(), 8);
    let times: Vec<_> = ladder.rows.iter().map(|rung| rung.time).collect();
    assert!(times.is_sorted());
    watched.quit().unwrap();
}

#[test]
fn firewalls_cannot_match_as_many_packets_in_ladders_as_in_the_report() {
    let (mut flows, mut packets) = (0, 0);
    for file in samples() {
        let (watched, snapshot) = Watched::over(&file, &[]);
        for flow in &snapshot.flows.rows {
            let ladder = watched.ladder(&flow.id).unwrap();
            let name = format!("{}: flow {}", file.display(), flow.id);
            assert_eq!(ladder.forgotten, 0, "{name}");
            let mut marked: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
            for rung in &ladder.rows {
                for sight in rung.sights.iter().filter(|s| s.out_of_state.is_some()) {
                    let point = ladder.lanes[sight.lane].point.as_str();
                    marked.entry(point).or_default()[usize::from(!rung.from_originator)] += 1;
                }
            }
            let told = flow.points.iter().filter_map(|at| {
                let counts = at.firewall.as_ref()?.out_of_state;
                Some((at.point.as_str(), [counts.orig, counts.resp]))
            });
            let told: BTreeMap<&str, [u64; 2]> = told.collect();
            assert_eq!(marked, told, "{name}");
            flows += 1;
            packets += told.values().flatten().sum::<u64>();

            // Each packet counts once at each point.
            for (lane, at) in ladder.lanes.iter().zip(0..) {
                let point = flow.points.iter().find(|p| p.point == lane.point).unwrap();
                let sights = |from_originator| {
                    let rows = ladder.rows.iter();
                    let rows = rows.filter(move |r| r.from_originator == from_originator);
                    let sights = rows.flat_map(|rung| &rung.sights);
                    sights.filter(|s| s.lane == at).count() as u64
                };
                let all = |way: &mirrorscope_engine::report::DirectionAtPoint| {
                    let more = [&way.doubled, &way.again].into_iter().flatten();
                    way.packets + more.map(|sum| sum.packets).sum::<u64>()
                };
                assert_eq!(sights(true), all(&point.orig), "{name} at {}", lane.point);
                assert_eq!(sights(false), all(&point.resp), "{name} at {}", lane.point);
            }
        }
        watched.quit().unwrap();
    }
    assert!(flows > 200, "{flows}");
    assert!(packets > 300, "{packets}");
}

#[test]
fn a_compressed_file_gives_the_same_ladders() {
    let plain = sample("asymmetric-tolerant.pcap");
    let packed = compressed(&plain);
    let (one, snapshot) = Watched::over(&plain, &[]);
    let (other, _) = Watched::over(packed.path(), &[]);
    for flow in &snapshot.flows.rows {
        let (plain, packed) = (
            one.ladder(&flow.id).unwrap(),
            other.ladder(&flow.id).unwrap(),
        );
        assert!(!plain.rows.is_empty());
        assert_eq!(without_places(&plain), without_places(&packed));
        assert_eq!((plain.forgotten, packed.forgotten), (0, 0));
        // A frame is the same wherever it is kept.
        let (of_plain, of_packed) = (
            plain.rows[0].sights[0].frame,
            packed.rows[0].sights[0].frame,
        );
        let (first, same) = (
            one.packet(of_plain).unwrap(),
            other.packet(of_packed).unwrap(),
        );
        assert_eq!(
            (first.number, first.time, &first.bytes),
            (same.number, same.time, &same.bytes)
        );
        assert_eq!(first.layers, same.layers);
        assert!(first.origin.ends_with("asymmetric-tolerant.pcap"));
    }
    one.quit().unwrap();
    other.quit().unwrap();
}

#[test]
fn packets_that_found_no_room_are_told_and_the_latest_are_there() {
    let file = sample("asymmetric-tolerant.pcap");
    let packed = compressed(&file);
    let (all, snapshot) = Watched::over(&file, &[]);
    let (few, _) = Watched::over(packed.path(), &["--keep-packets", "20K"]);
    let (mut there, mut gone) = (0, 0);
    for flow in &snapshot.flows.rows {
        let whole = all.ladder(&flow.id).unwrap();
        let rest = few.ladder(&flow.id).unwrap();
        let sights = |ladder: &Ladder| ladder.rows.iter().map(|r| r.sights.len()).sum::<usize>();
        assert_eq!(sights(&rest) as u64 + rest.forgotten, sights(&whole) as u64);
        there += sights(&rest);
        gone += rest.forgotten;
    }
    assert!(there > 50 && gone > 300, "{there} {gone}");
    // The first frame is gone, and says so.
    let first = few.packet(PacketRef(0)).unwrap_err();
    assert!(first.contains("--keep-packets"), "{first}");
    all.quit().unwrap();
    few.quit().unwrap();
}

#[test]
fn a_flow_that_nobody_knows_is_told() {
    let (watched, _) = Watched::over(&sample("healthy.pcap"), &[]);
    let error = watched.ladder("0123456789").unwrap_err();
    assert!(error.contains("not known"), "{error}");
    watched.quit().unwrap();
}

/// Mirrors add bytes, so that full packets come in parts: all of them are fetched again.
#[test]
fn packets_that_came_in_parts_are_whole_in_the_ladder() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (plain, parts) = (file("plain.pcap"), file("parts.pcap"));
    let sample = sample("healthy.pcap");
    command(&["decap", "-w", &plain, sample.to_str().unwrap()]);
    let wrapped = ["encap", "--as", "vxlan", "--session", "7", "--mtu", "600"];
    command(&[&wrapped[..], &["-w", &parts, &plain]].concat());
    let (watched, snapshot) = Watched::over(parts.as_ref(), &[]);
    let (packed, _) = Watched::over(compressed(parts.as_ref()).path(), &[]);
    assert!(snapshot.report.totals.fragments > 40);
    let mut large = 0;
    for flow in &snapshot.flows.rows {
        let ladder = watched.ladder(&flow.id).unwrap();
        assert_eq!(ladder.forgotten, 0, "{}", flow.id);
        let payload: u64 = ladder.rows.iter().map(|rung| u64::from(rung.payload)).sum();
        assert_eq!(payload, flow.orig.payload + flow.resp.payload);
        large += ladder.rows.iter().filter(|rung| rung.payload > 600).count();
        let same = packed.ladder(&flow.id).unwrap();
        assert_eq!(without_places(&same), without_places(&ladder));
    }
    assert!(large > 20, "{large}");
    watched.quit().unwrap();
    packed.quit().unwrap();
}

#[test]
fn of_very_many_duplicates_some_are_kept_and_all_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("same.pcap");
    let bytes = std::fs::read(sample("asymmetric-udp-icmp.pcap")).unwrap();
    let captured = u32::from_le_bytes(bytes[32..36].try_into().unwrap()) as usize;
    let mut same = bytes[..24].to_vec();
    for micros in 0..300_u32 {
        same.extend(1_700_000_000_u32.to_le_bytes());
        same.extend(micros.to_le_bytes());
        same.extend(&bytes[32..40 + captured]);
    }
    std::fs::write(&path, same).unwrap();
    let (watched, snapshot) = Watched::over(&path, &[]);
    let ladder = watched.ladder(&snapshot.flows.rows[0].id).unwrap();
    let [rung] = ladder.rows.as_slice() else {
        panic!("{} packets", ladder.rows.len());
    };
    assert_eq!(rung.sights.iter().filter(|s| s.duplicate).count(), 63);
    assert_eq!(rung.more, BTreeMap::from([(rung.sights[0].lane, 236)]));
    assert_eq!((rung.sightings(), ladder.forgotten), (300, 0));
    watched.quit().unwrap();
}

/// Each part comes when an earlier datagram is given up.
#[test]
fn first_parts_whose_rest_is_lost_are_in_the_ladder() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (plain, parts, first) = (file("plain.pcap"), file("parts.pcap"), file("first.pcap"));
    let sample = sample("healthy.pcap");
    command(&["decap", "-w", &plain, sample.to_str().unwrap()]);
    let wrapped = ["encap", "--as", "vxlan", "--session", "7", "--mtu", "600"];
    command(&[&wrapped[..], &["-w", &parts, &plain]].concat());
    let bytes = std::fs::read(&parts).unwrap();
    let mut kept = bytes[..24].to_vec();
    let (mut at, mut count) = (24, 0_u32);
    while at < bytes.len() {
        let captured = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap());
        let end = at + 16 + captured as usize;
        // More fragments, offset 0; three seconds apart.
        if bytes[at + 16 + 14 + 6..][..2] == [0x20, 0] {
            kept.extend((1_700_000_000 + 3 * count).to_le_bytes());
            kept.extend(&bytes[at + 4..end]);
            count += 1;
        }
        at = end;
    }
    std::fs::write(&first, kept).unwrap();
    let (watched, snapshot) = Watched::over(first.as_ref(), &[]);
    let mut there = 0;
    for flow in &snapshot.flows.rows {
        let ladder = watched.ladder(&flow.id).unwrap();
        assert_eq!(ladder.forgotten, 0, "{}", flow.id);
        there += ladder.rows.len();
    }
    assert!(count > 15, "{count}");
    assert_eq!(there, count as usize);
    watched.quit().unwrap();
}

#[test]
fn files_are_merged_and_each_frame_is_fetched_from_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let all = sample("asymmetric-strict.pcap");
    let bytes = std::fs::read(&all).unwrap();
    // One packet in turn into each of two files.
    let mut halves = [bytes[..24].to_vec(), bytes[..24].to_vec()];
    let (mut at, mut turn) = (24, 0);
    while at < bytes.len() {
        let captured = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap());
        let end = at + 16 + captured as usize;
        halves[turn % 2].extend(&bytes[at..end]);
        (at, turn) = (end, turn + 1);
    }
    let [one, two] = [0, 1].map(|half| {
        let path = folder.path().join(format!("{half}.pcap"));
        std::fs::write(&path, &halves[half]).unwrap();
        path
    });
    let (whole, snapshot) = Watched::over(&all, &[]);
    let (merged, same) = Watched::over(&one, &[two.to_str().unwrap()]);
    assert_eq!(snapshot.flows.rows.len(), same.flows.rows.len());
    for flow in &snapshot.flows.rows {
        let (whole, merged) = (
            whole.ladder(&flow.id).unwrap(),
            merged.ladder(&flow.id).unwrap(),
        );
        assert_eq!(without_places(&whole), without_places(&merged));
    }
    let ladder = merged.ladder(&snapshot.flows.rows[4].id).unwrap();
    let frames = ladder.rows.iter().flat_map(|rung| &rung.sights);
    let origins = frames.map(|sight| merged.packet(sight.frame).unwrap().origin.clone());
    let origins: std::collections::BTreeSet<String> = origins.collect();
    assert_eq!(origins.len(), 2, "{origins:?}");
    whole.quit().unwrap();
    merged.quit().unwrap();
}
