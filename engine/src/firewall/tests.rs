//! Connections in small stories: each packet with what `ct state` of Linux would say.

use std::net::IpAddr;

use hex_literal::hex;

use super::*;
use crate::flow::Endpoint;
use crate::point::PointId;

const SYN: u16 = 0x02;
const SYN_ACK: u16 = 0x12;
const ACK: u16 = 0x10;
const FIN: u16 = 0x11;
const RST: u16 = 0x04;
const RST_ACK: u16 = 0x14;

/// One firewall and one connection between client (0) and server (1).
struct Story {
    firewalls: Firewalls,
    settings: Settings,
    now: Timestamp,
}

fn key() -> Key {
    let end = |address: [u8; 4], port| Endpoint {
        address: IpAddr::from(address),
        port,
    };
    Key {
        point: PointId(0),
        flow: FlowKey {
            scope: 0,
            protocol: 6,
            icmp_type: 0,
            low: end([10, 0, 0, 1], 40_000),
            high: end([10, 0, 0, 2], 80),
        },
        query: (0, 0),
    }
}

/// A segment of `length` bytes with the largest window and no options.
fn segment(flags: u16, seq: u32, ack: u32, length: u32) -> Segment {
    let tcp = mirrorscope_dissectors::Tcp {
        source_port: 0,
        destination_port: 0,
        sequence: seq,
        acknowledgement: ack,
        flags: mirrorscope_dissectors::TcpFlags(flags),
        window: 65_535,
        options: &[],
        payload: &[],
        payload_len: length,
    };
    with_options(&tcp)
}

fn with_options(tcp: &mirrorscope_dissectors::Tcp<'_>) -> Segment {
    let ip = Ip {
        source: IpAddr::from([10, 0, 0, 1]),
        destination: IpAddr::from([10, 0, 0, 2]),
        protocol: 6,
        ttl: 64,
        dscp: 0,
        identification: 0,
        claimed_len: 40,
        present_len: 40,
        fragment: None,
        ports: None,
        transport: Transport::Tcp(*tcp),
    };
    Segment::of(&ip, tcp)
}

impl Story {
    fn new(settings: Settings) -> Self {
        Self {
            firewalls: Firewalls::new(1000),
            settings,
            now: Timestamp(0),
        }
    }

    fn strict() -> Self {
        Self::new(Settings::default())
    }

    fn loose() -> Self {
        Self::new(Preset::LinuxLoose.settings())
    }

    fn wait(&mut self, seconds: i64) {
        self.now = self.now.plus(seconds * SECOND);
    }

    fn says(&mut self, side: Side, segment: Segment) -> Standing {
        self.wait(0);
        let input = Input::Tcp(segment);
        let settings = self.settings;
        self.firewalls
            .standing(key(), side, &input, &settings, self.now)
            .unwrap()
    }

    /// `new`, `established`, or why it is invalid.
    fn tcp(&mut self, side: Side, flags: u16, seq: u32, ack: u32, length: u32) -> &'static str {
        name(self.says(side, segment(flags, seq, ack, length)))
    }

    /// A connection whose next numbers are 101 (client) and 501 (server).
    fn handshake(&mut self) {
        assert_eq!(self.tcp(0, SYN, 100, 0, 0), "new");
        assert_eq!(self.tcp(1, SYN_ACK, 500, 101, 0), "established");
        assert_eq!(self.tcp(0, ACK, 101, 501, 0), "established");
    }

    fn state(&mut self) -> State {
        match self.firewalls.table.find(&key()).map(|e| e.tracked) {
            Some(Tracked::Tcp(connection)) => connection.state,
            _ => State::None,
        }
    }
}

fn name(standing: Standing) -> &'static str {
    match standing {
        Standing::New => "new",
        Standing::Established => "established",
        Standing::Related => "related",
        Standing::Untracked => "untracked",
        Standing::Invalid(reason) => reason.as_str(),
    }
}

