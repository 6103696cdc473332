//! What the history tells of frames.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mirrorscope_dissectors::{LinkType, Options};
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::Timestamp;

use super::History;
use crate::command::replay::frames::Frames;

#[test]
fn a_frame_of_two_flows_is_kept_and_told_once() {
    // A block has room for one frame, so that each is followed by another block.
    let mut history = History::new(1600, Options::default());
    let bytes = [[1; 100], [2; 100], [3; 100]];
    for (bytes, flows) in bytes.iter().zip([&[7, 9, 7][..], &[9], &[8, 7]]) {
        let frame = Frame {
            time: Timestamp(1),
            wire_len: 100,
            link: LinkType::Ethernet,
            interface: 0,
            number: 1,
            bytes,
        };
        let (first, more) = flows.split_first().unwrap();
        history.add(&frame, None, Some(*first));
        for flow in more {
            history.add_again(*flow);
        }
    }
    let blocks = history.blocks();
    assert_eq!(blocks.len(), 3);
    assert!(blocks.iter().all(|block| block.size()[0] < 200));
    let mut frames = Frames::new(blocks, None, Arc::new(AtomicBool::new(false)));
    assert_eq!(frames.of(&[7]), [0, 4]);
    assert_eq!(frames.of(&[9]), [0, 3]);
    assert_eq!(frames.of(&[9, 7]), [0, 3, 4]);
    let fetched = frames.of(&[7, 8, 9]).into_iter();
    let fetched = fetched.map(|number| frames.fetch(number, |frame| frame.bytes[0]).unwrap());
    assert_eq!(fetched.collect::<Vec<u8>>(), [1, 2, 3]);
}
