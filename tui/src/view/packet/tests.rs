use std::sync::Arc;

use super::*;
use crate::view::fixture::{SIZES, drawn, packet, world};

fn view() -> PacketView {
    let mut view = PacketView::new(PacketRef(1));
    world(|cx| {
        let answer = Answer::Packet(PacketRef(1), Ok(Arc::new(packet(1))));
        assert!(view.answer(&answer, cx));
    });
    view
}

#[test]
fn looks() {
    world(|cx| {
        for size in SIZES {
            println!("{}\n=======", drawn(&mut view(), size, cx));
        }
    });
}
