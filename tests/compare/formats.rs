//! One example of every format that can be written: for the agreement with tshark, and as seeds of the fuzz targets.

use mirrorscope_dissectors::Direction;
use mirrorscope_dissectors::encap::{GroupPolicy, Outer, SttHeader, TzspTags, Wrap, wrap};

/// What a format carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carries {
    /// Ethernet frames.
    Frames,
    /// IP packets.
    Packets,
    /// IPv6 packets alone.
    Ipv6,
}

/// An example of a format.
pub struct Format {
    /// Its name in `docs/formats.md`.
    pub name: &'static str,
    pub wrap: Wrap<'static>,
    pub carries: Carries,
    /// What tshark must be told.
    pub tshark: &'static [&'static str],
    /// A field of the format, and what tshark must read in it; none if it has no header.
    pub field: Option<(&'static str, &'static str)>,
}

impl Format {
    /// A frame with `inner`, an Ethernet frame with an IP packet, as the format carries it; `None` if it cannot.
    pub fn frame(&self, outer: &Outer, inner: &[u8]) -> Option<Vec<u8>> {
        let ipv6 = inner[12..14] == [0x86, 0xdd];
        let tagged = inner[12..14] == [0x81, 0x00];
        let mut frame = Vec::new();
        match self.carries {
            Carries::Frames => wrap(outer, &self.wrap, inner, &mut frame),
            Carries::Packets if !tagged => {
                wrap(outer, &self.of(ipv6), &inner[14..], &mut frame);
            }
            Carries::Ipv6 if ipv6 => wrap(outer, &self.wrap, &inner[14..], &mut frame),
            _ => return None,
        }
        Some(frame)
    }

    /// The format around a packet of one IP version, where its header says which.
    fn of(&self, ipv6: bool) -> Wrap<'static> {
        let ether_type = if ipv6 { 0x86dd } else { 0x0800 };
        match self.wrap {
            Wrap::Gre {
                key,
                sequence,
                checksum,
                ..
            } => Wrap::Gre {
                key,
                sequence,
                checksum,
                protocol: ether_type,
            },
            Wrap::GreUdp { key, .. } => Wrap::GreUdp {
                key,
                protocol: ether_type,
            },
            Wrap::Geneve {
                vni, port, options, ..
            } => Wrap::Geneve {
                vni,
                port,
                protocol: ether_type,
                options,
            },
            Wrap::VxlanGpe { vni, .. } => Wrap::VxlanGpe {
                vni,
                next_protocol: 1 + u8::from(ipv6),
            },
            Wrap::Nsh { path, index, .. } => Wrap::Nsh {
                path,
                index,
                next: 1 + u8::from(ipv6),
            },
            // Version 1 has no header in which another version than 4 could be told.
            Wrap::Wccp { .. } => Wrap::Wccp { service: Some(51) },
            other => other,
        }
    }
}

const ERSPAN3: Wrap<'static> = Wrap::Erspan3 {
    session: 1023,
    vlan: 20,
    cos: 5,
    truncated: false,
    timestamp: 5208,
    sgt: 0x1234,
    frame_type: 0,
    hw_id: 45,
    direction: Direction::Egress,
    granularity: 0,
    sequence: Some(9),
    platform: None,
};

