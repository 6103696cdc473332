use std::sync::Arc;

use super::*;
use crate::view::fixture::{SIZES, drawn, packet, styles, world};

fn view() -> PacketView {
    let mut view = PacketView::new(PacketRef(1));
    world(|cx| {
        let answer = Answer::Packet(PacketRef(1), Ok(Arc::new(packet(1))));
        assert!(view.answer(&answer, cx));
    });
    view
}

/// The hexadecimal numbers that are marked on a screen beside the tree.
fn marked(view: &mut PacketView) -> Vec<String> {
    world(|cx| {
        let size = (200, 60);
        let cells = styles(view, size, cx);
        let selected = cx.look.style(Role::Selected);
        let marked: String = cells
            .chunks(usize::from(size.0))
            .flat_map(|row| row.iter().skip(usize::from(TREE) + 2).take(4 + 2 + 16 * 3))
            .filter(|(_, style)| {
                style.add_modifier == selected.add_modifier && style.bg == selected.bg
            })
            .map(|(text, _)| text.as_str())
            .collect();
        let numbers = marked.as_bytes().chunks(1);
        let digits: String = numbers
            .filter_map(|c| std::str::from_utf8(c).ok())
            .filter(|c| *c != " ")
            .collect();
        let pairs = digits.as_bytes().chunks(2);
        pairs
            .map(|pair| String::from_utf8_lossy(pair).into_owned())
            .collect()
    })
}

#[test]
fn a_packet_at_every_size() {
    world(|cx| {
        for (width, height) in SIZES {
            let screen = drawn(&mut view(), (width, height), cx);
            insta::assert_snapshot!(format!("packet_{width}x{height}"), screen);
        }
    });
}

#[test]
fn the_bytes_of_the_selected_field_are_marked() {
    let mut view = view();
    let packet = packet(1);
    assert_eq!(packet.layers[view.node().unwrap().layer].title, "TCP");
    assert_eq!(marked(&mut view).len(), 40, "the whole header");
    world(|cx| {
        view.act(Action::Down, cx);
        assert_eq!(view.marked(), 84..86);
        assert_eq!(marked(&mut view), ["9c", "42"], "source port 40002");
        view.act(Action::Down, cx);
        assert_eq!(marked(&mut view), ["00", "50"], "destination port 80");
        view.act(Action::Down, cx);
        assert_eq!(
            marked(&mut view),
            ["11", "bc", "bf", "6a"],
            "sequence number"
        );
    });
}

#[test]
fn branches_open_and_close() {
    let mut view = view();
    world(|cx| {
        let open = view.len();
        view.act(Action::Down, cx);
        view.act(Action::Left, cx);
        assert_eq!(
            view.node(),
            Some(Node {
                layer: 6,
                field: None
            }),
            "to the layer"
        );
        view.act(Action::Left, cx);
        assert_eq!(view.len(), 7, "only layers");
        view.act(Action::Up, cx);
        view.act(Action::Up, cx);
        view.act(Action::Up, cx);
        view.act(Action::Right, cx);
        for _ in 0..6 {
            view.act(Action::Down, cx);
        }
        assert_eq!(view.marked(), 44..46, "the session id of ERSPAN");
        let copied = view.act(Action::Copy, cx);
        assert!(matches!(copied.as_slice(), [Effect::Copy(text)] if text == "Session id: 101"));
        assert_eq!(view.len(), 7 + 7, "ERSPAN II alone is open");
        assert!(open > view.len());
    });
}

#[test]
fn moving_in_the_tree_scrolls_the_bytes() {
    let mut view = view();
    world(|cx| {
        let screen = drawn(&mut view, (60, 15), cx);
        assert!(
            screen.contains("\n0050 ") && !screen.contains("\n0000 "),
            "{screen}"
        );
        view.act(Action::First, cx);
        let screen = drawn(&mut view, (60, 15), cx);
        assert!(
            screen.contains("\n0000 ") && !screen.contains("\n0050 "),
            "{screen}"
        );
    });
}

#[test]
fn a_cut_packet_says_so_in_the_end() {
    let mut cut = packet(1);
    cut.bytes.truncate(100);
    cut.layers = mirrorscope_dissectors::fields::layers(
        mirrorscope_dissectors::LinkType::Ethernet,
        &cut.bytes,
        &mirrorscope_dissectors::Options::default(),
    );
    world(|cx| {
        let mut view = PacketView::new(PacketRef(1));
        view.answer(&Answer::Packet(PacketRef(1), Ok(Arc::new(cut))), cx);
        let screen = drawn(&mut view, (120, 40), cx);
        assert!(
            screen.contains("124 bytes on the wire, 24 of them not captured"),
            "{screen}"
        );
        assert!(
            screen.contains("Cut  24 bytes of the packet are missing"),
            "{screen}"
        );
    });
}
