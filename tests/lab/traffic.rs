//! Clients and servers: threads in the machines' namespaces.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

use crate::machine::Machine;

/// How long a client waits for an answer: several repetitions of a SYN, and no longer.
pub const PATIENCE: Duration = Duration::from_millis(3300);

/// A switch that ends servers and long conversations.
pub type Stop = Arc<AtomicBool>;

/// A TCP server of a line protocol: `GET n` is answered by n bytes.
pub fn serve(machine: &Machine, address: IpAddr, port: u16, stop: &Stop) {
    let listener = machine.inside(|| TcpListener::bind((address, port)).unwrap());
    listener.set_nonblocking(true).unwrap();
    let stop = Arc::clone(stop);
    machine.spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            match listener.accept() {
                Ok((stream, _)) => {
                    let stop = Arc::clone(&stop);
                    std::thread::spawn(move || answer(stream, &stop));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    });
}

/// Answers one client until it leaves.
fn answer(mut stream: TcpStream, stop: &Stop) {
    stream.set_nonblocking(false).unwrap();
    stream.set_nodelay(true).unwrap();
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    while !stop.load(Ordering::Relaxed) {
        match lines.read_line(&mut line) {
            Ok(0) => return,
            Ok(_) => {
                let bytes = line
                    .trim()
                    .strip_prefix("GET ")
                    .and_then(|n| n.parse().ok());
                line.clear();
                if stream.write_all(&body(bytes.unwrap_or(0))).is_err() {
                    return;
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
    }
}

/// Text that compresses well and says where in it one is.
fn body(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 32);
    while bytes.len() < length {
        let place = bytes.len();
        bytes.extend(format!("{place:08} mirrorscope lab\n").bytes());
    }
    bytes.truncate(length);
    bytes
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// A UDP server that sends back what it gets.
pub fn echo(machine: &Machine, address: IpAddr, port: u16, stop: &Stop) {
    let socket = machine.inside(|| UdpSocket::bind((address, port)).unwrap());
    socket
        .set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let stop = Arc::clone(stop);
    machine.spawn(move || {
        let mut buffer = [0; 2048];
        while !stop.load(Ordering::Relaxed) {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let _ = socket.send_to(&buffer[..length], from);
            }
        }
    });
}

/// Opens a connection from a chosen address and port. Must run in the client's namespace.
pub fn open(from: SocketAddr, to: SocketAddr, patience: Duration) -> std::io::Result<TcpStream> {
    let family = match from {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &from)?;
    match connect(&socket, &to) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let until = Timespec {
        tv_sec: i64::try_from(patience.as_secs()).unwrap(),
        tv_nsec: i64::from(patience.subsec_nanos()),
    };
    let mut polled = [PollFd::new(&socket, PollFlags::OUT)];
    if poll(&mut polled, Some(&until))? == 0 {
        return Err(ErrorKind::TimedOut.into());
    }
    sockopt::socket_error(&socket)??;
    let stream = TcpStream::from(socket);
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    Ok(stream)
}

/// Asks for some bytes; true if all of them came.
pub fn ask(stream: &mut TcpStream, bytes: usize) -> bool {
    let mut answer = vec![0; bytes];
    stream
        .write_all(format!("GET {bytes}\n").as_bytes())
        .is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && answer == body(bytes)
}

/// A whole conversation: opened, some questions, and closed by both sides in peace.
pub fn converse(from: SocketAddr, to: SocketAddr, questions: &[usize]) -> bool {
    let Ok(mut stream) = open(from, to, PATIENCE) else {
        return false;
    };
    let answered = questions.iter().all(|bytes| ask(&mut stream, *bytes));
    let _ = stream.shutdown(std::net::Shutdown::Write);
    answered && matches!(stream.read(&mut [0]), Ok(0))
}

/// A conversation that goes on until it is stopped or fails; then the connection is given back, still open.
pub fn chat(
    machine: &Machine,
    from: SocketAddr,
    to: SocketAddr,
    stop: &Stop,
) -> JoinHandle<(bool, Option<TcpStream>)> {
    let stop = Arc::clone(stop);
    machine.spawn(move || {
        let Ok(mut stream) = open(from, to, PATIENCE) else {
            return (false, None);
        };
        while !stop.load(Ordering::Relaxed) {
            if !ask(&mut stream, 700) {
                return (false, Some(stream));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        (true, Some(stream))
    })
}

/// One datagram, sent up to three times, as a resolver does; true if it came back.
pub fn query(from: SocketAddr, to: SocketAddr) -> bool {
    let socket = UdpSocket::bind(from).unwrap();
    socket.connect(to).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(700)))
        .unwrap();
    let question = b"which way do you take?";
    (0..3).any(|_| {
        let mut buffer = [0; 64];
        socket.send(question).is_ok()
            && socket
                .recv(&mut buffer)
                .is_ok_and(|length| &buffer[..length] == question)
    })
}
