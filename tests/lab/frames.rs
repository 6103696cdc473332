//! Raw Ethernet frames: what hypervisors and machines shout when they arrive somewhere.

use std::net::Ipv4Addr;

use pnet_datalink::{Channel, Config, DataLinkSender};

use crate::machine::Machine;

const BROADCAST: [u8; 6] = [0xff; 6];
const RARP: u16 = 0x8035;
const ARP: u16 = 0x0806;

/// Reverse ARP, "who am I": what a hypervisor sends for a machine that has moved to it, so that switches learn.
pub fn rarp(mac: [u8; 6]) -> Vec<u8> {
    let nobody = Ipv4Addr::UNSPECIFIED;
    address_resolution(RARP, 3, (mac, nobody), (mac, nobody))
}

/// Gratuitous ARP: a request for the own address, which nobody shall answer.
pub fn gratuitous(mac: [u8; 6], address: Ipv4Addr) -> Vec<u8> {
    address_resolution(ARP, 1, (mac, address), ([0; 6], address))
}

fn address_resolution(
    ethertype: u16,
    operation: u16,
    sender: ([u8; 6], Ipv4Addr),
    target: ([u8; 6], Ipv4Addr),
) -> Vec<u8> {
    let mut frame = [&BROADCAST[..], &sender.0, &ethertype.to_be_bytes()].concat();
    // Ethernet and IPv4, addresses of 6 and 4 bytes.
    frame.extend([0, 1, 8, 0, 6, 4]);
    frame.extend(operation.to_be_bytes());
    for (mac, address) in [sender, target] {
        frame.extend(mac);
        frame.extend(address.octets());
    }
    frame.resize(60, 0);
    frame
}

/// A sender of raw frames on an interface of the calling thread's namespace.
pub fn sender(interface: &str) -> Box<dyn DataLinkSender> {
    let interface = pnet_datalink::interfaces()
        .into_iter()
        .find(|found| found.name == interface)
        .unwrap();
    match pnet_datalink::channel(&interface, Config::default()).unwrap() {
        Channel::Ethernet(sender, _) => sender,
        _ => unreachable!("veth devices are Ethernet"),
    }
}

/// Sends a frame some times from a machine.
pub fn send(machine: &Machine, interface: &str, frame: &[u8], times: usize) {
    machine.inside(|| {
        let mut sender = sender(interface);
        for _ in 0..times {
            sender.send_to(frame, None).unwrap().unwrap();
        }
    });
}