#[test]
fn a_connection_goes_through_its_states_to_the_last_acknowledgement() {
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.state(), State::Established);
    assert_eq!(story.tcp(0, ACK, 101, 501, 50), "established");
    assert_eq!(story.tcp(1, FIN, 501, 151, 0), "established");
    assert_eq!(story.state(), State::FinWait);
    assert_eq!(story.tcp(0, ACK, 151, 502, 0), "established");
    assert_eq!(story.state(), State::CloseWait);
    assert_eq!(story.tcp(0, FIN, 151, 502, 0), "established");
    assert_eq!(story.state(), State::LastAck);
    assert_eq!(story.tcp(1, ACK, 502, 152, 0), "established");
    assert_eq!(story.state(), State::TimeWait);
}

#[test]
fn what_comes_without_a_connection_is_invalid_and_leaves_none() {
    for (flags, side) in [(SYN_ACK, 1), (ACK, 0), (FIN, 0), (RST, 1), (RST_ACK, 0)] {
        let mut story = Story::strict();
        assert_eq!(story.tcp(side, flags, 500, 101, 0), "no-connection");
        assert_eq!(story.firewalls.connections(), 0);
    }
}

#[test]
fn an_unanswered_syn_allows_nothing_but_itself_and_its_answers() {
    let mut story = Story::strict();
    assert_eq!(story.tcp(0, SYN, 100, 0, 0), "new");
    assert_eq!(story.tcp(0, SYN, 100, 0, 0), "new");
    assert_eq!(story.tcp(0, ACK, 101, 501, 0), "wrong-state");
    assert_eq!(story.tcp(0, FIN, 101, 501, 0), "wrong-state");
    assert_eq!(story.tcp(0, SYN_ACK, 100, 501, 0), "wrong-state");
    // An acknowledgement of something else: the server knows another connection.
    assert_eq!(story.tcp(1, ACK, 700, 9000, 0), "established");
    assert_eq!(story.state(), State::SynSent);
}

#[test]
fn a_rst_in_answer_to_a_syn_ends_all() {
    let mut story = Story::strict();
    assert_eq!(story.tcp(0, SYN, 100, 0, 0), "new");
    assert_eq!(story.tcp(1, RST_ACK, 0, 101, 0), "established");
    assert_eq!(story.firewalls.connections(), 0);
    assert_eq!(story.tcp(1, RST_ACK, 0, 101, 0), "no-connection");
}

#[test]
fn a_client_that_gives_up_before_an_answer_is_new_without_syn() {
    let mut story = Story::strict();
    assert_eq!(story.tcp(0, SYN, 100, 0, 0), "new");
    assert_eq!(story.tcp(0, RST, 101, 0, 0), "new");
    assert_eq!(story.firewalls.connections(), 0);
}

#[test]
fn both_ends_may_ask_at_once() {
    let mut story = Story::strict();
    assert_eq!(story.tcp(0, SYN, 100, 0, 0), "new");
    assert_eq!(story.tcp(1, SYN, 500, 0, 0), "established");
    assert_eq!(story.state(), State::SynSent2);
    assert_eq!(story.tcp(0, SYN_ACK, 100, 501, 0), "established");
    assert_eq!(story.tcp(1, SYN_ACK, 500, 101, 0), "established");
    assert_eq!(story.state(), State::SynRecv);
    // Either end may acknowledge first.
    assert_eq!(story.tcp(1, ACK, 501, 101, 0), "established");
    assert_eq!(story.state(), State::Established);
}

#[test]
fn a_syn_in_the_middle_is_let_through_and_believed_once_it_is_answered() {
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.tcp(0, SYN, 9_000_000, 0, 0), "established");
    assert_eq!(story.state(), State::Established, "not believed yet");
    assert_eq!(story.tcp(1, SYN_ACK, 77_000, 9_000_001, 0), "established");
    assert_eq!(story.state(), State::SynRecv);
    assert_eq!(story.tcp(0, ACK, 9_000_001, 77_001, 0), "established");
}

#[test]
fn a_syn_in_the_middle_that_is_refused_ends_the_connection() {
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.tcp(0, SYN, 9_000_000, 0, 0), "established");
    assert_eq!(story.tcp(1, RST_ACK, 0, 9_000_001, 0), "established");
    assert_eq!(story.state(), State::Close);
}

