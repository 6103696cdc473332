//! What the driver of an interface says: its name, what it merges, its ring, its time stamps. Nobody needs a privilege to
//! ask.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::net::{AddressFamily, SocketType};

use super::system;

/// What the driver of an interface says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    /// Its name: `ixgbe`, `veth`.
    pub name: Option<String>,
    /// What merges or rewrites packets before anybody can capture them, and is on.
    pub merges: Vec<Merging>,
    /// The ring in which the card puts packets, where it has one.
    pub ring: Option<Ring>,
    /// Whether the card can stamp all packets that it receives.
    pub hardware_time: bool,
}

/// Something that merges packets, and is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Merging {
    /// What.
    pub by: Merge,
    /// The driver does not let anybody switch it off.
    pub fixed: bool,
}

/// What merges packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// The kernel: generic receive offload.
    Gro,
    /// The kernel, also for UDP that is only forwarded.
    UdpGro,
    /// The card, in a way that can be undone.
    HardwareGro,
    /// The card, and what it did cannot be undone: large receive offload.
    Lro,
}

impl Merge {
    /// By the name that ethtool shows for the feature.
    fn by_feature(name: &str) -> Option<Self> {
        match name {
            "rx-gro" => Some(Self::Gro),
            "rx-udp-gro-forwarding" => Some(Self::UdpGro),
            "rx-gro-hw" => Some(Self::HardwareGro),
            "rx-lro" => Some(Self::Lro),
            _ => None,
        }
    }

    /// What `ethtool -K` calls it.
    pub fn switch(self) -> &'static str {
        match self {
            Self::Gro => "gro",
            Self::UdpGro => "rx-udp-gro-forwarding",
            Self::HardwareGro => "rx-gro-hw",
            Self::Lro => "lro",
        }
    }
}

/// A ring of a card, in packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ring {
    /// As it is set.
    pub now: u32,
    /// As large as it may be.
    pub most: u32,
}

/// Asks about an interface; what the driver does not tell is left out.
pub fn driver(interface: &str) -> Driver {
    let Ok(socket) = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None) else {
        return Driver::default();
    };
    let socket: OwnedFd = socket;
    let socket = socket.as_fd();
    Driver {
        name: system::driver(socket, interface)
            .ok()
            .map(|answer| system::text(&answer[1..9]))
            .filter(|name| !name.is_empty()),
        merges: merges(socket, interface).unwrap_or_default(),
        ring: system::ring(socket, interface).ok().and_then(ring),
        hardware_time: system::time_stamping(socket, interface).is_ok_and(stamps_all),
    }
}

fn merges(socket: BorrowedFd<'_>, interface: &str) -> std::io::Result<Vec<Merging>> {
    let count = system::feature_count(socket, interface)?;
    let names = system::feature_names(socket, interface, count)?;
    let states = system::feature_states(socket, interface, count)?;
    Ok(merges_that_are_on(&names, &states))
}

/// Finds them among all features: the names in the order of the bits.
fn merges_that_are_on(names: &[u32], states: &[u32]) -> Vec<Merging> {
    let names = names.chunks_exact(system::FEATURE_NAME);
    let on = names.enumerate().filter_map(|(number, name)| {
        let [available, _, active, _] = states.get(number / 32 * 4..)?.first_chunk()?;
        let is_in = |set: &u32| set >> (number % 32) & 1 == 1;
        let merging = Merging {
            by: Merge::by_feature(&system::text(name))?,
            fixed: !is_in(available),
        };
        is_in(active).then_some(merging)
    });
    on.collect()
}

/// The words: the question, the most of four kinds of packets, and what is set for each.
fn ring(answer: [u32; 9]) -> Option<Ring> {
    let [_, most, _, _, _, now, ..] = answer;
    (most > 0).then_some(Ring { now, most })
}

/// The words: the question, ways to stamp, the clock, modes to send, three reserved, filters to receive.
fn stamps_all(answer: [u32; 11]) -> bool {
    const IN_HARDWARE: u32 = 1 << 2;
    const ALL_PACKETS: u32 = 1 << 1;
    answer[1] & IN_HARDWARE != 0 && answer[7] & ALL_PACKETS != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(name: &str) -> [u32; system::FEATURE_NAME] {
        let mut bytes = [0; 32];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        std::array::from_fn(|at| u32::from_ne_bytes(*bytes[at * 4..].first_chunk().unwrap()))
    }

    #[test]
    fn features_that_merge_are_found_by_name_and_bit() {
        let mut names = vec![words("tx-scatter-gather"); 34];
        names[3] = words("rx-lro");
        names[31] = words("rx-gro");
        names[32] = words("rx-gro-hw");
        names[33] = words("rx-udp-gro-forwarding");
        // What can be changed, what was asked for, what is on, what can never be changed.
        let states = [u32::MAX, u32::MAX, 1 << 31 | 1, 0, 0b01, 0, 0b10, 0];
        let expected = [(Merge::Gro, false), (Merge::UdpGro, true)];
        assert_eq!(
            merges_that_are_on(names.as_flattened(), &states),
            expected.map(|(by, fixed)| Merging { by, fixed })
        );
        // An answer that is too short has nothing on.
        assert_eq!(merges_that_are_on(names.as_flattened(), &states[..2]), []);
    }

    #[test]
    fn a_ring_is_told_where_there_is_one() {
        let answer = [0x10, 4096, 0, 0, 4096, 256, 0, 0, 512];
        let expected = Ring {
            now: 256,
            most: 4096,
        };
        assert_eq!(ring(answer), Some(expected));
        assert_eq!(ring([0x10, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }

    #[test]
    fn stamps_of_some_packets_only_are_of_no_use() {
        let mut answer = [0x41, 0b101_1100, 0, 3, 0, 0, 0, 0b1_0000_0000_0010, 0, 0, 0];
        assert!(stamps_all(answer));
        answer[7] = 0b1_0000_0000_0000;
        assert!(!stamps_all(answer));
        answer[7] = 0b10;
        answer[1] = 0b001_1000;
        assert!(!stamps_all(answer));
    }

    #[test]
    fn the_loopback_device_has_no_ring_and_no_hardware_time() {
        let driver = driver("lo");
        assert_eq!((driver.ring, driver.hardware_time), (None, false));
        assert!(driver.merges.iter().all(|merging| merging.by != Merge::Lro));
    }
}
