//! What the kernel's connection tracking makes of any packets: a router between two networks, raw frames, and the kernel's
//! own verdict on each, which nftables writes into the packet on its way out.

mod generate;
mod model;
mod packet;
mod settings;

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use pnet_datalink::{Channel, Config, DataLinkReceiver, DataLinkSender};
use serde::Serialize;

use crate::machine::cable;
use crate::run::Run;
use generate::sequences;
pub use settings::*;

/// A side of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Left,
    Right,
}

impl Side {
    pub fn other(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
        }
    }

    /// Networks begin with this.
    pub fn network(self) -> [u8; 2] {
        match self {
            Self::Left => [10, 20],
            Self::Right => [10, 9],
        }
    }
}

/// A packet to send: IPv4, whole, but for its identification and header checksum, which the rig sets.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Packets of one sequence belong together; no two sequences share a flow.
    pub sequence: usize,
    pub from: Side,
    /// Silence before it.
    pub pause: Duration,
    pub bytes: Vec<u8>,
}

/// A packet, and what the kernel made of it.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    pub sequence: usize,
    pub from: Side,
    /// Nanoseconds since 1970 when it was sent.
    pub time: i64,
    /// `new`, `established`, `related`, `invalid`, `untracked`; `none` if the router let nothing through.
    pub state: &'static str,
    /// The packet belongs to the answering direction of its connection.
    pub reply: bool,
    /// The frame as it was sent.
    #[serde(serialize_with = "packet::as_hex")]
    pub frame: Vec<u8>,
}

/// States by the lower bits of the DSCP that the router writes; the next bit says "reply".
const STATES: [&str; 6] = [
    "none",
    "invalid",
    "new",
    "established",
    "related",
    "untracked",
];
const REPLY: u8 = 8;

/// The router's own mark on packets, behind whatever it does with them.
const MARKS: &str = "table ip verdict {
 chain forward {
  type filter hook forward priority 0
  ct state invalid ip dscp set 1 accept
  ct state untracked ip dscp set 5 accept
  ct direction reply ct state new ip dscp set 10 accept
  ct direction reply ct state established ip dscp set 11 accept
  ct direction reply ct state related ip dscp set 12 accept
  ct state new ip dscp set 2 accept
  ct state established ip dscp set 3 accept
  ct state related ip dscp set 4 accept
 }
}
";

/// One end of the rig: sends and receives frames.
struct Port {
    sender: Box<dyn DataLinkSender>,
    receiver: Box<dyn DataLinkReceiver>,
    mac: [u8; 6],
    router: [u8; 6],
}

impl Port {
    /// Must be called in the namespace of the interface.
    fn open(mac: [u8; 6], router: [u8; 6]) -> Self {
        let interface = pnet_datalink::interfaces()
            .into_iter()
            .find(|interface| interface.name == "eth0")
            .unwrap();
        let config = Config {
            read_timeout: Some(Duration::from_millis(20)),
            ..Config::default()
        };
        match pnet_datalink::channel(&interface, config).unwrap() {
            Channel::Ethernet(sender, receiver) => Self {
                sender,
                receiver,
                mac,
                router,
            },
            _ => unreachable!("veth devices are Ethernet"),
        }
    }

    fn send(&mut self, packet: &[u8]) -> Vec<u8> {
        let frame = [&self.router[..], &self.mac, &[8, 0], packet].concat();
        self.sender.send_to(&frame, None).unwrap().unwrap();
        frame
    }

    /// The mark on the packet with an identification, if it comes.
    fn mark(&mut self, identification: u16) -> Option<u8> {
        // A socket of this kind sees what its own machine sends, too: only what the router sent counts.
        while let Ok(frame) = self.receiver.next() {
            let from_router = frame.len() > 20 && frame[6..12] == self.router;
            if from_router && frame[18..20] == identification.to_be_bytes() {
                return Some(frame[15] >> 2);
            }
        }
        None
    }
}

