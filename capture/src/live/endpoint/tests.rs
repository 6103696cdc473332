use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hex_literal::hex;
use rustix::event::{PollFd, PollFlags, poll};

use super::*;
use crate::live::{Numbers, Pass};

/// Ports that are free on both versions of IP.
fn free_ports<const N: usize>() -> [u16; N] {
    let sockets = [(); N].map(|()| UdpSocket::bind("[::]:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap().port())
}

fn options(udp: &[u16]) -> Options {
    Options {
        via: Via::Endpoint,
        interfaces: Vec::new(),
        promiscuous: false,
        buffer: 1 << 16,
        threads: 1,
        queue: 0,
        realtime: false,
        hardware_time: false,
        pass: Pass::default(),
        numbers: Numbers {
            udp: udp.to_vec(),
            ..Numbers::default()
        },
        hold: true,
    }
}

/// A frame as it came: time, interface, bytes.
type Came = (i64, String, Vec<u8>);

/// Reads so many frames, which must come soon, and no more.
fn read(endpoint: &mut Endpoint, count: usize) -> Vec<Came> {
    let until = Instant::now() + Duration::from_secs(5);
    let mut came = Vec::new();
    while came.len() < count {
        assert!(Instant::now() < until, "{} of {count} came", came.len());
        if endpoint.ready().unwrap().is_none() {
            let fds = endpoint.fds();
            let mut fds: Vec<_> = fds
                .iter()
                .map(|fd| PollFd::new(fd, PollFlags::IN))
                .collect();
            let second = Timespec {
                tv_sec: 1,
                tv_nsec: 0,
            };
            poll(&mut fds, Some(&second)).unwrap();
            continue;
        }
        // A batch: what was taken stays where it is until the sockets are looked at again.
        let mut batch = Vec::new();
        loop {
            batch.push(endpoint.take().unwrap());
            if endpoint.more().is_none() {
                break;
            }
        }
        for taken in batch {
            let bytes = endpoint.bytes(&taken).unwrap().to_vec();
            assert_eq!(taken.wire_len as usize, bytes.len());
            let name = endpoint.interfaces()[taken.interface as usize].name.clone();
            came.push((taken.time, name.unwrap(), bytes));
        }
    }
    assert_eq!(endpoint.ready().unwrap(), None);
    came
}

/// A socket that sends, with its address.
fn sender(address: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    let own = socket.local_addr().unwrap();
    (socket, own)
}

#[test]
fn udp_frames_have_their_outer_headers_time_and_interface() {
    let [port] = free_ports();
    let (mut endpoint, _) = Endpoint::open(&options(&[port])).unwrap();
    let (socket, from) = sender("127.0.0.1");
    socket.set_ttl(7).unwrap();
    let before = now();
    socket.send_to(b"one", ("127.0.0.9", port)).unwrap();
    let came = read(&mut endpoint, 1);
    let (time, interface, bytes) = &came[0];
    assert!(before <= *time && *time <= now());
    assert_eq!(interface, "lo");
    let [port, from] = [port, from.port()].map(u16::to_be_bytes);
    assert_eq!(bytes[..10], hex!("45 00 001f 0000 4000 07 11"));
    assert_eq!(bytes[12..20], hex!("7f000001 7f000009"));
    assert_eq!(bytes[20..28], [&from[..], &port, &[0, 11, 0, 0]].concat());
    assert_eq!(&bytes[28..], b"one");

    let statistics = endpoint.statistics();
    assert_eq!(statistics.len(), 1);
    assert_eq!(
        (statistics[0].name.as_str(), statistics[0].frames),
        ("lo", 1)
    );
    assert!(statistics[0].present);
    assert_eq!(statistics[0].dropped, Dropped::default());
}

#[test]
fn ipv6_arrives_at_the_same_port() {
    let [port] = free_ports();
    let (mut endpoint, _) = Endpoint::open(&options(&[port])).unwrap();
    let (socket, from) = sender("::1");
    socket.send_to(b"six", ("::1", port)).unwrap();
    let came = read(&mut endpoint, 1);
    let bytes = &came[0].2;
    assert_eq!(bytes[..7], hex!("60000000 000b 11"));
    let loopback = hex!("00000000000000000000000000000001");
    assert_eq!(
        (&bytes[8..24], &bytes[24..40]),
        (&loopback[..], &loopback[..])
    );
    assert_eq!(bytes[40..42], from.port().to_be_bytes());
    assert_eq!(bytes[42..44], port.to_be_bytes());
    assert_eq!(&bytes[48..], b"six");
}

#[test]
fn frames_of_several_ports_come_in_the_order_of_their_arrival() {
    let ports: [u16; 3] = free_ports();
    let (mut endpoint, _) = Endpoint::open(&options(&ports)).unwrap();
    let (socket, _) = sender("127.0.0.1");
    let (six, _) = sender("::1");
    // A moment after the first socket asks for it the kernel begins to stamp what arrives; until then it stamps what is read.
    let mut stamped = false;
    while !stamped {
        socket.send_to(&[], ("127.0.0.1", ports[0])).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let before = now();
        stamped = read(&mut endpoint, 1)[0].0 < before;
    }
    // More than one batch of each, turn by turn.
    for number in 0..240_u16 {
        let port = ports[usize::from(number) % 3];
        let payload = number.to_be_bytes();
        if number % 4 == 0 {
            six.send_to(&payload, ("::1", port)).unwrap();
        } else {
            socket.send_to(&payload, ("127.0.0.1", port)).unwrap();
        }
    }
    let came = read(&mut endpoint, 240);
    let numbers: Vec<u16> = came
        .iter()
        .map(|(_, _, bytes)| u16::from_be_bytes(*bytes.last_chunk().unwrap()))
        .collect();
    assert_eq!(numbers, (0..240).collect::<Vec<u16>>());
    assert!(came.is_sorted_by_key(|(time, _, _)| *time));
}

#[test]
fn datagrams_of_64_kib_arrive_whole() {
    let [port] = free_ports();
    let (mut endpoint, _) = Endpoint::open(&options(&[port])).unwrap();
    let (socket, _) = sender("127.0.0.1");
    let payload: Vec<u8> = (0..65_507_u32).map(|number| number as u8).collect();
    socket.send_to(&payload, ("127.0.0.1", port)).unwrap();
    let came = read(&mut endpoint, 1);
    assert_eq!(came[0].2.len(), 65_535);
    assert_eq!(came[0].2[28..], payload);
}

#[test]
fn what_finds_no_room_is_counted() {
    let [port] = free_ports();
    let (mut endpoint, _) = Endpoint::open(&options(&[port])).unwrap();
    let (socket, _) = sender("127.0.0.1");
    for _ in 0..1000 {
        socket.send_to(&[0; 1000], ("127.0.0.1", port)).unwrap();
    }
    let mut received = 0;
    while endpoint.ready().unwrap().is_some() {
        endpoint.take().unwrap();
        received += 1;
    }
    assert!(0 < received && received < 1000, "{received}");
    let statistics = endpoint.statistics();
    assert_eq!(statistics[0].frames, received);
    assert_eq!(statistics[0].dropped.socket, 1000 - received);
    assert_eq!(endpoint.statistics()[0].dropped.socket, 1000 - received);
}

#[test]
fn only_sources_that_may_send_are_heard() {
    let [port] = free_ports();
    let mut options = options(&[port]);
    options.pass.sources = vec!["127.0.1.0/24".parse().unwrap(), "::/0".parse().unwrap()];
    let (mut endpoint, _) = Endpoint::open(&options).unwrap();
    for address in ["127.0.0.1", "127.0.1.5", "127.0.2.1"] {
        let (socket, _) = sender(address);
        socket.send_to(b"x", ("127.0.0.1", port)).unwrap();
    }
    let came = read(&mut endpoint, 1);
    assert_eq!(came[0].2[12..16], [127, 0, 1, 5]);
}

#[test]
fn an_interface_is_listened_to_by_name_number_or_address() {
    for interface in ["lo", "1", "127.0.0.1"] {
        let [port] = free_ports();
        let mut options = options(&[port]);
        options.interfaces = vec![interface.to_owned()];
        let (mut endpoint, _) = Endpoint::open(&options).unwrap();
        assert_eq!(endpoint.interfaces()[0].name.as_deref(), Some("lo"));
        let (socket, _) = sender("127.0.0.1");
        socket.send_to(b"x", ("127.0.0.1", port)).unwrap();
        assert_eq!(read(&mut endpoint, 1)[0].1, "lo");
    }
    let mut options = options(&[4789]);
    options.interfaces = vec!["nonesuch".to_owned()];
    let error = Endpoint::open(&options).err().unwrap();
    let text = error.to_string();
    let start = "nonesuch: no such interface: there are lo";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn a_port_that_somebody_has_is_told_and_the_others_work() {
    let [port] = free_ports();
    let held = UdpSocket::bind("0.0.0.0:0").unwrap();
    let taken = held.local_addr().unwrap().port();
    let (mut endpoint, notes) = Endpoint::open(&options(&[port, taken])).unwrap();
    let about_it: Vec<_> = notes
        .iter()
        .filter(|note| note.starts_with("UDP"))
        .collect();
    assert_eq!(about_it.len(), 1, "{notes:?}");
    let expected = format!("UDP port {taken} cannot be received here: taken by ");
    assert!(about_it[0].starts_with(&expected), "{notes:?}");
    assert!(about_it[0].contains(&format!("(process {})", std::process::id())));
    let (socket, _) = sender("127.0.0.1");
    socket.send_to(b"x", ("127.0.0.1", port)).unwrap();
    read(&mut endpoint, 1);
}
