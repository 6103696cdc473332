//! Packets as frames, and how mirrors wrap them.

use etherparse::{
    IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header, PacketBuilder, TcpHeader, TcpOptionElement,
};
use mirrorscope_dissectors::Direction;
use mirrorscope_dissectors::encap::{Outer, Wrap, fragment, wrap};
use serde::{Deserialize, Serialize};

use crate::conversation::{ACK, FIN, PSH, SYN};
use crate::traffic::Seen;

/// How a mirror sends what it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    Bare,
    Erspan2,
    Erspan3,
    Gre,
    Vxlan,
    /// ERSPAN II around so many layers of VXLAN.
    Nested(u8),
}

/// Ethernet frames are at least this long, without their checksum.
const MINIMUM: usize = 60;
const TRANSPARENT: u16 = 0x6558;

/// Makes frames: one after the other in the same memory.
pub struct Frames {
    form: Form,
    /// Where the mirrors' packets are split.
    mtu: Option<usize>,
    /// TCP options, for which the smallest frames have no room.
    timestamps: bool,
    payload: Vec<u8>,
    /// Sequence numbers of each point's sessions.
    sequences: Vec<[u32; 16]>,
    identification: u16,
    inner: Vec<u8>,
    frame: Vec<u8>,
}

impl Frames {
    pub fn new(form: Form, mtu: Option<usize>, sessions: u16, timestamps: bool) -> Self {
        let text = b"The quick brown fox jumps over the lazy dog. ";
        Self {
            form,
            mtu,
            timestamps,
            payload: text.iter().copied().cycle().take(2048).collect(),
            sequences: vec![[0; 16]; usize::from(sessions)],
            identification: 0,
            inner: Vec::new(),
            frame: Vec::new(),
        }
    }

    /// Hands over the frame of a packet, or its fragments.
    pub fn make<E>(
        &mut self,
        seen: &Seen,
        mut each: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.inner(seen);
        self.mirrored(seen);
        match self.mtu {
            Some(mtu) => fragment(&self.frame, mtu).iter().try_for_each(|f| each(f)),
            None => each(&self.frame),
        }
    }

    /// The packet itself.
    fn inner(&mut self, seen: &Seen) {
        let Seen { flow, sent, .. } = *seen;
        // Every flow has its own client and port; servers are few.
        let client = [10, 9, (flow >> 8) as u8 & 0x0f, flow as u8];
        let server = [10, 20, 0, 50 + (flow % 100) as u8];
        let service = [443, 8443, 5432][flow as usize % 3];
        let ports = [
            1024 + (flow / 4096) as u16,
            if seen.udp { 53 } else { service },
        ];
        let other = 1 - sent.side;
        let macs = [[2, 0, 0, 0, 1, 0x11], [2, 0, 0, 0, 1, server[3]]];
        let addresses = [client, server];
        let ttl = 64 - seen.hops;
        let mut ip = Ipv4Header::new(
            0,
            ttl,
            IpNumber::TCP,
            addresses[sent.side],
            addresses[other],
        )
        .unwrap();
        ip.identification = seen.number as u16;
        ip.dont_fragment = true;
        let builder = PacketBuilder::ethernet2(macs[sent.side], macs[other])
            .ip(IpHeaders::Ipv4(ip, Ipv4Extensions::default()));
        let from = sent.sequence as usize % 45;
        let payload = &self.payload[from..from + usize::from(sent.len)];
        let inner = &mut self.inner;
        inner.clear();
        let written = if seen.udp {
            let builder = builder.udp(ports[sent.side], ports[other]);
            builder.write(inner, payload)
        } else {
            let mut header = TcpHeader::new(ports[sent.side], ports[other], sent.sequence, 502);
            let has = |flag| sent.flags & flag != 0;
            header.syn = has(SYN);
            header.fin = has(FIN);
            header.psh = has(PSH);
            header.ack = has(ACK);
            header.acknowledgment_number = sent.acknowledged;
            if self.timestamps {
                header.set_options(&options(seen)).unwrap();
            }
            builder.tcp_header(header).write(inner, payload)
        };
        written.unwrap();
        if inner.len() < MINIMUM {
            inner.resize(MINIMUM, 0);
        }
    }

    /// The packet as the mirror of its point sends it.
    fn mirrored(&mut self, seen: &Seen) {
        let point = seen.point;
        // Two points at each switch.
        let switch = point / 2;
        let outer = Outer {
            source_mac: [2, 0, 0, 0x60, 0, switch + 1],
            destination_mac: [2, 0, 0, 0x60, 0, 9],
            identification: self.identification,
            dont_fragment: self.mtu.is_none(),
            udp_source_port: 49_152 + (seen.flow % 16_384) as u16,
            ..Outer::new([10, 60, 0, 1 + 2 * switch].into(), [10, 60, 0, 9].into())
        };
        self.identification = self.identification.wrapping_add(1);
        let number = seen.flow as usize % self.sequences.len();
        let counter = &mut self.sequences[number][usize::from(point)];
        let sequence = *counter;
        *counter = sequence.wrapping_add(1);
        let session = 101 + u16::from(point % 2) + 100 * u16::from(switch) + number as u16;
        let erspan2 = Wrap::Erspan2 {
            session,
            vlan: 120,
            cos: 0,
            en: 0,
            truncated: false,
            index: 1,
            sequence,
        };
        let vni = 5000 + u32::from(session);
        let vxlan = Wrap::Vxlan { vni, port: 4789 };
        let with = match self.form {
            Form::Bare => {
                self.frame.clone_from(&self.inner);
                return;
            }
            Form::Erspan2 | Form::Nested(_) => erspan2,
            Form::Erspan3 => Wrap::Erspan3 {
                session,
                vlan: 120,
                cos: 0,
                truncated: false,
                // Units of 100 microseconds.
                timestamp: (seen.time / 100_000) as u32,
                sgt: 0,
                frame_type: 0,
                hw_id: 0,
                direction: Direction::Ingress,
                granularity: 0,
                sequence: Some(sequence),
                platform: None,
            },
            Form::Gre => Wrap::Gre {
                key: Some(u32::from(session)),
                sequence: Some(sequence),
                checksum: false,
                protocol: TRANSPARENT,
            },
            Form::Vxlan => vxlan,
        };
        if let Form::Nested(layers) = self.form {
            for layer in 0..layers {
                // Not the mirror's own: those would be a mirror that sees itself.
                let ends = [1, 2].map(|end| [172, 16, layer, end].into());
                let outer = Outer::new(ends[0], ends[1]);
                self.frame.clear();
                wrap(&outer, &vxlan, &self.inner, &mut self.frame);
                std::mem::swap(&mut self.frame, &mut self.inner);
            }
        }
        self.frame.clear();
        wrap(&outer, &with, &self.inner, &mut self.frame);
    }
}

/// As Linux sends them: 12 bytes, 20 with SYN.
fn options(seen: &Seen) -> Vec<TcpOptionElement> {
    let now = (seen.time / 1_000_000) as u32;
    let timestamp = TcpOptionElement::Timestamp(now, now);
    if seen.sent.flags & SYN == 0 {
        return vec![TcpOptionElement::Noop, TcpOptionElement::Noop, timestamp];
    }
    vec![
        TcpOptionElement::MaximumSegmentSize(1460),
        TcpOptionElement::SelectiveAcknowledgementPermitted,
        timestamp,
        TcpOptionElement::Noop,
        TcpOptionElement::WindowScale(7),
    ]
}
