//! What the two ends said.

use mirrorscope_tui::data::Content;

use super::driver::{Watched, sample, samples};

#[test]
fn a_stream_has_the_bytes_that_the_flow_carried() {
    for file in samples() {
        let (watched, snapshot) = Watched::over(&file, &[]);
        for flow in snapshot
            .flows
            .rows
            .iter()
            .filter(|flow| flow.proto == "tcp")
        {
            let stream = watched.stream(&flow.id).unwrap();
            assert_eq!(stream.left_out, 0);
            let mut reached = [0; 2];
            for piece in &stream.pieces {
                let place = &mut reached[usize::from(!piece.from_originator)];
                match &piece.content {
                    Content::Data(bytes) => {
                        assert_eq!(piece.offset, *place);
                        *place += bytes.len() as u64;
                    }
                    Content::Gap(len, _) => *place += len,
                    Content::Note(_) => {}
                }
            }
        }
        watched.quit().unwrap();
    }
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
