use hex_literal::hex;
use proptest::prelude::*;

use super::*;

/// Lines as a screen shows them.
fn lines(link: LinkType, bytes: &[u8]) -> Vec<String> {
    layers(link, bytes, &Options::default())
        .iter()
        .map(|layer| format!("{}: {}", layer.title, layer.gist))
        .collect()
}

fn field(layers: &[Layer], title: &str, name: &str) -> (String, Range<usize>) {
    let layer = layers.iter().rfind(|layer| layer.title == title);
    let mut fields = layer.expect("the layer is there").fields.iter();
    let field = fields.find(|field| field.name == name);
    let field = field.expect("the field is there");
    (field.value.clone(), field.bytes.clone())
}

/// Every byte belongs to one layer, in order; fields are parts of the frame, in order.
fn check(frame: &[u8], layers: &[Layer]) {
    let mut end = 0;
    for layer in layers {
        assert_eq!(layer.bytes.start, end, "{layer:?}");
        assert!(layer.bytes.end >= end, "{layer:?}");
        end = layer.bytes.end;
        let mut last = layer.bytes.start;
        for field in &layer.fields {
            assert!(field.bytes.start >= last, "{layer:?}");
            assert!(!field.bytes.is_empty(), "{layer:?}");
            assert!(field.bytes.end <= frame.len(), "{layer:?}");
            last = field.bytes.start;
        }
    }
    assert_eq!(end, frame.len());
}

/// A SYN in ERSPAN II, as a switch sends it.
const ERSPAN2: &[u8] = &hex!(
    "02000000000b02000000000a0800450000780a0a4000402f0000 0a3c0001 0a3c0009"
    "1000 88be 0000002a 1064 a865 00000007"
    "02000000000b02000000000a0800 4500003c0a0a40004006 4460 c000020a c6336414"
    "9c40 01bb 11223344 00000000 a002faf0 e63d0000 020405b40402080a00000001000000000103 0307"
);

#[test]
fn every_layer_of_a_mirrored_frame_is_told_from_the_wire_inwards() {
    let all = lines(LinkType::Ethernet, ERSPAN2);
    assert_eq!(
        all,
        [
            "Ethernet: 02:00:00:00:00:0a > 02:00:00:00:00:0b",
            "IPv4: 10.60.0.1 > 10.60.0.9, GRE, ttl 64",
            "GRE: ERSPAN (0x88be), sequence 42",
            "ERSPAN II: session 101, VLAN 100",
            "Ethernet: 02:00:00:00:00:0a > 02:00:00:00:00:0b",
            "IPv4: 192.0.2.10 > 198.51.100.20, TCP, ttl 64",
            "TCP: 40000 > 443, SYN, seq 287454020",
        ]
    );
}

#[test]
fn a_field_knows_its_bytes_in_the_frame() {
    let layers = layers(LinkType::Ethernet, ERSPAN2, &Options::default());
    check(ERSPAN2, &layers);
    assert_eq!(
        field(&layers, "ERSPAN II", "Session id"),
        ("101".into(), 44..46)
    );
    assert_eq!(
        field(&layers, "GRE", "Sequence number"),
        ("42".into(), 38..42)
    );
    assert_eq!(
        field(&layers, "IPv4", "Source"),
        ("192.0.2.10".into(), 76..80)
    );
    assert_eq!(
        field(&layers, "TCP", "Flags"),
        ("SYN (0x002)".into(), 96..98)
    );
    let tcp = layers.last().unwrap();
    let options: Vec<_> = tcp
        .fields
        .iter()
        .filter(|field| field.name == "Option")
        .collect();
    let words: Vec<_> = options.iter().map(|field| field.value.as_str()).collect();
    assert_eq!(
        words,
        [
            "maximum segment size 1460",
            "selective acknowledgements permitted",
            "timestamp 1, echo of 0",
            "no operation",
            "window scale 7, by 128",
        ]
    );
    assert_eq!(options.last().unwrap().bytes, 121..124);
}

#[test]
fn what_is_missing_or_wrong_is_told_last() {
    let cut = lines(LinkType::Ethernet, &ERSPAN2[..ERSPAN2.len() - 16]);
    assert_eq!(
        cut[6],
        "TCP: 40000 > 443, SYN, seq 287454020, its header is cut"
    );
    assert_eq!(
        cut[7],
        "Cut: 16 bytes of the packet are missing: 60 by its length, 44 here"
    );
    let malformed = lines(LinkType::Ethernet, &ERSPAN2[..45]);
    assert_eq!(
        malformed.last().unwrap(),
        "Malformed ERSPAN Type II: truncated at byte 42: fewer bytes than the header needs"
    );
    assert_eq!(lines(LinkType::Ethernet, &[]).len(), 1);
}

#[test]
fn an_error_shows_the_packet_that_it_quotes() {
    let error = hex!(
        "4500003800000000 4001 0000 0a0a0001 0a140032"
        "0304 0000 0000 0578"
        "450005dc 0001 4000 4006 0000 0a140032 0a0a0001 0050 c350 00000001"
    );
    assert_eq!(
        lines(LinkType::RawIp, &error),
        [
            "IPv4: 10.10.0.1 > 10.20.0.50, ICMP, ttl 64",
            "ICMP: destination unreachable: fragmentation needed, MTU 1400",
            "Quoted IPv4: 10.20.0.50 > 10.10.0.1, TCP, ttl 64",
            "Quoted TCP: 80 > 50000, seq 1, its header is cut",
        ]
    );
}

#[test]
fn a_later_fragment_has_no_transport_header() {
    let part = hex!("4500001c 0a0a 00b9 4011 0000 0a3c0001 0a3c0009 0102030405060708");
    assert_eq!(
        lines(LinkType::RawIp, &part),
        [
            "IPv4: 10.60.0.1 > 10.60.0.9, UDP, ttl 64, last fragment at 1480",
            "Part: 8 bytes from byte 1480 on, the last part",
        ]
    );
}

proptest! {
    #[test]
    fn any_bytes_are_told_from_the_first_to_the_last(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        cut in 0..ERSPAN2.len(),
        changed in 0..ERSPAN2.len(),
        number in 0_u16..300,
    ) {
        let link = LinkType::from_number(number).unwrap_or(LinkType::Ethernet);
        check(&bytes, &layers(link, &bytes, &Options::default()));
        let mut frame = ERSPAN2.to_vec();
        frame[changed] ^= bytes.first().copied().unwrap_or(0xff);
        check(&frame, &layers(LinkType::Ethernet, &frame, &Options::default()));
        frame.truncate(cut);
        check(&frame, &layers(LinkType::Ethernet, &frame, &Options::default()));
    }
}
