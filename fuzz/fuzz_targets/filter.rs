//! Any text: a filter that can be asked, or an error with a place, in three lines that are safe to print.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::flow::{Endpoint, FlowKey};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    match Filter::parse(&text) {
        Ok(filter) => {
            let end = |last, port| Endpoint {
                address: [10, 0, 0, last].into(),
                port,
            };
            let key = FlowKey {
                scope: 0,
                protocol: 6,
                icmp_type: 0,
                low: end(1, 443),
                high: end(2, 40_000),
            };
            assert!(filter.decide(&key).is_some() || !filter.is_static());
        }
        Err(error) => {
            assert!(error.column() <= text.chars().count() + 1);
            let message = error.to_string();
            assert_eq!(message.lines().count(), 3);
            assert!(message.lines().all(|line| !line.contains(char::is_control)));
        }
    }
});
