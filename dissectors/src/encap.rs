//! The write side: puts a frame into an encapsulation, and splits packets as a router would.
//!
//! The headers are the wire structs of the readers, so that both sides agree on every bit.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};

use zerocopy::{FromBytes, IntoBytes};

use crate::checksum::{checksum, with_ipv4_pseudo_header, with_ipv6_pseudo_header};
use crate::dissect::{IPV4_IN_IP, IPV6_IN_IP};
use crate::mirror::Direction;
use crate::protocol::erspan_marker::{self, Mark};
use crate::protocol::ipv4::DONT_FRAGMENT;
use crate::protocol::{
    arista, ayiya, capwap, cmd, erspan2, erspan3, etag, etherip, ethernet, fabricpath, geneve, gre,
    gtpu, hp_erm, ipv4, ipv6, jmirror, l2tp, l2tpv3, lisp, mlnx, mpls, nsh, otv, pbb, ppp, pppoe,
    stt, teredo, trill, tzsp, udp, vntag, vxlan, vxlan_gpe, wccp,
};

mod split;

pub use crate::protocol::stt::SttHeader;
pub use crate::protocol::tzsp::TzspTags;
pub use crate::protocol::vxlan::GroupPolicy;
pub use split::{fragment, segment};

const GRE: u8 = 47;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Length of the two addresses of an Ethernet frame.
const ADDRESSES_LEN: usize = 12;

/// The headers in front of an encapsulation.
#[derive(Clone, Copy, Debug)]
pub struct Outer {
    /// MAC address of the sender.
    pub source_mac: [u8; 6],
    /// MAC address of the receiver.
    pub destination_mac: [u8; 6],
    /// Sender; if only one of the two addresses is IPv4 it is written as an IPv4-mapped one.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Identification (IPv4 only).
    pub identification: u16,
    /// Don't fragment (IPv4 only).
    pub dont_fragment: bool,
    /// Source port of what goes over UDP, and of STT.
    pub udp_source_port: u16,
}

impl Outer {
    /// Headers between two addresses, everything else as a plain host would have it.
    pub fn new(source: IpAddr, destination: IpAddr) -> Self {
        Self {
            source_mac: [0x02, 0, 0, 0, 0, 0x01],
            destination_mac: [0x02, 0, 0, 0, 0, 0x02],
            source,
            destination,
            ttl: 64,
            identification: 0,
            dont_fragment: false,
            udp_source_port: 0xc000,
        }
    }
}

