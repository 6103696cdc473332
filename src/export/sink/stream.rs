//! A connection that is made again when it is gone.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(feature = "tls")]
use super::tls;
use super::{Sink, Then, Trouble};
use crate::export::chunk::Chunk;

/// How long somebody may take to answer a call, or take nothing of what is sent.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whom a stream goes to.
enum Peer {
    Tcp(Vec<SocketAddr>),
    #[cfg(feature = "tls")]
    Tls(Vec<SocketAddr>, tls::Peer),
    Unix(PathBuf),
}

/// A connection.
pub struct Stream {
    peer: Peer,
    open: Option<Box<dyn Connection>>,
    fresh: bool,
}

/// What is written to.
trait Connection: Read + Write + Send {
    fn set_nonblocking(&self, on: bool) -> io::Result<()>;
}

impl Connection for TcpStream {
    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.set_nonblocking(on)
    }
}

#[cfg(feature = "tls")]
impl Connection for tls::Secured {
    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.set_nonblocking(on)
    }
}

impl Connection for UnixStream {
    fn set_nonblocking(&self, on: bool) -> io::Result<()> {
        self.set_nonblocking(on)
    }
}

impl Stream {
    /// To one of these addresses, whichever answers first. Nobody is called yet.
    pub fn tcp(addresses: Vec<SocketAddr>) -> Self {
        Self::new(Peer::Tcp(addresses))
    }

    /// The same with TLS.
    #[cfg(feature = "tls")]
    pub fn tls(addresses: Vec<SocketAddr>, peer: tls::Peer) -> Self {
        Self::new(Peer::Tls(addresses, peer))
    }

    /// To a socket of this host.
    pub fn unix(path: PathBuf) -> Self {
        Self::new(Peer::Unix(path))
    }

    fn new(peer: Peer) -> Self {
        Self {
            peer,
            open: None,
            fresh: false,
        }
    }

    fn connect(&mut self) -> io::Result<&mut dyn Connection> {
        if self
            .open
            .as_mut()
            .is_some_and(|open| is_over(open.as_mut()))
        {
            self.open = None;
        }
        if self.open.is_none() {
            self.open = Some(self.peer.call()?);
            self.fresh = true;
        }
        match &mut self.open {
            Some(open) => Ok(open.as_mut()),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Peer {
    fn call(&self) -> io::Result<Box<dyn Connection>> {
        match self {
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(Box::new(stream))
            }
            Self::Tcp(addresses) => Ok(Box::new(call(addresses)?)),
            #[cfg(feature = "tls")]
            Self::Tls(addresses, peer) => {
                let stream = call(addresses)?;
                // Who takes a call need not answer it.
                stream.set_read_timeout(Some(PATIENCE))?;
                Ok(Box::new(peer.greet(stream)?))
            }
        }
    }
}

/// Calls one after the other.
fn call(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut failed = io::ErrorKind::AddrNotAvailable.into();
    for address in addresses {
        match TcpStream::connect_timeout(address, PATIENCE) {
            Ok(stream) => {
                stream.set_write_timeout(Some(PATIENCE))?;
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(cause) => failed = cause,
        }
    }
    Err(failed)
}

/// Whether the other end has closed: what is written then would be lost in silence. Nothing that it says matters.
fn is_over(open: &mut dyn Connection) -> bool {
    if open.set_nonblocking(true).is_err() {
        return true;
    }
    let mut said = [0; 512];
    let over = loop {
        match open.read(&mut said) {
            Ok(0) => break true,
            Ok(_) => {}
            Err(cause) => break cause.kind() != io::ErrorKind::WouldBlock,
        }
    };
    over || open.set_nonblocking(false).is_err()
}

impl Sink for Stream {
    fn send(&mut self, chunk: &mut Chunk) -> Result<(), Trouble> {
        let mut written = 0;
        let result = self.connect().and_then(|open| {
            while let Some(rest) = chunk.bytes().get(written..).filter(|rest| !rest.is_empty()) {
                match open.write(rest) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(count) => written += count,
                    Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                    Err(cause) => return Err(cause),
                }
            }
            open.flush()
        });
        chunk.drop_written(written);
        result.map_err(|cause| {
            self.open = None;
            Trouble {
                cause,
                then: Then::Again,
            }
        })
    }

    fn is_fresh(&mut self) -> bool {
        // If nobody answers, that shows when something is sent.
        let _ = self.connect();
        std::mem::take(&mut self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn chunk(text: &str) -> Chunk {
        let mut chunk = Chunk::default();
        chunk.add(text.as_bytes());
        chunk
    }

    #[test]
    fn a_reader_that_comes_back_misses_nothing_that_was_not_sent_yet() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut sink = Stream::tcp(vec![address]);
        assert!(sink.is_fresh());
        sink.send(&mut chunk("one\n")).unwrap();
        assert!(!sink.is_fresh());
        let (mut reader, _) = listener.accept().unwrap();
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).unwrap();
        drop((reader, listener));
        std::thread::sleep(Duration::from_millis(50));
        let mut second = chunk("two\n");
        assert_eq!(sink.send(&mut second).unwrap_err().then, Then::Again);
        assert_eq!(second.count(), 1, "it is still there");
        let listener = TcpListener::bind(address).unwrap();
        sink.send(&mut second).unwrap();
        assert!(sink.is_fresh());
        let (mut reader, _) = listener.accept().unwrap();
        reader.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"two\n");
    }
}
