//! What the encapsulations of a frame say about the mirror it came through.

use std::net::IpAddr;

use zerocopy::FromBytes;

use crate::dissect::Dissect;
use crate::layers::Mark;
use crate::protocol::erspan2::Erspan2;
use crate::protocol::erspan3::Granularity;
use crate::protocol::gre::{Gre, Numbers};
use crate::protocol::vxlan::Vxlan;
use crate::protocol::{Encapsulation, Layer, Protocol, ipv4, ipv6};
use crate::reason::{Reason, named};
use crate::strip::offset_in;
use crate::stripped::{Stop, Stripped};

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
    /// What names the session or the network: ERSPAN session id (0–1023), GRE key, VNI (24 bits) and
    /// so on, at most 64 bits.
    pub id: Option<u64>,
    /// The id is one that the receiver chose: packets back have another.
    pub one_way_id: bool,
    /// What else the encapsulation says.
    pub facts: Facts,
    /// Bytes in front of the mirrored frame, from the outer IP header on.
    pub outer_len: u32,
    /// Bytes of the mirrored frame that are present.
    pub present_len: u32,
}

/// One encapsulation of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its kind.
    pub encapsulation: Encapsulation,
    /// What names the session or the network, as in [`Mirror::id`].
    pub id: Option<u64>,
    /// Packets back have another id: it names no network.
    pub one_way_id: bool,
}

/// What an encapsulation may say of the frame that it carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Sequence number of the session, of GRE or the mirror's own.
    pub sequence: Option<u32>,
    /// The device cut the frame to its mirror MTU (ERSPAN T bit).
    pub truncated: bool,
    /// Length of the frame before the device cut it, in bytes.
    pub original_len: Option<u32>,
    /// Way through the mirrored port.
    pub direction: Option<Direction>,
    /// Port of the mirrored device, as it numbers them.
    pub port_index: Option<u32>,
    /// VLAN of the original frame if the device took its tag off.
    pub vlan: Option<u16>,
    /// VLAN of the original frame, whose tag may have been kept: the frame tells.
    pub vlan_unless_tagged: Option<u16>,
    /// When the device mirrored the frame, in its own words.
    pub time: Option<DeviceTime>,
}

/// Time of a mirroring device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceTime {
    /// A counter whose unit and start the frame alone does not tell for sure.
    Ticks {
        /// Low 32 bits.
        low: u32,
        /// High 32 bits, where the device sends them.
        high: Option<u32>,
        /// Unit as the device says it.
        granularity: Granularity,
    },
    /// Seconds and nanoseconds.
    Seconds {
        /// Seconds since 1970; of `bits` bits.
        seconds: u32,
        /// Nanoseconds within the second.
        nanoseconds: u32,
        /// Bits of the seconds that are sent: 32, or the low 16.
        bits: u8,
        /// The seconds are TAI's, which were 37 ahead of UTC since 2017.
        tai: bool,
    },
}

impl Mirror {
    /// The network that packets of both directions are in.
    pub fn segment(&self) -> Option<u64> {
        let names = names_a_network(self.encapsulation) && !self.one_way_id;
        self.id.filter(|_| names)
    }
}

impl Carried {
    /// The network that packets of both directions are in.
    pub fn segment(self) -> Option<u64> {
        let names = names_a_network(self.encapsulation) && !self.one_way_id;
        self.id.filter(|_| names)
    }
}

/// Whether the id of an encapsulation is that of a network. ERSPAN's names the mirror session: one flow has a different
/// one at every point.
fn names_a_network(encapsulation: Encapsulation) -> bool {
    use Encapsulation::{Erspan1, Erspan2, Erspan3};
    !matches!(encapsulation, Erspan1 | Erspan2 | Erspan3)
}

