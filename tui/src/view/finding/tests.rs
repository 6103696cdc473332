use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::view::fixture::{SIZES, drawn, finding, snapshot, world};
use crate::view::flow::FlowView;
use crate::view::stream::StreamView;

fn view() -> FindingView {
    FindingView::new(Box::new(finding()))
}

fn opened(view: &mut FindingView) -> String {
    world(|cx| match view.act(Action::Open, cx).as_slice() {
        [Effect::Open(Page::Flow(id))] => id.clone(),
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_finding_at_every_size() {
    world(|cx| {
        for (width, height) in SIZES {
            let screen = drawn(&mut view(), (width, height), cx);
            insta::assert_snapshot!(format!("finding_{width}x{height}"), screen);
        }
    });
}

#[test]
fn its_flows_are_selected_one_after_the_other() {
    let mut view = view();
    world(|cx| {
        drawn(&mut view, (120, 40), cx);
        assert_eq!(opened(&mut view), "rqnxpnC7wp");
        view.act(Action::Down, cx);
        view.act(Action::Down, cx);
        assert_eq!(opened(&mut view), "sC6k2zD6dv");
        view.act(Action::Down, cx);
        assert_eq!(opened(&mut view), "sC6k2zD6dv", "there are no more");
        view.act(Action::Up, cx);
        assert_eq!(opened(&mut view), "m4t2C56ws3");
    });
}

#[test]
fn a_small_screen_scrolls_to_the_flows_and_on() {
    let mut view = view();
    world(|cx| {
        let screen = drawn(&mut view, (60, 15), cx);
        assert!(
            screen.contains("✖ 10.20.0.50") && !screen.contains("rqnxpnC7wp"),
            "{screen}"
        );
        for _ in 0..60 {
            view.act(Action::Down, cx);
            drawn(&mut view, (60, 15), cx);
        }
        let screen = drawn(&mut view, (60, 15), cx);
        assert!(
            screen.contains("TCP packets without a connection"),
            "{screen}"
        );
        assert_eq!(opened(&mut view), "sC6k2zD6dv", "all flows were passed");
    });
}

#[test]
fn what_is_known_by_now_is_shown() {
    let mut view = view();
    let mut newer = finding();
    newer.summary = "7 flows by now".to_owned();
    let mut snapshot = snapshot();
    snapshot.report.findings = vec![newer];
    world(|cx| {
        let cx = Context {
            snapshot: &Arc::new(snapshot),
            ..*cx
        };
        assert!(drawn(&mut view, (80, 24), &cx).contains("7 flows by now"));
    });
}

#[test]
fn it_leads_to_all_its_flows() {
    let mut view = view();
    world(|cx| {
        let effects = view.act(Action::ToFlows, cx);
        assert!(
            matches!(effects.as_slice(), [Effect::Open(Page::Flows(filter))] if filter == "point fw1-inside,fw2-inside and asymmetric"),
            "{effects:?}"
        );
    });
}

#[test]
fn its_flows_are_marked_and_what_is_marked_is_written() {
    let mut view = view();
    let marks = |effects: Vec<Effect>| match effects.as_slice() {
        [Effect::Mark(flows)] => flows.join(" "),
        other => panic!("{other:?}"),
    };
    let writes = |effects: Vec<Effect>| match effects.as_slice() {
        [Effect::Export(flows)] => flows.join(" "),
        other => panic!("{other:?}"),
    };
    world(|cx| {
        drawn(&mut view, (120, 40), cx);
        assert_eq!(marks(view.act(Action::Mark, cx)), "rqnxpnC7wp");
        assert_eq!(marks(view.act(Action::Mark, cx)), "m4t2C56ws3", "the next");
        let all = "rqnxpnC7wp m4t2C56ws3 sC6k2zD6dv";
        assert_eq!(writes(view.act(Action::Export, cx)), all, "none is marked");
        let marked = BTreeSet::from(["m4t2C56ws3".to_owned(), "other".to_owned()]);
        let cx = Context {
            marked: &marked,
            ..*cx
        };
        assert!(drawn(&mut view, (120, 40), &cx).contains("  ▸◉m4t2C56ws3"));
        let views: [&mut dyn View; 3] = [
            &mut view,
            &mut FlowView::new("own".to_owned()),
            &mut StreamView::new("own".to_owned()),
        ];
        for view in views {
            assert_eq!(writes(view.act(Action::Export, &cx)), "m4t2C56ws3 other");
        }
    });
}