#[test]
fn a_syn_of_the_server_opens_nothing() {
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.tcp(1, SYN, 9000, 0, 0), "wrong-state");
}

#[test]
fn a_port_is_used_again_after_the_close_and_after_a_rst() {
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.tcp(0, FIN, 101, 501, 0), "established");
    assert_eq!(story.tcp(1, FIN, 501, 102, 0), "established");
    assert_eq!(story.tcp(0, ACK, 102, 502, 0), "established");
    assert_eq!(story.state(), State::TimeWait);
    assert_eq!(story.tcp(0, SYN, 5_000_000, 0, 0), "new");
    assert_eq!(story.tcp(1, SYN_ACK, 900, 5_000_001, 0), "established");
    assert_eq!(story.tcp(0, ACK, 5_000_001, 901, 0), "established");
    // The server becomes the client.
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.tcp(0, FIN, 101, 501, 0), "established");
    assert_eq!(story.tcp(1, FIN, 501, 102, 0), "established");
    assert_eq!(story.tcp(0, ACK, 102, 502, 0), "established");
    assert_eq!(story.tcp(1, SYN, 7000, 0, 0), "new");
    assert_eq!(story.tcp(0, SYN_ACK, 3000, 7001, 0), "established");
    // After a RST.
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.tcp(0, RST, 101, 0, 0), "established");
    assert_eq!(story.tcp(0, SYN, 6000, 0, 0), "new");
}

#[test]
fn a_challenge_after_a_syn_is_not_the_last_acknowledgement() {
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.tcp(1, FIN, 501, 101, 0), "established");
    assert_eq!(story.tcp(0, FIN, 101, 502, 0), "established");
    assert_eq!(story.state(), State::LastAck);
    assert_eq!(story.tcp(0, SYN, 8_000_000, 0, 0), "established");
    assert_eq!(story.tcp(1, ACK, 502, 102, 0), "established");
    assert_eq!(story.state(), State::LastAck, "RFC 5961 §4");
    assert_eq!(story.tcp(1, ACK, 502, 102, 0), "established");
    assert_eq!(story.state(), State::TimeWait);
}

#[test]
fn a_rst_counts_if_it_is_exact_and_is_let_through_if_it_may_be_asked_about() {
    let exact = |seq: u32| {
        let mut story = Story::strict();
        story.handshake();
        assert_eq!(story.tcp(1, ACK, 501, 101, 100), "established");
        assert_eq!(story.tcp(0, ACK, 101, 601, 0), "established");
        let said = story.tcp(1, RST, seq, 0, 0);
        (said, story.state())
    };
    assert_eq!(exact(601), ("established", State::Close));
    assert_eq!(exact(650), ("established", State::Established));
    assert_eq!(exact(550), ("invalid-reset", State::Established));
    let mut tolerant = Story::new(Settings {
        ignore_invalid_rst: true,
        ..Settings::default()
    });
    tolerant.handshake();
    assert_eq!(tolerant.tcp(1, ACK, 501, 101, 100), "established");
    assert_eq!(tolerant.tcp(0, ACK, 101, 601, 0), "established");
    assert_eq!(tolerant.tcp(1, RST, 550, 0, 0), "established");
}

#[test]
fn windows_bound_what_is_sent_and_what_is_acknowledged() {
    let after = |side: Side, seq: u32, ack: u32, length: u32| {
        let mut story = Story::strict();
        story.handshake();
        story.tcp(side, ACK, seq, ack, length)
    };
    // The server offers 65535 from 101 on.
    assert_eq!(
        after(0, 101 + 65_535, 501, 1),
        "established",
        "the last byte and more"
    );
    assert_eq!(
        after(0, 101 + 65_536, 501, 0),
        "established",
        "a byte too far: ignored"
    );
    assert_eq!(after(0, 101 + 200_000, 501, 1), "beyond-window");
    // A window behind what was sent.
    assert_eq!(
        after(0, 101_u32.wrapping_sub(65_535), 501, 0),
        "established"
    );
    // Acknowledgements: not of what did not pass.
    assert_eq!(after(0, 101, 502, 0), "acks-unseen");
    assert_eq!(after(1, 501, 102, 0), "acks-unseen");
    assert_eq!(
        after(0, 101, 501_u32.wrapping_sub(66_001), 0),
        "established",
        "late: ignored"
    );
}

