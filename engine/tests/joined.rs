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
    wrapped_to([10, 60, 0, 9], with, inner)
}

fn wrapped_to(destination: [u8; 4], with: &Wrap<'_>, inner: &[u8]) -> Vec<u8> {
    let outer = Outer::new([10, 60, 0, 1].into(), destination.into());
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
    let overlay = wrapped_to(
        [10, 70, 0, 2],
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

/// A fragment over IPv6 whose payload starts with another fragment header.
fn nested_fragment(identification: u32, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
    const FRAGMENT: u8 = 44;
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((payload.len() as u16 + 8).to_be_bytes());
    frame.extend([FRAGMENT, 64]);
    frame.extend([[0xfd; 16], [0xfc; 16]].concat());
    frame.extend(fragment_header(identification, offset, more));
    frame.extend(payload);
    frame
}

fn fragment_header(identification: u32, offset: u16, more: bool) -> Vec<u8> {
    let place = (offset | u16::from(more)).to_be_bytes();
    [&[44, 0][..], &place, &identification.to_be_bytes()].concat()
}

#[test]
fn fragments_in_fragments_are_joined_a_few_times_only() {
    const DEPTH: u32 = 1500;
    let mut headers: Vec<u8> = (1..DEPTH)
        .flat_map(|identification| fragment_header(identification, 0, true))
        .collect();
    headers.extend([0; 8]);
    let len = headers.len() as u16;
    let lasts =
        (0..DEPTH).map(|identification| nested_fragment(identification, len, false, &[0; 8]));
    let first = nested_fragment(0, 0, true, &headers);
    let mut receiver = Receiver::new(
        Options::default(),
        Sites::default(),
        std::sync::Arc::default(),
    );
    for bytes in lasts.chain([first]) {
        let frame = Frame {
            time: Timestamp(0),
            wire_len: bytes.len() as u32,
            link: LinkType::Ethernet,
            interface: 0,
            number: 1,
            bytes: &bytes,
        };
        receiver.receive(&frame, |_| {});
    }
    assert_eq!(receiver.fragment_counts().joined, 3);
}