/// An encapsulation; values wider than their field lose their upper bits.
#[derive(Clone, Copy, Debug)]
pub enum Wrap<'a> {
    /// ERSPAN Type I.
    Erspan1,
    /// ERSPAN Type II.
    Erspan2 {
        /// Session id (10 bits).
        session: u16,
        /// VLAN (12 bits).
        vlan: u16,
        /// Class of service (3 bits).
        cos: u8,
        /// How the original frame was tagged (2 bits).
        en: u8,
        /// The frame was cut.
        truncated: bool,
        /// Index (20 bits).
        index: u32,
        /// Sequence number of GRE.
        sequence: u32,
    },
    /// ERSPAN Type III.
    Erspan3 {
        /// Session id (10 bits).
        session: u16,
        /// VLAN (12 bits).
        vlan: u16,
        /// Class of service (3 bits).
        cos: u8,
        /// The frame was cut.
        truncated: bool,
        /// Low 32 bits of the time.
        timestamp: u32,
        /// Security group tag.
        sgt: u16,
        /// What is mirrored (5 bits): 0 an Ethernet frame, 2 an IP packet.
        frame_type: u8,
        /// Engine within the device (6 bits).
        hw_id: u8,
        /// Way through the mirrored port.
        direction: Direction,
        /// Unit of the time stamp (2 bits).
        granularity: u8,
        /// Sequence number of GRE.
        sequence: Option<u32>,
        /// Platform specific sub-header.
        platform: Option<[u8; 8]>,
    },
    /// GRE.
    Gre {
        /// Key.
        key: Option<u32>,
        /// Sequence number.
        sequence: Option<u32>,
        /// Write a checksum.
        checksum: bool,
        /// `EtherType` of the payload.
        protocol: u16,
    },
    /// VXLAN.
    Vxlan {
        /// Network identifier (24 bits).
        vni: u32,
        /// Destination port.
        port: u16,
    },
    /// VXLAN with a group policy.
    VxlanGroupPolicy {
        /// Network identifier (24 bits).
        vni: u32,
        /// Group of the sender and what is to be done about it.
        policy: GroupPolicy,
        /// Destination port.
        port: u16,
    },
    /// Geneve.
    Geneve {
        /// Network identifier (24 bits).
        vni: u32,
        /// Destination port.
        port: u16,
        /// `EtherType` of the payload.
        protocol: u16,
        /// Options as they are on the wire: a multiple of 4 bytes, at most 252.
        options: &'a [u8],
    },
    /// VXLAN-GPE.
    VxlanGpe {
        /// Network identifier (24 bits).
        vni: u32,
        /// Next protocol: 1 IPv4, 2 IPv6, 3 Ethernet.
        next_protocol: u8,
    },
    /// OTV over UDP.
    Otv {
        /// Overlay id (24 bits).
        overlay: u32,
        /// Instance id (24 bits).
        instance: u32,
    },
    /// TZSP.
    Tzsp {
        /// What the frame begins with: 1 Ethernet, 7 IP.
        encapsulation: u16,
        /// What the sensor says of it.
        tags: TzspTags,
    },
    /// HP ERM.
    HpErm {
        /// VLAN of the original frame (12 bits) if it had a tag.
        vlan: Option<u16>,
        /// Priority (3 bits).
        priority: u8,
    },
    /// jmirror around an IP packet.
    Jmirror {
        /// Mirror id.
        mirror: u32,
        /// Session id.
        session: u32,
    },
    /// CAPWAP data around an 802.3 frame.
    Capwap {
        /// Radio of the access point (5 bits).
        radio_id: u8,
        /// Number of the frame, should it be split.
        fragment_id: u16,
    },
    /// STT around a frame of at most 65517 bytes.
    Stt(SttHeader),
    /// NVGRE.
    Nvgre {
        /// Virtual subnet id (24 bits).
        subnet: u32,
        /// Entropy for load sharing.
        flow: u8,
    },
    /// Ethernet over IP of MikroTik.
    Eoip {
        /// Tunnel id.
        tunnel: u16,
    },
    /// Mellanox (NVIDIA) mirror.
    Mlnx,
    /// WCCP redirection of an IP packet.
    Wccp {
        /// Dynamic service of version 2; version 1 has none.
        service: Option<u8>,
    },
    /// IP in IP, by the version of the inner packet.
    Ip,
    /// EtherIP.
    EtherIp,
    /// GRE in UDP.
    GreUdp {
        /// Key.
        key: Option<u32>,
        /// `EtherType` of the payload.
        protocol: u16,
    },
    /// L2TPv3.
    L2tpv3 {
        /// Session id; 0 is that of control messages.
        session: u32,
        /// Cookie: 0, 4 or 8 bytes.
        cookie: &'a [u8],
        /// Sequence number of the default sublayer (24 bits).
        sequence: Option<u32>,
        /// In UDP instead of IP.
        udp: bool,
    },
    /// GTP-U.
    Gtpu {
        /// Tunnel endpoint id.
        teid: u32,
        /// Sequence number.
        sequence: Option<u16>,
        /// Type and content of an extension header: two bytes more than a multiple of 4.
        extension: Option<(u8, &'a [u8])>,
    },
    /// LISP around an IP packet.
    Lisp {
        /// Nonce (24 bits).
        nonce: Option<u32>,
        /// Instance id (24 bits).
        instance: Option<u32>,
    },
    /// Teredo around an IPv6 packet.
    Teredo {
        /// Where a server saw the client's packets come from.
        origin: Option<SocketAddrV4>,
    },
    /// AYIYA around an IP packet.
    Ayiya,
    /// MPLS over Ethernet, around an IP packet or an Ethernet frame (pseudowire).
    Mpls {
        /// Labels (20 bits each), top first; at least one.
        labels: &'a [u32],
        /// Sequence number in the control word of a pseudowire that has one.
        control_word: Option<u16>,
    },
    /// 802.1ah MAC-in-MAC.
    Pbb {
        /// Service instance, I-SID (24 bits).
        service: u32,
        /// Priority (3 bits).
        priority: u8,
    },
    /// TRILL.
    Trill {
        /// Nickname of the first RBridge.
        ingress: u16,
        /// Nickname of the last RBridge.
        egress: u16,
        /// Hop count (6 bits).
        hop_count: u8,
    },
    /// FabricPath; the outer addresses are those of switches.
    FabricPath {
        /// Forwarding tag (10 bits).
        forwarding_tag: u16,
        /// Time to live (6 bits).
        ttl: u8,
    },
    /// PPPoE session around an IP packet.
    Pppoe {
        /// Session id.
        session: u16,
    },
    /// NSH over Ethernet.
    Nsh {
        /// Service path (24 bits).
        path: u32,
        /// Service index.
        index: u8,
        /// Type of the payload: 1 IPv4, 2 IPv6, 3 Ethernet.
        next: u8,
    },
    /// VN-Tag in an Ethernet frame.
    VnTag {
        /// Virtual interface of the sender (12 bits).
        source: u16,
        /// Virtual interface of the receiver (14 bits).
        destination: u16,
    },
    /// 802.1BR E-Tag in an Ethernet frame.
    ETag {
        /// Channel (14 bits, group included).
        channel: u16,
    },
    /// Cisco MetaData in an Ethernet frame.
    CiscoMetaData {
        /// Security group tag.
        security_group: u16,
    },
    /// Arista time stamp header, in UTC, in an Ethernet frame.
    Arista {
        /// Seconds since 1970.
        seconds: u32,
        /// Nanoseconds within the second.
        nanoseconds: u32,
    },
    /// A Cisco ERSPAN marker, which carries nothing.
    ErspanMarker {
        /// Destination port.
        port: u16,
        /// What it tells.
        mark: Mark,
    },
}

