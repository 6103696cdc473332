//! The process that asks: an address in each line of standard input, the same with its name on standard output.

use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::{Context, Result};
use mirrorscope_engine::point::printable;

use crate::command::Outcome;
use crate::privilege;

/// Addresses that are asked for at once.
const THREADS: usize = 8;

/// Runs the command.
pub fn run(user: Option<&str>) -> Result<Outcome> {
    privilege::drop_for_names(user)?;
    let (asks, asked) = mpsc::channel::<IpAddr>();
    let asked = Arc::new(Mutex::new(asked));
    for _ in 0..THREADS {
        let asked = Arc::clone(&asked);
        let work = move || {
            loop {
                let next = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(address) = next else { return };
                answer(address);
            }
        };
        thread::Builder::new()
            .name("names".to_owned())
            .spawn(work)
            .context("cannot start a thread that asks for names")?;
    }
    for line in stdin().lock().lines() {
        if let Ok(address) = line?.parse() {
            let _ = asks.send(address);
        }
    }
    // Who waits for an answer still needs it no more.
    Ok(Outcome::Done)
}

/// Tells the name of an address; nothing behind the address if it has none.
fn answer(address: IpAddr) {
    let name = dns_lookup::lookup_addr(&address).unwrap_or_default();
    // Without a name, the system tells the address once more.
    let name = if name.parse::<IpAddr>().is_ok() {
        String::new()
    } else {
        printable(&name).split_whitespace().collect()
    };
    // A reader that is gone needs no answer.
    let _ = writeln!(stdout().lock(), "{address} {name}");
}
