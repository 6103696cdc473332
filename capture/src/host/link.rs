//! Network devices of this network namespace, as rtnetlink lists them: nobody needs a privilege to ask.

use std::io;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// A request, for all there are.
const REQUEST_DUMP: u16 = 0x0301;
const MESSAGE_HEADER: usize = 16;
const LINK_HEADER: usize = 16;

// Attributes of a device, from linux/if_link.h.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const MASTER: u16 = 10;
const STATE: u16 = 16;
const INFO: u16 = 18;
const STATISTICS: u16 = 23;
const XDP: u16 = 43;
const XDP_ATTACHED: u16 = 2;
const INFO_KIND: u16 = 1;
const INFO_DATA: u16 = 2;
const VXLAN_PORT: u16 = 15;
const GENEVE_PORT: u16 = 5;

/// A network device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: u32,
    /// Its name, as the system gives it: anything but blanks and slashes.
    pub name: String,
    /// Largest packet in bytes, without the link's own header.
    pub mtu: u32,
    /// Its hardware type, from `linux/if_arp.h`: 1 = Ethernet.
    pub hardware: u16,
    /// Its flags, from `linux/if.h`.
    pub flags: u32,
    /// What RFC 2863 calls its operational state; 6 = up, 0 = the driver does not say.
    pub state: u8,
    /// Its MAC address, where it has one of six bytes.
    pub mac: Option<[u8; 6]>,
    /// The device that it is a port of: a bridge, a bond.
    pub master: Option<u32>,
    /// What made it, where that is software: `veth`, `vxlan`, `bridge`.
    pub kind: Option<String>,
    /// The UDP port on which a tunnel of the kernel listens.
    pub tunnel_port: Option<u16>,
    /// A program sees its packets before anybody can capture them, and may take them away.
    pub xdp: bool,
    /// What it received, and lost.
    pub counters: Counters,
}

/// What a device received and lost since it was made, in packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Received.
    pub received: u64,
    /// Received, in bytes.
    pub bytes: u64,
    /// Damaged on the way.
    pub errors: u64,
    /// Dropped by the kernel, mostly because no memory was left or nobody wanted them.
    pub dropped: u64,
    /// Dropped by the card, because the kernel did not empty its ring in time.
    pub missed: u64,
    /// Dropped by the card's own buffer.
    pub overrun: u64,
    /// To be sent, and dropped.
    pub unsent: u64,
}

impl Link {
    /// Whether somebody has switched it on.
    pub fn is_up(&self) -> bool {
        self.flags & libc::IFF_UP as u32 != 0
    }

    /// Whether it is the loopback device.
    pub fn is_loopback(&self) -> bool {
        self.flags & libc::IFF_LOOPBACK as u32 != 0
    }

    /// Whether packets can pass: it is on, and there is something at the other end.
    pub fn is_running(&self) -> bool {
        self.flags & libc::IFF_RUNNING as u32 != 0
    }
}

/// All devices, by their numbers.
pub fn links() -> io::Result<Vec<Link>> {
    let socket = rustix::net::socket(AddressFamily::NETLINK, SocketType::RAW, None)?;
    let mut request = Vec::with_capacity(MESSAGE_HEADER + LINK_HEADER);
    request.extend(((MESSAGE_HEADER + LINK_HEADER) as u32).to_ne_bytes());
    request.extend(RTM_GETLINK.to_ne_bytes());
    request.extend(REQUEST_DUMP.to_ne_bytes());
    request.resize(MESSAGE_HEADER + LINK_HEADER, 0);
    rustix::net::send(&socket, &request, SendFlags::empty())?;
    let mut links = Vec::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        let (length, _) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if length == 0 || read(&buffer[..length], &mut links)? {
            break;
        }
    }
    links.sort_by_key(|link| link.index);
    Ok(links)
}

