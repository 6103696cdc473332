//! For tests: values as the analysis would give them, and screens as text.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use mirrorscope_dissectors::fields::layers;
use mirrorscope_dissectors::{LinkType, Options};
use mirrorscope_engine::finding::{Finding, Kind, Severity, Story};
use mirrorscope_engine::observation::Sum;
use mirrorscope_engine::report::{
    AtPoint, DirectionAtPoint, FirewallReport, FirstOutOfState, FlowReport, OutOfState, Report,
};
use mirrorscope_engine::stream::{Cause, Note};
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::verdict::{Confidence, Verdict};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::{Context, View};
use crate::data::{Content, Ladder, Lane, Packet, PacketRef, Piece, Rung, Sight, Stream};
use crate::data::{FlowPage, InputState, Snapshot};
use crate::look::Look;

/// 2026-11-21T19:34:03.206247114Z.
pub(super) const START: Timestamp = Timestamp(1_795_289_643_206_247_114);

/// The sizes that screens are looked at.
pub(super) const SIZES: [(u16, u16); 4] = [(60, 15), (80, 24), (120, 40), (200, 60)];

/// What a screen shows at a size, as text.
pub(super) fn drawn(view: &mut dyn View, size: (u16, u16), cx: &Context<'_>) -> String {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let area = Rect::new(0, 0, size.0, size.1);
    terminal.draw(|frame| view.draw(frame, area, cx)).unwrap();
    text(terminal.backend().buffer())
}