/// Every format.
#[rustfmt::skip]
pub fn all() -> Vec<Format> {
    use Carries::{Frames, Ipv6, Packets};
    let format = |name, wrap, carries, tshark, field: (&'static str, &'static str)| {
        let field = Some(field).filter(|field| !field.0.is_empty());
        Format { name, wrap, carries, tshark, field }
    };
    let erspan2 = |truncated| Wrap::Erspan2 { session: 513, vlan: 20, cos: 5, en: 2, truncated, index: 43973, sequence: 7 };
    let platform = |platform| match ERSPAN3 {
        Wrap::Erspan3 { session, vlan, cos, truncated, timestamp, sgt, frame_type, hw_id, direction, sequence, .. } => Wrap::Erspan3 {
            session, vlan, cos, truncated, timestamp, sgt, frame_type, hw_id, direction, granularity: 3, sequence, platform: Some(platform),
        },
        other => other,
    };
    let gre = |protocol| Wrap::Gre { key: Some(77), sequence: Some(5), checksum: true, protocol };
    let geneve = |protocol| Wrap::Geneve { vni: 5001, port: 6081, protocol, options: &[1, 2, 0x80, 1, 0, 7, 0, 0x2a] };
    let policy = GroupPolicy { group: 66, dont_learn: true, applied: true };
    let tags = TzspTags { packet_count: Some(7), original_len: None, sensor: Some([2, 0xaa, 0, 0, 0, 1]) };
    let stt = SttHeader { context: 5001, frame_id: 0xbeef, vlan: Some(100) };
    vec![
        format("ERSPAN I", Wrap::Erspan1, Frames, &[], ("gre.proto", "0x88be")),
        format("ERSPAN II", erspan2(false), Frames, &[], ("erspan.spanid", "513")),
        format("ERSPAN II", erspan2(true), Frames, &[], ("erspan.truncated", "1")),
        format("ERSPAN III", ERSPAN3, Frames, &[], ("erspan.direction", "1")),
        format("ERSPAN III", platform([0x0c, 0, 0x15, 0x55, 0, 0, 0x4b, 0x87]), Frames, &[], ("erspan.pid3.port_index", "5461")),
        format("ERSPAN III", platform([0x1c, 0x0a, 0xbc, 0x05, 0, 0, 0x4b, 0x87]), Frames, &[], ("erspan.pid7.timestamp", "19335")),
        format("GRE", gre(0x6558), Frames, &[], ("gre.key", "0x0000004d")),
        format("GRE", gre(0x0800), Packets, &[], ("gre.sequence_number", "5")),
        format("NVGRE", Wrap::Nvgre { subnet: 5000, flow: 170 }, Frames, &[], ("gre.key", "0x001388aa")),
        format("EoIP", Wrap::Eoip { tunnel: 258 }, Frames, &[], ("gre.proto", "0x6400")),
        format("WCCP", Wrap::Wccp { service: Some(51) }, Packets, &[], ("gre.wccp.service_id", "51")),
        format("GRE in UDP", Wrap::GreUdp { key: Some(77), protocol: 0x6558 }, Frames, &[], ("gre.key", "0x0000004d")),
        format("VXLAN", Wrap::Vxlan { vni: 0x00ff_ffff, port: 4789 }, Frames, &[], ("vxlan.vni", "16777215")),
        format("VXLAN", Wrap::Vxlan { vni: 5000, port: 8472 }, Frames, &["-d", "udp.port==8472,vxlan"], ("vxlan.vni", "5000")),
        format("VXLAN-GBP", Wrap::VxlanGroupPolicy { vni: 5000, policy, port: 4789 }, Frames, &[], ("vxlan.gbp", "66")),
        format("VXLAN-GPE", Wrap::VxlanGpe { vni: 5000, next_protocol: 3 }, Frames, &[], ("vxlan.vni", "5000")),
        format("VXLAN-GPE", Wrap::VxlanGpe { vni: 5000, next_protocol: 1 }, Packets, &[], ("vxlan.vni", "5000")),
        format("OTV", Wrap::Otv { overlay: 7, instance: 100 }, Frames, &["-d", "udp.port==8472,vxlan"], ("vxlan.vni", "100")),
        format("Geneve", geneve(0x6558), Frames, &[], ("geneve.vni", "0x001389")),
        format("Geneve", geneve(0x0800), Packets, &[], ("geneve.option.class", "0x0102")),
        format("IP in IP", Wrap::Ip, Packets, &[], ("", "")),
        format("EtherIP", Wrap::EtherIp, Frames, &[], ("etherip.ver", "3")),
        format("STT", Wrap::Stt(stt), Frames, &["-o", "ip.try_heuristic_first:TRUE"], ("stt.context_id", "0x0000000000001389")),
        format("LISP data", Wrap::Lisp { nonce: Some(0x0012_3456), instance: Some(100) }, Packets, &[], ("lisp-data.iid", "100")),
        format("L2TPv3", Wrap::L2tpv3 { session: 1001, cookie: &[], sequence: None, udp: false }, Frames,
               &["-o", "l2tp.cookie_size:None", "-o", "l2tp.l2_specific:None", "-d", "l2tp.pw_type==0,eth"], ("l2tp.sid", "0x000003e9")),
        format("L2TPv3", Wrap::L2tpv3 { session: 1001, cookie: &[1, 2, 3, 4, 5, 6, 7, 8], sequence: Some(9), udp: true }, Frames,
               &["-o", "l2tp.cookie_size:8 Byte Cookie", "-o", "l2tp.l2_specific:Default L2-Specific", "-d", "l2tp.pw_type==0,eth"], ("l2tp.sid", "0x000003e9")),
        format("GTP-U", Wrap::Gtpu { teid: 0x1122_3344, sequence: Some(7), extension: Some((0x85, &[0, 9])) }, Packets, &[], ("gtp.teid", "0x11223344")),
        format("Teredo", Wrap::Teredo { origin: None }, Ipv6, &[], ("udp.dstport", "3544")),
        format("AYIYA", Wrap::Ayiya, Packets, &[], ("udp.dstport", "5072")),
        format("TZSP", Wrap::Tzsp { encapsulation: 1, tags }, Frames, &[], ("tzsp.packet_id", "7")),
        format("HP ERM", Wrap::HpErm { vlan: Some(100), priority: 3 }, Frames, &["-d", "udp.port==7932,hp_erm"], ("hp_erm.vlan", "100")),
        format("jmirror", Wrap::Jmirror { mirror: 1, session: 0x22 }, Packets, &[], ("jmirror.sid", "0x00000022")),
        format("CAPWAP data", Wrap::Capwap { radio_id: 1, fragment_id: 5 }, Frames, &[], ("capwap.header.rid", "1")),
        format("MPLS", Wrap::Mpls { labels: &[16001, 24007], control_word: None }, Packets, &[], ("mpls.label", "16001")),
        format("MPLS pseudowire", Wrap::Mpls { labels: &[24005], control_word: Some(5) }, Frames, &["-d", "mpls.label==24005,pwethcw"], ("mpls.label", "24005")),
        format("MPLS pseudowire", Wrap::Mpls { labels: &[24006], control_word: None }, Frames, &["-d", "mpls.label==24006,pwethnocw"], ("mpls.label", "24006")),
        format("802.1ah MAC-in-MAC", Wrap::Pbb { service: 43981, priority: 3 }, Frames, &[], ("ieee8021ah.isid", "43981")),
        format("TRILL", Wrap::Trill { ingress: 0x0a0a, egress: 0x0b0b, hop_count: 32 }, Frames, &[], ("trill.egress_nick", "2827")),
        format("FabricPath", Wrap::FabricPath { forwarding_tag: 1, ttl: 32 }, Frames, &[], ("cfp.ftag", "1")),
        format("PPPoE", Wrap::Pppoe { session: 7 }, Packets, &[], ("pppoe.session_id", "0x0007")),
        format("NSH", Wrap::Nsh { path: 42, index: 255, next: 3 }, Frames, &[], ("nsh.spi", "42")),
        format("VN-Tag", Wrap::VnTag { source: 291, destination: 2748 }, Frames, &[], ("vntag.src", "291")),
        format("802.1BR E-Tag", Wrap::ETag { channel: 0x123 }, Frames, &[], ("etag.ecid_base", "0x0123")),
        format("Cisco MetaData", Wrap::CiscoMetaData { security_group: 0x1234 }, Frames, &[], ("cmd.sgt", "4660")),
        format("Arista time stamps", Wrap::Arista { seconds: 1_700_000_000, nanoseconds: 123_456_789 }, Frames, &[], ("avsp.64sec", "1700000000")),
    ]
}

