//! What arrives in parts, or cut by a sensor, is one mirrored frame of its own length.

#![allow(
    clippy::unwrap_used,
    reason = "a frame that is not mirrored should stop the test"
)]

use mirrorscope_dissectors::encap::{Outer, SttHeader, TzspTags, Wrap, fragment, segment, wrap};
use mirrorscope_dissectors::{Encapsulation, LinkType, Options};
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;

/// Encapsulation, id, bytes and original length of each frame that comes out.
type Mirrored = (Encapsulation, Option<u64>, Vec<u8>, u32);

fn receive(frames: &[Vec<u8>]) -> Vec<Mirrored> {
    let mut receiver = Receiver::new(
        Options::default(),
        Sites::default(),
        std::sync::Arc::default(),
    );
    let mut out = Vec::new();
    let mut sink = |mirrored: &mirrorscope_engine::receive::Mirrored<'_>| {
        let mirror = mirrored.mirror.unwrap();
        out.push((
            mirror.encapsulation,
            mirror.id,
            mirrored.inner.bytes.to_vec(),
            mirrored.inner_len,
        ));
    };
    for (number, bytes) in (1..).zip(frames) {
        let frame = Frame {
            time: Timestamp(0),
            wire_len: bytes.len() as u32,
            link: LinkType::Ethernet,
            interface: 0,
            number,
            bytes,
        };
        receiver.receive(&frame, &mut sink);
    }
    receiver.finish(&mut sink);
    out
}

fn wrapped(with: &Wrap<'_>, inner: &[u8]) -> Vec<u8> {
    let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let mut frame = Vec::new();
    wrap(&outer, with, inner, &mut frame);
    frame
}

/// A frame that no protocol knows.
fn lldp(len: usize) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xcc];
    frame.resize(len, 0x55);
    frame
}

const STT: Wrap<'_> = Wrap::Stt(SttHeader {
    context: 0x1_0000_0007,
    frame_id: 9,
    vlan: None,
});

#[test]
fn segments_of_stt_are_one_frame() {
    let frame = lldp(4000);
    let mut parts = segment(&wrapped(&STT, &frame), 1500);
    parts.reverse();
    let expected = (Encapsulation::Stt, Some(0x1_0000_0007), frame, 4000);
    assert_eq!(receive(&parts), [expected]);
}

#[test]
fn parts_that_ip_split_once_more_are_one_frame() {
    let capwap = Wrap::Capwap {
        radio_id: 1,
        fragment_id: 3,
    };
    let frame = lldp(4000);
    for (with, encapsulation, id) in [
        (STT, Encapsulation::Stt, Some(0x1_0000_0007)),
        (capwap, Encapsulation::Capwap, None),
    ] {
        // One at a time: the packets that the sender wrote share their identification.
        let parts: Vec<_> = segment(&wrapped(&with, &frame), 1500)
            .iter()
            .flat_map(|part| fragment(part, 800))
            .collect();
        assert_eq!(parts.len(), 6);
        assert_eq!(receive(&parts), [(encapsulation, id, frame.clone(), 4000)]);
    }
}

#[test]
fn a_sensor_tells_how_long_the_frame_was() {
    let tzsp = |original_len| Wrap::Tzsp {
        encapsulation: 1,
        tags: TzspTags {
            original_len,
            ..TzspTags::default()
        },
    };
    let frame = lldp(100);
    let read = |original_len| receive(&[wrapped(&tzsp(original_len), &frame)])[0].3;
    assert_eq!(read(Some(1514)), 1514);
    assert_eq!(read(Some(60)), 100);
    assert_eq!(read(None), 100);
    // What the sensor cut off an overlay is the end of the frame in it.
    let overlay = wrapped(
        &Wrap::VxlanGpe {
            vni: 1,
            next_protocol: 3,
        },
        &frame,
    );
    let cut = overlay[..overlay.len() - 30].to_vec();
    let original_len = Some(overlay.len() as u16);
    assert_eq!(receive(&[wrapped(&tzsp(original_len), &cut)])[0].3, 100);
}
