//! What is remembered of outer headers says what the walk says.

use hex_literal::hex;
use proptest::prelude::*;

use super::usual::any_inner;
use super::*;
use crate::familiar::Familiar;

/// A mirror's headers, of the kinds that are remembered and of others.
fn any_mirror() -> impl Strategy<Value = Vec<Wrap<'static>>> {
    let one = || {
        prop_oneof![
            4 => (0_u16..3).prop_map(erspan2),
            4 => (0_u32..3).prop_map(|vni| Wrap::Vxlan { vni, port: 4789 }),
            1 => Just(Wrap::Erspan1),
            1 => any::<Option<u32>>().prop_map(|sequence| erspan3(9, 0, sequence, None)),
            1 => (any::<Option<u32>>(), any::<Option<u32>>(), any::<bool>(), prop::sample::select(vec![0x6558, 0x88be]))
                .prop_map(|(key, sequence, checksum, protocol)| Wrap::Gre { key, sequence, checksum, protocol }),
        ]
    };
    prop::collection::vec(one(), 1..3)
}

/// Frames of some mirrors, in any order, each as it was or with a few bytes changed, and cut somewhere.
fn any_frames() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let tags = prop::sample::select(vec![
        &hex!("")[..],
        &hex!("81000064"),
        &hex!("88a8000281000064"),
    ]);
    let mirrors = prop::collection::vec((any_mirror(), any_inner(), tags), 1..4);
    let change = (any::<prop::sample::Index>(), any::<u8>());
    let use_of = (
        any::<prop::sample::Index>(),
        any_inner(),
        prop::collection::vec(change, 0..3),
        prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
    );
    (mirrors, prop::collection::vec(use_of, 2..24)).prop_map(|(mirrors, uses)| {
        let frames = uses.into_iter().map(|(which, inner, changes, cut)| {
            let (levels, own, tags) = which.get(&mirrors);
            let mut frame = if changes.is_empty() { inner } else { *own }.to_vec();
            for with in levels {
                frame = wrapped(with, &frame);
            }
            frame.splice(12..12, tags.iter().copied());
            for (index, value) in changes {
                let place = index.index(frame.len().min(70));
                frame[place] = value;
            }
            if let Some(cut) = cut {
                frame.truncate(cut.index(frame.len()));
            }
            frame
        });
        frames.collect()
    })
}

/// Everything that is known of a frame.
fn known(stripped: &Stripped<'_>, mirror: Option<Mirror>) -> String {
    let marks: Vec<_> = stripped.layers.placed().collect();
    let ends: Vec<_> = stripped
        .layers
        .marks()
        .iter()
        .map(|mark| stripped.layers.bytes(mark).len())
        .collect();
    format!(
        "{stripped:?} {marks:?} {ends:?} {:?} {mirror:?}",
        stripped.packet()
    )
}

/// The same, by the walk alone and by what was remembered.
fn both(familiar: &mut Familiar, link: LinkType, frame: &[u8], options: &Options) -> [String; 2] {
    let walked = decapsulate(link, frame, options);
    let mut stripped = Stripped::whole(link, frame);
    let mut mirror = None;
    familiar.decapsulate(&mut stripped, &mut mirror, options);
    [known(&walked, walked.mirror()), known(&stripped, mirror)]
}

proptest! {
    #[test]
    fn what_is_remembered_is_what_the_walk_says(frames in any_frames(), raw in any::<prop::sample::Index>()) {
        let options = Options::default();
        let mut familiar = Familiar::default();
        for frame in &frames {
            let [walked, remembered] = both(&mut familiar, LinkType::Ethernet, frame, &options);
            prop_assert_eq!(walked, remembered);
        }
        // The same bytes may be something else.
        let [walked, remembered] = both(&mut familiar, LinkType::RawIp, raw.get(frames.as_slice()).as_slice(), &options);
        prop_assert_eq!(walked, remembered);
    }
}

/// Frames of one mirror, numbered, with payloads of these lengths.
fn numbered(with: impl Fn(u32) -> Wrap<'static>) -> Vec<Vec<u8>> {
    let frame = |number: u32| {
        let inner = [&FRAME[..], &vec![7; number as usize]].concat();
        wrapped(&with(number), &inner)
    };
    (0..3).map(frame).collect()
}

#[test]
fn frames_of_a_mirror_are_known_by_the_first() {
    let erspan = |sequence| Wrap::Erspan2 {
        session: 7,
        vlan: 100,
        cos: 0,
        en: 2,
        truncated: false,
        index: 5,
        sequence,
    };
    let options = Options::default();
    for frames in [numbered(erspan), numbered(|_| VXLAN)] {
        let mut familiar = Familiar::default();
        for (number, frame) in frames.iter().enumerate() {
            let mut stripped = Stripped::whole(LinkType::Ethernet, frame);
            let mut mirror = None;
            let recalled = familiar.recall(&mut stripped, &mut mirror, &options);
            assert_eq!(recalled.is_some(), number > 0);
            let [walked, remembered] = both(&mut familiar, LinkType::Ethernet, frame, &options);
            assert_eq!(walked, remembered);
        }
    }
}

#[test]
fn a_mirror_that_is_heard_no_more_gives_way() {
    let mut options = Options::default();
    options.decode_as("udp.port==4788,vxlan").unwrap();
    let mut familiar = Familiar::default();
    let frames = numbered(|_| VXLAN);
    both(&mut familiar, LinkType::Ethernet, &frames[0], &options);
    // Between the same two, of the same network, to another port.
    let mut other = frames[1].clone();
    other[37] ^= 1;
    let recalls = |familiar: &Familiar, frame: &[u8]| {
        let mut stripped = Stripped::whole(LinkType::Ethernet, frame);
        familiar
            .recall(&mut stripped, &mut None, &options)
            .is_some()
    };
    for _ in 0..=8 {
        assert!(recalls(&familiar, &frames[2]) && !recalls(&familiar, &other));
        both(&mut familiar, LinkType::Ethernet, &other, &options);
    }
    assert!(recalls(&familiar, &other) && !recalls(&familiar, &frames[2]));
}