/// Reads what one answer holds; whether it was the last.
fn read(mut bytes: &[u8], links: &mut Vec<Link>) -> io::Result<bool> {
    while let Some(header) = bytes.get(..MESSAGE_HEADER) {
        let length = word(header, 0).unwrap_or_default() as usize;
        let Some(body) = bytes.get(MESSAGE_HEADER..length) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        match half(header, 4) {
            Some(RTM_NEWLINK) => links.extend(link(body)),
            Some(NLMSG_DONE) => return Ok(true),
            Some(NLMSG_ERROR) => {
                let error = word(body, 0).unwrap_or_default().cast_signed();
                return Err(io::Error::from_raw_os_error(error.wrapping_neg()));
            }
            _ => {}
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

fn link(body: &[u8]) -> Option<Link> {
    let mut link = Link {
        hardware: half(body, 2)?,
        index: word(body, 4)?,
        flags: word(body, 8)?,
        ..Link::default()
    };
    for (kind, data) in attributes(body.get(LINK_HEADER..)?) {
        match kind {
            NAME => link.name = text(data),
            MTU => link.mtu = word(data, 0)?,
            STATE => link.state = *data.first()?,
            ADDRESS => link.mac = data.try_into().ok(),
            MASTER => link.master = word(data, 0),
            STATISTICS => link.counters = counters(data),
            XDP => {
                let attached = |(kind, data): (u16, &[u8])| kind == XDP_ATTACHED && data != [0];
                link.xdp = attributes(data).any(attached);
            }
            INFO => made_by(data, &mut link),
            _ => {}
        }
    }
    Some(link)
}

/// What made a device, and what is worth knowing of that.
fn made_by(info: &[u8], link: &mut Link) {
    let find = |wanted| {
        let mut all = attributes(info);
        all.find_map(|(kind, data)| (kind == wanted).then_some(data))
    };
    link.kind = find(INFO_KIND).map(text);
    let port = match link.kind.as_deref() {
        Some("vxlan") => VXLAN_PORT,
        Some("geneve") => GENEVE_PORT,
        _ => return,
    };
    let mut settings = attributes(find(INFO_DATA).unwrap_or_default());
    link.tunnel_port = settings.find_map(|(kind, data)| {
        let bytes = data.first_chunk::<2>().filter(|_| kind == port)?;
        Some(u16::from_be_bytes(*bytes))
    });
}

/// `struct rtnl_link_stats64`: counters of 8 bytes each.
fn counters(data: &[u8]) -> Counters {
    let at = |place: usize| {
        let bytes = data.get(place * 8..).and_then(<[u8]>::first_chunk::<8>);
        bytes.copied().map_or(0, u64::from_ne_bytes)
    };
    Counters {
        received: at(0),
        bytes: at(2),
        errors: at(4),
        dropped: at(6),
        unsent: at(7),
        overrun: at(14),
        missed: at(15),
    }
}

/// Attributes, one after the other: length, type, value, padded to 4 bytes. The type's two highest bits are flags.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(half(bytes, 0)?);
        let kind = half(bytes, 2)? & 0x3fff;
        let data = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, data))
    })
}

fn text(data: &[u8]) -> String {
    let text = data.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = ((4 + data.len()) as u16).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = ((16 + body.len()) as u32).to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.resize(16, 0);
        bytes.extend(body);
        bytes
    }

    fn vxlan() -> Vec<u8> {
        let mut body = vec![0, 0];
        body.extend(1_u16.to_ne_bytes());
        body.extend(7_u32.to_ne_bytes());
        body.extend(0x1043_u32.to_ne_bytes());
        body.extend([0; 4]);
        let settings = [
            attribute(1, &42_u32.to_ne_bytes()),
            attribute(VXLAN_PORT, &4789_u16.to_be_bytes()),
        ];
        let info = [
            attribute(INFO_KIND, b"vxlan\0"),
            // The kernel marks nested attributes.
            attribute(INFO_DATA | 0x8000, &settings.concat()),
        ];
        let statistics: Vec<u8> = (1..=24_u64).flat_map(u64::to_ne_bytes).collect();
        body.extend(attribute(NAME, b"vx0\0"));
        body.extend(attribute(MTU, &8950_u32.to_ne_bytes()));
        body.extend(attribute(STATE, &[6]));
        body.extend(attribute(ADDRESS, &[2, 0, 0, 0, 0, 9]));
        body.extend(attribute(STATISTICS, &statistics));
        body.extend(attribute(INFO, &info.concat()));
        body.extend(attribute(XDP, &attribute(XDP_ATTACHED, &[1])));
        body
    }

    #[test]
    fn a_device_is_read_with_what_made_it() {
        let mut links = Vec::new();
        let answer = [message(RTM_NEWLINK, &vxlan()), message(NLMSG_DONE, &[0; 4])];
        assert!(read(&answer.concat(), &mut links).unwrap());
        let expected = Link {
            index: 7,
            name: "vx0".to_owned(),
            mtu: 8950,
            hardware: 1,
            flags: 0x1043,
            state: 6,
            mac: Some([2, 0, 0, 0, 0, 9]),
            master: None,
            kind: Some("vxlan".to_owned()),
            tunnel_port: Some(4789),
            xdp: true,
            counters: Counters {
                received: 1,
                bytes: 3,
                errors: 5,
                dropped: 7,
                overrun: 15,
                missed: 16,
                unsent: 8,
            },
        };
        assert_eq!(links, [expected]);
        assert!(links[0].is_up() && links[0].is_running() && !links[0].is_loopback());
    }

    #[test]
    fn an_answer_cut_anywhere_is_an_error_or_not_the_last() {
        let answer = message(RTM_NEWLINK, &vxlan());
        for length in 0..answer.len() {
            let mut links = Vec::new();
            assert_ne!(read(&answer[..length], &mut links).ok(), Some(true));
            assert_eq!(links, []);
        }
        for length in 0..vxlan().len() {
            let mut links = Vec::new();
            let _ = read(&message(RTM_NEWLINK, &vxlan()[..length]), &mut links);
        }
    }

    #[test]
    fn a_refusal_is_told() {
        let refused = message(NLMSG_ERROR, &(-13_i32).to_ne_bytes());
        let error = read(&refused, &mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
    }

    #[test]
    fn the_loopback_device_is_there() {
        let links = links().unwrap();
        let lo = links.iter().find(|link| link.is_loopback()).unwrap();
        assert_eq!((lo.name.as_str(), lo.index), ("lo", 1));
        assert!(lo.mtu >= 1500);
    }
}