/// What stands directly in front of an encapsulation's own header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    /// IP with this protocol number.
    Ip(u8),
    /// UDP to this destination port.
    Udp(u16),
    /// The encapsulation's own header, which looks like TCP's.
    Tcp,
    /// Ethernet with this `EtherType`.
    Ethernet(u16),
    /// The addresses of the inner frame itself, then this `EtherType`.
    Tagged(u16),
}

impl Wrap<'_> {
    fn carrier(&self, inner: &[u8]) -> Carrier {
        match *self {
            Self::Vxlan { port, .. }
            | Self::VxlanGroupPolicy { port, .. }
            | Self::Geneve { port, .. }
            | Self::ErspanMarker { port, .. } => Carrier::Udp(port),
            Self::VxlanGpe { .. } => Carrier::Udp(vxlan_gpe::PORT),
            Self::Otv { .. } => Carrier::Udp(otv::PORT),
            Self::Tzsp { .. } => Carrier::Udp(tzsp::PORT),
            Self::HpErm { .. } => Carrier::Udp(hp_erm::PORT),
            Self::Jmirror { .. } => Carrier::Udp(jmirror::PORT),
            Self::Capwap { .. } => Carrier::Udp(capwap::PORT),
            Self::Stt(_) => Carrier::Tcp,
            Self::Erspan1
            | Self::Erspan2 { .. }
            | Self::Erspan3 { .. }
            | Self::Gre { .. }
            | Self::Nvgre { .. }
            | Self::Eoip { .. }
            | Self::Mlnx
            | Self::Wccp { .. } => Carrier::Ip(GRE),
            Self::Ip => Carrier::Ip(number_of(inner)),
            Self::EtherIp => Carrier::Ip(97),
            Self::L2tpv3 { udp: false, .. } => Carrier::Ip(115),
            Self::L2tpv3 { udp: true, .. } => Carrier::Udp(1701),
            Self::GreUdp { .. } => Carrier::Udp(4754),
            Self::Gtpu { .. } => Carrier::Udp(2152),
            Self::Lisp { .. } => Carrier::Udp(4341),
            Self::Teredo { .. } => Carrier::Udp(3544),
            Self::Ayiya => Carrier::Udp(5072),
            Self::Mpls { .. } => Carrier::Ethernet(mpls::ETHER_TYPE),
            Self::Pbb { .. } => Carrier::Ethernet(pbb::ETHER_TYPE),
            Self::Trill { .. } => Carrier::Ethernet(trill::ETHER_TYPE),
            Self::FabricPath { .. } => Carrier::Ethernet(fabricpath::ETHER_TYPE),
            Self::Pppoe { .. } => Carrier::Ethernet(pppoe::ETHER_TYPE),
            Self::Nsh { .. } => Carrier::Ethernet(nsh::ETHER_TYPE),
            Self::VnTag { .. } => Carrier::Tagged(vntag::ETHER_TYPE),
            Self::ETag { .. } => Carrier::Tagged(etag::ETHER_TYPE),
            Self::CiscoMetaData { .. } => Carrier::Tagged(cmd::ETHER_TYPE),
            Self::Arista { .. } => Carrier::Tagged(arista::ETHER_TYPE),
        }
    }
}

/// Protocol number of an IP packet in IP.
fn number_of(packet: &[u8]) -> u8 {
    match packet.first().map(|byte| byte >> 4) {
        Some(6) => IPV6_IN_IP,
        _ => IPV4_IN_IP,
    }
}

