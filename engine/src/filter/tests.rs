use proptest::prelude::*;

use super::{End, Filter, NumberField, Subject, TextField};
use crate::flow::{Endpoint, FlowKey};
use crate::observation::Sum;
use crate::report::{AtPoint, DirectionAtPoint, FlowReport};
use crate::time::Timestamp;
use crate::verdict::{Cause, Confidence, Verdict};

/// A client's connection to a web server, seen by two firewalls, each of one direction.
fn web() -> FlowReport {
    let at = |point: &str, site: &str, role, sessions: &[&str], segment, vlan| AtPoint {
        point: point.to_owned(),
        site: site.to_owned(),
        role,
        history: String::new(),
        state: "OTH",
        first: Timestamp(0),
        last: Timestamp(0),
        orig: DirectionAtPoint::default(),
        resp: DirectionAtPoint::default(),
        tcp: None,
        sessions: sessions.iter().map(|name| (*name).to_owned()).collect(),
        segments: vec![segment],
        firewall: None,
        vlans: vec![vlan],
    };
    FlowReport {
        serial: 0,
        id: "x7k3mpB2qz".to_owned(),
        tenant: Some("red".to_owned()),
        community_id: "1:LQU9qZlK+B5F3KDmev6m5PMibrg=".to_owned(),
        proto: "tcp".to_owned(),
        src: "192.0.2.10".parse().unwrap(),
        sport: 40_000,
        dst: "10.20.0.50".parse().unwrap(),
        dport: 443,
        src_name: None,
        dst_name: None,
        icmp_id: None,
        state: "S1",
        history: "ShADr".to_owned(),
        verdict: Verdict::Asymmetric,
        why: String::new(),
        cause: None,
        confidence: Confidence::High,
        first: Timestamp(1_000_000_000),
        last: Timestamp(31_500_000_000),
        orig: counts(7, 1_500_000, 1_400_000),
        resp: counts(3, 180, 0),
        tcp: None,
        icmp_errors: Vec::new(),
        quotes: Vec::new(),
        points: vec![
            at(
                "fw1-inside",
                "DC1",
                "firewall",
                &["erspan2-101@10.60.0.1"],
                5012,
                12,
            ),
            at(
                "dci east",
                "dc2",
                "dci",
                &["vxlan-0x0123456789ab@10.60.0.3", "gre@10.60.0.4"],
                77,
                20,
            ),
        ],
    }
}

fn counts(packets: u64, bytes: u64, payload: u64) -> Sum {
    Sum {
        packets,
        bytes,
        payload,
    }
}

fn ping() -> FlowReport {
    FlowReport {
        proto: "icmp".to_owned(),
        sport: 8,
        dport: 0,
        verdict: Verdict::Unknown,
        cause: Some(Cause::MirrorLoss),
        history: String::new(),
        state: "OTH",
        points: Vec::new(),
        ..web()
    }
}

fn key() -> FlowKey {
    let end = |address: &str, port| Endpoint {
        address: address.parse().unwrap(),
        port,
    };
    FlowKey {
        scope: 0,
        protocol: 6,
        icmp_type: 0,
        low: end("10.20.0.50", 443),
        high: end("192.0.2.10", 40_000),
    }
}

