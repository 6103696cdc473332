//! Datagrams: a record each, to another host or to a socket of this one.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Fate, Sink, Then, Trouble};
use crate::export::chunk::Chunk;

/// A socket of this host whose reader takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(1);
/// Datagrams in a row before others get their turn: receivers' buffers are small.
const BURST: usize = 8;
/// How long they get it.
const PAUSE: Duration = Duration::from_millis(1);
/// What nobody complains of for so long is taken to have arrived: hosts that refuse datagrams tell so about once a second.
const DOUBT: Duration = Duration::from_secs(2);
/// How long it is waited for complaints at the end.
const LAST: Duration = Duration::from_millis(250);
/// Between two looks at whether there is one.
const LOOK: Duration = Duration::from_millis(10);

/// A socket that sends datagrams.
pub struct Datagrams {
    socket: Socket,
    /// Sent since the last pause.
    burst: usize,
    /// Somebody refused what was sent since the last tick: whoever comes then needs what all begins with.
    refused: bool,
    fresh: bool,
}

enum Socket {
    /// With addresses that were not tried yet.
    Udp(UdpSocket, Vec<SocketAddr>, Doubt),
    /// With its path: its reader may begin anew.
    Unix(PathBuf, Option<UnixDatagram>),
}

/// Datagrams that may still be refused.
struct Doubt {
    /// How long that may take: no time on this host.
    time: Duration,
    /// When counting began anew.
    since: Instant,
    /// Records that were sent since then, and in the time before.
    young: u64,
    old: u64,
    /// Somebody refused one.
    refused: bool,
}

impl Doubt {
    fn new(time: Duration) -> Self {
        Self {
            time,
            since: Instant::now(),
            young: 0,
            old: 0,
            refused: false,
        }
    }

    fn fate(&mut self, sent: u64) -> Fate {
        self.young += sent;
        let all = self.old + self.young;
        if std::mem::take(&mut self.refused) {
            *self = Self::new(self.time);
            return Fate::Refused(all);
        }
        if self.since.elapsed() < self.time {
            return Fate::Unknown;
        }
        let arrived = if self.time.is_zero() { all } else { self.old };
        *self = Self {
            old: all - arrived,
            ..Self::new(self.time)
        };
        Fate::Arrived(arrived)
    }
}

impl Datagrams {
    /// To the first of these addresses of a host; on this host to the first where somebody is.
    pub fn udp(to: &[SocketAddr]) -> io::Result<Self> {
        let (first, others) = to.split_first().ok_or(io::ErrorKind::AddrNotAvailable)?;
        let own = to.iter().all(|to| to.ip().is_loopback());
        let doubt = Doubt::new(if own { Duration::ZERO } else { DOUBT });
        let others = if own { others } else { &[] };
        Ok(Self::new(Socket::Udp(udp(*first)?, others.to_vec(), doubt)))
    }

    /// To a socket of this host.
    pub fn unix(path: PathBuf) -> io::Result<Self> {
        let socket = connected(&path)?;
        Ok(Self::new(Socket::Unix(path, Some(socket))))
    }

    fn new(socket: Socket) -> Self {
        Self {
            socket,
            burst: 0,
            refused: false,
            fresh: false,
        }
    }

    /// Whether somebody refused what was sent.
    fn note_complaints(&mut self) {
        if let Socket::Udp(socket, _, doubt) = &mut self.socket {
            doubt.refused |= is_refused(socket);
        }
    }

