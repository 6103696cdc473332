//! What the two ends said.

use mirrorscope_tui::data::{Content, Stream};

use super::driver::{Watched, command, sample, samples};

/// The bytes of a direction.
fn said(stream: &Stream, from_originator: bool) -> Vec<u8> {
    let pieces = stream.pieces.iter();
    let pieces = pieces.filter(|piece| piece.from_originator == from_originator);
    pieces
        .flat_map(|piece| match &piece.content {
            Content::Data(bytes) => bytes.clone(),
            Content::Gap(..) | Content::Note(_) => Vec::new(),
        })
        .collect()
}

#[test]
fn a_stream_is_what_follow_writes() {
    let folder = tempfile::tempdir().unwrap();
    let sites = sample("two-sites.toml");
    let mut bytes = 0;
    for name in [
        "asymmetric-tolerant",
        "mirror-loss-10",
        "asymmetric-udp-icmp",
    ] {
        let file = sample(&format!("{name}.pcap"));
        let (watched, snapshot) = Watched::over(&file, &[]);
        let flows = snapshot.flows.rows.iter();
        for flow in flows.filter(|flow| matches!(flow.proto.as_str(), "tcp" | "udp")) {
            let stream = watched.stream(&flow.id).unwrap();
            assert_eq!((stream.left_out, &stream.flow.id), (0, &flow.id));
            for (from_originator, direction) in [(true, "orig"), (false, "resp")] {
                let written = folder
                    .path()
                    .join(format!("{name}-{}-{direction}", flow.id));
                let follow = ["follow", "--format", "raw", "--direction", direction];
                let of = ["--flow", &flow.id, "-w", written.to_str().unwrap()];
                let from = ["--sites", sites.to_str().unwrap(), file.to_str().unwrap()];
                command(&[&follow[..], &of, &from].concat());
                let expected = std::fs::read(&written).unwrap();
                assert!(
                    said(&stream, from_originator) == expected,
                    "{}",
                    written.display()
                );
                bytes += expected.len();
            }
        }
        watched.quit().unwrap();
    }
    assert!(bytes > 100_000, "{bytes}");
}

#[test]
fn pieces_come_by_time_and_leave_nothing_out() {
    let mut gaps = 0;
    for file in samples() {
        let (watched, snapshot) = Watched::over(&file, &[]);
        for flow in snapshot
            .flows
            .rows
            .iter()
            .filter(|flow| flow.proto == "tcp")
        {
            let stream = watched.stream(&flow.id).unwrap();
            let mut reached = [0; 2];
            for piece in &stream.pieces {
                let place = &mut reached[usize::from(!piece.from_originator)];
                match &piece.content {
                    Content::Data(bytes) => {
                        assert_eq!(piece.offset, *place);
                        *place += bytes.len() as u64;
                    }
                    Content::Gap(len, _) => {
                        assert_eq!(piece.offset, *place);
                        *place += len;
                        gaps += 1;
                    }
                    Content::Note(_) => {}
                }
            }
        }
        watched.quit().unwrap();
    }
    assert!(gaps > 0);
}

#[test]
fn what_has_no_stream_says_so() {
    let (watched, snapshot) = Watched::over(&sample("asymmetric-udp-icmp.pcap"), &[]);
    let mut flows = snapshot.flows.rows.iter();
    let icmp = flows.find(|flow| flow.proto == "icmp").unwrap();
    let error = watched.stream(&icmp.id).unwrap_err();
    assert!(error.contains("TCP and UDP"), "{error}");
    watched.quit().unwrap();
}