/// Appends a whole Ethernet frame that carries `inner` in an encapsulation; a tag is put into `inner`,
/// which then keeps its addresses.
///
/// An IP packet that would be longer than 65535 bytes gets the length 0, as on hosts that leave
/// the splitting to their network card.
pub fn wrap(outer: &Outer, wrap: &Wrap<'_>, inner: &[u8], out: &mut Vec<u8>) {
    let mut payload = Vec::with_capacity(inner.len().saturating_add(64));
    let carrier = wrap.carrier(inner);
    if let Carrier::Udp(port) = carrier {
        write_udp_header(outer.udp_source_port, port, &mut payload);
    }
    write_encapsulation(outer, wrap, inner, &mut payload);
    payload.extend_from_slice(match carrier {
        Carrier::Tagged(_) => inner
            .get(size_of::<ethernet::Header>()..)
            .unwrap_or_default(),
        _ => inner,
    });
    if let Wrap::Gre { checksum: true, .. } = wrap {
        let sum = checksum(&payload);
        set_u16(&mut payload, 4, sum);
    }
    match carrier {
        Carrier::Ip(protocol) => write_outer(outer, protocol, payload.len(), out),
        Carrier::Udp(_) => {
            finish_udp(outer, &mut payload);
            write_outer(outer, UDP, payload.len(), out);
        }
        Carrier::Tcp => {
            finish_tcp(outer.source, outer.destination, &mut payload);
            write_outer(outer, TCP, payload.len(), out);
        }
        Carrier::Ethernet(ether_type) => write_ethernet(outer, ether_type, out),
        Carrier::Tagged(ether_type) => {
            out.extend_from_slice(inner.get(..ADDRESSES_LEN).unwrap_or(inner));
            out.extend_from_slice(&ether_type.to_be_bytes());
        }
    }
    out.extend_from_slice(&payload);
}

fn write_outer(outer: &Outer, protocol: u8, payload_len: usize, out: &mut Vec<u8>) {
    let addresses = match (outer.source, outer.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Ok((source, destination)),
        (source, destination) => Err((in_ipv6(source), in_ipv6(destination))),
    };
    let ether_type = match addresses {
        Ok(_) => ethernet::IPV4,
        Err(_) => ethernet::IPV6,
    };
    write_ethernet(outer, ether_type, out);
    match addresses {
        Ok((source, destination)) => {
            let mut ip = ipv4::Header {
                version_len: 0x45,
                service: 0,
                total_len: ip_len(payload_len.saturating_add(size_of::<ipv4::Header>())).into(),
                identification: outer.identification.into(),
                fragment: if outer.dont_fragment {
                    DONT_FRAGMENT
                } else {
                    0
                }
                .into(),
                ttl: outer.ttl,
                protocol,
                checksum: 0.into(),
                source: source.octets(),
                destination: destination.octets(),
            };
            ip.checksum = checksum(ip.as_bytes()).into();
            out.extend_from_slice(ip.as_bytes());
        }
        Err((source, destination)) => {
            let ip = ipv6::Header {
                version_class_flow: (6 << 28).into(),
                payload_len: ip_len(payload_len).into(),
                next: protocol,
                hop_limit: outer.ttl,
                source: source.octets(),
                destination: destination.octets(),
            };
            out.extend_from_slice(ip.as_bytes());
        }
    }
}

fn write_ethernet(outer: &Outer, ether_type: u16, out: &mut Vec<u8>) {
    let header = ethernet::Header {
        destination: outer.destination_mac,
        source: outer.source_mac,
        ether_type: ether_type.into(),
    };
    out.extend_from_slice(header.as_bytes());
}

fn write_udp_header(source_port: u16, destination_port: u16, out: &mut Vec<u8>) {
    let header = udp::Header {
        source_port: source_port.into(),
        destination_port: destination_port.into(),
        len: 0.into(),
        checksum: 0.into(),
    };
    out.extend_from_slice(header.as_bytes());
}

/// Fills in length and checksum. Over IPv4 the checksum stays 0, as VXLAN (RFC 7348 §5) wants it.
fn finish_udp(outer: &Outer, datagram: &mut [u8]) {
    let len = ip_len(datagram.len());
    set_u16(datagram, 4, len);
    if outer.source.is_ipv4() && outer.destination.is_ipv4() {
        return;
    }
    let (source, destination) = (in_ipv6(outer.source), in_ipv6(outer.destination));
    let sum = with_ipv6_pseudo_header(source.octets(), destination.octets(), UDP, datagram);
    // A computed 0 is sent as its complement, since 0 means none (RFC 768).
    set_u16(datagram, 6, if sum == 0 { 0xffff } else { sum });
}

/// Fills in the checksum, which is 0 so far.
fn finish_tcp(source: IpAddr, destination: IpAddr, segment: &mut [u8]) {
    let sum = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            with_ipv4_pseudo_header(source.octets(), destination.octets(), TCP, segment)
        }
        (source, destination) => {
            let (source, destination) = (in_ipv6(source), in_ipv6(destination));
            with_ipv6_pseudo_header(source.octets(), destination.octets(), TCP, segment)
        }
    };
    set_u16(segment, 16, sum);
}

