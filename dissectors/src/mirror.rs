//! What the encapsulations of a frame say about the mirror it came through.

use std::net::IpAddr;

use crate::reason::named;
use crate::strip::{Layer, offset_in};
use crate::stripped::Stripped;

named! {
    /// A kind of encapsulation.
    Encapsulation {
        /// ERSPAN Type I.
        Erspan1 = "erspan1",
        /// ERSPAN Type II.
        Erspan2 = "erspan2",
        /// ERSPAN Type III.
        Erspan3 = "erspan3",
        /// GRE around anything but ERSPAN.
        Gre = "gre",
        /// VXLAN.
        Vxlan = "vxlan",
        /// Geneve.
        Geneve = "geneve",
    }
}

named! {
    /// Way of a frame through the mirrored port, as the mirroring switch says it.
    Direction {
        /// Into the switch.
        Ingress = "ingress",
        /// Out of the switch.
        Egress = "egress",
    }
}

/// What the outermost encapsulation says: which mirror session a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Kind of the encapsulation.
    pub encapsulation: Encapsulation,
    /// Sender of the outer packet: the device that mirrors.
    pub source: IpAddr,
    /// Receiver of the outer packet.
    pub destination: IpAddr,
    /// ERSPAN session id (0–1023), GRE key, or VXLAN or Geneve network identifier (24 bits).
    pub id: Option<u32>,
    /// Sequence number of GRE.
    pub sequence: Option<u32>,
    /// The device cut the frame to its mirror MTU (ERSPAN T bit).
    pub truncated: bool,
    /// Way through the mirrored port (ERSPAN III).
    pub direction: Option<Direction>,
    /// Index of ERSPAN II, or port index in a platform sub-header of ERSPAN III.
    pub port_index: Option<u32>,
    /// VLAN of the original frame if the device took its tag off (ERSPAN II and III).
    pub vlan: Option<u16>,
    /// Bytes in front of the mirrored frame, from the outer IP header on.
    pub outer_len: u32,
}

impl Stripped<'_> {
    /// What the outermost encapsulation says, if its header was read completely.
    pub fn mirror(&self) -> Option<Mirror> {
        let mut addresses = None;
        let mut outer: &[u8] = &[];
        let mut key = None;
        let mut sequence = None;
        for (index, layer) in self.layers.iter().enumerate() {
            match layer {
                Layer::Ipv4(ip) => {
                    addresses = Some((ip.source().into(), ip.destination().into()));
                    outer = ip.header_bytes();
                }
                Layer::Ipv6(ip) => {
                    addresses = Some((ip.source().into(), ip.destination().into()));
                    outer = ip.header_bytes();
                }
                Layer::Gre(gre) => {
                    key = gre.key();
                    sequence = gre.sequence();
                }
                _ => {}
            }
            let Some((encapsulation, id, payload)) = opened(layer, key) else {
                continue;
            };
            let (source, destination) = addresses?;
            let mut mirror = Mirror {
                encapsulation,
                source,
                destination,
                id,
                sequence,
                truncated: false,
                direction: None,
                port_index: None,
                vlan: None,
                outer_len: offset_in(outer, payload) as u32,
            };
            match layer {
                Layer::Erspan2(erspan) => {
                    mirror.truncated = erspan.truncated();
                    mirror.port_index = Some(erspan.index());
                    mirror.vlan = erspan.removed_vlan();
                }
                Layer::Erspan3(erspan) => {
                    mirror.truncated = erspan.truncated();
                    mirror.direction = Some(erspan.direction());
                    mirror.port_index = erspan.port_index();
                    // Type III does not tell whether the tag was removed: the frame does.
                    mirror.vlan = Some(erspan.vlan())
                        .filter(|&vlan| vlan != 0 && !self.has_tag_behind(index));
                }
                _ => {}
            }
            return Some(mirror);
        }
        None
    }

    /// Every encapsulation whose header was read, with its id, outermost first.
    pub fn encapsulations(&self) -> impl Iterator<Item = (Encapsulation, Option<u32>)> {
        let mut key = None;
        self.layers.iter().filter_map(move |layer| {
            if let Layer::Gre(gre) = layer {
                key = gre.key();
            }
            opened(layer, key).map(|(encapsulation, id, _)| (encapsulation, id))
        })
    }

    /// The frame behind the layer at `index` starts with an Ethernet header and a tag.
    fn has_tag_behind(&self, index: usize) -> bool {
        matches!(
            self.layers.get(index.saturating_add(2)),
            Some(Layer::Vlan(_))
        )
    }
}

