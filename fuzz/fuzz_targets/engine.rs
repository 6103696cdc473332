//! Any frames, in any order, at any time: a report, tight bounds, and sums that agree. What one interface brings passes a
//! firewall.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::Limits;
use mirrorscope_engine::{Config, Engine};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    frames: Vec<(i64, u8, &'a [u8])>,
}

const MAX_FLOWS: usize = 8;
const SITES: &str = "
[[site]]
name = 'dc1'
point = [
  { name = 'fw', role = 'firewall', match = { file = 'fw' } },
  { name = 'loose', role = 'firewall', match = { file = 'loose' }, firewall = { loose = true, policy = 'accept' } },
]
";

fuzz_target!(|input: Input| {
    let config = Config {
        limits: Limits {
            flows: MAX_FLOWS,
            // As many as possible are put away and brought back.
            full: 0,
            ..Limits::default()
        },
        sites: Sites::parse(SITES).unwrap(),
        ..Config::default()
    };
    let mut engine = Engine::new(config, Default::default());
    engine.receiver().name_interface(0, "fw", None);
    engine.receiver().name_interface(1, "loose", None);
    let mut number = 0;
    for (time, interface, bytes) in input.frames {
        number += 1;
        engine.frame(&Frame {
            time: Timestamp(time),
            wire_len: bytes.len() as u32,
            link: if interface & 0x80 == 0 {
                LinkType::Ethernet
            } else {
                LinkType::RawIp
            },
            interface: u32::from(interface & 3),
            number,
            bytes,
        });
    }
    engine.finish();
    let report = engine.report();
    assert_eq!(report.totals.frames, number);
    let held = report.totals.flows - report.totals.evicted.flows();
    assert!(held <= MAX_FLOWS as u64);
    let verdicts: u64 = report.totals.verdicts.values().sum();
    assert_eq!(verdicts, held);
});
