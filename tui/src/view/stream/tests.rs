use std::sync::Arc;

use super::*;
use crate::view::fixture::{drawn, stream, world};

fn view() -> StreamView {
    let mut view = StreamView::new("rqnxpnC7wp".to_owned());
    world(|cx| {
        let answer = Answer::Stream("rqnxpnC7wp".to_owned(), Ok(Arc::new(stream())));
        assert!(view.answer(&answer, cx));
    });
    view
}

#[test]
fn looks() {
    world(|cx| {
        let mut view = view();
        view.search("apache", cx);
        println!("{}\n=======", drawn(&mut view, (80, 24), cx));
        view.act(Action::Form, cx);
        println!("{}\n=======", drawn(&mut view, (80, 24), cx));
    });
}
