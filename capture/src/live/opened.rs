//! Which endpoint sockets can be had, and what to say of those that cannot.

use std::io;

use socket2::Socket;

use super::Options;
use super::find;
use super::tap::{self, Family, Kind, Tap};
use crate::error::{Error, plain};
use crate::host::{capability, port};

/// An interface that frames come by.
#[derive(Debug)]
pub struct Place {
    pub name: String,
    /// Its number, as the system counts.
    pub index: u32,
    /// Only it was asked for, so that sockets are bound to it.
    pub bound: bool,
    pub present: bool,
    pub frames: u64,
    pub dropped: u64,
}

impl Place {
    pub fn new(name: String, index: u32, bound: bool) -> Self {
        Self {
            name,
            index,
            bound,
            present: true,
            frames: 0,
            dropped: 0,
        }
    }
}

/// What could be had.
pub struct Opened {
    pub taps: Vec<Tap>,
    /// The interfaces that were asked for.
    pub places: Vec<Place>,
    /// What could not be had, why, and what to do.
    pub notes: Vec<String>,
}

/// ICMP, IGMP, TCP, UDP and ICMP of IPv6: what a host answers itself.
const OF_THE_HOST: [u8; 5] = [1, 2, 6, 17, 58];

/// What an endpoint listens to: all UDP ports, and all IP protocols but those that the host itself speaks.
pub fn kinds(numbers: &super::Numbers) -> Vec<Kind> {
    let mut udp = numbers.udp.clone();
    udp.sort_unstable();
    udp.dedup();
    let mut ip = numbers.ip.clone();
    ip.retain(|number| !OF_THE_HOST.contains(number));
    ip.sort_unstable();
    ip.dedup();
    let kinds = ip.into_iter().map(Kind::Ip);
    kinds.chain(udp.into_iter().map(Kind::Udp)).collect()
}

/// Opens all sockets; what could not be had is in the notes.
pub fn open(options: &Options) -> Result<Opened, Error> {
    let asked = find::interfaces(&options.interfaces)?;
    let places: Vec<Place> = asked
        .into_iter()
        .map(|interface| Place::new(interface.name, interface.index, true))
        .collect();
    let bound: Vec<u32> = places.iter().map(|place| place.index).collect();
    let mut taps = Vec::new();
    let mut refused = Refused::default();
    let mut granted = usize::MAX;
    for kind in kinds(&options.numbers) {
        for family in [Family::V4, Family::V6] {
            let mut keep = |result: io::Result<(Socket, usize)>, place| match result {
                Ok((socket, buffer)) => {
                    granted = granted.min(buffer);
                    taps.push(Tap::new(socket, kind, family, place));
                }
                Err(error) => refused.add(kind, family, &error),
            };
            match kind {
                Kind::Ip(number) => keep(raw(number, family, &bound, options.buffer), None),
                Kind::Udp(port) if places.is_empty() => {
                    keep(udp(port, family, None, options.buffer), None);
                }
                Kind::Udp(port) => {
                    for (number, place) in places.iter().enumerate() {
                        let socket = udp(port, family, Some(&place.name), options.buffer);
                        keep(socket, Some(number));
                    }
                }
            }
        }
    }
    let mut notes = refused.unreceived();
    if taps.is_empty() {
        let cause = if notes.is_empty() {
            "no UDP port or IP protocol to listen to".to_owned()
        } else {
            notes.join("; ")
        };
        return Err(Error::Receive {
            name: "endpoint".to_owned(),
            cause,
        });
    }
    notes.extend(of_no_use(options));
    if granted < options.buffer.min(i32::MAX as usize / 2) {
        notes.push(format!(
            "the kernel grants {} of receive buffer to a socket, not {}: a burst may be lost; raise the limit: \
             sudo sysctl -w net.core.rmem_max={}",
            size(granted),
            size(options.buffer),
            options.buffer
        ));
    }
    Ok(Opened {
        taps,
        places,
        notes,
    })
}

/// Options that change nothing here.
fn of_no_use(options: &Options) -> Option<String> {
    let given = [
        (options.promiscuous, "--promiscuous"),
        (options.pass.all, "--all"),
        (options.hardware_time, "--hardware-time"),
        (options.threads > 1, "--receive-threads"),
    ];
    let given: Vec<&str> = given
        .into_iter()
        .filter_map(|(given, name)| given.then_some(name))
        .collect();
    (!given.is_empty()).then(|| {
        format!(
            "{} changes nothing here: an endpoint receives what is sent to this host's mirror ports, with the kernel's time stamps",
            given.join(", ")
        )
    })
}

/// A number of bytes as people say it.
pub fn size(bytes: usize) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

/// A UDP socket that is ready to receive, and the receive buffer that it was granted.
pub fn udp(
    port: u16,
    family: Family,
    interface: Option<&str>,
    buffer: usize,
) -> io::Result<(Socket, usize)> {
    let kind = Kind::Udp(port);
    let socket = tap::create(kind, family)?;
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    tap::ask_for_remarks(&socket, family)?;
    let granted = tap::ask_for_buffer(&socket, buffer)?;
    tap::bind(&socket, kind, family)?;
    tap::take_all(&socket)?;
    Ok((socket, granted))
}