#[track_caller]
fn decide(text: &str, subject: &impl Subject) -> Option<bool> {
    match Filter::parse(text) {
        Ok(filter) => filter.decide(subject),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn wants(text: &str) {
    assert_eq!(decide(text, &web()), Some(true), "{text}");
}

#[track_caller]
fn refuses(text: &str) {
    assert_eq!(decide(text, &web()), Some(false), "{text}");
}

#[test]
fn addresses_are_of_either_end_or_of_one() {
    wants("host 10.20.0.50");
    wants("host 192.0.2.0/24");
    wants("net 10.20.0.0/16");
    wants("host 10.9.9.9,10.20.0.50");
    refuses("host 10.20.0.51");
    wants("src 192.0.2.10");
    wants("src host 192.0.2.10 and dst net 10.0.0.0/8");
    refuses("src 10.20.0.50");
    refuses("dst host 192.0.2.10");
    wants("orig 192.0.2.10 and resp 10.20.0.50");
    wants("ip and not ip6");
    refuses("host 2001:db8::/32");
    wants("host != 10.20.0.51");
    refuses("host != 10.20.0.50");
}

#[test]
fn ports_are_numbers_ranges_lists_or_services() {
    wants("port 443");
    wants("port https");
    wants("port 80,443");
    wants("port (80 or 443)");
    wants("port 400-450");
    wants("portrange 400-450");
    wants("sport 40000 and dport 443");
    wants("src port 40000 and dst port https");
    refuses("sport 443");
    refuses("port 442");
    wants("dport < 1024");
    refuses("sport <= 39999");
    wants("port >= 40000");
    wants("dport != 80");
    refuses("port != 443");
    refuses("port > 65535");
    refuses("port < 0");
}

#[test]
fn what_has_no_ports_matches_none() {
    assert_eq!(decide("port 8", &ping()), Some(false));
    assert_eq!(decide("dport 0", &ping()), Some(false));
    assert_eq!(decide("not port 8", &ping()), Some(true));
    assert_eq!(decide("icmp and host 10.20.0.50", &ping()), Some(true));
}

#[test]
fn protocols_are_words_names_or_numbers() {
    wants("tcp");
    wants("proto TCP");
    wants("proto 6");
    wants("proto udp,tcp");
    wants("proto != udp");
    refuses("udp");
    refuses("proto 17");
    refuses("icmp or icmp6 or sctp or gre");
}

#[test]
fn habits_of_tcpdump_hold() {
    wants("tcp port 443");
    refuses("udp port 443");
    wants("not udp port 443");
    wants("tcp dst port 443 and ip host 10.20.0.50");
    wants("tcp port 80 or 443");
    refuses("udp port 80 or 443");
    wants("host 10.9.9.9 or 192.0.2.10");
    wants("host 10.20.0.50 and 192.0.2.10");
    wants("src 192.0.2.10 and not 10.20.0.50");
    wants("!udp && (port 80 || port 443)");
    wants("TCP AND Port 443 AND NOT Dst Host 10.9.9.9");
}

#[test]
fn not_binds_tighter_than_and_and_and_tighter_than_or() {
    wants("tcp or udp and icmp");
    refuses("(tcp or udp) and icmp");
    wants("not udp and tcp");
    refuses("not (udp or tcp)");
    wants("icmp and udp or tcp and port 443");
    wants("not not tcp");
    refuses("!!!tcp");
}

#[test]
fn names_take_patterns_and_quotes_and_no_case() {
    wants("site dc1");
    wants("site dc1 and site DC2");
    refuses("site dc3");
    wants("site = dc*");
    wants("point fw*-inside");
    wants("point *west,*east");
    refuses("point fw*-outside");
    wants("point \"dci east\"");
    wants("point 'DCI *'");
    wants("point d**t");
    refuses("point ''");
    refuses("site != dc1");
    wants("role firewall");
    wants("role dci,router");
    refuses("role vnic");
}

#[test]
fn a_session_goes_by_its_name_or_its_id() {
    wants("session erspan2-101@10.60.0.1");
    wants("session 101");
    wants("session *@10.60.0.4");
    wants("session 0x123456789ab");
    refuses("session 10");
    refuses("session 60");
    refuses("session gre");
    wants("vni 5012 and vni 77");
    wants("vni 5000-5100");
    refuses("vni 12");
    wants("vlan 12,13");
    wants("vlan 0x14");
    refuses("vlan 77");
}

#[test]
fn verdicts_causes_and_states_are_words() {
    wants("asymmetric");
    wants("verdict asymmetric or one-way");
    wants("verdict symmetric,ASYMMETRIC");
    refuses("symmetric or one-way or unanswered or moved or unknown");
    refuses("cause mirror-loss");
    assert_eq!(
        decide("unknown and cause no-point,mirror-loss", &ping()),
        Some(true)
    );
    wants("state s1");
    wants("state S0,S1");
    refuses("state SF");
    wants("history rS");
    refuses("history RS");
    wants("history h and not history d");
}

#[test]
fn counts_and_times_have_units() {
    wants("bytes > 1.5M");
    refuses("bytes > 1.50018M");
    wants("bytes = 1500180");
    wants("bytes < 1.5MiB");
    refuses("bytes < 1431k");
    wants("payload >= 1400kB");
    wants("packets 10");
    wants("src packets = 7 and dst packets = 3");
    wants("orig packets 7 and resp payload 0");
    wants("packets 1-10");
    refuses("packets < 10");
    wants("duration > 30s");
    wants("duration > 30");
    wants("duration <= 30500ms");
    refuses("duration < 30.5s");
    wants("duration > 0.5m");
    wants("duration 30500000000ns");
    refuses("duration > 1h");
    refuses("bytes > 18446744073709551615");
}

#[test]
fn a_flow_goes_by_its_id() {
    wants("id x7k3mpB2qz");
    wants("id Cx7k3mpB2qz");
    refuses("id X7K3MPB2QZ");
    wants("community-id 1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    wants("(community-id 1:LQU9qZlK+B5F3KDmev6m5PMibrg=)and tcp");
    refuses("community-id 1:MP2EtRCAUIZvTw6MxJHLV7N7JDs=");
}

#[test]
fn a_first_packet_decides_what_it_can() {
    let key = key();
    assert_eq!(
        decide("host 10.20.0.50 and port 443 and tcp", &key),
        Some(true)
    );
    assert_eq!(decide("host 10.20.0.51", &key), Some(false));
    assert_eq!(decide("src 10.20.0.50", &key), None);
    assert_eq!(decide("dport 443", &key), None);
    assert_eq!(decide("not symmetric", &key), None);
    assert_eq!(decide("udp and symmetric", &key), Some(false));
    assert_eq!(decide("tcp and symmetric", &key), None);
    assert_eq!(decide("tcp or symmetric", &key), Some(true));
    assert_eq!(decide("udp or symmetric", &key), None);
    assert_eq!(decide("symmetric or not symmetric", &key), None);
    assert_eq!(
        decide("not (symmetric or tcp) or host 10.9.9.9", &key),
        Some(false)
    );
    let ping = FlowKey { protocol: 1, ..key };
    assert_eq!(decide("sport 443", &ping), Some(false));
}

#[test]
fn a_filter_knows_which_word_needs_the_whole_capture() {
    let late = |text: &str| {
        let filter = Filter::parse(text).unwrap();
        let late = filter.late_word().map(str::to_owned);
        assert_eq!(filter.is_static(), late.is_none());
        late
    };
    assert_eq!(late("tcp port 80 or host 10.0.0.1 and not proto 47"), None);
    for word in [
        "src 10.0.0.1",
        "dport 80",
        "site dc1",
        "vlan 3",
        "bytes > 3",
        "asymmetric",
        "id x",
    ] {
        let first = word.split(' ').next().map(str::to_owned);
        assert_eq!(late(&format!("tcp and {word} or state S0")), first);
    }
    assert_eq!(late("tcp src port 80").as_deref(), Some("src"));
}

/// The message in three lines.
#[track_caller]
fn complaint(text: &str) -> [String; 3] {
    let error = Filter::parse(text).expect_err(text);
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    lines.try_into().unwrap()
}

#[test]
fn an_error_shows_the_place_and_what_was_meant() {
    assert_eq!(
        complaint("host 10.0.0.1 and symetric or tcp"),
        [
            "column 19: `symetric` is no word of the filter language; did you mean symmetric?",
            "  host 10.0.0.1 and symetric or tcp",
            "                    ^^^^^^^^",
        ]
    );
    assert_eq!(
        complaint("role firewal"),
        [
            "column 6: `firewal` is no role; did you mean firewall?",
            "  role firewal",
            "       ^^^^^^^",
        ]
    );
    assert_eq!(
        complaint("role balancer"),
        [
            "column 6: `balancer` is no role; expected firewall, router, dci, vnic, uplink, switch",
            "  role balancer",
            "       ^^^^^^^^",
        ]
    );
    assert_eq!(
        complaint("tcp and"),
        [
            "column 8: a condition is missing here; expected a condition such as host 10.0.0.1, \
             port 443, site dc2 or asymmetric",
            "  tcp and",
            "         ^",
        ]
    );
}

#[test]
fn every_kind_of_mistake_is_told_at_its_place() {
    for (text, column, length, part) in [
        ("", 1, 1, "a condition is missing here"),
        (
            "host",
            5,
            1,
            "a value is missing behind `host`; expected an address",
        ),
        ("host 10.0.0.300", 6, 10, "`10.0.0.300` is no address"),
        ("host 10.0.0.0/33", 6, 11, "is no address"),
        ("10.0.0.1", 1, 8, "did you mean host 10.0.0.1?"),
        ("tcp and 443", 9, 3, "did you mean port 443?"),
        (
            "tcp 443",
            5,
            3,
            "nothing joins this with what stands in front of it",
        ),
        (
            "port 65536",
            6,
            5,
            "is no port; expected a port such as 443",
        ),
        ("port 90-80", 6, 5, "is no port"),
        ("port htps", 6, 4, "did you mean https?"),
        ("proto tpc", 7, 3, "did you mean tcp?"),
        ("proto 256", 7, 3, "expected tcp, udp"),
        ("vlan 4096", 6, 4, "a VLAN up to 4095"),
        (
            "bytes > 1x",
            9,
            2,
            "is no number; expected a number such as",
        ),
        ("bytes > 0.5", 9, 3, "is no number"),
        ("bytes > 99999999999999T", 9, 15, "is no number"),
        ("duration > 5 parsecs", 14, 7, "nothing joins this"),
        ("bytes > 1,2", 7, 1, "above or below one other, not several"),
        ("bytes > 1-2", 9, 3, "no range"),
        (
            "site > dc1",
            6,
            1,
            "`site` has no order; expected `=` or `!=`",
        ),
        // What keeps a point from being evidence is never why a verdict is unknown.
        (
            "cause flooded",
            7,
            7,
            "is no cause of an unknown verdict; expected mirror-loss,",
        ),
        ("state SX", 7, 2, "did you mean S0?"),
        ("history S-", 9, 2, "is no part of a history"),
        ("(tcp", 1, 1, "a parenthesis is opened and never closed"),
        ("tcp)", 4, 1, "closed and was never opened"),
        ("port (80 443)", 10, 3, "no list of values"),
        ("port (80", 6, 1, "opened and never closed"),
        ("site \"dc1", 6, 4, "a quote is opened and never closed"),
        ("\"dc1\"", 1, 5, "does not say what it names"),
        ("tcp & udp", 5, 1, "did you mean &&?"),
        ("and tcp", 1, 3, "a condition is missing in front of this"),
        (
            "host 10.0.0.1 or or tcp",
            18,
            2,
            "a condition is missing in front of this",
        ),
        (
            "site dc1 or dc2",
            13,
            3,
            "`dc2` is no word of the filter language; expected host, net",
        ),
    ] {
        let error = Filter::parse(text).expect_err(text);
        assert_eq!((error.column(), error.length()), (column, length), "{text}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn nothing_in_an_error_acts_on_a_terminal() {
    assert_eq!(
        complaint("tcp and \u{1b}[2Jx\nor udp"),
        [
            "column 9: `\\u{1b}[2Jx` is no word of the filter language; expected ",
            "  tcp and \\u{1b}[2Jx\\u{a}or udp",
            "          ^^^^^^^^^^",
        ]
        .map(str::to_owned)
        .map(|line| {
            if line.ends_with("expected ") {
                line + &super::vocabulary::words().collect::<Vec<_>>().join(", ")
            } else {
                line
            }
        })
    );
    let filter = Filter::parse("site \u{202e}x").unwrap();
    assert_eq!(filter.to_string(), "site \\u{202e}x");
}

#[test]
fn a_long_text_is_shown_around_its_fault_only() {
    let text = format!(
        "{}bad{}",
        "tcp or ".repeat(50_000),
        " or udp".repeat(50_000)
    );
    let [message, shown, caret] = complaint(&text);
    assert!(message.starts_with("column 350001: `bad`"), "{message}");
    assert!(shown.starts_with("  …") && shown.ends_with('…'), "{shown}");
    assert!(shown.chars().count() < 140);
    let place = caret.find('^').unwrap();
    let under: String = shown.chars().skip(place).take(3).collect();
    assert_eq!(under, "bad");
}

#[test]
fn neither_depth_nor_length_exhausts_the_stack() {
    let nested = |depth: usize| format!("{}tcp{}", "(".repeat(depth), ")".repeat(depth));
    wants(&nested(100));
    let error = Filter::parse(&nested(100_000)).unwrap_err();
    assert_eq!(error.column(), 101);
    assert!(error.to_string().contains("more than 100 parentheses"));
    wants(&("not ".repeat(100_000) + "tcp"));
    wants(&("udp or ".repeat(100_000) + "tcp"));
    assert!(Filter::parse(&"host ".repeat(100_000)).is_err());
    assert!(Filter::parse(&"tcp ".repeat(100_000)).is_err());
}

/// A subject that knows of each field only whether its conditions hold.
struct Known([Option<bool>; 3]);

impl Subject for Known {
    fn address(&self, _: End, _: &dyn Fn(std::net::IpAddr) -> bool) -> Option<bool> {
        self.0[0]
    }
    fn name(&self, _: End, _: &dyn Fn(&str) -> bool) -> Option<bool> {
        None
    }
    fn port(&self, _: End, _: &dyn Fn(u16) -> bool) -> Option<bool> {
        self.0[1]
    }
    fn protocol(&self, _: &dyn Fn(u8) -> bool) -> Option<bool> {
        self.0[2]
    }
    fn text(&self, _: TextField, _: &dyn Fn(&str) -> bool) -> Option<bool> {
        None
    }
    fn number(&self, _: NumberField, _: End, _: &dyn Fn(u64) -> bool) -> Option<bool> {
        None
    }
}

/// A filter over three conditions, and what it says of every knowledge of them, worked out apart from the parser.
fn expression() -> impl Strategy<Value = (String, Vec<Option<bool>>)> {
    let all: Vec<[Option<bool>; 3]> = knowledge();
    let leaf = (0..3_usize).prop_map(move |field| {
        let text = ["host 10.0.0.1", "port 80", "tcp"][field];
        (
            text.to_owned(),
            all.iter().map(|k| k[field]).collect::<Vec<_>>(),
        )
    });
    leaf.prop_recursive(6, 40, 2, |inner| {
        (inner.clone(), inner, 0..3).prop_map(|((a, left), (b, right), what)| {
            let both = || left.iter().copied().zip(right.iter().copied());
            match what {
                0 => (
                    format!("not ({a})"),
                    left.iter().map(|l| l.map(|l| !l)).collect(),
                ),
                1 => (
                    format!("({a}) and ({b})"),
                    both()
                        .map(|pair| match pair {
                            (Some(false), _) | (_, Some(false)) => Some(false),
                            (Some(true), Some(true)) => Some(true),
                            _ => None,
                        })
                        .collect(),
                ),
                _ => (
                    format!("({a}) or ({b})"),
                    both()
                        .map(|pair| match pair {
                            (Some(true), _) | (_, Some(true)) => Some(true),
                            (Some(false), Some(false)) => Some(false),
                            _ => None,
                        })
                        .collect(),
                ),
            }
        })
    })
}

fn knowledge() -> Vec<[Option<bool>; 3]> {
    let values = [None, Some(false), Some(true)];
    let pairs = values.into_iter().flat_map(|a| values.map(|b| [a, b]));
    pairs.flat_map(|[a, b]| values.map(|c| [a, b, c])).collect()
}

/// Words of the language and of none, so that most texts get far.
fn words() -> impl Strategy<Value = String> {
    let known: Vec<&'static str> = super::vocabulary::words()
        .chain([
            "and",
            "or",
            "not",
            "(",
            ")",
            ",",
            "!",
            "!=",
            "<",
            ">=",
            "=",
            "&&",
            "||",
            "\"",
            "'",
            "10.0.0.1",
            "fe80::/10",
            "80-90",
            "0x1f",
            "1.5M",
            "30s",
            "*",
            "S0",
            "dc*",
            "\u{1b}",
            "é",
            "1:",
            "-",
            "µs",
        ])
        .collect();
    prop::collection::vec((prop::sample::select(known), "[ ]?"), 0..20).prop_map(|parts| {
        parts
            .into_iter()
            .map(|(word, gap)| word.to_owned() + &gap)
            .collect()
    })
}

proptest! {
    #[test]
    fn a_filter_decides_as_kleene_would((text, expected) in expression()) {
        let filter = Filter::parse(&text).unwrap();
        for (known, expected) in knowledge().into_iter().zip(expected) {
            prop_assert_eq!(filter.decide(&Known(known)), expected, "{} of {:?}", text, known);
        }
    }

    #[test]
    fn any_text_is_a_filter_or_an_error_with_a_place(text in prop_oneof![any::<String>(), words()]) {
        match Filter::parse(&text) {
            Ok(filter) => {
                let first = filter.decide(&key());
                let whole = filter.decide(&web());
                prop_assert!(whole.is_some());
                prop_assert!(first.is_none() || first == whole, "{first:?} {whole:?}");
                prop_assert!(first.is_some() || !filter.is_static());
            }
            Err(error) => {
                let end = text.chars().count() + 1;
                prop_assert!(error.column() <= end);
                prop_assert!(error.column() + error.length() <= end + 1);
                let message = error.to_string();
                prop_assert_eq!(message.lines().count(), 3);
                prop_assert!(message.lines().all(|line| line.chars().all(|c| !c.is_control())));
                let [_, shown, carets] = complaint(&text);
                prop_assert!(carets.len() <= shown.chars().count() + 1);
            }
        }
    }
}
