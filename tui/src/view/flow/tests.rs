use std::sync::Arc;

use super::*;
use crate::view::fixture::{SIZES, drawn, ladder, world};

fn view() -> FlowView {
    let mut view = FlowView::new("rqnxpnC7wp".to_owned());
    world(|cx| {
        let answer = Answer::Ladder("rqnxpnC7wp".to_owned(), Ok(Arc::new(ladder())));
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
