//! Answers HTTP: one page, a few readers at a time, none of which can hold up anything.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mirrorscope_engine::point::printable;

use crate::export::target::Listen;

/// Readers that are served at once.
const READERS: usize = 8;
/// A request is no longer than that: Prometheus' has some 300 bytes.
const REQUEST: usize = 8 * 1024;
/// A reader that takes longer has lost its turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries where the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes the page.
pub type Page = dyn Fn() -> String + Send + Sync;

/// Somewhere to read from, before anybody may.
pub struct Server {
    listener: TcpListener,
}

impl Server {
    /// Takes the port.
    pub fn bind(at: &Listen) -> Result<Self> {
        let told = || format!("--metrics {}", printable(&at.to_string()));
        let addresses = at.addresses().with_context(told)?;
        let listener = TcpListener::bind(&addresses[..]);
        let elsewhere = |cause: &io::Error| cause.kind() == io::ErrorKind::AddrNotAvailable;
        let why = match &listener {
            Err(cause) if elsewhere(cause) => "that is no address of this host",
            _ => "cannot listen there; another port may be free",
        };
        let listener = listener.with_context(|| format!("{}: {why}", told()))?;
        Ok(Self { listener })
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves from a thread of its own, until the process ends.
    pub fn start(self, page: Arc<Page>) -> io::Result<()> {
        let readers = Arc::new(AtomicUsize::new(0));
        Builder::new().name("metrics".to_owned()).spawn(move || {
            for stream in self.listener.incoming() {
                match stream {
                    Ok(stream) => admit(stream, &readers, &page),
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        })?;
        Ok(())
    }
}

/// Serves a reader from a thread of its own if there are not too many.
fn admit(stream: TcpStream, readers: &Arc<AtomicUsize>, page: &Arc<Page>) {
    if readers.fetch_add(1, Ordering::Relaxed) >= READERS {
        readers.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let (leaving, page) = (Arc::clone(readers), Arc::clone(page));
    let thread = Builder::new().name("metrics".to_owned()).spawn(move || {
        // What goes wrong with a reader is the reader's.
        let _ = answer(&stream, page.as_ref());
        leaving.fetch_sub(1, Ordering::Relaxed);
    });
    if thread.is_err() {
        readers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads one request and answers it.
fn answer(stream: &TcpStream, page: &Page) -> io::Result<()> {
    let end = Instant::now() + PATIENCE;
    let request = request(stream, end)?;
    let mut words = request.split_ascii_whitespace();
    let (method, path) = (words.next(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let (status, kind, body) = match (method, path) {
        (Some("GET" | "HEAD"), "/metrics") => (
            "200 OK",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            page(),
        ),
        (Some("GET" | "HEAD"), _) => (
            "404 Not Found",
            "text/plain; charset=utf-8",
            "metrics are at /metrics\n".to_owned(),
        ),
        _ => (
            "405 Method Not Allowed",
            "text/plain; charset=utf-8",
            "only GET and HEAD\n".to_owned(),
        ),
    };
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    if method != Some("HEAD") {
        bytes.extend_from_slice(body.as_bytes());
    }
    write(stream, &bytes, end)
}

/// The head of a request, up to the empty line.
fn request(mut stream: &TcpStream, end: Instant) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut part = [0; 1024];
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        stream.set_read_timeout(Some(left(end)?))?;
        let count = stream.read(&mut part)?;
        if count == 0 || bytes.len() + count > REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.extend_from_slice(part.get(..count).unwrap_or_default());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(mut stream: &TcpStream, mut bytes: &[u8], end: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(Some(left(end)?))?;
        let count = stream.write(bytes)?;
        bytes = bytes.get(count..).unwrap_or_default();
    }
    Ok(())
}

/// The time until a moment, if there is any.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> SocketAddr {
        let server = Server::bind(&Listen::parse("0").unwrap()).unwrap();
        let address = server.address().unwrap();
        server
            .start(Arc::new(|| "x 1\n# EOF\n".to_owned()))
            .unwrap();
        address
    }

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn there_is_one_page_and_it_can_only_be_read() {
        let address = server();
        let page = ask(address, "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(page.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text;"));
        assert!(page.ends_with("\r\n\r\nx 1\n# EOF\n"), "{page}");
        let head = ask(address, "HEAD /metrics HTTP/1.1\r\n\r\n");
        assert!(head.contains("Content-Length: 10\r\n") && head.ends_with("\r\n\r\n"));
        assert!(ask(address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
        assert!(ask(address, "POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405 "));
        assert_eq!(ask(address, &"x".repeat(2 * REQUEST)), "");
    }

    #[test]
    fn readers_that_say_nothing_lose_their_turn() {
        let address = server();
        let silent: Vec<TcpStream> = (0..READERS)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let begin = Instant::now();
        let mut refused = 0;
        while !ask(address, "GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200") {
            refused += 1;
            assert!(begin.elapsed() < 3 * PATIENCE, "silent readers hold it up");
            std::thread::sleep(PAUSE);
        }
        assert!(refused > 0, "more are served at once than should be");
        assert!(begin.elapsed() >= PATIENCE / 2);
        drop(silent);
    }
}
