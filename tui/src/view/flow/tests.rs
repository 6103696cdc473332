use std::sync::Arc;

use super::*;
use crate::data::{PacketRef, Sight};
use crate::look::{Look, Signs, ThemeName};
use crate::view::fixture::{self, SIZES, drawn, ladder, styles, world};

const ID: &str = "rqnxpnC7wp";

fn view() -> FlowView {
    with(ladder())
}

fn with(ladder: Ladder) -> FlowView {
    let mut view = FlowView::new(ID.to_owned());
    world(|cx| {
        let answer = Answer::Ladder(ID.to_owned(), Ok(Arc::new(ladder)));
        assert!(view.answer(&answer, cx));
    });
    view
}

/// What the packet is that Enter opens.
fn opens(view: &mut FlowView) -> Option<PacketRef> {
    world(|cx| match view.act(Action::Open, cx).as_slice() {
        [Effect::Open(Page::Packet(frame))] => Some(*frame),
        _ => None,
    })
}

#[test]
fn a_flow_at_every_size() {
    world(|cx| {
        for (width, height) in SIZES {
            let screen = drawn(&mut view(), (width, height), cx);
            insta::assert_snapshot!(format!("flow_{width}x{height}"), screen);
        }
    });
}

#[test]
fn in_ascii_nothing_else_is_drawn() {
    let look = Look::new(ThemeName::default(), Signs { ascii: true }, false);
    fixture::with_look(&look, |cx| {
        for size in SIZES {
            let screen = drawn(&mut view(), size, cx);
            assert!(screen.is_ascii(), "{screen}");
        }
        let screen = drawn(&mut view(), (120, 40), cx);
        assert!(
            screen.contains("o............:............o---->  SYN"),
            "{screen}"
        );
        assert!(
            screen.contains("<-----X------------o-----  SYN ACK X no connection"),
            "{screen}"
        );
    });
}

#[test]
fn the_packet_that_a_firewall_cannot_match_is_selected_first() {
    let mut view = view();
    // The answer of the first rung, where the firewall saw it.
    assert_eq!(opens(&mut view), Some(PacketRef(11)));
    world(|cx| {
        view.act(Action::Right, cx);
        assert_eq!(
            opens(&mut view),
            Some(PacketRef(10)),
            "to the machine's own port"
        );
        view.act(Action::Right, cx);
        assert_eq!(
            opens(&mut view),
            Some(PacketRef(10)),
            "there is no point behind it"
        );
        view.act(Action::Left, cx);
        assert_eq!(opens(&mut view), Some(PacketRef(11)));
    });
}

#[test]
fn silence_is_not_selected() {
    let mut view = view();
    world(|cx| {
        view.act(Action::Down, cx);
        assert_eq!(
            opens(&mut view),
            Some(PacketRef(10300)),
            "the request that came again"
        );
        view.act(Action::Up, cx);
        assert_eq!(opens(&mut view), Some(PacketRef(11)));
        view.act(Action::Last, cx);
        assert_eq!(opens(&mut view), Some(PacketRef(30950)));
    });
}

#[test]
fn a_search_goes_from_hit_to_hit() {
    let mut view = view();
    world(|cx| {
        assert_eq!(view.search("sent again", cx), 4);
        assert_eq!(opens(&mut view), Some(PacketRef(10300)));
        view.act(Action::NextHit, cx);
        assert_eq!(opens(&mut view), Some(PacketRef(10311)));
        view.act(Action::PreviousHit, cx);
        view.act(Action::PreviousHit, cx);
        assert_eq!(
            opens(&mut view),
            Some(PacketRef(30911)),
            "from the first to the last"
        );
        assert_eq!(view.search("nothing like it", cx), 0);
    });
}

#[test]
fn a_search_goes_on_in_a_ladder_that_grows() {
    let mut view = view();
    world(|cx| {
        assert_eq!(view.search("SENT again", cx), 4);
        let mut more = ladder();
        let last = more.rows.last().cloned().unwrap();
        more.rows.push(Rung {
            time: last.time.plus(1_000_000),
            retransmission: true,
            sights: vec![Sight {
                frame: PacketRef(77),
                ..last.sights[0].clone()
            }],
            ..last
        });
        view.answer(&Answer::Ladder(ID.to_owned(), Ok(Arc::new(more))), cx);
        assert_eq!(opens(&mut view), Some(PacketRef(10300)), "the same packet");
        view.act(Action::NextHit, cx);
        assert_eq!(opens(&mut view), Some(PacketRef(10311)));
        view.act(Action::PreviousHit, cx);
        view.act(Action::PreviousHit, cx);
        assert_eq!(opens(&mut view), Some(PacketRef(77)), "what came is found");
    });
}

