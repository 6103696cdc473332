//! Who has a UDP port.

use std::fmt;
use std::fs;

use super::capability::{Capability, has};
use super::link::{Link, links};

/// Who has a UDP port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A program.
    Process {
        /// Its name, as it calls itself.
        name: String,
        /// Its process id.
        pid: u32,
    },
    /// A tunnel device of the kernel.
    Device {
        /// Its name.
        name: String,
        /// What it is: `vxlan`, `geneve`.
        kind: String,
    },
    /// The kernel, for some purpose of its own.
    Kernel,
    /// A program of another user, which we may not look at.
    User {
        /// The user's number.
        uid: u32,
    },
    /// Nobody that the system tells of.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process { name, pid } => write!(f, "taken by {name} (process {pid})"),
            Self::Device { name, kind } => {
                write!(f, "taken by the kernel for its {kind} device {name}")
            }
            Self::Kernel => write!(f, "taken by the kernel itself"),
            Self::User { uid } => write!(f, "taken by a process of user {uid}"),
            Self::Unknown => write!(f, "taken by another process"),
        }
    }
}

impl Holder {
    /// The command that frees the port, where there is one that hurts nobody else.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Device { name, .. } => Some(format!("sudo ip link del {name}")),
            _ => None,
        }
    }
}

/// A UDP socket of this network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    port: u16,
    uid: u32,
    inode: u64,
}

/// Who has a UDP port, so that all addresses of it are not to be had.
pub fn holder(port: u16, v6: bool) -> Holder {
    // A socket of IPv6 may have the port of IPv4, too.
    let tables: &[&str] = if v6 { &["udp6"] } else { &["udp", "udp6"] };
    let entry = tables.iter().find_map(|table| {
        let text = fs::read_to_string(format!("/proc/thread-self/net/{table}")).ok()?;
        entries(&text).find(|entry| entry.port == port)
    });
    let Some(entry) = entry else {
        return Holder::Unknown;
    };
    if let Some((pid, name)) = process(entry.inode) {
        return Holder::Process { name, pid };
    }
    if let Some(holder) = device(port, &links().unwrap_or_default()) {
        return holder;
    }
    match has(Capability::SysPtrace) {
        Some(true) if entry.uid == 0 => Holder::Kernel,
        _ => Holder::User { uid: entry.uid },
    }
}

/// Ports that anybody has.
pub fn taken(v6: bool) -> Vec<u16> {
    let table = if v6 { "udp6" } else { "udp" };
    let text = fs::read_to_string(format!("/proc/thread-self/net/{table}")).unwrap_or_default();
    let mut ports: Vec<u16> = entries(&text).map(|entry| entry.port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// The tunnel device that listens on a port.
fn device(port: u16, links: &[Link]) -> Option<Holder> {
    let link = links.iter().find(|link| link.tunnel_port == Some(port))?;
    Some(Holder::Device {
        name: link.name.clone(),
        kind: link.kind.clone()?,
    })
}

/// The sockets of `/proc/net/udp` or `udp6`.
fn entries(text: &str) -> impl Iterator<Item = Entry> + '_ {
    text.lines().skip(1).filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (_, port) = words.next()?.rsplit_once(':')?;
        Some(Entry {
            port: u16::from_str_radix(port, 16).ok()?,
            uid: words.nth(5)?.parse().ok()?,
            inode: words.nth(1)?.parse().ok()?,
        })
    })
}

/// The process that has a socket open, if we may see it.
fn process(inode: u64) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| {
        let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some(pid)
    });
    processes.filter(|_| inode != 0).find_map(|pid| {
        let mut files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let is_it = |file: fs::DirEntry| {
            fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str())
        };
        if !files.any(|file| file.is_ok_and(is_it)) {
            return None;
        }
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Some((pid, name.trim_end().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    #[test]
    fn sockets_are_read_with_port_user_and_inode() {
        let text = "\
   sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
 1403: 00000000000000000000000000000000:12B5 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000   113        0 4011 2 0000000000000000 0
  877: 00000000:0044 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 ffff 17
  877: nonsense";
        let entries: Vec<Entry> = entries(text).collect();
        let expected = [(4789, 113, 4011), (68, 0, 0)];
        assert_eq!(
            entries,
            expected.map(|(port, uid, inode)| Entry { port, uid, inode })
        );
    }

    #[test]
    fn our_own_socket_is_found() {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let holder = holder(port, false);
        let Holder::Process { pid, name } = holder else {
            panic!("{holder:?}");
        };
        assert_eq!(pid, std::process::id());
        assert!(!name.is_empty());
        assert!(taken(false).contains(&port));
    }

    #[test]
    fn a_tunnel_device_is_told_by_its_port() {
        let link = Link {
            name: "vx0".to_owned(),
            kind: Some("vxlan".to_owned()),
            tunnel_port: Some(4789),
            ..Link::default()
        };
        let holder = device(4789, std::slice::from_ref(&link)).unwrap();
        assert_eq!(
            holder.to_string(),
            "taken by the kernel for its vxlan device vx0"
        );
        assert_eq!(holder.remedy().as_deref(), Some("sudo ip link del vx0"));
        assert_eq!(device(6081, &[link]), None);
    }
}
