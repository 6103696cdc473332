//! All that is known of an interface.

use std::io;

use ipnet::IpNet;

use super::ethtool::{self, Driver};
use super::link::{self, Link};
use crate::error::Error;
use crate::live;

/// All that is known of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interface {
    /// What the kernel says.
    pub link: Link,
    /// Its addresses with their prefix lengths.
    pub addresses: Vec<IpNet>,
    /// What its driver says.
    pub driver: Driver,
}

impl Interface {
    /// What its frames begin with, or why they do not begin with Ethernet.
    pub fn link_type(&self) -> String {
        match self.link.hardware {
            libc::ARPHRD_ETHER => "Ethernet".to_owned(),
            libc::ARPHRD_LOOPBACK => "loopback".to_owned(),
            libc::ARPHRD_PPP => "PPP".to_owned(),
            libc::ARPHRD_IEEE80211 | libc::ARPHRD_IEEE80211_RADIOTAP => "IEEE 802.11".to_owned(),
            // Tunnels of the kernel; tun devices and WireGuard.
            libc::ARPHRD_TUNNEL
            | libc::ARPHRD_TUNNEL6
            | libc::ARPHRD_SIT
            | libc::ARPHRD_IPGRE
            | 823
            | libc::ARPHRD_NONE => "IP".to_owned(),
            other => format!("type {other}"),
        }
    }

    /// What drives it: the driver's name, or what it is where it is made of software.
    pub fn driven_by(&self) -> Option<&str> {
        let driver = self.driver.name.as_deref();
        driver.or(self.link.kind.as_deref())
    }
}

/// All interfaces, by their numbers.
pub fn interfaces() -> io::Result<Vec<Interface>> {
    let addresses = pnet_datalink::interfaces();
    let all = link::links()?.into_iter().map(|link| {
        let own = addresses.iter().filter(|own| own.index == link.index);
        let nets = own.flat_map(|own| &own.ips);
        Interface {
            addresses: nets
                .filter_map(|net| IpNet::new(net.ip(), net.prefix()).ok())
                .collect(),
            driver: ethtool::driver(&link.name),
            link,
        }
    });
    Ok(all.collect())
}

/// The number of the interface that has this name, number or address.
pub fn find(asked: &str) -> Result<u32, Error> {
    let known = pnet_datalink::interfaces();
    let found = live::interface::one(asked, &known);
    let found = found.ok_or_else(|| live::interface::unknown(asked, &known))?;
    Ok(found.index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_known_with_its_addresses() {
        let all = interfaces().unwrap();
        let lo = all.iter().find(|known| known.link.is_loopback()).unwrap();
        assert!(lo.addresses.contains(&"127.0.0.1/8".parse().unwrap()));
        assert_eq!(lo.link_type(), "loopback");
        for asked in ["lo", "127.0.0.1", "1"] {
            assert_eq!(find(asked).unwrap(), lo.link.index);
        }
        assert!(
            find("nonesuch")
                .unwrap_err()
                .to_string()
                .starts_with("nonesuch: no such interface")
        );
    }
}
