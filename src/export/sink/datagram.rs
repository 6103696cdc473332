//! Datagrams: a record each, to another host or to a socket of this one.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use super::{Sink, Then, Trouble};
use crate::export::chunk::Chunk;

/// A socket of this host whose reader takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(1);
/// Datagrams in a row before others get their turn: receivers' buffers are small.
const BURST: usize = 8;
/// How long they get it.
const PAUSE: Duration = Duration::from_millis(1);

/// A socket that sends datagrams.
pub struct Datagrams {
    socket: Socket,
    /// Sent since the last pause.
    burst: usize,
}

enum Socket {
    Udp(UdpSocket),
    /// With its path: its reader may begin anew.
    Unix(PathBuf, Option<UnixDatagram>),
}

impl Datagrams {
    /// To another host.
    pub fn udp(to: SocketAddr) -> io::Result<Self> {
        let own: SocketAddr = if to.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        let socket = UdpSocket::bind(own)?;
        // So that the system tells when nobody is there.
        socket.connect(to)?;
        Ok(Self::new(Socket::Udp(socket)))
    }

    /// To a socket of this host.
    pub fn unix(path: PathBuf) -> io::Result<Self> {
        let socket = connected(&path)?;
        Ok(Self::new(Socket::Unix(path, Some(socket))))
    }

    fn new(socket: Socket) -> Self {
        Self { socket, burst: 0 }
    }

    fn send_one(&mut self, record: &[u8]) -> io::Result<usize> {
        match &mut self.socket {
            Socket::Udp(socket) => match socket.send(record) {
                // Of the datagram before.
                Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                    socket.send(record)
                }
                sent => sent,
            },
            Socket::Unix(path, socket) => {
                let open = match socket.take() {
                    Some(open) => open,
                    None => connected(path)?,
                };
                let sent = open.send(record);
                if sent.is_ok() {
                    *socket = Some(open);
                }
                sent
            }
        }
    }
}

fn connected(path: &PathBuf) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

impl Sink for Datagrams {
    fn send(&mut self, chunk: &mut Chunk) -> Result<(), Trouble> {
        let mut sent = 0;
        let mut result = Ok(());
        for record in chunk.records() {
            result = self.send_one(record).map(drop);
            if result.is_err() {
                break;
            }
            sent += 1;
            self.burst += 1;
            if self.burst >= BURST {
                self.burst = 0;
                std::thread::sleep(PAUSE);
            }
        }
        chunk.drop_first(sent);
        let then = match &self.socket {
            Socket::Udp(_) => Then::Lost,
            Socket::Unix(..) => Then::Again,
        };
        result.map_err(|cause| Trouble { cause, then })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_begins_anew_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let reader = UnixDatagram::bind(&path).unwrap();
        let mut sink = Datagrams::unix(path.clone()).unwrap();
        let send = |sink: &mut Datagrams, text: &str| {
            let mut chunk = Chunk::default();
            chunk.add(text.as_bytes());
            sink.send(&mut chunk).map_err(|trouble| trouble.then)
        };
        let mut bytes = [0; 16];
        send(&mut sink, "one").unwrap();
        assert_eq!(reader.recv(&mut bytes).unwrap(), 3);
        drop(reader);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(send(&mut sink, "two"), Err(Then::Again));
        let reader = UnixDatagram::bind(&path).unwrap();
        send(&mut sink, "three").unwrap();
        assert_eq!(reader.recv(&mut bytes).unwrap(), 5);
    }
}