    fn send_one(&mut self, record: &[u8]) -> io::Result<usize> {
        match &mut self.socket {
            Socket::Udp(socket, others, doubt) => loop {
                match socket.send(record) {
                    // A datagram before: this one was not sent.
                    Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => {
                        doubt.refused = true;
                    }
                    Ok(_) if !others.is_empty() && is_refused(socket) => {
                        *socket = udp(others.remove(0))?;
                    }
                    sent => break sent,
                }
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

fn udp(to: SocketAddr) -> io::Result<UdpSocket> {
    let own: SocketAddr = if to.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(own)?;
    // So that the system tells when nobody is there.
    socket.connect(to)?;
    Ok(socket)
}

/// Whether somebody refused what was sent: asked for once. On this host that is known as soon as it is sent.
fn is_refused(socket: &UdpSocket) -> bool {
    let complaint = socket.take_error().ok().flatten();
    complaint.is_some_and(|cause| cause.kind() == io::ErrorKind::ConnectionRefused)
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
            Socket::Udp(..) => Then::Lost,
            Socket::Unix(..) => Then::Again,
        };
        result.map_err(|cause| Trouble { cause, then })
    }

    fn fate(&mut self, sent: u64) -> Fate {
        self.note_complaints();
        let fate = match &mut self.socket {
            Socket::Udp(.., doubt) => doubt.fate(sent),
            Socket::Unix(..) => Fate::Arrived(sent),
        };
        self.refused |= matches!(fate, Fate::Refused(_));
        fate
    }

    fn tick(&mut self) {
        self.fresh |= std::mem::take(&mut self.refused);
    }

    fn wait(&mut self) {
        let begin = Instant::now();
        while let Socket::Udp(.., doubt) = &self.socket
            && !doubt.refused
            && !doubt.time.is_zero()
            && begin.elapsed() < LAST
        {
            std::thread::sleep(LOOK);
            self.note_complaints();
        }
        // What is not refused by now never will be.
        if let Socket::Udp(.., doubt) = &mut self.socket {
            doubt.time = Duration::ZERO;
        }
    }

    fn is_fresh(&mut self) -> bool {
        std::mem::take(&mut self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(sink: &mut Datagrams, text: &str) -> Fate {
        let mut chunk = Chunk::default();
        chunk.add(text.as_bytes());
        sink.send(&mut chunk).unwrap();
        sink.fate(1)
    }

    #[test]
    fn where_nobody_listens_it_shows_and_ends_when_somebody_does() {
        let reader = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = reader.local_addr().unwrap();
        let mut sink = Datagrams::udp(&[to]).unwrap();
        assert_eq!(send(&mut sink, "one"), Fate::Arrived(1));
        drop(reader);
        assert_eq!(send(&mut sink, "two"), Fate::Refused(1));
        assert_eq!(send(&mut sink, "three"), Fate::Refused(1));
        sink.tick();
        let reader = UdpSocket::bind(to).unwrap();
        assert!(sink.is_fresh(), "who begins now knows nothing");
        assert_eq!(send(&mut sink, "four"), Fate::Arrived(1));
        let mut bytes = [0; 16];
        assert_eq!(reader.recv(&mut bytes).unwrap(), 4);
        sink.tick();
        assert!(!sink.is_fresh());
    }

    #[test]
    fn of_the_addresses_of_this_host_the_one_is_found_where_somebody_listens() {
        let nobody = UdpSocket::bind("127.0.0.1:0").unwrap();
        let reader = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = [&nobody, &reader].map(|socket| socket.local_addr().unwrap());
        drop(nobody);
        let mut sink = Datagrams::udp(&to).unwrap();
        assert_eq!(send(&mut sink, "one"), Fate::Arrived(1));
        let mut bytes = [0; 16];
        assert_eq!(reader.recv(&mut bytes).unwrap(), 3);
    }

    #[test]
    fn what_another_host_may_still_refuse_is_in_doubt_for_a_while() {
        let mut doubt = Doubt::new(Duration::from_hours(1));
        assert_eq!(doubt.fate(2), Fate::Unknown);
        doubt.refused = true;
        assert_eq!(doubt.fate(3), Fate::Refused(5));
        assert_eq!(doubt.fate(4), Fate::Unknown);
        doubt.time = Duration::from_nanos(1);
        assert_eq!(doubt.fate(1), Fate::Arrived(0));
        assert_eq!(doubt.fate(7), Fate::Arrived(5));
    }

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
