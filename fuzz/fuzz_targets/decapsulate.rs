//! Any bytes as a frame of any link type: what the walk says of them must fit them.
//!
//! The first byte chooses the link type, the rest is the frame.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mirrorscope_dissectors::fields::layers;
use mirrorscope_dissectors::{
    Familiar, LinkType, MAX_LAYERS, Options, Stop, Stripped, decapsulate,
};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, frame)) = input.split_first() else {
        return;
    };
    let links: Vec<LinkType> = (0..300).filter_map(LinkType::from_number).collect();
    let link = links[usize::from(choice) % links.len()];
    let options = Options::default();
    let stripped = decapsulate(link, frame, &options);

    assert!(stripped.layers.len() <= MAX_LAYERS);
    let inner = stripped.inner;
    assert!(inner.offset + inner.bytes.len() <= frame.len());
    assert_eq!(&frame[inner.offset..][..inner.bytes.len()], inner.bytes);
    if let Stop::Malformed(fault) = stripped.stop {
        assert!(fault.offset <= frame.len());
    }
    if let Some(mirror) = stripped.mirror() {
        assert!(mirror.outer_len as usize <= frame.len());
    }
    assert!(stripped.encapsulations().count() <= MAX_LAYERS);
    // Every field of every layer must be printable.
    let _ = format!("{stripped:?}");

    // What is remembered of its outer headers says the same, of the frame and of what is left when it is cut.
    let mut familiar = Familiar::default();
    for frame in [
        frame,
        frame,
        &frame[..frame.len() / 2 + 32.min(frame.len() / 2)],
    ] {
        let mut again = Stripped::whole(link, frame);
        let mut mirror = None;
        familiar.decapsulate(&mut again, &mut mirror, &options);
        let walked = decapsulate(link, frame, &options);
        assert_eq!(
            format!("{walked:?} {:?}", walked.mirror()),
            format!("{again:?} {mirror:?}")
        );
    }

    // A reader's layers follow each other from the first byte to the last.
    let mut end = 0;
    for layer in layers(link, frame, &options) {
        assert_eq!(layer.bytes.start, end);
        end = layer.bytes.end;
        let mut last = layer.bytes.start;
        for field in &layer.fields {
            assert!(last <= field.bytes.start && field.bytes.start < field.bytes.end);
            assert!(field.bytes.end <= frame.len());
            last = field.bytes.start;
        }
    }
    assert_eq!(end, frame.len());

    let packet = stripped.packet();
    if let Some(selector) = stripped.unknown(&packet) {
        let _ = stripped.probe(&packet, selector, &options);
    }
});
