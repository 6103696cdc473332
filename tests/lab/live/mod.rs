//! Live capture through the built command: real interfaces, real senders, and what really happens to them.

pub mod bench;
pub mod listener;

mod changes;
mod counts;
mod disk;
mod drops;
mod filter;
mod inject;
mod interval;
mod kill;
mod privileges;
mod quiet;
mod reload;
mod switches;
mod unprivileged;
mod vanish;
mod watch;
mod whose;