impl Stripped<'_> {
    /// What the outermost encapsulation over IP says, if its header was read completely.
    ///
    /// Labels, tags and sessions of the link layer make no mirror session: whoever sees them listens
    /// on the line itself. Nor does what stays closed: it is a flow like others.
    pub fn mirror(&self) -> Option<Mirror> {
        let mut mirror = None;
        self.mirror_into(&mut mirror);
        mirror
    }

    /// Writes [`Self::mirror`] where it is to stay: to move it costs more than to read some of its headers.
    pub fn mirror_into(&self, mirror: &mut Option<Mirror>) {
        *mirror = None;
        // Not one of many: a chain of iterators costs more than the mirror.
        if let Some(index) = self.openings.first()
            && index < self.open_layers()
            && self.read_mirror(index, mirror).is_none()
        {
            *mirror = self.mirrors().next();
        }
    }

    /// The same of every encapsulation over IP, outermost first.
    pub fn mirrors(&self) -> impl Iterator<Item = Mirror> {
        let open = self.open_layers();
        let openings = self.openings.iter().filter(move |&index| index < open);
        openings.filter_map(|index| {
            let mut mirror = None;
            self.read_mirror(index, &mut mirror);
            mirror
        })
    }

    /// Reads the mirror of the encapsulation that ends with the layer at `index`; `None` if that is not over IP.
    #[inline(never)]
    fn read_mirror(&self, index: usize, mirror: &mut Option<Mirror>) -> Option<()> {
        let marks = self.layers.marks().get(..=index)?;
        let last = marks.last()?;
        let bytes = self.layers.bytes(last);
        let gre = self.last_gre(marks);
        // The most frequent ones are read in line, and put together where they are read: so nothing of them is moved.
        match last.protocol {
            Protocol::Erspan2 => self.over_ip(index, &Erspan2::parse(bytes).ok()?, gre, mirror),
            Protocol::Vxlan => self.over_ip(index, &Vxlan::parse(bytes).ok()?, gre, mirror),
            Protocol::Gre => self.over_ip(index, &Gre::parse(bytes).ok()?, gre, mirror),
            other => self.over_ip(index, &Layer::read(other, bytes).ok()?, gre, mirror),
        }
    }

    /// Puts together what the header at `index` and that of IP in front of it say.
    #[inline(always)]
    fn over_ip<'h>(
        &self,
        index: usize,
        header: &impl Dissect<'h>,
        gre: Numbers,
        mirror: &mut Option<Mirror>,
    ) -> Option<()> {
        let opened = header.opened(gre.key)?;
        let carrier = last_ip(self.layers.marks().get(..=index)?)?;
        let outer = self.layers.bytes(carrier);
        let (source, destination) = addresses(carrier.protocol, outer)?;
        let mut facts = opened.facts;
        facts.sequence = facts.sequence.or(gre.sequence);
        if facts.vlan.is_none() && facts.vlan_unless_tagged.is_some() && !self.has_tag_behind(index)
        {
            facts.vlan = facts.vlan_unless_tagged;
        }
        if self.stamped {
            facts.time = facts.time.or_else(|| self.stamp_behind(index));
        }
        *mirror = Some(Mirror {
            encapsulation: opened.encapsulation,
            source,
            destination,
            id: opened.id,
            one_way_id: opened.one_way_id,
            facts,
            outer_len: offset_in(outer, opened.payload) as u32,
            present_len: opened.payload.len() as u32,
        });
        Some(())
    }

    /// Sender and receiver in the last IP header that was taken off.
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let mark = last_ip(self.layers.marks())?;
        addresses(mark.protocol, self.layers.bytes(mark))
    }

    /// Whether the frame has other encapsulations than that of [`Self::mirror`].
    pub fn is_nested(&self) -> bool {
        self.openings.several()
    }

    /// Every encapsulation whose header was read, outermost first.
    pub fn encapsulations(&self) -> impl Iterator<Item = Carried> {
        self.openings.iter().filter_map(|index| {
            let marks = self.layers.marks().get(..=index)?;
            let key = self.last_gre(marks).key;
            let opened = self.layers.get(index)?.opened(key)?;
            Some(Carried {
                encapsulation: opened.encapsulation,
                id: opened.id,
                one_way_id: opened.one_way_id,
            })
        })
    }

    /// Key and sequence number of the last GRE header of some layers.
    #[inline(always)]
    fn last_gre(&self, marks: &[Mark]) -> Numbers {
        let is_gre = |mark: &&Mark| mark.protocol == Protocol::Gre;
        let mark = marks.iter().rev().find(is_gre);
        mark.and_then(|mark| Numbers::read(self.layers.bytes(mark)))
            .unwrap_or_default()
    }

    /// Layers in front of one whose payload nobody can read.
    fn open_layers(&self) -> usize {
        let closed = matches!(
            self.stop,
            Stop::Opaque {
                reason: Reason::Encrypted | Reason::Compressed,
                ..
            }
        );
        self.layers.len().saturating_sub(closed.into())
    }

    /// The frame behind the layer at `index` starts with an Ethernet header and a tag.
    fn has_tag_behind(&self, index: usize) -> bool {
        let second = self.layers.marks().get(index.saturating_add(2));
        second.is_some_and(|mark| mark.protocol == Protocol::Vlan)
    }

    /// The time that a switch stamped behind the layer at `index`, or else in front of it: the stamp
    /// in the mirrored frame is nearer to the mirror than that of whoever collects the copies.
    #[cold]
    fn stamp_behind(&self, index: usize) -> Option<DeviceTime> {
        let behind = self.layers.iter().skip(index);
        let mut nearest = behind.chain(self.layers.iter().take(index));
        nearest.find_map(|layer| match layer {
            Layer::Arista(header) => header.time(),
            _ => None,
        })
    }
}