#[test]
fn what_was_ignored_or_invalid_moves_no_window() {
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.tcp(0, ACK, 300_000, 501, 10), "beyond-window");
    assert_eq!(story.tcp(1, ACK, 501, 300_010, 0), "acks-unseen");
    assert_eq!(story.tcp(0, ACK, 101, 501, 10), "established");
    assert_eq!(story.tcp(1, ACK, 501, 111, 0), "established");
}

#[test]
fn windows_are_scaled_if_both_ends_offer_it() {
    let offers = |client: &[u8], server: &[u8]| {
        let mut story = Story::strict();
        let open = |flags, seq, ack, options| {
            let tcp = mirrorscope_dissectors::Tcp {
                source_port: 0,
                destination_port: 0,
                sequence: seq,
                acknowledgement: ack,
                flags: mirrorscope_dissectors::TcpFlags(flags),
                window: 1000,
                options,
                payload: &[],
                payload_len: 0,
            };
            with_options(&tcp)
        };
        assert_eq!(name(story.says(0, open(SYN, 100, 0, client))), "new");
        assert_eq!(
            name(story.says(1, open(SYN_ACK, 500, 101, server))),
            "established"
        );
        assert_eq!(name(story.says(0, open(ACK, 101, 501, &[]))), "established");
        assert_eq!(name(story.says(1, open(ACK, 501, 101, &[]))), "established");
        story.tcp(0, ACK, 101 + 100_000, 501, 1)
    };
    let scale = hex!("01 030307");
    assert_eq!(offers(&scale, &scale), "established", "1000 << 7");
    assert_eq!(offers(&scale, &[]), "beyond-window");
    assert_eq!(offers(&[], &scale), "beyond-window");
}

#[test]
fn selective_acknowledgements_count_if_they_were_agreed() {
    let lost = |permitted: &'static [u8]| {
        let mut story = Story::strict();
        let tcp = |flags, seq, ack, options: &'static [u8]| mirrorscope_dissectors::Tcp {
            source_port: 0,
            destination_port: 0,
            sequence: seq,
            acknowledgement: ack,
            flags: mirrorscope_dissectors::TcpFlags(flags),
            window: 1000,
            options,
            payload: &[],
            payload_len: 0,
        };
        story.says(0, with_options(&tcp(SYN, 100, 0, permitted)));
        story.says(1, with_options(&tcp(SYN_ACK, 500, 101, permitted)));
        story.says(0, with_options(&tcp(ACK, 101, 501, &[])));
        // It acknowledges 900 to 1000, of which nothing passed.
        let sack = &hex!("0101 050a 00000384 000003e8");
        name(story.says(1, with_options(&tcp(ACK, 501, 101, sack))))
    };
    assert_eq!(lost(&hex!("0101 0402")), "acks-unseen");
    assert_eq!(lost(&[]), "established");
}

#[test]
fn a_liberal_firewall_judges_no_numbers_but_those_of_rst() {
    let mut story = Story::new(Settings {
        liberal: true,
        ..Settings::default()
    });
    story.handshake();
    assert_eq!(story.tcp(0, ACK, 3_000_000, 501, 10), "established");
    assert_eq!(story.tcp(0, ACK, 101, 99_999, 10), "established");
    assert_eq!(story.tcp(1, RST, 7, 0, 0), "invalid-reset");
}

