//! One socket of an endpoint, and the datagrams that it has delivered and nobody has read yet.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd as _;

use ipnet::IpNet;
use rustix::net::sockopt;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::clock::now;
use super::outer;
use super::socket::{self, BATCH, SLOT, Scratch};

/// What a socket takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A UDP port.
    Udp(u16),
    /// An IP protocol.
    Ip(u8),
}

/// A version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// A datagram that waits to be read.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub time: i64,
    /// Index of the interface that it came by, as the system counts.
    pub interface: u32,
    /// Where in the batch its IP packet begins, and how long that is.
    pub start: usize,
    pub len: usize,
}

/// A socket with its batch.
#[derive(Debug)]
pub struct Tap {
    pub socket: Socket,
    pub kind: Kind,
    pub family: Family,
    /// The only interface that it listens on: an index into the endpoint's places.
    pub bound: Option<usize>,
    /// What the kernel had dropped when it was asked last.
    pub dropped: u32,
    /// The interface by which the last datagram came: an index into the endpoint's places.
    pub last: Option<usize>,
    /// Memory of the batch; none before the first datagram: most ports stay silent.
    slots: Vec<u8>,
    waiting: Vec<Waiting>,
    next: usize,
    /// The last batch was a full one: the kernel may have more that is older than what other sockets have.
    pub more: bool,
}

impl Tap {
    pub fn new(socket: Socket, kind: Kind, family: Family, bound: Option<usize>) -> Self {
        Self {
            socket,
            kind,
            family,
            bound,
            dropped: 0,
            last: None,
            slots: Vec::new(),
            waiting: Vec::new(),
            next: 0,
            more: false,
        }
    }

    /// The oldest datagram that waits here.
    pub fn head(&self) -> Option<&Waiting> {
        self.waiting.get(self.next)
    }

    /// Whether only one waits here.
    pub fn is_last(&self) -> bool {
        self.next + 1 == self.waiting.len()
    }

    /// Takes the oldest one out; its bytes stay until the next `fill`.
    pub fn take(&mut self) -> Option<Waiting> {
        let head = *self.waiting.get(self.next)?;
        self.next += 1;
        Some(head)
    }

    /// Bytes of the batch.
    pub fn bytes(&self, start: usize, len: usize) -> Option<&[u8]> {
        self.slots.get(start..)?.get(..len)
    }

    /// Takes a batch from the kernel; only when nothing waits.
    pub fn fill(&mut self, scratch: &mut Scratch, sources: &[IpNet]) -> io::Result<()> {
        if self.slots.is_empty() {
            // Untouched zeros cost no memory: pages are given as datagrams reach into them.
            self.slots = vec![0; SLOT * BATCH];
            self.waiting = Vec::with_capacity(BATCH);
        }
        self.waiting.clear();
        self.next = 0;
        self.more = false;
        let (slots, waiting) = (&mut self.slots, &mut self.waiting);
        let mut arrived = [None; BATCH];
        let received = socket::receive(self.socket.as_fd(), slots, scratch, |datagram| {
            if let Some(place) = arrived.get_mut(datagram.slot) {
                *place = Some(datagram);
            }
        })?;
        self.more = received == BATCH;
        for datagram in arrived.iter().flatten() {
            let allowed = |source| sources.iter().any(|net| net.contains(&source));
            if !sources.is_empty() && !datagram.source.is_some_and(allowed) {
                continue;
            }
            let first = datagram.slot * SLOT;
            let Some(slot) = slots.get_mut(first..first + SLOT) else {
                continue;
            };
            let start = match self.kind {
                Kind::Udp(port) => outer::udp(slot, datagram, port),
                Kind::Ip(protocol) => outer::ip(slot, datagram, protocol),
            };
            waiting.push(Waiting {
                time: datagram.time.unwrap_or_else(now),
                interface: datagram.interface.unwrap_or_default(),
                start: first + start,
                len: socket::ROOM + datagram.len - start,
            });
        }
        Ok(())
    }
}

