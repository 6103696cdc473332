//! Any text: a description of sites that can be used, or problems with a place each, safe to print.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mirrorscope_engine::site::Sites;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count() + 1;
    let (sites, problems) = Sites::check(&text);
    let wrong = problems.iter().any(|problem| !problem.harmless);
    assert_eq!(sites.is_some(), !wrong);
    assert_eq!(Sites::parse(&text).is_ok(), sites.is_some());
    for problem in problems {
        assert!((1..=lines).contains(&problem.at.line));
        assert!(problem.at.column >= 1 && problem.at.column <= text.chars().count() + 1);
        let shown = problem.to_string();
        assert!(shown.lines().all(|line| !line.contains(char::is_control)));
    }
});