#[test]
fn a_loose_firewall_picks_a_connection_up_and_judges_its_numbers_from_then_on_liberally() {
    let mut story = Story::loose();
    assert_eq!(story.tcp(0, ACK, 1000, 5000, 10), "new");
    assert_eq!(story.tcp(0, ACK, 1010, 5000, 10), "new", "not answered yet");
    assert_eq!(story.tcp(1, ACK, 5000, 1020, 10), "established");
    assert_eq!(story.tcp(0, ACK, 900_000, 5010, 10), "established");
    for (flags, side) in [(SYN_ACK, 1), (FIN, 0), (RST, 0)] {
        let mut story = Story::loose();
        assert_eq!(story.tcp(side, flags, 1000, 5000, 0), "no-connection");
    }
}

#[test]
fn a_loose_firewall_that_drops_what_is_new_without_syn_never_knows_it() {
    let mut story = Story::new(Settings {
        loose: true,
        ..Settings::default()
    });
    assert_eq!(story.tcp(0, ACK, 1000, 5000, 10), "new");
    assert_eq!(story.firewalls.connections(), 0, "never confirmed");
    assert_eq!(story.tcp(1, ACK, 5000, 1010, 10), "new");
}

#[test]
fn a_connection_is_forgotten_after_its_timeout_and_says_so() {
    let mut story = Story::new(Settings {
        timeouts: Timeouts {
            established: 3600 * SECOND,
            ..Timeouts::LINUX
        },
        ..Settings::default()
    });
    story.handshake();
    story.wait(3599);
    assert_eq!(story.tcp(0, ACK, 101, 501, 0), "established");
    story.wait(3601);
    assert_eq!(story.tcp(0, ACK, 101, 501, 1), "timed-out");
    assert_eq!(story.tcp(0, SYN, 9000, 0, 0), "new");
}

#[test]
fn a_syn_that_is_repeated_keeps_no_connection_alive() {
    let mut story = Story::strict();
    assert_eq!(story.tcp(0, SYN, 100, 0, 0), "new");
    story.wait(100);
    assert_eq!(story.tcp(0, SYN, 100, 0, 0), "new");
    story.wait(21);
    assert_eq!(story.tcp(1, SYN_ACK, 500, 101, 0), "no-connection");
}

#[test]
fn data_that_nobody_acknowledges_and_repeated_acknowledgements_shorten_the_timeout() {
    let mut story = Story::strict();
    story.handshake();
    assert_eq!(story.tcp(0, ACK, 101, 501, 10), "established");
    story.wait(301);
    assert_eq!(story.tcp(0, ACK, 101, 501, 10), "timed-out");
    let mut story = Story::strict();
    story.handshake();
    story.wait(400_000);
    for _ in 0..4 {
        assert_eq!(story.tcp(0, ACK, 101, 501, 0), "established");
    }
    story.wait(301);
    assert_eq!(story.tcp(0, ACK, 101, 501, 0), "timed-out");
}

#[test]
fn a_syn_with_cut_options_is_not_held_against_its_connection() {
    let mut story = Story::strict();
    let mut open = segment(SYN, 100, 0, 0);
    open.options.any = true;
    open.options.cut = true;
    assert_eq!(name(story.says(0, open)), "new");
    assert_eq!(story.tcp(1, SYN_ACK, 500, 101, 0), "established");
    assert_eq!(story.tcp(0, ACK, 101, 501, 0), "established");
    assert_eq!(
        story.tcp(0, ACK, 2_000_000, 501, 10),
        "established",
        "scaled, perhaps"
    );
}

#[test]
fn udp_is_new_until_it_is_answered_and_a_stream_after_two_seconds() {
    let mut story = Story::strict();
    let mut udp = |side: Side, after: i64| {
        story.wait(after);
        let now = story.now;
        let settings = story.settings;
        let standing = story
            .firewalls
            .standing(key(), side, &Input::Udp, &settings, now);
        name(standing.unwrap())
    };
    assert_eq!(udp(1, 0), "new");
    assert_eq!(udp(1, 29), "new");
    assert_eq!(
        udp(0, 31),
        "new",
        "forgotten after 30 s: an answer opens anew"
    );
    assert_eq!(udp(1, 1), "established");
    assert_eq!(udp(0, 29), "established");
    assert_eq!(udp(1, 119), "established", "both ways for longer than 2 s");
    assert_eq!(udp(1, 121), "new");
}

