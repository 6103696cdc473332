//! Outer headers that came before: of one mirror session, only lengths and numbers differ from frame to frame.
//!
//! Where a frame begins as another did, but for fields from which nothing follows, its outer layers and the mirror are known
//! without reading them again, which costs three times as much. Remembered are ERSPAN II and VXLAN over IPv4, which nearly
//! all mirrors send; what is said is what the walk says, which is tested.

use crate::dissect::Place;
use crate::layers::Mark;
use crate::link::LinkType;
use crate::mirror::{Facts, Mirror};
use crate::options::Options;
use crate::protocol::Protocol;
use crate::protocol::ipv4::{FRAGMENT_OFFSET, MORE_FRAGMENTS};
use crate::stripped::{InnerFrame, Openings, Stripped};

/// Bytes from a frame's first on that are compared: all outer headers, and some of what they carry.
const HEAD: usize = 64;
type Words = [u64; HEAD / size_of::<u64>()];

/// Outer headers that are remembered.
const PLACES: usize = 64;
/// Layers of them: Ethernet, two tags, IP, GRE or UDP, and what is in that.
const LAYERS: usize = 6;
/// Frames with other headers after which those in the same place are forgotten.
const PATIENCE: u8 = 8;

/// What is compared of a header of IPv4: that it has no options, fragment flags and offset, protocol, addresses.
const IPV4: [u8; 20] = [
    0xff, 0, 0, 0, 0, 0, 0x3f, 0xff, 0, 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];
const WITHOUT_OPTIONS: u8 = 0x45;
/// Flags and version of GRE with a sequence number and nothing else.
const NUMBERED: u16 = 0x1000;
/// Length of the header of ERSPAN II, and of VXLAN.
const LAST_LEN: usize = 8;

/// Outer headers that came before, with one set of [`Options`].
#[derive(Debug)]
pub struct Familiar {
    places: Vec<Option<Outer>>,
}

/// Outer headers, and what follows from them.
#[derive(Debug)]
struct Outer {
    /// What frames begin with, and the bits of it that are compared.
    words: Words,
    mask: Words,
    /// What the layers are, and where they start; how many they are.
    marks: [Mark; LAYERS],
    layers: u8,
    /// Where the header of IP starts, that of UDP if there is one, and the sequence number of GRE.
    ip: u8,
    udp: Option<u8>,
    sequence: Option<u8>,
    /// Where the mirrored frame starts.
    len: u8,
    /// What they say, but for sequence number and length.
    mirror: Mirror,
    /// Frames with others in the same place.
    misses: u8,
}

impl Default for Familiar {
    fn default() -> Self {
        Self {
            places: std::iter::repeat_with(|| None).take(PLACES).collect(),
        }
    }
}

impl Familiar {
    /// Decapsulates a frame of which nothing is taken off yet, and writes [`Stripped::mirror`], both where they are to stay.
    #[inline(always)]
    pub fn decapsulate(
        &mut self,
        stripped: &mut Stripped<'_>,
        mirror: &mut Option<Mirror>,
        options: &Options,
    ) {
        if self.recall(stripped, mirror, options).is_none() {
            stripped.decapsulate(options);
            stripped.mirror_into(mirror);
            self.learn(stripped, mirror.as_ref());
        }
    }

    /// The same of a frame that begins as another did; else nothing is changed.
    #[inline(never)]
    pub(crate) fn recall(
        &self,
        stripped: &mut Stripped<'_>,
        mirror: &mut Option<Mirror>,
        options: &Options,
    ) -> Option<()> {
        let frame = stripped.inner.bytes;
        let head = frame.first_chunk()?;
        let outer = self.places.get(place_of(head))?.as_ref()?;
        if stripped.inner.link != LinkType::Ethernet || !outer.starts(head) {
            return None;
        }
        let inner = outer.inner_of(frame)?;
        let layers = usize::from(outer.layers);
        stripped.layers.begin(&outer.marks, layers);
        // What is behind IP ends with its packet.
        let end = usize::from(outer.len).saturating_add(inner.len());
        for mark in stripped.layers.marks_mut() {
            let behind = mark.start() > usize::from(outer.ip);
            mark.end_at(if behind { end } else { frame.len() });
        }
        stripped.openings = Openings::default();
        stripped.openings.add(layers.saturating_sub(1));
        stripped.inner = InnerFrame {
            link: LinkType::Ethernet,
            bytes: inner,
            offset: outer.len.into(),
            link_layer: layers,
            ip_seen: false,
            network: None,
        };
        let place = Place {
            encapsulations: 1,
            packet: frame.get(outer.ip.into()..)?,
            ..Place::new(options)
        };
        stripped.walk_on::<true>(place, (Protocol::Ethernet, inner));
        if stripped.stamped {
            stripped.mirror_into(mirror);
            return Some(());
        }
        *mirror = Some(outer.mirror);
        if let Some(mirror) = mirror {
            mirror.present_len = inner.len() as u32;
            mirror.facts.sequence = outer.sequence.and_then(|at| number(frame, at));
        }
        Some(())
    }

    /// Remembers the outer headers of a frame, if that is of use.
    fn learn(&mut self, stripped: &Stripped<'_>, mirror: Option<&Mirror>) -> Option<()> {
        let mirror = *mirror?;
        let head = stripped.layers.frame().first_chunk()?;
        let place = self.places.get_mut(place_of(head))?;
        if let Some(known) = place
            && known.misses < PATIENCE
        {
            known.misses = known.misses.saturating_add(1);
            return None;
        }
        *place = Some(Outer::read(stripped, head, mirror)?);
        Some(())
    }
}