/// Frames to be carried: TCP in IPv4, with and without a tag, and UDP in IPv6, padded and long.
pub fn originals() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for (number, payload) in [0_usize, 10, 1200].into_iter().enumerate() {
        let number = number as u8;
        frames.push(ipv4(number, payload, false));
        frames.push(ipv4(number, payload, true));
        frames.push(ipv6(number, payload));
    }
    // As short as Ethernet has them, with padding.
    frames[0].resize(60, 0);
    frames
}

const MACS: [u8; 12] = [2, 0x50, 0x56, 0, 0, 0x0b, 2, 0x50, 0x56, 0, 0, 0x0a];

fn ipv4(number: u8, payload: usize, tagged: bool) -> Vec<u8> {
    let mut frame = MACS.to_vec();
    if tagged {
        frame.extend([0x81, 0, 0, 100]);
    }
    frame.extend([8, 0]);
    let len = (40 + payload) as u16;
    let mut ip = [
        0x45, 0, 0, 0, 0x0a, number, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 10, 198, 51, 100, 20,
    ];
    ip[2..4].copy_from_slice(&len.to_be_bytes());
    let sum = !ip.chunks(2).fold(0_u32, |sum, pair| {
        sum + u32::from(u16::from_be_bytes([pair[0], pair[1]]))
    });
    let folded = !((!sum & 0xffff) + (!sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&folded.to_be_bytes());
    frame.extend(ip);
    frame.extend([
        0x9c, 0x40, 1, 0xbb, 0x11, 0x22, 0x33, number, 0, 0, 0, 1, 0x50, 0x18, 0xfa, 0xf0, 0, 0, 0,
        0,
    ]);
    frame.extend((0..payload).map(|n| n as u8));
    frame
}

fn ipv6(number: u8, payload: usize) -> Vec<u8> {
    let mut frame = MACS.to_vec();
    let len = (8 + payload) as u16;
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    frame.extend(len.to_be_bytes());
    frame.extend([17, 64]);
    for last in [0x0a, 0x0b] {
        frame.extend([0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    frame.extend([0x9c, 0x40, 0x13, 0x88 + number]);
    frame.extend(len.to_be_bytes());
    frame.extend([0x12, 0x34]);
    frame.extend((0..payload).map(|n| n as u8));
    frame
}