#[test]
fn an_echo_reply_needs_its_request_and_both_ends_may_ask() {
    let mut story = Story::strict();
    let mut ping = |side: Side, asks: bool| {
        let asker = if asks { side } else { 1 - side };
        let key = Key {
            query: (asker as u8, 0),
            ..key()
        };
        let (settings, now) = (story.settings, story.now);
        let input = Input::Query { asks };
        name(
            story
                .firewalls
                .standing(key, side, &input, &settings, now)
                .unwrap(),
        )
    };
    assert_eq!(ping(1, false), "no-request");
    assert_eq!(ping(0, true), "new");
    assert_eq!(ping(1, false), "established");
    assert_eq!(ping(0, true), "established");
    assert_eq!(ping(0, false), "no-request", "the other end did not ask");
    assert_eq!(ping(1, true), "new");
    assert_eq!(ping(0, false), "established");
}

#[test]
fn an_error_is_related_to_the_connection_that_it_quotes() {
    let mut story = Story::strict();
    let quotes = Input::Error(Some((key().flow, (0, 0))));
    let ask = |story: &mut Story, input: Input| {
        let (settings, now) = (story.settings, story.now);
        let other = Key {
            flow: FlowKey {
                protocol: 1,
                ..key().flow
            },
            ..key()
        };
        name(
            story
                .firewalls
                .standing(other, 1, &input, &settings, now)
                .unwrap(),
        )
    };
    assert_eq!(ask(&mut story, quotes), "error-about-unknown");
    story.handshake();
    assert_eq!(ask(&mut story, quotes), "related");
    assert_eq!(ask(&mut story, Input::Error(None)), "error-about-unknown");
    story.wait(432_001);
    assert_eq!(ask(&mut story, quotes), "error-about-unknown", "forgotten");
}

#[test]
fn a_full_table_gives_up_what_never_lived_first_and_remembers_that_it_did() {
    let mut firewalls = Firewalls::new(50);
    let settings = Settings::default();
    let number = |port: u16| {
        let mut key = key();
        key.flow.low.port = port;
        key
    };
    let mut say = |key: Key, side: Side, segment: Segment| {
        let input = Input::Tcp(segment);
        name(
            firewalls
                .standing(key, side, &input, &settings, Timestamp(0))
                .unwrap(),
        )
    };
    for (side, segment) in [
        (0, segment(SYN, 100, 0, 0)),
        (1, segment(SYN_ACK, 500, 101, 0)),
        (0, segment(ACK, 101, 501, 0)),
    ] {
        say(number(1), side, segment);
    }
    for port in 1000..2000 {
        say(number(port), 0, segment(SYN, 100, 0, 0));
    }
    assert_eq!(say(number(1), 0, segment(ACK, 101, 501, 0)), "established");
    assert_eq!(
        say(number(1000), 1, segment(SYN_ACK, 1, 101, 0)),
        "no-connection"
    );
    assert!(firewalls.connections() <= 50);
    assert_eq!(firewalls.evicted(), 951);
    assert!(
        firewalls.table.is_marked(&number(1000)),
        "it may well be known"
    );
    assert!(!firewalls.table.is_marked(&number(1)));
}

#[test]
fn a_connection_takes_no_more_than_it_needs() {
    assert!(
        size_of::<Option<Entry>>() <= 160,
        "{}",
        size_of::<Option<Entry>>()
    );
}

#[test]
fn connections_whose_time_is_over_make_room() {
    let mut story = Story::strict();
    let settings = story.settings;
    for round in 0..10_000_u16 {
        story.wait(1);
        let mut key = key();
        key.flow.low.port = round;
        let input = Input::Tcp(segment(SYN, 100, 0, 0));
        let now = story.now;
        story.firewalls.standing(key, 0, &input, &settings, now);
    }
    assert_eq!(story.firewalls.evicted(), 0);
    let held = story.firewalls.connections();
    assert!(held < 400, "{held} of those of two minutes");
}
