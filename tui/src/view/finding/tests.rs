use super::*;
use crate::view::fixture::{SIZES, drawn, finding, world};

#[test]
fn looks() {
    world(|cx| {
        for size in SIZES {
            let mut view = FindingView::new(Box::new(finding()));
            println!("{}\n=======", drawn(&mut view, size, cx));
        }
    });
}
