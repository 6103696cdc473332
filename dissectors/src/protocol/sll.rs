//! Linux cooked captures: what libpcap puts in front of packets of the "any" device.
//!
//! Specification: `LINKTYPE_LINUX_SLL` and `LINKTYPE_LINUX_SLL2` of pcap.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::options::Options;
use crate::protocol::Protocol;
use crate::protocol::ethernet::MIN_TYPE;
use crate::reason::Reason;

/// ARP hardware type of a GRE tunnel device.
const ARPHRD_IPGRE: u16 = 778;
/// ARP hardware type of a netlink device.
const ARPHRD_NETLINK: u16 = 824;
/// Linux' own protocol number of LLC.
const LLC: u16 = 4;

/// Version 1 as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    packet_type: U16,
    hardware_type: U16,
    address_len: U16,
    address: [u8; 8],
    protocol: U16,
}

/// Version 2 as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header2 {
    protocol: U16,
    reserved: U16,
    interface: U32,
    hardware_type: U16,
    packet_type: u8,
    address_len: u8,
    address: [u8; 8],
}

/// A checked version 1 header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct LinuxSll<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

/// A checked version 2 header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct LinuxSll2<'a> {
    header: &'a Header2,
    payload: &'a [u8],
}

impl<'a> LinuxSll<'a> {
    /// Reads the header at the start of a frame.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// 0 to this host, 1 broadcast, 2 multicast, 3 to another host, 4 sent by this host.
    pub fn packet_type(&self) -> u16 {
        self.header.packet_type.get()
    }

    /// ARP hardware type of the device.
    pub fn hardware_type(&self) -> u16 {
        self.header.hardware_type.get()
    }

    /// Link-layer address of the sender, at most 8 bytes of it.
    pub fn address(&self) -> &'a [u8] {
        address(
            &self.header.address,
            usize::from(self.header.address_len.get()),
        )
    }

    /// `EtherType` of the payload; Linux' own number if below 0x0600.
    pub fn protocol(&self) -> u16 {
        self.header.protocol.get()
    }

    /// The protocol if it tells how the payload starts; 0 for devices where it does not.
    pub fn ether_type(&self) -> u16 {
        ether_type(self.hardware_type(), self.protocol())
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> LinuxSll2<'a> {
    /// Reads the header at the start of a frame.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header2::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        Ok(Self { header, payload })
    }

    /// Index of the device on the machine that captured.
    pub fn interface(&self) -> u32 {
        self.header.interface.get()
    }

    /// 0 to this host, 1 broadcast, 2 multicast, 3 to another host, 4 sent by this host.
    pub fn packet_type(&self) -> u8 {
        self.header.packet_type
    }

    /// ARP hardware type of the device.
    pub fn hardware_type(&self) -> u16 {
        self.header.hardware_type.get()
    }

    /// Link-layer address of the sender, at most 8 bytes of it.
    pub fn address(&self) -> &'a [u8] {
        address(&self.header.address, usize::from(self.header.address_len))
    }

    /// `EtherType` of the payload; Linux' own number if below 0x0600.
    pub fn protocol(&self) -> u16 {
        self.header.protocol.get()
    }

    /// The protocol if it tells how the payload starts; 0 for devices where it does not.
    pub fn ether_type(&self) -> u16 {
        ether_type(self.hardware_type(), self.protocol())
    }

    /// What follows the header.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

fn address(field: &[u8; 8], len: usize) -> &[u8] {
    // The length is the device's; the field holds no more than its first 8 bytes.
    field.get(..len).unwrap_or(field)
}

fn ether_type(hardware_type: u16, protocol: u16) -> u16 {
    match hardware_type {
        ARPHRD_IPGRE | ARPHRD_NETLINK => 0,
        _ => protocol,
    }
}

/// What follows: numbers below the first `EtherType` are Linux' own, not lengths.
fn behind<'a>(ether_type: u16, payload: &'a [u8], options: &Options) -> Next<'a> {
    match ether_type {
        LLC => Next::Header(Protocol::Llc, payload),
        MIN_TYPE.. => behind_ether_type(ether_type, payload, options),
        other => Next::Network(other, payload),
    }
}

impl<'a> Dissect<'a> for LinuxSll<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        behind(self.ether_type(), self.payload, place.options)
    }
}

impl<'a> Dissect<'a> for LinuxSll2<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        behind(self.ether_type(), self.payload, place.options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    const V1: [u8; 17] = hex!("0004 0001 0006 02000000000a ffee 0800 45");
    const V2: [u8; 21] = hex!("86dd 1234 00010203 0001 03 06 02000000000affee 60");

    #[test]
    fn every_field_of_version_1_is_read() {
        let sll = LinuxSll::parse(&V1).unwrap();
        assert_eq!(sll.packet_type(), 4);
        assert_eq!(sll.hardware_type(), 1);
        assert_eq!(sll.address(), hex!("02000000000a"));
        assert_eq!((sll.protocol(), sll.ether_type()), (0x0800, 0x0800));
        assert_eq!(sll.payload(), [0x45]);
        for len in 0..16 {
            assert_eq!(LinuxSll::parse(&V1[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn every_field_of_version_2_is_read() {
        let sll = LinuxSll2::parse(&V2).unwrap();
        assert_eq!((sll.protocol(), sll.ether_type()), (0x86dd, 0x86dd));
        assert_eq!(sll.interface(), 0x0001_0203);
        assert_eq!(sll.hardware_type(), 1);
        assert_eq!(sll.packet_type(), 3);
        assert_eq!(sll.address(), hex!("02000000000a"));
        assert_eq!(sll.payload(), [0x60]);
        for len in 0..20 {
            assert_eq!(LinuxSll2::parse(&V2[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn a_gre_device_has_no_ether_type_and_a_long_address_is_cut() {
        let mut bytes = V1;
        bytes[2..6].copy_from_slice(&hex!("030a 0014"));
        let sll = LinuxSll::parse(&bytes).unwrap();
        assert_eq!(sll.ether_type(), 0);
        assert_eq!(sll.address().len(), 8);
    }
}
