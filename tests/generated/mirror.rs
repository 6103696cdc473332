//! The mirrors: each place's packets in a session of its own, on their way to the collector.

use mirrorscope_capture::writer::PcapWriter;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};

use super::net::{Point, Seen, Site};
use super::random::Random;

/// 2026-03-02T09:00:00Z, the time 0 of the samples, in nanoseconds since the Unix epoch.
const START: i64 = 1_772_442_000_000_000_000;
const ETHERNET: u16 = 1;
/// VLAN of the stretched network.
const VLAN: u16 = 120;

#[derive(Clone, Copy, Debug)]
pub enum Encapsulation {
    /// The session id is the point's number; each session counts its packets.
    Erspan2,
    /// The VNI is 5000 and the point's number.
    Vxlan,
}

/// How the mirrors send, and what they do wrong.
#[derive(Clone, Copy, Debug)]
pub struct Mirror {
    pub encapsulation: Encapsulation,
    /// Of a thousand packets, so many never reach the collector.
    pub lost: u64,
    /// Frames are cut to this many bytes.
    pub cut: usize,
}

impl Mirror {
    pub fn new(encapsulation: Encapsulation) -> Self {
        Self {
            encapsulation,
            lost: 0,
            cut: usize::MAX,
        }
    }

    /// The capture at the collector, as a pcap file.
    pub fn capture(&self, seen: &[Seen]) -> Vec<u8> {
        // A seed by which the whole answer to a name lookup is lost at a place.
        let mut random = Random::new(5);
        let mut sent: Vec<(Point, u32)> = Vec::new();
        let mut writer = PcapWriter::new(Vec::new(), ETHERNET, 0).unwrap();
        let mut frame = Vec::new();
        for Seen {
            time,
            point,
            frame: inner,
        } in seen
        {
            let index = sent.iter().position(|(p, _)| p == point);
            let index = index.unwrap_or_else(|| {
                sent.push((*point, 0));
                sent.len() - 1
            });
            let number = sent[index].1;
            sent[index].1 += 1;
            // The first packets are there, so that every session is known from the start.
            if number > 2 && random.below(1000) < self.lost {
                continue;
            }
            frame.clear();
            let kept = &inner[..inner.len().min(self.cut)];
            let truncated = kept.len() < inner.len();
            self.wrap(*point, number, truncated, kept, &mut frame);
            let time = START + time;
            writer.write(time, frame.len() as u32, &frame).unwrap();
        }
        writer.finish().unwrap()
    }

    fn wrap(&self, point: Point, number: u32, truncated: bool, inner: &[u8], out: &mut Vec<u8>) {
        let source = match point.site() {
            Site::Dc1 => [10, 60, 0, 1],
            Site::Dc2 => [10, 60, 0, 3],
        };
        let outer = Outer {
            source_mac: [0x02, 0, 0, 0x60, 0, source[3]],
            destination_mac: [0x02, 0, 0, 0x60, 0, 9],
            dont_fragment: true,
            udp_source_port: 49_152 + entropy(inner) % 16_384,
            ..Outer::new(source.into(), [10, 60, 0, 9].into())
        };
        let session = point.session();
        let encapsulation = match self.encapsulation {
            Encapsulation::Erspan2 => Wrap::Erspan2 {
                session,
                vlan: VLAN,
                cos: 0,
                en: 0,
                truncated,
                index: u32::from(session % 100),
                sequence: number,
            },
            Encapsulation::Vxlan => Wrap::Vxlan {
                vni: 5000 + u32::from(session),
                port: 4789,
            },
        };
        wrap(&outer, &encapsulation, inner, out);
    }
}

/// VXLAN senders spread flows over source ports by a hash of the inner headers (RFC 7348 §5): here of addresses and
/// ports of IPv4, the same for both directions.
fn entropy(inner: &[u8]) -> u16 {
    inner
        .get(26..38)
        .unwrap_or_default()
        .chunks(2)
        .fold(0, |sum: u16, pair| {
            sum.wrapping_add(u16::from_be_bytes([pair[0], pair[1]]))
        })
}