/// A socket for a kind of datagrams. It takes nothing yet: a raw one is open to all that comes from its first moment on,
/// before anybody can say what it should tell of it.
pub fn create(kind: Kind, family: Family) -> io::Result<Socket> {
    let domain = match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    };
    let (style, protocol) = match kind {
        Kind::Udp(_) => (Type::DGRAM, Protocol::UDP),
        Kind::Ip(number) => (Type::RAW, Protocol::from(i32::from(number))),
    };
    let socket = Socket::new(domain, style.nonblocking(), Some(protocol))?;
    take_nothing(&socket)?;
    // Raw sockets of IPv6 have nothing to do with IPv4 anyway, and refuse to hear of it.
    if family == Family::V6 && matches!(kind, Kind::Udp(_)) {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// Binds to the port, on all addresses, without sharing it: two that share a port steal each other's datagrams.
pub fn bind(socket: &Socket, kind: Kind, family: Family) -> io::Result<()> {
    let Kind::Udp(port) = kind else {
        return Ok(());
    };
    let address: SocketAddr = match family {
        Family::V4 => (Ipv4Addr::UNSPECIFIED, port).into(),
        Family::V6 => (Ipv6Addr::UNSPECIFIED, port).into(),
    };
    socket.bind(&address.into())
}

/// Asks the kernel to say when, from where, and by which interface each datagram came.
pub fn ask_for_remarks(socket: &Socket, family: Family) -> io::Result<()> {
    let fd = socket.as_fd();
    socket::set(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1)?;
    match family {
        Family::V4 => {
            socket::set(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
            socket::set(fd, libc::IPPROTO_IP, libc::IP_RECVTTL, 1)?;
            socket::set(fd, libc::IPPROTO_IP, libc::IP_RECVTOS, 1)
        }
        Family::V6 => {
            socket::set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
            socket::set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, 1)?;
            socket::set(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, 1)
        }
    }
}

/// Asks for a receive buffer, in bytes of payload; gives what the kernel granted.
pub fn ask_for_buffer(socket: &Socket, bytes: usize) -> io::Result<usize> {
    let bytes = bytes.min(i32::MAX as usize / 2);
    // Above the limit for everybody only CAP_NET_ADMIN may go.
    if sockopt::set_socket_recv_buffer_size_force(socket, bytes).is_err() {
        sockopt::set_socket_recv_buffer_size(socket, bytes)?;
    }
    // The kernel doubles what it is asked for, to make up for its own data about each datagram.
    Ok(sockopt::socket_recv_buffer_size(socket)? / 2)
}

/// Lets a socket take what comes from now on.
pub fn take_all(socket: &Socket) -> io::Result<()> {
    discard(socket);
    socket.detach_filter()
}

/// Lets a raw socket take only what comes by some interfaces from now on. Unlike a socket's device this can be changed by anybody, so
/// that an interface that comes back with another number is followed after privileges were given up.
pub fn listen_only_on(socket: &Socket, interfaces: &[u32]) -> io::Result<()> {
    const LOAD_INTERFACE: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    let place = (libc::SKF_AD_OFF + libc::SKF_AD_IFINDEX).cast_unsigned();
    let mut program = vec![SockFilter::new(LOAD_INTERFACE, 0, 0, place)];
    for interface in interfaces {
        program.push(SockFilter::new(JUMP_IF_EQUAL, 0, 1, *interface));
        program.push(SockFilter::new(RETURN, 0, 0, u32::MAX));
    }
    program.push(SockFilter::new(RETURN, 0, 0, 0));
    discard(socket);
    socket.attach_filter(&program)
}

/// Throws away what came before the filter was there. There is an end to it: nothing is added meanwhile.
fn discard(socket: &Socket) {
    let mut byte = [std::mem::MaybeUninit::uninit(); 1];
    while socket.recv(&mut byte).is_ok() {}
}

/// Lets a socket take nothing: the kernel drops what comes for it at no cost of memory, and answers nobody.
pub fn take_nothing(socket: &Socket) -> io::Result<()> {
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    socket.attach_filter(&[SockFilter::new(RETURN, 0, 0, 0)])
}