/// Sends packets through a router of the kernel, one after the other; gives the kernel's verdict on each.
pub fn judge(kernel: &[(&str, u32)], packets: &[Packet]) -> Vec<Judged> {
    let run = Run::new();
    let machines = ["left", "right"].map(|name| run.machine(name));
    let router = run.machine("router");
    let ports = ["in", "out"];
    for ((machine, port), number) in machines.iter().zip(ports).zip(1..) {
        cable((machine, "eth0"), (&router, port), 1500);
        let (ours, theirs) = (format!("192.0.{number}.1"), format!("192.0.{number}.2"));
        router.ip(&format!("addr add {ours}/24 dev {port}"));
        let mac = crate::machine::mac_text(machine.mac("eth0"));
        router.ip(&format!(
            "neigh replace {theirs} lladdr {mac} dev {port} nud permanent"
        ));
        let [a, b] = [Side::Left, Side::Right][number - 1].network();
        router.ip(&format!("route add {a}.{b}.0.0/16 via {theirs}"));
        // Nobody's kernel shall answer what we send.
        machine.set("net/ipv4/conf/all/arp_ignore", "8");
    }
    router.set("net/ipv4/ip_forward", "1");
    router.nft(MARKS);
    for (name, value) in kernel {
        router.set(
            &format!("net/netfilter/nf_conntrack_{name}"),
            &value.to_string(),
        );
    }
    let mut ends: Vec<Port> = machines
        .iter()
        .zip(ports)
        .map(|(machine, port)| {
            let router = router.mac(port);
            machine.inside(|| Port::open(machine.mac("eth0"), router))
        })
        .collect();
    let mut judged = Vec::with_capacity(packets.len());
    for (number, packet) in packets.iter().enumerate() {
        std::thread::sleep(packet.pause);
        judged.push(one(&mut ends, packet, number as u16));
    }
    judged
}

fn one(ends: &mut [Port], packet: &Packet, identification: u16) -> Judged {
    let bytes = packet::identified(&packet.bytes, identification);
    let time = jiff::Timestamp::now().as_nanosecond();
    let frame = ends[packet.from as usize].send(&bytes);
    let mark = ends[packet.from.other() as usize]
        .mark(identification)
        .unwrap_or(0);
    Judged {
        sequence: packet.sequence,
        from: packet.from,
        time: i64::try_from(time).unwrap(),
        state: STATES[usize::from(mark & !REPLY)],
        reply: mark & REPLY != 0,
        frame,
    }
}

/// Where [`compare`] leaves what the kernel said, if that is wanted: an object a line.
const DUMP: &str = "MIRRORSCOPE_CONNTRACK_DUMP";

/// Lets the kernel and our model of it judge the same packets; they must say the same of each.
pub fn compare(name: &str, settings: Settings) {
    let packets = sequences(settings.seed, settings.sequences, settings.pauses);
    let judged = judge(settings.kernel, &packets);
    if let Some(folder) = std::env::var_os(DUMP) {
        dump(&Path::new(&folder).join(format!("{name}.jsonl")), &judged);
    }
    let ours = model::judge(settings.model, &judged);
    let mut differences = Vec::new();
    for (number, (kernel, ours)) in judged.iter().zip(&ours).enumerate() {
        if kernel.state != *ours {
            let Judged {
                sequence,
                from,
                state,
                ..
            } = kernel;
            differences.push(format!(
                "packet {number} of sequence {sequence}, from the {from:?}: {ours}, the kernel says {state}: {}",
                packet::hex(&kernel.frame)
            ));
        }
    }
    eprintln!(
        "{name}: {} packets, {} judged otherwise",
        judged.len(),
        differences.len()
    );
    differences.truncate(10);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Writes verdicts, an object a line.
fn dump(path: &Path, judged: &[Judged]) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    for packet in judged {
        serde_json::to_writer(&mut file, packet).unwrap();
        file.write_all(b"\n").unwrap();
    }
    file.flush().unwrap();
}