#[expect(clippy::too_many_lines, reason = "one arm an encapsulation")]
fn write_encapsulation(outer: &Outer, wrap: &Wrap<'_>, inner: &[u8], out: &mut Vec<u8>) {
    match *wrap {
        Wrap::Erspan1 => write_gre(gre::ERSPAN, false, None, None, out),
        Wrap::Erspan2 {
            session,
            vlan,
            cos,
            en,
            truncated,
            index,
            sequence,
        } => {
            write_gre(gre::ERSPAN, false, None, Some(sequence), out);
            let header = erspan2::Header {
                version_vlan: version_vlan(erspan2::VERSION, vlan).into(),
                session: session_word(cos, en, truncated, session).into(),
                index: (index & 0x000f_ffff).into(),
            };
            out.extend_from_slice(header.as_bytes());
        }
        Wrap::Erspan3 {
            session,
            vlan,
            cos,
            truncated,
            timestamp,
            sgt,
            frame_type,
            hw_id,
            direction,
            granularity,
            sequence,
            platform,
        } => {
            write_gre(gre::ERSPAN3, false, None, sequence, out);
            let pdu = if frame_type == 0 { erspan3::PDU } else { 0 };
            let flags = pdu
                | u16::from(frame_type & 0x1f) << 10
                | u16::from(hw_id & 0x3f) << 4
                | u16::from(direction == Direction::Egress) << 3
                | u16::from(granularity & 3) << 1
                | u16::from(platform.is_some());
            let header = erspan3::Header {
                version_vlan: version_vlan(erspan3::VERSION, vlan).into(),
                session: session_word(cos, 0, truncated, session).into(),
                timestamp: timestamp.into(),
                group: sgt.into(),
                flags: flags.into(),
            };
            out.extend_from_slice(header.as_bytes());
            out.extend_from_slice(platform.as_ref().map_or(&[], |bytes| bytes));
        }
        Wrap::Gre {
            key,
            sequence,
            checksum,
            protocol,
        } => write_gre(protocol, checksum, key, sequence, out),
        Wrap::Vxlan { vni, .. } => vxlan::write(vni, None, out),
        Wrap::VxlanGroupPolicy { vni, policy, .. } => vxlan::write(vni, Some(policy), out),
        Wrap::Geneve {
            vni,
            protocol,
            options,
            ..
        } => geneve::write(vni, protocol, options, out),
        Wrap::VxlanGpe { vni, next_protocol } => vxlan_gpe::write(vni, next_protocol, out),
        Wrap::Otv { overlay, instance } => otv::write(overlay, instance, out),
        Wrap::Tzsp {
            encapsulation,
            ref tags,
        } => tzsp::write(encapsulation, tags, out),
        Wrap::HpErm { vlan, priority } => hp_erm::write(vlan, priority, out),
        Wrap::Jmirror { mirror, session } => jmirror::write(mirror, session, out),
        Wrap::Capwap {
            radio_id,
            fragment_id,
        } => capwap::write(radio_id, fragment_id, out),
        Wrap::Stt(ref header) => stt::write(outer.udp_source_port, header, inner.len(), out),
        Wrap::Nvgre { subnet, flow } => {
            let key = subnet << 8 | u32::from(flow);
            write_gre(ethernet::BRIDGING, false, Some(key), None, out);
        }
        Wrap::Eoip { tunnel } => gre::payload::write_eoip(tunnel, inner.len(), out),
        Wrap::Mlnx => {
            write_gre(mlnx::GRE_TYPE, false, None, None, out);
            mlnx::write(out);
        }
        Wrap::Wccp { service } => {
            write_gre(wccp::GRE_TYPE, false, None, None, out);
            wccp::write(service, out);
        }
        Wrap::Ip | Wrap::Teredo { origin: None } => {}
        Wrap::EtherIp => etherip::write(out),
        Wrap::GreUdp { key, protocol } => write_gre(protocol, false, key, None, out),
        Wrap::L2tpv3 {
            session,
            cookie,
            sequence,
            udp,
        } => {
            if udp {
                l2tp::write_version_3(out);
            }
            l2tpv3::write(session, cookie, sequence, out);
        }
        Wrap::Gtpu {
            teid,
            sequence,
            extension,
        } => gtpu::write(teid, sequence, extension, inner.len(), out),
        Wrap::Lisp { nonce, instance } => lisp::write(nonce, instance, out),
        Wrap::Teredo {
            origin: Some(origin),
        } => teredo::write_origin(origin, out),
        Wrap::Ayiya => ayiya::write(number_of(inner), out),
        Wrap::Mpls {
            labels,
            control_word,
        } => mpls::write(labels, control_word, out),
        Wrap::Pbb { service, priority } => pbb::write(service, priority, out),
        Wrap::Trill {
            ingress,
            egress,
            hop_count,
        } => trill::write(ingress, egress, hop_count, out),
        Wrap::FabricPath {
            forwarding_tag,
            ttl,
        } => fabricpath::write(forwarding_tag, ttl, out),
        Wrap::Pppoe { session } => {
            pppoe::write(session, inner.len(), out);
            ppp::write(inner, out);
        }
        Wrap::Nsh { path, index, next } => nsh::write(path, index, next, out),
        Wrap::VnTag {
            source,
            destination,
        } => vntag::write(source, destination, ether_type(inner), out),
        Wrap::ETag { channel } => etag::write(channel, ether_type(inner), out),
        Wrap::CiscoMetaData { security_group } => {
            cmd::write(security_group, ether_type(inner), out);
        }
        Wrap::Arista {
            seconds,
            nanoseconds,
        } => arista::write(seconds, nanoseconds, ether_type(inner), out),
        Wrap::ErspanMarker { mark, .. } => erspan_marker::write(&mark, out),
    }
}

