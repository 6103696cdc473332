//! Flows in files.

use mirrorscope_tui::data::ExportForm;

use super::driver::{Watched, compressed, flow, sample};

#[test]
fn exported_packets_are_those_flows_again() {
    let (watched, snapshot) = Watched::over(&sample("asymmetric-strict.pcap"), &[]);
    let flows = [flow(&snapshot, 40006, 80), flow(&snapshot, 40002, 80)];
    let ids = flows.each_ref().map(|flow| flow.id.clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flows.pcapng");
    let told = watched.export(&ids, ExportForm::Pcapng, &path).unwrap();
    assert!(
        told.ends_with("flows.pcapng: 38 packets of 2 flows"),
        "{told}"
    );

    // Each packet says what became of its flow.
    let bytes = std::fs::read(&path).unwrap();
    for flow in &flows {
        let comment = format!("{}: {} (flow {})", flow.verdict.as_str(), flow.why, flow.id);
        let places = bytes.windows(comment.len());
        let told = places.filter(|bytes| *bytes == comment.as_bytes()).count();
        assert!(told > 9, "{comment}: {told}");
    }

    let again = Watched::start(&[path.to_str().unwrap()]);
    let query = mirrorscope_engine::page::FlowQuery {
        window: 0..10,
        ..Default::default()
    };
    again.ask(mirrorscope_tui::data::Ask::Flows(query));
    let read = again.snapshot(|snapshot| snapshot.flows.rows.len() == 2);
    for flow in &flows {
        let same = super::driver::flow(&read, flow.sport, flow.dport);
        assert_eq!(
            (same.src, same.dst, same.state),
            (flow.src, flow.dst, flow.state)
        );
        assert_eq!((same.orig, same.resp), (flow.orig, flow.resp));
        assert_eq!(same.points.len(), flow.points.len());
    }
    // An interface for each session that brought them.
    let names: Vec<&str> = read
        .report
        .sessions
        .iter()
        .map(|s| s.name.as_str())
        .collect();
    assert_eq!(names.len(), 5, "{names:?}");
    again.quit().unwrap();

    let refused = watched.export(&ids, ExportForm::Pcapng, &path).unwrap_err();
    assert!(
        refused.contains("flows.pcapng: is there already"),
        "{refused}"
    );
    let nowhere = folder.path().join("nowhere/flows.pcapng");
    let refused = watched
        .export(&ids, ExportForm::Pcapng, &nowhere)
        .unwrap_err();
    assert!(refused.contains("nowhere/flows.pcapng"), "{refused}");
    watched.quit().unwrap();
}

#[test]
fn packets_that_are_not_at_hand_are_read_from_the_file_once_more() {
    let file = sample("asymmetric-strict.pcap");
    let packed = compressed(&file);
    let (plain, snapshot) = Watched::over(&file, &[]);
    let (few, _) = Watched::over(packed.path(), &["--keep-packets", "4K"]);
    let ids = [flow(&snapshot, 40002, 80).id];
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one.pcapng", "other.pcapng"].map(|name| folder.path().join(name));
    plain.export(&ids, ExportForm::Pcapng, &one).unwrap();
    let told = few.export(&ids, ExportForm::Pcapng, &other).unwrap();
    assert!(told.ends_with("10 packets of 1 flow"), "{told}");
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(other).unwrap());
    plain.quit().unwrap();
    few.quit().unwrap();
}

#[test]
fn a_page_has_the_flow_and_the_findings_that_it_has_a_part_in() {
    let (watched, snapshot) = Watched::over(&sample("asymmetric-strict.pcap"), &[]);
    let flow = flow(&snapshot, 40006, 80);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flow.txt");
    let told = watched
        .export(std::slice::from_ref(&flow.id), ExportForm::Page, &path)
        .unwrap();
    assert!(told.ends_with("flow.txt: 1 flow"), "{told}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.starts_with(&format!("{}  tcp 10.9.0.10:40006", flow.id)),
        "{text}"
    );
    assert!(text.contains("asymmetric-path"), "{text}");
    assert!(text.contains("firewall-out-of-state"), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    watched.quit().unwrap();
}
