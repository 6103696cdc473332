//! Sockets that keep the host quiet: while a ring captures, nobody else may listen where mirrors send to, and Linux then
//! answers every packet with ICMP port or protocol unreachable. Some switches stop mirroring, or fill their logs.

use socket2::Socket;

use super::Numbers;
use super::opened::{self, Refused};
use super::tap::{self, Family};

/// The sockets. They take nothing: the kernel drops what comes for them.
#[derive(Debug, Default)]
pub struct Hold {
    #[expect(dead_code, reason = "open sockets are all that is wanted of them")]
    sockets: Vec<Socket>,
}

impl Hold {
    /// Opens them on all addresses; what cannot be had is told in the notes, and is no fault.
    pub fn open(numbers: &Numbers) -> (Self, Vec<String>) {
        let mut sockets = Vec::new();
        let mut refused = Refused::default();
        for kind in opened::kinds(numbers) {
            for family in [Family::V4, Family::V6] {
                let socket = tap::create(kind, family).and_then(|socket| {
                    tap::bind(&socket, kind, family)?;
                    Ok(socket)
                });
                match socket {
                    Ok(socket) => sockets.push(socket),
                    Err(error) => refused.add(kind, family, &error),
                }
            }
        }
        (Self { sockets }, refused.unheld())
    }
}