/// `EtherType` of an Ethernet frame; 0 if it is too short.
fn ether_type(frame: &[u8]) -> u16 {
    let header = ethernet::Header::ref_from_prefix(frame);
    header.map_or(0, |(header, _)| header.ether_type.get())
}

fn write_gre(
    protocol: u16,
    checksum: bool,
    key: Option<u32>,
    sequence: Option<u32>,
    out: &mut Vec<u8>,
) {
    let flags = [
        (checksum, gre::CHECKSUM),
        (key.is_some(), gre::KEY),
        (sequence.is_some(), gre::SEQUENCE),
    ];
    let header = gre::Header {
        flags_version: flags
            .into_iter()
            .filter(|(present, _)| *present)
            .fold(0, |flags, (_, flag)| flags | flag)
            .into(),
        protocol: protocol.into(),
    };
    out.extend_from_slice(header.as_bytes());
    if checksum {
        let part = gre::ChecksumPart {
            checksum: 0.into(),
            reserved: 0.into(),
        };
        out.extend_from_slice(part.as_bytes());
    }
    for part in [key, sequence].into_iter().flatten() {
        out.extend_from_slice(&part.to_be_bytes());
    }
}

fn version_vlan(version: u8, vlan: u16) -> u16 {
    u16::from(version) << 12 | vlan & 0x0fff
}

fn session_word(cos: u8, two_bits: u8, truncated: bool, session: u16) -> u16 {
    u16::from(cos & 7) << 13
        | u16::from(two_bits & 3) << 11
        | u16::from(truncated) << 10
        | session & 0x03ff
}

fn in_ipv6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::to_ipv6_mapped(&address),
        IpAddr::V6(address) => address,
    }
}

fn ip_len(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(0)
}

