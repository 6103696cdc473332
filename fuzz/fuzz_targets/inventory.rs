//! Any text as an inventory – a table, JSON, what VM tracer prints, a hosts file: names that are safe to print, and problems
//! with a place each. What was read once stays when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mirrorscope_engine::names::Names;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().count() as u64 + 1;
    let mut names = Names::default();
    let problems = names.read(&text);
    assert!(problems.more == 0 || !problems.is_empty());
    for problem in &problems.told {
        assert!((1..=lines).contains(&problem.place.line), "{problem}");
        assert!(!problem.to_string().contains(char::is_control));
    }
    let known: Vec<_> = names
        .iter()
        .map(|(address, name)| (address, name.to_owned()))
        .collect();
    for (address, name) in &known {
        assert!(!name.is_empty() && name.len() < 4096 && !name.contains(char::is_control));
        let told = names.tell_in(&format!("6 flows to {address} are silent"));
        assert!(told.contains(name.as_str()), "{told}");
    }
    names.read(&text);
    assert!(
        names.iter().eq(known
            .iter()
            .map(|(address, name)| (*address, name.as_str())))
    );
});