/// Sender and receiver in an IP header that was taken off, and so was checked before.
#[inline(always)]
fn addresses(protocol: Protocol, bytes: &[u8]) -> Option<(IpAddr, IpAddr)> {
    if protocol == Protocol::Ipv4 {
        let (header, _) = ipv4::Header::ref_from_prefix(bytes).ok()?;
        Some((header.source.into(), header.destination.into()))
    } else {
        let (header, _) = ipv6::Header::ref_from_prefix(bytes).ok()?;
        Some((header.source.into(), header.destination.into()))
    }
}

/// The last IP header of some layers.
#[inline(always)]
fn last_ip(marks: &[Mark]) -> Option<&Mark> {
    let is_ip = |mark: &&Mark| matches!(mark.protocol, Protocol::Ipv4 | Protocol::Ipv6);
    marks.iter().rev().find(is_ip)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::encap::{Outer, TzspTags, Wrap, wrap};
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

    fn expected(encapsulation: Encapsulation, id: Option<u64>, outer_len: u32) -> Mirror {
        Mirror {
            encapsulation,
            source: [10, 60, 0, 1].into(),
            destination: [10, 60, 0, 9].into(),
            id,
            one_way_id: false,
            facts: Facts::default(),
            outer_len,
            present_len: UNTAGGED.len() as u32,
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
        let mut with_sequence = expected(Encapsulation::Gre, Some(77), 36);
        with_sequence.facts.sequence = Some(5);
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
        let mut tagged = expected(Encapsulation::Erspan2, Some(1023), 36);
        tagged.facts = Facts {
            sequence: Some(1000),
            truncated: true,
            port_index: Some(43973),
            vlan: Some(100),
            ..Facts::default()
        };
        assert_eq!(mirror(&with(2), &UNTAGGED), tagged);
        tagged.facts.vlan = None;
        for en in [0, 3] {
            assert_eq!(mirror(&with(en), &UNTAGGED), tagged);
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
            frame_type: 0,
            hw_id: 0,
            direction: Direction::Egress,
            granularity: 0,
            sequence: None,
            platform,
        };
        let read = mirror(&with(20, None), &UNTAGGED);
        assert_eq!(read.facts.direction, Some(Direction::Egress));
        assert_eq!(read.facts.vlan, Some(20));
        assert_eq!((read.id, read.outer_len), (Some(0), 36));
        assert_eq!(mirror(&with(20, None), &TAGGED).facts.vlan, None);
        assert_eq!(mirror(&with(0, None), &UNTAGGED).facts.vlan, None);
        let read = mirror(&with(0, Some(hex!("0c00000315f742e8"))), &UNTAGGED);
        assert_eq!((read.facts.port_index, read.outer_len), (Some(3), 44));
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
    fn sensors_and_probes_tell_what_they_did_to_the_frame() {
        let tzsp = Wrap::Tzsp {
            encapsulation: 1,
            tags: TzspTags {
                packet_count: Some(0xffff_fffe),
                original_len: Some(1514),
                sensor: Some(hex!("02aa00000001")),
            },
        };
        let mut read = expected(Encapsulation::Tzsp, Some(0x02aa_0000_0001), 51);
        read.facts.sequence = Some(0xffff_fffe);
        read.facts.original_len = Some(1514);
        assert_eq!(mirror(&tzsp, &UNTAGGED), read);
        let erm = |vlan| Wrap::HpErm { vlan, priority: 7 };
        let mut read = expected(Encapsulation::HpErm, None, 40);
        assert_eq!(mirror(&erm(None), &UNTAGGED), read);
        read.facts.vlan = Some(100);
        assert_eq!(mirror(&erm(Some(100)), &UNTAGGED), read);
    }

    #[test]
    fn every_encapsulation_is_listed_from_the_outside() {
        let vxlan = Wrap::Vxlan { vni: 5, port: 4789 };
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let (mut inner, mut frame) = (Vec::new(), Vec::new());
        wrap(&outer, &vxlan, &UNTAGGED, &mut inner);
        wrap(&outer, &Wrap::Erspan1, &inner, &mut frame);
        let stripped = decapsulate(LinkType::Ethernet, &frame, &Options::default());
        let listed: Vec<_> = stripped
            .encapsulations()
            .map(|carried| (carried.encapsulation, carried.id))
            .collect();
        assert_eq!(
            listed,
            [
                (Encapsulation::Erspan1, None),
                (Encapsulation::Vxlan, Some(5))
            ]
        );
    }
}