/// The characters of a screen, without blanks at line ends.
pub(super) fn text(buffer: &ratatui::buffer::Buffer) -> String {
    let width = usize::from(buffer.area.width).max(1);
    let rows = buffer.content().chunks(width);
    let lines = rows.map(|row| {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        line.trim_end().to_owned()
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn seen(packets: u64) -> DirectionAtPoint {
    DirectionAtPoint {
        packets,
        bytes: packets * 60,
        ..DirectionAtPoint::default()
    }
}

fn at(point: &str, site: &str, role: &'static str, packets: (u64, u64)) -> AtPoint {
    let firewall = (point == "fw2-inside").then(|| FirewallReport {
        preset: "linux",
        policy: mirrorscope_engine::firewall::Policy::Drop,
        out_of_state: OutOfState {
            orig: 0,
            resp: packets.1,
        },
        first: FirstOutOfState {
            time: START.plus(1_322_949),
            from: "resp",
            packet: "SYN-ACK",
            reason: "no-connection",
        },
        why: "SYN-ACK without a SYN, the request passed fw1-inside (dc1)".to_owned(),
        cause: None,
        passed: Some("fw1-inside".to_owned()),
    });
    AtPoint {
        point: point.to_owned(),
        site: site.to_owned(),
        role,
        history: if packets.0 == 0 {
            "^h".into()
        } else {
            "S".into()
        },
        state: if packets.0 == 0 { "SHR" } else { "S0" },
        first: START,
        last: START.plus(7_000_000_000),
        orig: seen(packets.0),
        resp: seen(packets.1),
        sessions: vec!["erspan2-101@10.60.0.1".to_owned()],
        vlans: Vec::new(),
        segments: Vec::new(),
        firewall,
        tcp: None,
    }
}

/// A flow whose answers leave by another firewall, as in samples/asymmetric-strict.pcap.
pub(super) fn flow() -> FlowReport {
    let sum = |packets| Sum {
        packets,
        bytes: packets * 60,
        payload: 0,
    };
    FlowReport {
        serial: 4,
        id: "rqnxpnC7wp".to_owned(),
        community_id: "1:ExampleExampleExampleExam=".to_owned(),
        tenant: None,
        proto: "tcp".to_owned(),
        src: [10, 10, 0, 10].into(),
        sport: 40000,
        dst: [10, 20, 0, 50].into(),
        dport: 80,
        src_name: None,
        dst_name: None,
        icmp_id: None,
        state: "S1",
        history: "Sh".to_owned(),
        verdict: Verdict::Asymmetric,
        why: "requests pass fw1-inside (dc1), answers leave by fw2-inside (dc2), which never saw the request".to_owned(),
        cause: None,
        confidence: Confidence::High,
        first: START,
        last: START.plus(7_000_000_000),
        orig: sum(4),
        resp: sum(6),
        tcp: None,
        points: vec![
            at("fw1-inside", "dc1", "firewall", (4, 0)),
            at("dci1", "dc1", "dci", (4, 0)),
            at("dci2", "dc2", "dci", (4, 0)),
            at("fw2-inside", "dc2", "firewall", (0, 6)),
            at("vm2", "dc2", "vnic", (4, 6)),
        ],
        icmp_errors: Vec::new(),
        quotes: Vec::new(),
    }
}

/// Its packets.
pub(super) fn ladder() -> Ladder {
    let flow = flow();
    let lanes = flow.points.iter().map(|at| Lane {
        point: at.point.clone(),
        site: at.site.clone(),
        role: at.role,
    });
    let mut rows = Vec::new();
    for (index, micros) in [0_i64, 1_030_000, 3_090_000].into_iter().enumerate() {
        let time = START.plus(micros * 1000);
        rows.push(rung(
            time,
            true,
            "SYN",
            &[(0, 0), (1, 80), (2, 210), (4, 300)],
            index > 0,
        ));
        let answer = time.plus(1_212_000);
        rows.push(rung(
            answer,
            false,
            "SYN ACK",
            &[(4, 0), (3, 110)],
            index > 0,
        ));
    }
    rows.push(Rung {
        payload: 78,
        gap: 1460,
        sequence: Some(1461),
        acknowledgement: Some(1),
        ..rung(
            START.plus(3_095_000_000),
            true,
            "PSH ACK",
            &[(0, 0), (1, 90), (1, 95), (4, 280)],
            false,
        )
    });
    Ladder {
        lanes: lanes.collect(),
        flow,
        rows,
        forgotten: 0,
    }
}

fn rung(
    time: Timestamp,
    from_originator: bool,
    what: &str,
    places: &[(usize, i64)],
    retransmission: bool,
) -> Rung {
    let mut sights: Vec<Sight> = Vec::new();
    for &(lane, micros) in places {
        let first = rung_number(time) * 10 + sights.len() as u64;
        sights.push(Sight {
            lane,
            time: time.plus(micros * 1000),
            duplicate: sights.iter().any(|sight| sight.lane == lane),
            out_of_state: (lane == 3).then_some("no connection to match"),
            ttl: if lane == 4 { 62 } else { 63 },
            frame: PacketRef(first),
        });
    }
    Rung {
        time,
        from_originator,
        what: what.to_owned(),
        sequence: Some(0),
        acknowledgement: (!from_originator).then_some(1),
        payload: 0,
        gap: 0,
        retransmission,
        sights,
        more: BTreeMap::new(),
    }
}

/// The number of the packet that passed at this time: milliseconds since the start.
fn rung_number(time: Timestamp) -> u64 {
    u64::try_from(time.since(START) / 1_000_000).unwrap()
}

/// Hands a world in which nothing else is known to a test.
pub(super) fn world<T>(test: impl FnOnce(&Context<'_>) -> T) -> T {
    with_look(&Look::default(), test)
}

/// The same, looking otherwise.
pub(super) fn with_look<T>(look: &Look, test: impl FnOnce(&Context<'_>) -> T) -> T {
    test(&Context {
        snapshot: &snapshot(),
        look,
        names: true,
        marked: &BTreeSet::new(),
    })
}

/// Every cell of what a screen shows at a size: its text and its style.
pub(super) fn styles(
    view: &mut dyn View,
    size: (u16, u16),
    cx: &Context<'_>,
) -> Vec<(String, Style)> {
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let area = Rect::new(0, 0, size.0, size.1);
    terminal.draw(|frame| view.draw(frame, area, cx)).unwrap();
    let cells = terminal.backend().buffer().content().iter();
    cells
        .map(|cell| (cell.symbol().to_owned(), cell.style()))
        .collect()
}

/// All is read; one flow is known.
pub(super) fn snapshot() -> Snapshot {
    Snapshot {
        generation: 1,
        input: InputState::Files {
            names: vec!["asymmetric-strict.pcap".to_owned()],
            read: 1,
            total: Some(1),
            done: true,
            problems: Vec::new(),
        },
        report: Report::default(),
        flows: FlowPage {
            matching: 1,
            total: 1,
            rows: vec![flow()],
            ..FlowPage::default()
        },
        endpoints: Vec::new(),
        rates: VecDeque::new(),
    }
}

/// A frame of samples/asymmetric-strict.pcap, by its number.
pub(super) fn packet(number: u64) -> Packet {
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples");
    let path = samples.join("asymmetric-strict.pcap");
    let mut files = mirrorscope_capture::Files::open(&[path], Arc::default()).unwrap();
    loop {
        let frames: Vec<_> = files.next_frames(1).collect();
        let [frame] = frames.as_slice() else {
            panic!("the sample has fewer frames")
        };
        if frame.number == number {
            let link = LinkType::from_number(frame.origin.link_type).unwrap();
            return Packet {
                number,
                time: Timestamp(frame.time),
                origin: "asymmetric-strict.pcap".to_owned(),
                wire_len: frame.wire_len,
                bytes: frame.bytes.to_vec(),
                layers: layers(link, frame.bytes, &Options::default()),
            };
        }
    }
}

/// A conversation over HTTP with a gap and a note; the word `Apache` is split over two segments.
pub(super) fn stream() -> Stream {
    let data = |from_originator, millis: i64, offset, text: &[u8]| Piece {
        from_originator,
        time: Some(START.plus(millis * 1_000_000)),
        offset,
        content: Content::Data(text.to_vec()),
    };
    let pieces = vec![
        data(
            true,
            1,
            0,
            b"GET /index.html HTTP/1.1\r\nHost: \xe6\x95\xb0.example\r\n\r\n",
        ),
        data(false, 3, 0, b"HTTP/1.1 200 OK\r\nServer: Apa"),
        data(true, 4, 51, b"\x1b[2Jnot for a terminal\n"),
        data(false, 5, 28, b"che\r\nContent-Length: 4000\r\n\r\n<html>\n"),
        Piece {
            from_originator: false,
            time: Some(START.plus(6_000_000)),
            offset: 64,
            content: Content::Gap(1460, Cause::MirrorLoss),
        },
        data(
            false,
            7,
            1524,
            b"<p>the second half, served by apache</p>\n</html>\n",
        ),
        Piece {
            from_originator: true,
            time: Some(START.plus(9_000_000)),
            offset: 74,
            content: Content::Note(Note::Urgent),
        },
    ];
    Stream {
        flow: flow(),
        pieces,
        left_out: 12,
    }
}

/// The finding that this flow is an example of.
pub(super) fn finding() -> Finding {
    let text = str::to_owned;
    Finding {
        kind: Kind::AsymmetricPath,
        severity: Severity::Error,
        confidence: Confidence::High,
        confidence_why: text(
            "each direction was seen at a place that is known to see both and missed the other",
        ),
        sites: vec![text("dc1"), text("dc2")],
        points: vec![text("fw1-inside"), text("fw2-inside")],
        flows: 6,
        examples: ["rqnxpnC7wp", "m4t2C56ws3", "sC6k2zD6dv"]
            .map(text)
            .to_vec(),
        packets: 58,
        first: START,
        last: START.plus(6_442_000_000),
        summary: text(
            "6 flows to 10.20.0.50 (TCP 80 and TCP 443): requests pass dc1, answers leave by dc2. fw1-inside (dc1) sees \
             only requests, never the answers. fw2-inside (dc2) sees only answers, never the requests. A stateful \
             firewall at fw2-inside (dc2) drops answers: it has no connection to match.",
        ),
        because: None,
        story: Some(Story {
            headline: text(
                "10.20.0.50: requests pass dc1, answers leave by dc2, since 2026-11-21T19:34:03Z",
            ),
            lines: vec![
                (
                    text("requests"),
                    text("fw1-inside (dc1) > dci1 (dc1) > dci2 (dc2) > vm2 (dc2)"),
                ),
                (text("answers"), text("vm2 (dc2) > fw2-inside (dc2)")),
                (
                    text("breaks"),
                    text(
                        "6 flows to 10.20.0.50 (TCP 80 and TCP 443): fw2-inside (dc2) never saw their requests and, if \
                         strict, drops the answers",
                    ),
                ),
            ],
        }),
        evidence: vec![
            text(
                "requests pass fw1-inside (dc1) > dci1 (dc1) > dci2 (dc2) > vm2 (dc2); first SYN at 2026-11-21T19:34:03.206247114Z",
            ),
            text("fw2-inside (firewall, dc2): 0 packets of requests, 34 packets of answers"),
        ],
        next: vec![
            text(
                "on 10.20.0.50: look at the default gateway and its MAC (ip neigh, arp -a); it answers by dc2, not by dc1",
            ),
            text(
                "on the firewall at fw2-inside (dc2): look for drops of TCP packets without a connection",
            ),
        ],
    }
}