/// The same for an IP protocol. One socket serves all interfaces.
fn raw(
    number: u8,
    family: Family,
    interfaces: &[u32],
    buffer: usize,
) -> io::Result<(Socket, usize)> {
    let socket = tap::create(Kind::Ip(number), family)?;
    tap::ask_for_remarks(&socket, family)?;
    let granted = tap::ask_for_buffer(&socket, buffer)?;
    if interfaces.is_empty() {
        tap::take_all(&socket)?;
    } else {
        tap::listen_only_on(&socket, interfaces)?;
    }
    Ok((socket, granted))
}

/// Sockets that could not be had.
#[derive(Default)]
pub struct Refused {
    /// IP protocols that want a privilege.
    protocols: Vec<u8>,
    /// UDP ports that want one, below 1024.
    low: Vec<u16>,
    /// UDP ports that somebody else has.
    taken: Vec<(u16, Family)>,
    /// Anything else.
    other: Vec<String>,
}

impl Refused {
    pub fn add(&mut self, kind: Kind, family: Family, error: &io::Error) {
        match (error.raw_os_error(), kind) {
            // A kernel without IPv6 lacks nothing that could arrive.
            (Some(libc::EAFNOSUPPORT), _) => {}
            (Some(libc::EPERM | libc::EACCES), Kind::Ip(number)) => {
                self.protocols.push(number);
            }
            (Some(libc::EACCES), Kind::Udp(port)) => self.low.push(port),
            (Some(libc::EADDRINUSE), Kind::Udp(port)) => self.taken.push((port, family)),
            (_, Kind::Udp(port)) => self
                .other
                .push(format!("UDP port {port}: {}", plain(error))),
            (_, Kind::Ip(number)) => {
                self.other
                    .push(format!("{}: {}", protocol(number), plain(error)));
            }
        }
    }

    /// What to say of them when their packets should have been received.
    pub fn unreceived(mut self) -> Vec<String> {
        let mut notes = Vec::new();
        self.protocols.dedup();
        if !self.protocols.is_empty() {
            notes.push(format!(
                "{} cannot be received: {}",
                protocols(&self.protocols),
                capability::how_to_grant("cap_net_raw")
            ));
        }
        self.low.dedup();
        if !self.low.is_empty() {
            notes.push(format!(
                "UDP {} cannot be received: {}",
                ports(&self.low),
                capability::how_to_grant("cap_net_bind_service")
            ));
        }
        for (holder, taken) in self.holders() {
            notes.push(format!(
                "UDP {} cannot be received here: {holder}; capture the interface instead (--via ring)",
                ports(&taken)
            ));
        }
        self.other.sort_unstable();
        self.other.dedup();
        notes.append(&mut self.other);
        notes
    }

    /// What to say of them when they should only have kept the host from answering.
    pub fn unheld(mut self) -> Vec<String> {
        let mut notes = Vec::new();
        self.protocols.dedup();
        if !self.protocols.is_empty() {
            notes.push(format!(
                "this host may answer packets of {} with ICMP protocol unreachable; to keep it quiet, {}",
                protocols(&self.protocols),
                capability::how_to_grant("cap_net_raw")
            ));
        }
        self.low.dedup();
        if !self.low.is_empty() {
            notes.push(format!(
                "this host may answer packets to UDP {} with ICMP port unreachable; to keep it quiet, {}",
                ports(&self.low),
                capability::how_to_grant("cap_net_bind_service")
            ));
        }
        for (holder, taken) in self.holders() {
            notes.push(format!(
                "UDP {} not held open, and need not be: {holder}",
                ports(&taken)
            ));
        }
        self.other.sort_unstable();
        self.other.dedup();
        notes.extend(
            self.other.into_iter().map(|other| {
                format!("this host may answer mirrors with ICMP unreachable: {other}")
            }),
        );
        notes
    }

    /// Whoever has ports that were wanted, and which.
    fn holders(&self) -> Vec<(String, Vec<u16>)> {
        let mut holders: Vec<(String, Vec<u16>)> = Vec::new();
        for (number, family) in &self.taken {
            let holder = port::holder(*number, *family == Family::V6).to_string();
            match holders.iter_mut().find(|(known, _)| *known == holder) {
                Some((_, ports)) if ports.contains(number) => {}
                Some((_, ports)) => ports.push(*number),
                None => holders.push((holder, vec![*number])),
            }
        }
        holders
    }
}

fn ports(numbers: &[u16]) -> String {
    let word = if numbers.len() == 1 { "port" } else { "ports" };
    let numbers: Vec<String> = numbers.iter().map(u16::to_string).collect();
    format!("{word} {}", numbers.join(", "))
}

fn protocol(number: u8) -> String {
    protocols(&[number])
}

/// `GRE (IP protocol 47)`, `GRE and IP protocols 4, 41`.
fn protocols(numbers: &[u8]) -> String {
    const GRE: u8 = 47;
    let others: Vec<String> = numbers
        .iter()
        .filter(|number| **number != GRE)
        .map(u8::to_string)
        .collect();
    let word = if others.len() == 1 {
        "IP protocol"
    } else {
        "IP protocols"
    };
    match (numbers.contains(&GRE), others.is_empty()) {
        (true, true) => "GRE (IP protocol 47)".to_owned(),
        (true, false) => format!("GRE (IP protocol 47) and {word} {}", others.join(", ")),
        (false, _) => format!("{word} {}", others.join(", ")),
    }
}
