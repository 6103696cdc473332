//! Whatever is pressed and clicked, in whatever order and size: the screens of flows, packets, streams and findings go on.

use std::sync::Arc;

use ratatui::layout::Position;

use super::finding::FindingView;
use super::flow::FlowView;
use super::packet::PacketView;
use super::stream::StreamView;
use super::{View, fixture};
use crate::data::{Answer, PacketRef};

/// Numbers that look random, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

#[test]
fn nothing_that_is_pressed_breaks_a_screen() {
    let id = || "rqnxpnC7wp".to_owned();
    let mut empty = fixture::ladder();
    empty.rows.clear();
    empty.lanes.clear();
    let mut silent = fixture::stream();
    silent.pieces.clear();
    let mut bare = fixture::packet(1);
    bare.bytes.clear();
    bare.layers.clear();
    let answers = [
        Answer::Ladder(id(), Ok(Arc::new(fixture::ladder()))),
        Answer::Ladder(id(), Ok(Arc::new(empty))),
        Answer::Stream(id(), Ok(Arc::new(fixture::stream()))),
        Answer::Stream(id(), Ok(Arc::new(silent))),
        Answer::Packet(PacketRef(1), Ok(Arc::new(fixture::packet(1)))),
        Answer::Packet(PacketRef(1), Ok(Arc::new(bare))),
        Answer::Packet(PacketRef(1), Err("gone".to_owned())),
    ];
    fixture::world(|cx| {
        let mut dice = Dice(1);
        for _ in 0..10 {
            let mut views: [Box<dyn View>; 4] = [
                Box::new(FlowView::new(id())),
                Box::new(PacketView::new(PacketRef(1))),
                Box::new(StreamView::new(id())),
                Box::new(FindingView::new(Box::new(fixture::finding()))),
            ];
            for _ in 0..30 {
                if let Some(answer) = answers.get(dice.below(20)) {
                    for view in &mut views {
                        view.answer(answer, cx);
                    }
                }
                let size = (1 + dice.below(210) as u16, 1 + dice.below(70) as u16);
                let at = Position::new(dice.below(210) as u16, dice.below(70) as u16);
                let action =
                    crate::action::ACTIONS[dice.below(crate::action::ACTIONS.len())].action;
                let text = ["", "a", "ack", "00"][dice.below(4)];
                for view in &mut views {
                    match dice.below(4) {
                        0 => drop(view.click(at, dice.below(2) == 0, cx)),
                        1 => drop(view.search(text, cx)),
                        _ => drop(view.act(action, cx)),
                    }
                    fixture::drawn(view.as_mut(), size, cx);
                    drop(view.learned(cx));
                }
            }
        }
    });
}
