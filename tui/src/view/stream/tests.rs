use std::sync::Arc;

use super::*;
use crate::data::{Content, Piece};
use crate::view::fixture::{SIZES, drawn, stream, styles, world};

fn view() -> StreamView {
    with(stream())
}

fn with(stream: Stream) -> StreamView {
    let mut view = StreamView::new("rqnxpnC7wp".to_owned());
    world(|cx| {
        let answer = Answer::Stream("rqnxpnC7wp".to_owned(), Ok(Arc::new(stream)));
        assert!(view.answer(&answer, cx));
    });
    view
}

#[test]
fn a_stream_at_every_size_and_in_both_forms() {
    world(|cx| {
        for (width, height) in SIZES {
            let mut view = view();
            let screen = drawn(&mut view, (width, height), cx);
            insta::assert_snapshot!(format!("stream_{width}x{height}"), screen);
            view.act(Action::Form, cx);
            let screen = drawn(&mut view, (width, height), cx);
            insta::assert_snapshot!(format!("stream_hex_{width}x{height}"), screen);
        }
    });
}

#[test]
fn a_search_finds_what_was_sent_in_two_segments() {
    let mut view = view();
    world(|cx| {
        drawn(&mut view, (80, 24), cx);
        assert_eq!(view.search("apache", cx), 2);
        assert_eq!(view.cursor.selected, 4, "Server: Apa");
        view.act(Action::NextHit, cx);
        assert_eq!(view.cursor.selected, 11, "served by apache");
        view.act(Action::NextHit, cx);
        assert_eq!(view.cursor.selected, 4, "and again from the first");
        let hit = cx.look.style(Role::Hit);
        let cells = styles(&mut view, (80, 24), cx);
        let marked: String = cells
            .iter()
            .filter(|(text, style)| {
                style.bg == hit.bg
                    && style.add_modifier == hit.add_modifier
                    && !"<>".contains(text.as_str())
            })
            .map(|(text, _)| text.as_str())
            .collect();
        assert_eq!(marked, "Apacheapache");
        assert_eq!(view.search("no such text", cx), 0);
    });
}

#[test]
fn another_form_stays_at_the_same_bytes() {
    let mut view = view();
    world(|cx| {
        drawn(&mut view, (80, 24), cx);
        view.search("second half", cx);
        view.act(Action::Form, cx);
        let screen = drawn(&mut view, (80, 24), cx);
        let line = screen.lines().nth(3 + view.cursor.selected).unwrap();
        assert!(line.contains("<p>the second ha"), "{line}");
        view.act(Action::Form, cx);
        assert_eq!(view.chunk().unwrap().0.bytes.start, 0);
    });
}

#[test]
fn nothing_of_a_stream_acts_on_the_terminal() {
    world(|cx| {
        for form in 0..2 {
            let mut view = view();
            (0..form).for_each(|_| drop(view.act(Action::Form, cx)));
            let screen = drawn(&mut view, (120, 40), cx);
            assert!(
                screen.contains("[2Jnot for a") && !screen.contains('\u{1b}'),
                "{screen}"
            );
        }
    });
}

#[test]
fn a_line_longer_than_the_screen_goes_on_in_the_next() {
    let mut long = stream();
    long.pieces = vec![Piece {
        content: Content::Data(vec![b'x'; 1_000_000]),
        ..long.pieces[0].clone()
    }];
    let mut view = with(long);
    world(|cx| {
        drawn(&mut view, (80, 24), cx);
        assert_eq!(view.index.lines().len(), 1_000_000_usize.div_ceil(78));
        view.act(Action::Last, cx);
        let screen = drawn(&mut view, (80, 24), cx);
        assert_eq!(
            screen.lines().last(),
            Some("> xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
        );
        // Narrower: byte 999960, which was selected, is in the line that starts at 58 times 17240.
        let screen = drawn(&mut view, (60, 15), cx);
        assert!(screen.contains("byte 999920"), "{screen}");
    });
}

#[test]
fn what_is_copied_is_what_one_side_said() {
    let mut view = view();
    world(|cx| {
        drawn(&mut view, (80, 24), cx);
        let copied = view.act(Action::Copy, cx);
        assert!(
            matches!(copied.as_slice(), [Effect::Copy(text)] if text == "GET /index.html HTTP/1.1\nHost: ....example\n\n"),
            "{copied:?}"
        );
    });
}
