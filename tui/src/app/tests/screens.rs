//! What the screens look like, over the recordings of the lab.

use crate::fixture::Driver;
use crate::look::{Look, Signs, ThemeName};

/// From the smallest to a large one.
const SIZES: [(u16, u16); 4] = [(60, 15), (80, 24), (120, 40), (200, 60)];

/// A screen as it is kept: named after its tab and size.
fn keep(name: &str, screen: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), screen));
}

fn tab(name: &str, key: &str) {
    for size in SIZES {
        let mut driver = Driver::new("asymmetric-strict", size);
        let screen = driver.keys([key]).screen();
        keep(&format!("{name}-{}x{}", size.0, size.1), &screen);
    }
}

#[test]
fn overview() {
    tab("overview", "1");
}

#[test]
fn sessions() {
    tab("sessions", "2");
}

#[test]
fn flows() {
    tab("flows", "3");
}

#[test]
fn findings() {
    tab("findings", "4");
}

#[test]
fn endpoints() {
    tab("endpoints", "5");
}

#[test]
fn other_recordings() {
    for (sample, key) in [
        ("healthy", "1"),
        ("migration", "1"),
        ("mirror-loss-10", "1"),
        ("port-scan", "1"),
        ("truncated", "1"),
        ("mirror-loss-10", "2"),
        ("ipv6-asymmetric", "3"),
        ("two-tenants", "5"),
        ("migration", "5"),
    ] {
        let mut driver = Driver::new(sample, (120, 40));
        let screen = driver.keys([key]).screen();
        keep(&format!("{sample}-{key}"), &screen);
    }
}

#[test]
fn what_opens_over_a_screen() {
    for (name, keys) in [
        ("help", ["3", "?"]),
        ("palette", ["3", ":"]),
        ("sort", ["3", "o"]),
        ("columns", ["3", "c"]),
        ("filter", ["3", "f"]),
        ("search", ["3", "s"]),
        ("export", ["3", "e"]),
    ] {
        let mut driver = Driver::new("asymmetric-strict", (80, 24));
        keep(name, &driver.keys(keys).screen());
    }
}

/// The first screen answers in words, whatever its size.
#[test]
fn the_first_screen_tells_which_way_each_direction_went_and_what_the_firewall_never_saw() {
    for (width, height) in SIZES {
        let mut driver = Driver::new("asymmetric-strict", (width, height));
        let screen = driver.screen();
        let text: Vec<&str> = screen.split_whitespace().collect();
        let text = text.join(" ");
        assert!(
            text.contains("requests pass dc1, answers leave by dc2"),
            "{screen}"
        );
        if width < 100 {
            assert!(
                text.contains("fw2-inside (dc2) never saw their requests"),
                "{screen}"
            );
        } else {
            assert!(text.contains("never saw their requests"), "{screen}");
        }
    }
}

#[test]
fn in_ascii_every_screen_is_ascii() {
    for sample in ["asymmetric-strict", "mirror-loss-10"] {
        let options = crate::app::Options {
            look: Look::new(ThemeName::Dark, Signs { ascii: true }, false),
            ..crate::app::Options::default()
        };
        let mut driver = Driver::with(sample, (120, 40), options);
        for key in [
            "1", "2", "3", "4", "5", "?", "esc", ":", "esc", "3", "m", "o", "esc", "c", "esc", "f",
            "esc", "space",
        ] {
            let screen = driver.keys([key]).screen();
            assert!(screen.is_ascii(), "{key}: {screen}");
        }
    }
}

#[test]
fn without_colour_no_cell_has_any() {
    let options = crate::app::Options {
        look: Look::new(ThemeName::Dark, Signs { ascii: false }, false),
        ..crate::app::Options::default()
    };
    let mut driver = Driver::with("asymmetric-strict", (120, 40), options);
    for key in ["1", "2", "3", "4", "5", "?"] {
        let buffer = driver.keys([key]).buffer();
        for cell in buffer.content() {
            let colours = (cell.fg, cell.bg);
            let none = ratatui::style::Color::Reset;
            assert_eq!(colours, (none, none), "{key} {:?}", cell.symbol());
        }
    }
}