#[test]
fn time_is_told_in_three_ways() {
    let mut view = view();
    world(|cx| {
        let last = |view: &mut FlowView| {
            let screen = drawn(view, (120, 40), cx);
            let line = screen
                .lines()
                .find(|line| line.contains("PSH ACK"))
                .unwrap()
                .to_owned();
            line.split_whitespace().next().unwrap().to_owned()
        };
        assert_eq!(last(&mut view), "3.095000");
        view.act(Action::Form, cx);
        assert_eq!(last(&mut view), "0.003788");
        view.act(Action::Form, cx);
        assert_eq!(last(&mut view), "19:34:06.301247");
    });
}

#[test]
fn a_click_selects_the_sight_under_it_and_a_second_one_opens_it() {
    let mut view = view();
    world(|cx| {
        let screen = drawn(&mut view, (120, 40), cx);
        let (row, line) = screen
            .lines()
            .enumerate()
            .find(|line| line.1.contains("PSH ACK"))
            .unwrap();
        // The second dashed part of the arrow ends at the machine's own port.
        let column = line.chars().count() - line.chars().rev().position(|c| c == '●').unwrap() - 1;
        let at = Position::new(column as u16, row as u16);
        assert!(view.click(at, false, cx).is_empty());
        let effects = view.click(at, true, cx);
        assert!(
            matches!(
                effects.as_slice(),
                [Effect::Open(Page::Packet(PacketRef(30953)))]
            ),
            "{effects:?}"
        );
    });
}

#[test]
fn what_a_firewall_cannot_match_is_drawn_as_an_error() {
    world(|cx| {
        let cells = styles(&mut view(), (120, 40), cx);
        let error = cx.look.style(crate::look::Role::Error).fg;
        let marks: Vec<_> = cells.iter().filter(|(text, _)| text == "✖").collect();
        // The verdict, three sights with three reasons, and the reason of the selected one.
        assert_eq!(marks.len(), 8);
        assert!(marks.iter().all(|(_, style)| style.fg == error));
    });
}

#[test]
fn many_points_and_long_names_are_numbered() {
    let mut ladder = ladder();
    for (index, lane) in ladder.lanes.iter_mut().enumerate() {
        lane.point = format!("数据中心 {index} firewall inside of the east \u{1b}[2J");
    }
    world(|cx| {
        for size in SIZES {
            let screen = drawn(&mut with(ladder.clone()), size, cx);
            assert!(!screen.contains('\u{1b}'));
            assert!(
                screen.contains("1 ▦ 数") || screen.contains("1 ▦  数"),
                "{screen}"
            );
        }
    });
}

#[test]
fn before_an_answer_and_without_one_it_says_so() {
    world(|cx| {
        let mut view = FlowView::new(ID.to_owned());
        assert!(drawn(&mut view, (80, 24), cx).starts_with("Looking for the packets of this flow"));
        let failed = |id: &str| Answer::Ladder(id.to_owned(), Err("the flow was forgotten".into()));
        assert!(!view.answer(&failed("another"), cx));
        assert!(view.answer(&failed(ID), cx));
        assert_eq!(
            drawn(&mut view, (80, 24), cx).trim(),
            "the flow was forgotten"
        );
        assert!(view.act(Action::Open, cx).is_empty());
    });
}

#[test]
fn while_packets_come_it_asks_again_and_keeps_the_place() {
    let mut view = view();
    world(|cx| {
        view.act(Action::Down, cx);
        assert!(view.learned(cx).is_empty(), "nothing is new");
        let mut snapshot = fixture::snapshot();
        snapshot.flows.rows[0].last = snapshot.flows.rows[0].last.plus(1);
        let newer = Context {
            snapshot: &snapshot,
            ..*cx
        };
        let effects = view.learned(&newer);
        assert!(
            matches!(effects.as_slice(), [Effect::Ask(Ask::Ladder(id))] if id == ID),
            "{effects:?}"
        );
        assert!(view.learned(&newer).is_empty(), "it waits for the answer");
        let mut more = ladder();
        let first = more.rows.remove(0);
        more.forgotten = 1;
        let answer = |ladder: &Ladder| Answer::Ladder(ID.to_owned(), Ok(Arc::new(ladder.clone())));
        view.answer(&answer(&more), &newer);
        assert_eq!(
            opens(&mut view),
            Some(PacketRef(10300)),
            "the same packet as before"
        );
        assert!(drawn(&mut view, (120, 40), cx).contains("1 earlier packet not kept any more"));
        view.act(Action::Last, cx);
        more.rows.push(Rung {
            time: first.time.plus(4_000_000_000),
            ..first
        });
        view.answer(&answer(&more), &newer);
        assert_eq!(opens(&mut view), Some(PacketRef(0)), "the end is followed");
    });
}