/// The encapsulation that ends with this layer: kind, id and what is inside.
///
/// `key` is that of the GRE header read last, the only name that ERSPAN I can have.
fn opened<'a>(
    layer: &Layer<'a>,
    key: Option<u32>,
) -> Option<(Encapsulation, Option<u32>, &'a [u8])> {
    Some(match layer {
        Layer::Gre(gre) if !gre.carries_erspan() => (Encapsulation::Gre, key, gre.payload()),
        Layer::Erspan1(erspan) => (Encapsulation::Erspan1, key, erspan.payload()),
        Layer::Erspan2(erspan) => {
            let id = Some(erspan.session_id().into());
            (Encapsulation::Erspan2, id, erspan.payload())
        }
        Layer::Erspan3(erspan) => {
            let id = Some(erspan.session_id().into());
            (Encapsulation::Erspan3, id, erspan.payload())
        }
        Layer::Vxlan(vxlan) => (Encapsulation::Vxlan, Some(vxlan.vni()), vxlan.payload()),
        Layer::Geneve(geneve) => (Encapsulation::Geneve, Some(geneve.vni()), geneve.payload()),
        Layer::Ethernet(_)
        | Layer::Vlan(_)
        | Layer::LinuxSll(_)
        | Layer::LinuxSll2(_)
        | Layer::Loopback(_)
        | Layer::Ipv4(_)
        | Layer::Ipv6(_)
        | Layer::Udp(_)
        | Layer::Gre(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::encap::{Outer, Wrap, wrap};
    use crate::link::LinkType;
    use crate::options::Options;
    use crate::strip::decapsulate;

    const UNTAGGED: [u8; 16] = hex!("02000000000b 02000000000a 88cc 0207");
    const TAGGED: [u8; 20] = hex!("02000000000b 02000000000a 8100 0064 88cc 0207");

    fn mirror(with: &Wrap<'_>, inner: &[u8]) -> Mirror {
        let mut frame = Vec::new();
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        wrap(&outer, with, inner, &mut frame);
        let stripped = decapsulate(LinkType::Ethernet, &frame, &Options::default());
        stripped.mirror().unwrap()
    }

    fn expected(encapsulation: Encapsulation, id: Option<u32>, outer_len: u32) -> Mirror {
        Mirror {
            encapsulation,
            source: [10, 60, 0, 1].into(),
            destination: [10, 60, 0, 9].into(),
            id,
            sequence: None,
            truncated: false,
            direction: None,
            port_index: None,
            vlan: None,
            outer_len,
        }
    }

    #[test]
    fn type_i_and_gre_are_named_by_their_key() {
        let read = mirror(&Wrap::Erspan1, &UNTAGGED);
        assert_eq!(read, expected(Encapsulation::Erspan1, None, 24));
        let gre = |protocol, sequence| Wrap::Gre {
            key: Some(77),
            sequence,
            checksum: true,
            protocol,
        };
        let read = mirror(&gre(0x88be, None), &UNTAGGED);
        assert_eq!(read, expected(Encapsulation::Erspan1, Some(77), 32));
        let read = mirror(&gre(0x6558, Some(5)), &UNTAGGED);
        let with_sequence = Mirror {
            sequence: Some(5),
            ..expected(Encapsulation::Gre, Some(77), 36)
        };
        assert_eq!(read, with_sequence);
    }

    #[test]
    fn type_ii_tells_session_index_and_removed_tag() {
        let with = |en| Wrap::Erspan2 {
            session: 1023,
            vlan: 100,
            cos: 0,
            en,
            truncated: true,
            index: 43973,
            sequence: 1000,
        };
        let tagged = Mirror {
            sequence: Some(1000),
            truncated: true,
            port_index: Some(43973),
            vlan: Some(100),
            ..expected(Encapsulation::Erspan2, Some(1023), 36)
        };
        assert_eq!(mirror(&with(2), &UNTAGGED), tagged);
        for en in [0, 3] {
            assert_eq!(
                mirror(&with(en), &UNTAGGED),
                Mirror {
                    vlan: None,
                    ..tagged
                }
            );
        }
    }

    #[test]
    fn type_iii_tells_direction_and_a_tag_that_is_not_in_the_frame() {
        let with = |vlan, platform| Wrap::Erspan3 {
            session: 0,
            vlan,
            cos: 0,
            truncated: false,
            timestamp: 1,
            sgt: 0,
            hw_id: 0,
            direction: Direction::Egress,
            granularity: 0,
            sequence: None,
            platform,
        };
        let removed = Mirror {
            direction: Some(Direction::Egress),
            vlan: Some(20),
            ..expected(Encapsulation::Erspan3, Some(0), 36)
        };
        assert_eq!(mirror(&with(20, None), &UNTAGGED), removed);
        let kept = Mirror {
            vlan: None,
            ..removed
        };
        assert_eq!(mirror(&with(20, None), &TAGGED), kept);
        assert_eq!(mirror(&with(0, None), &UNTAGGED), kept);
        let read = mirror(&with(0, Some(hex!("0c00000315f742e8"))), &UNTAGGED);
        assert_eq!((read.port_index, read.outer_len), (Some(3), 44));
    }

    #[test]
    fn overlays_are_named_by_their_network() {
        let vxlan = Wrap::Vxlan {
            vni: 0xff_fffe,
            port: 4789,
        };
        let read = mirror(&vxlan, &UNTAGGED);
        assert_eq!(read, expected(Encapsulation::Vxlan, Some(0xff_fffe), 36));
        let geneve = Wrap::Geneve {
            vni: 5001,
            port: 6081,
            protocol: 0x6558,
            options: &hex!("0102 80 01 0007002a"),
        };
        let read = mirror(&geneve, &UNTAGGED);
        assert_eq!(read, expected(Encapsulation::Geneve, Some(5001), 44));
    }

    #[test]
    fn every_encapsulation_is_listed_from_the_outside() {
        let vxlan = Wrap::Vxlan { vni: 5, port: 4789 };
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let (mut inner, mut frame) = (Vec::new(), Vec::new());
        wrap(&outer, &vxlan, &UNTAGGED, &mut inner);
        wrap(&outer, &Wrap::Erspan1, &inner, &mut frame);
        let stripped = decapsulate(LinkType::Ethernet, &frame, &Options::default());
        let listed: Vec<_> = stripped.encapsulations().collect();
        assert_eq!(
            listed,
            [
                (Encapsulation::Erspan1, None),
                (Encapsulation::Vxlan, Some(5))
            ]
        );
    }
}