fn set_u16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *field = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// A mirrored TCP SYN.
    const FRAME: [u8; 54] = hex!(
        "02000000000b02000000000a0800450000280a0a400040064474c000020ac6336414"
        "9c4001bb11223344000000005002faf0e63d0000"
    );

    fn outer(source: IpAddr, destination: IpAddr) -> Outer {
        Outer {
            source_mac: hex!("02aa00000001"),
            destination_mac: hex!("02bb00000002"),
            identification: 1,
            udp_source_port: 49500,
            ..Outer::new(source, destination)
        }
    }

    /// Wraps the frame and returns what stands in front of it.
    fn header(outer: &Outer, with: &Wrap<'_>) -> Vec<u8> {
        let mut out = vec![0xff];
        wrap(outer, with, &FRAME, &mut out);
        assert_eq!(out[0], 0xff);
        assert!(out.ends_with(&FRAME));
        out[1..out.len() - FRAME.len()].to_vec()
    }

    #[test]
    fn frames_are_those_of_other_writers() {
        let mut outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let vxlan = Wrap::Vxlan {
            vni: 5000,
            port: 4789,
        };
        assert_eq!(
            header(&outer, &vxlan),
            hex!(
                "02bb0000000202aa0000000108004500005a00010000401166110a3c00010a3c0009"
                "c15c12b5004600000800000000138800"
            )
        );
        let gre = Wrap::Gre {
            key: Some(0x0102_0304),
            sequence: Some(9),
            checksum: true,
            protocol: 0x6558,
        };
        assert_eq!(
            header(&outer, &gre),
            hex!(
                "02bb0000000202aa0000000108004500005a00010000402f65f30a3c00010a3c0009"
                "b0006558c6ef00000102030400000009"
            )
        );
        let erspan3 = Wrap::Erspan3 {
            session: 5,
            vlan: 20,
            cos: 0,
            truncated: false,
            timestamp: 5208,
            sgt: 0x1234,
            frame_type: 0,
            hw_id: 3,
            direction: Direction::Egress,
            granularity: 0,
            sequence: Some(62_123_357),
            platform: None,
        };
        assert_eq!(
            header(&outer, &erspan3),
            hex!(
                "02bb0000000202aa0000000108004500005e00010000402f65ef0a3c00010a3c0009"
                "100022eb03b3ed5d201400050000145812348038"
            )
        );
        outer.ttl = 255;
        outer.dont_fragment = true;
        let erspan2 = Wrap::Erspan2 {
            session: 101,
            vlan: 100,
            cos: 3,
            en: 2,
            truncated: false,
            index: 43973,
            sequence: 1000,
        };
        assert_eq!(
            header(&outer, &erspan2)[..42],
            hex!(
                "02bb0000000202aa0000000108004500005a00014000ff2f66f20a3c00010a3c0009"
                "100088be000003e8"
            )
        );
        assert_eq!(header(&outer, &erspan2)[42..], hex!("106470650000abc5"));
    }

    #[test]
    fn headers_of_tunnels_are_laid_out_as_specified() {
        let mut outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let encapsulation = |outer: &Outer, with: Wrap<'_>| header(outer, &with)[34..].to_vec();
        let nvgre = Wrap::Nvgre {
            subnet: 5000,
            flow: 0xaa,
        };
        assert_eq!(encapsulation(&outer, nvgre), hex!("20006558001388aa"));
        let eoip = Wrap::Eoip { tunnel: 0x0102 };
        assert_eq!(encapsulation(&outer, eoip), hex!("2001640000360201"));
        let wccp = Wrap::Wccp { service: Some(51) };
        assert_eq!(encapsulation(&outer, wccp), hex!("0000883e80330000"));
        assert_eq!(encapsulation(&outer, Wrap::EtherIp), hex!("3000"));
        assert_eq!(encapsulation(&outer, Wrap::Mlnx)[..4], hex!("00008949"));
        let l2tpv3 = |udp| Wrap::L2tpv3 {
            session: 1001,
            cookie: &hex!("deadbeef"),
            sequence: Some(7),
            udp,
        };
        let over_ip = hex!("000003e9 deadbeef 40000007");
        assert_eq!(encapsulation(&outer, l2tpv3(false)), over_ip);
        outer.udp_source_port = 2152;
        let over_udp = hex!("0868 06a5 004e 0000 0003 0000 000003e9 deadbeef 40000007");
        assert_eq!(encapsulation(&outer, l2tpv3(true)), over_udp);
        let gtpu = Wrap::Gtpu {
            teid: 0x1122_3344,
            sequence: Some(7),
            extension: Some((0x85, &hex!("0009"))),
        };
        let expected = hex!("0868 0868 004e 0000 36ff003e11223344 00070085 01000900");
        assert_eq!(encapsulation(&outer, gtpu), expected);
        let lisp = Wrap::Lisp {
            nonce: Some(0x12_3456),
            instance: Some(100),
        };
        let expected = hex!("0868 10f5 0046 0000 8812345600006400");
        assert_eq!(encapsulation(&outer, lisp), expected);
        let teredo = Wrap::Teredo {
            origin: Some(SocketAddrV4::new([70, 55, 215, 234].into(), 3797)),
        };
        let expected = hex!("0868 0dd8 0046 0000 0000f12ab9c82815");
        assert_eq!(encapsulation(&outer, teredo), expected);
    }

    #[test]
    fn link_layer_headers_are_those_of_other_writers() {
        let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let cases: [(Wrap<'_>, &[u8]); 6] = [
            (
                Wrap::Mpls {
                    labels: &[24005, 24001],
                    control_word: Some(5),
                },
                &hex!("8847 05dc5040 05dc1140 00000005"),
            ),
            (
                Wrap::Pbb {
                    service: 43981,
                    priority: 3,
                },
                &hex!("88e7 6000abcd"),
            ),
            (
                Wrap::Trill {
                    ingress: 0x0a0a,
                    egress: 0x0b0b,
                    hop_count: 32,
                },
                &hex!("22f3 0020 0b0b 0a0a"),
            ),
            (
                Wrap::FabricPath {
                    forwarding_tag: 1,
                    ttl: 32,
                },
                &hex!("8903 0060"),
            ),
            (Wrap::Pppoe { session: 7 }, &hex!("8864 11000007 0038 0021")),
            (
                Wrap::Nsh {
                    path: 42,
                    index: 255,
                    next: 3,
                },
                &hex!("894f 0fc2 0203 00002aff"),
            ),
        ];
        for (with, expected) in cases {
            let header = header(&outer, &with);
            assert_eq!(header[..12], hex!("02bb0000000202aa00000001"));
            assert_eq!(header[12..], *expected, "{with:?}");
        }
    }

    #[test]
    fn tags_stand_between_addresses_and_type() {
        let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let cases: [(Wrap<'_>, &[u8]); 4] = [
            (
                Wrap::VnTag {
                    source: 0x123,
                    destination: 0xabc,
                },
                &hex!("8926 0abc0123"),
            ),
            (Wrap::ETag { channel: 0x2123 }, &hex!("893f 000021230000")),
            (
                Wrap::CiscoMetaData {
                    security_group: 4660,
                },
                &hex!("8909 010100011234"),
            ),
            (
                Wrap::Arista {
                    seconds: 1_700_000_000,
                    nanoseconds: 123_456_789,
                },
                &hex!("d28b 00010110 6553f100075bcd15"),
            ),
        ];
        for (with, expected) in cases {
            let mut out = Vec::new();
            wrap(&outer, &with, &FRAME, &mut out);
            assert_eq!(out, [&FRAME[..12], expected, &FRAME[12..]].concat());
        }
    }

    #[test]
    fn udp_over_ipv6_has_a_checksum() {
        let address = |last| Ipv6Addr::new(0x2001, 0xdb8, 0x60, 0, 0, 0, 0, last).into();
        let vxlan = Wrap::Vxlan {
            vni: 5000,
            port: 4789,
        };
        assert_eq!(
            header(&outer(address(1), address(9)), &vxlan)[14..],
            hex!(
                "600000000046114020010db8006000000000000000000001"
                "20010db8006000000000000000000009c15c12b500461f590800000000138800"
            )
        );
    }

    #[test]
    fn an_ip_packet_in_erspan_3_is_no_frame() {
        let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let erspan3 = |frame_type| Wrap::Erspan3 {
            session: 101,
            vlan: 0,
            cos: 0,
            truncated: false,
            timestamp: 1,
            sgt: 0,
            frame_type,
            hw_id: 0,
            direction: Direction::Ingress,
            granularity: 0,
            sequence: Some(7),
            platform: None,
        };
        let own = |frame_type| header(&outer, &erspan3(frame_type))[42..].to_vec();
        assert_eq!(own(2), hex!("200000650000000100000800"));
        assert_eq!(own(0), hex!("200000650000000100008000"));
        assert_eq!(own(0xff), hex!("200000650000000100007c00"));
    }

    #[test]
    fn headers_have_the_layout_that_others_read() {
        let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let over_udp = |with: &Wrap<'_>| {
            let bytes = header(&outer, with);
            (
                u16::from_be_bytes([bytes[36], bytes[37]]),
                bytes[42..].to_vec(),
            )
        };
        let policy = GroupPolicy {
            group: 66,
            dont_learn: true,
            applied: true,
        };
        let group_policy = Wrap::VxlanGroupPolicy {
            vni: 5000,
            policy,
            port: 4789,
        };
        let gpe = Wrap::VxlanGpe {
            vni: 5000,
            next_protocol: 1,
        };
        let otv = Wrap::Otv {
            overlay: 7,
            instance: 100,
        };
        let tzsp = Wrap::Tzsp {
            encapsulation: 1,
            tags: TzspTags {
                packet_count: Some(7),
                original_len: Some(54),
                sensor: Some(hex!("02aa00000001")),
            },
        };
        let erm = Wrap::HpErm {
            vlan: Some(100),
            priority: 3,
        };
        let jmirror = Wrap::Jmirror {
            mirror: 1,
            session: 0x22,
        };
        let capwap = Wrap::Capwap {
            radio_id: 1,
            fragment_id: 5,
        };
        let tags = hex!("01000001 280400000007 29020036 3c0602aa00000001 01");
        let cases: [(_, u16, &[u8]); 7] = [
            (group_policy, 4789, &hex!("8848004200138800")),
            (gpe, 4790, &hex!("0c00000100138800")),
            (otv, 8472, &hex!("0800000700006400")),
            (tzsp, 37008, &tags),
            (erm, 7932, &hex!("0000000000000000 00606480")),
            (jmirror, 30030, &hex!("0000000100000022")),
            (capwap, 5247, &hex!("0010420000050000")),
        ];
        for (with, port, expected) in cases {
            assert_eq!(over_udp(&with), (port, expected.to_vec()), "{with:?}");
        }
    }

    #[test]
    fn stt_has_the_checksum_of_tcp() {
        let stt = Wrap::Stt(SttHeader {
            context: 5001,
            frame_id: 0xbeef,
            vlan: Some(100),
        });
        let v4 = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let bytes = header(&v4, &stt);
        assert_eq!(
            bytes[34..],
            hex!(
                "c15c1d2f 00480000 0000beef 5018ffff b9aa 0000"
                "00000000 0000 1064 0000000000001389 0000"
            )
        );
        let v6 = outer([1; 16].into(), [2; 16].into());
        let mut bytes = header(&v6, &stt).split_off(54);
        bytes.extend(FRAME);
        // With its own right checksum in it, a segment sums to 0.
        assert_eq!(with_ipv6_pseudo_header([1; 16], [2; 16], TCP, &bytes), 0);
    }

    #[test]
    fn values_wider_than_their_field_stay_in_it() {
        let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let wide = Wrap::Erspan2 {
            session: 0xffff,
            vlan: 0xffff,
            cos: 0xf8,
            en: 0xfc,
            truncated: false,
            index: u32::MAX,
            sequence: 0,
        };
        assert_eq!(header(&outer, &wide)[42..], hex!("1fff03ff000fffff"));
    }

    #[test]
    fn addresses_of_two_families_meet_in_ipv6() {
        let outer = outer([10, 60, 0, 1].into(), Ipv6Addr::LOCALHOST.into());
        let bytes = header(&outer, &Wrap::Erspan1);
        assert_eq!(bytes[22..38], hex!("00000000000000000000ffff0a3c0001"));
    }
}
