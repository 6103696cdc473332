//! The encapsulations that are written: what is in their headers, and what stands in front of those.

use std::net::SocketAddrV4;

use zerocopy::{FromBytes, IntoBytes};

use super::{GroupPolicy, Outer, SttHeader, TzspTags};
use crate::dissect::{IPV4_IN_IP, IPV6_IN_IP};
use crate::mirror::Direction;
use crate::protocol::erspan_marker::{self, Mark};
use crate::protocol::{
    arista, ayiya, capwap, cmd, erspan2, erspan3, etag, etherip, ethernet, fabricpath, geneve, gre,
    gtpu, hp_erm, jmirror, l2tp, l2tpv3, lisp, mlnx, mpls, nsh, otv, pbb, ppp, pppoe, stt, teredo,
    trill, tzsp, vntag, vxlan, vxlan_gpe, wccp,
};

const GRE: u8 = 47;

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
pub(super) enum Carrier {
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
    /// What the encapsulation of `inner` stands behind.
    pub(super) fn carrier(&self, inner: &[u8]) -> Carrier {
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

    /// Writes the headers between the carrier and `inner`.
    #[expect(clippy::too_many_lines, reason = "one arm an encapsulation")]
    pub(super) fn write(&self, outer: &Outer, inner: &[u8], out: &mut Vec<u8>) {
        match *self {
            Self::Erspan1 => gre::write(gre::ERSPAN, false, None, None, out),
            Self::Erspan2 {
                session,
                vlan,
                cos,
                en,
                truncated,
                index,
                sequence,
            } => {
                gre::write(gre::ERSPAN, false, None, Some(sequence), out);
                let header = erspan2::Header {
                    version_vlan: version_vlan(erspan2::VERSION, vlan).into(),
                    session: session_word(cos, en, truncated, session).into(),
                    index: (index & 0x000f_ffff).into(),
                };
                out.extend_from_slice(header.as_bytes());
            }
            Self::Erspan3 {
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
                gre::write(gre::ERSPAN3, false, None, sequence, out);
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
            Self::Gre {
                key,
                sequence,
                checksum,
                protocol,
            } => gre::write(protocol, checksum, key, sequence, out),
            Self::Vxlan { vni, .. } => vxlan::write(vni, None, out),
            Self::VxlanGroupPolicy { vni, policy, .. } => vxlan::write(vni, Some(policy), out),
            Self::Geneve {
                vni,
                protocol,
                options,
                ..
            } => geneve::write(vni, protocol, options, out),
            Self::VxlanGpe { vni, next_protocol } => vxlan_gpe::write(vni, next_protocol, out),
            Self::Otv { overlay, instance } => otv::write(overlay, instance, out),
            Self::Tzsp {
                encapsulation,
                ref tags,
            } => tzsp::write(encapsulation, tags, out),
            Self::HpErm { vlan, priority } => hp_erm::write(vlan, priority, out),
            Self::Jmirror { mirror, session } => jmirror::write(mirror, session, out),
            Self::Capwap {
                radio_id,
                fragment_id,
            } => capwap::write(radio_id, fragment_id, out),
            Self::Stt(ref header) => stt::write(outer.udp_source_port, header, inner.len(), out),
            Self::Nvgre { subnet, flow } => {
                let key = subnet << 8 | u32::from(flow);
                gre::write(ethernet::BRIDGING, false, Some(key), None, out);
            }
            Self::Eoip { tunnel } => gre::payload::write_eoip(tunnel, inner.len(), out),
            Self::Mlnx => {
                gre::write(mlnx::GRE_TYPE, false, None, None, out);
                mlnx::write(out);
            }
            Self::Wccp { service } => {
                gre::write(wccp::GRE_TYPE, false, None, None, out);
                wccp::write(service, out);
            }
            Self::Ip | Self::Teredo { origin: None } => {}
            Self::EtherIp => etherip::write(out),
            Self::GreUdp { key, protocol } => gre::write(protocol, false, key, None, out),
            Self::L2tpv3 {
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
            Self::Gtpu {
                teid,
                sequence,
                extension,
            } => gtpu::write(teid, sequence, extension, inner.len(), out),
            Self::Lisp { nonce, instance } => lisp::write(nonce, instance, out),
            Self::Teredo {
                origin: Some(origin),
            } => teredo::write_origin(origin, out),
            Self::Ayiya => ayiya::write(number_of(inner), out),
            Self::Mpls {
                labels,
                control_word,
            } => mpls::write(labels, control_word, out),
            Self::Pbb { service, priority } => pbb::write(service, priority, out),
            Self::Trill {
                ingress,
                egress,
                hop_count,
            } => trill::write(ingress, egress, hop_count, out),
            Self::FabricPath {
                forwarding_tag,
                ttl,
            } => fabricpath::write(forwarding_tag, ttl, out),
            Self::Pppoe { session } => {
                pppoe::write(session, inner.len(), out);
                ppp::write(inner, out);
            }
            Self::Nsh { path, index, next } => nsh::write(path, index, next, out),
            Self::VnTag {
                source,
                destination,
            } => vntag::write(source, destination, ether_type(inner), out),
            Self::ETag { channel } => etag::write(channel, ether_type(inner), out),
            Self::CiscoMetaData { security_group } => {
                cmd::write(security_group, ether_type(inner), out);
            }
            Self::Arista {
                seconds,
                nanoseconds,
            } => arista::write(seconds, nanoseconds, ether_type(inner), out),
            Self::ErspanMarker { mark, .. } => erspan_marker::write(&mark, out),
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

/// `EtherType` of an Ethernet frame; 0 if it is too short.
fn ether_type(frame: &[u8]) -> u16 {
    let header = ethernet::Header::ref_from_prefix(frame);
    header.map_or(0, |(header, _)| header.ether_type.get())
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
