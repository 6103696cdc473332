//! Any keys, clicks and sizes in any order: nothing breaks, and what matters stays on the screen.

use crossterm::event::{MouseButton, MouseEventKind};

use crate::fixture::Driver;

const KEYS: [&str; 44] = [
    "up",
    "down",
    "left",
    "right",
    "pageup",
    "pagedown",
    "home",
    "end",
    "enter",
    "esc",
    "backspace",
    "tab",
    "shift-tab",
    "1",
    "2",
    "3",
    "4",
    "5",
    "/",
    "f",
    "s",
    "n",
    "N",
    "o",
    "O",
    "c",
    "m",
    "M",
    "e",
    "y",
    "r",
    "F",
    "t",
    "x",
    "space",
    "?",
    ":",
    "ctrl-u",
    "ctrl-w",
    "a",
    "d",
    "(",
    "G",
    "h",
];

/// The same numbers in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn any_keys_in_any_order() {
    for (seed, sample) in (1..).zip(["asymmetric-strict", "migration", "port-scan", "two-tenants"])
    {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut driver = Driver::new(sample, (80, 24));
        for _ in 0..1500 {
            match numbers.below(20) {
                0 => {
                    let size = [(80, 24), (60, 15), (61, 40), (200, 60), (12, 3)];
                    let (width, height) = size[numbers.below(size.len())];
                    driver.resize(width, height);
                }
                1 | 2 => {
                    let kinds = [
                        MouseEventKind::Down(MouseButton::Left),
                        MouseEventKind::ScrollDown,
                        MouseEventKind::ScrollUp,
                    ];
                    let kind = kinds[numbers.below(kinds.len())];
                    let (x, y) = (numbers.below(200) as u16, numbers.below(60) as u16);
                    driver.mouse(kind, x, y);
                }
                3 => driver.publish(),
                _ => {
                    driver.keys([KEYS[numbers.below(KEYS.len())]]);
                }
            }
            if numbers.below(4) == 0 {
                driver.screen();
            }
        }
        let screen = driver
            .keys(["esc", "esc", "esc", "1", "1"])
            .resize(80, 24)
            .screen();
        assert!(screen.contains("1 Overview"), "{screen}");
        driver.wait(std::time::Duration::from_mins(1));
        let screen = driver.screen();
        assert!(screen.contains(".pcap"), "{screen}");
    }
}