impl Outer {
    /// Those of a frame that was taken apart, if they are of the kind that is remembered.
    fn read(stripped: &Stripped<'_>, head: &[u8; HEAD], mirror: Mirror) -> Option<Self> {
        let marks = stripped.layers.marks().get(..=stripped.openings.first()?)?;
        let last = marks.last()?;
        let kind = matches!(last.protocol, Protocol::Erspan2 | Protocol::Vxlan);
        let facts = Facts {
            sequence: mirror.facts.sequence,
            truncated: mirror.facts.truncated,
            port_index: mirror.facts.port_index,
            vlan: mirror.facts.vlan,
            ..Facts::default()
        };
        // What else it says stands in the mirrored frame.
        if !kind || facts != mirror.facts || marks.first()?.protocol != Protocol::Ethernet {
            return None;
        }
        let mut mask = [0; HEAD];
        let mut compare = |from: usize, bits: &[u8]| {
            let to = from.saturating_add(bits.len());
            mask.get_mut(from..to)?.copy_from_slice(bits);
            Some(())
        };
        let mut kept = [*last; LAYERS];
        kept.get_mut(..marks.len())?.copy_from_slice(marks);
        let (mut ip, mut udp, mut sequence) = (None, None, None);
        for mark in marks {
            let start = mark.start();
            let behind = |bytes| start.saturating_add(bytes);
            match mark.protocol {
                Protocol::Ethernet => compare(behind(12), &[0xff; 2])?,
                Protocol::Vlan => compare(behind(2), &[0xff; 2])?,
                Protocol::Ipv4 => {
                    let whole = half(head, behind(6))? & (MORE_FRAGMENTS | FRAGMENT_OFFSET) == 0;
                    if ip.is_some() || !whole || *head.get(start)? != WITHOUT_OPTIONS {
                        return None;
                    }
                    ip = Some(start as u8);
                    compare(start, &IPV4)?;
                }
                Protocol::Udp => {
                    udp = Some(start as u8);
                    compare(behind(2), &[0xff; 2])?;
                }
                Protocol::Gre if half(head, start)? == NUMBERED => {
                    sequence = Some(behind(4) as u8);
                    compare(start, &[0xff; 4])?;
                }
                Protocol::Erspan2 | Protocol::Vxlan => compare(start, &[0xff; LAST_LEN])?,
                _ => return None,
            }
        }
        let mask = words(&mask);
        Some(Self {
            words: masked(&words(head), &mask),
            mask,
            marks: kept,
            layers: marks.len() as u8,
            ip: ip?,
            udp,
            sequence,
            len: last.start().saturating_add(LAST_LEN) as u8,
            mirror,
            misses: 0,
        })
    }

    /// A frame that begins so begins with these headers.
    #[inline(always)]
    fn starts(&self, head: &[u8; HEAD]) -> bool {
        let words = masked(&words(head), &self.mask).into_iter();
        let differing = words.zip(&self.words).map(|(word, known)| word ^ known);
        differing.fold(0, |all, bits| all | bits) == 0
    }

    /// The mirrored frame in a frame that begins with these headers; `None` if its lengths are not those of most.
    #[inline(always)]
    fn inner_of<'a>(&self, frame: &'a [u8]) -> Option<&'a [u8]> {
        let (ip, len) = (usize::from(self.ip), usize::from(self.len));
        let claimed = usize::from(half(frame, ip.checked_add(2)?)?);
        if let Some(udp) = self.udp {
            let udp = usize::from(udp);
            let length = usize::from(half(frame, udp.checked_add(4)?)?);
            if ip.checked_add(claimed)? != udp.checked_add(length)? {
                return None;
            }
        }
        frame.get(len..ip.checked_add(claimed)?.min(frame.len()))
    }
}

/// Where the headers are remembered of frames that begin so: by addresses and by the last header, if there are none but the
/// usual ones, and perhaps a tag.
#[inline(always)]
fn place_of(head: &[u8; HEAD]) -> usize {
    let tag = if half(head, 12) == Some(0x8100) { 4 } else { 0 };
    let word = |at: usize| {
        let bytes = head.get(at.saturating_add(tag)..)?.first_chunk()?;
        Some(u64::from_ne_bytes(*bytes))
    };
    let both = word(26).unwrap_or_default() ^ word(42).unwrap_or_default().rotate_left(32);
    // Fibonacci hashing.
    (both.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize % PLACES
}

fn words(head: &[u8; HEAD]) -> Words {
    let mut words = Words::default();
    for (word, bytes) in words.iter_mut().zip(head.as_chunks().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    words
}

#[inline(always)]
fn masked(words: &Words, mask: &Words) -> Words {
    let mut masked = *words;
    for (word, mask) in masked.iter_mut().zip(mask) {
        *word &= mask;
    }
    masked
}

/// Two bytes of a frame, as a number.
#[inline(always)]
fn half(frame: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*frame.get(at..)?.first_chunk()?))
}

/// Four bytes of a frame, as a number.
#[inline(always)]
fn number(frame: &[u8], at: u8) -> Option<u32> {
    let bytes = frame.get(at.into()..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}
