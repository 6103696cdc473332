//! The firewall model beside the Linux kernel, packet by packet.
//!
//! The captures under `conntrack/` hold random sequences of packets that a Linux router with nftables forwarded, each
//! with what its `ct state` was in the DSCP: 1 new, 2 established, 3 related, 4 invalid, 5 untracked, 0 dropped (only
//! in `drop-…`, whose rules drop what is invalid and what is new TCP without SYN alone). `conntrack/README.md` says how
//! they were recorded. More of them are read from the folder that `CONNTRACK_DUMPS` names.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a capture that cannot be read should stop the test, and differences should show"
)]

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::read::GzDecoder;
use mirrorscope_dissectors::{LinkType, Network, Options, Transport};
use mirrorscope_engine::firewall::{Firewalls, Standing};
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::track::{Limits, Scope, Sight, Timeouts, Tracker};

/// Bytes in front of the first packet, and in front of each.
const FILE_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

/// Settings of the kernel that made a capture, by its name.
fn settings(name: &str) -> &'static str {
    match name
        .split('-')
        .next()
        .unwrap_or_default()
        .trim_end_matches('6')
    {
        "strict" => "loose = false, policy = \"accept\"",
        "loose" => "loose = true, policy = \"accept\"",
        "liberal" => "loose = false, liberal = true, policy = \"accept\"",
        "looseliberal" => "loose = true, liberal = true, policy = \"accept\"",
        "impatient" => {
            "loose = false, policy = \"accept\", timeouts = { syn-sent = 1, syn-recv = 2, established = 5, fin-wait = 3, \
             close-wait = 2, last-ack = 1, time-wait = 2, close = 1, max-retrans = 2, unacknowledged = 3, udp = 1, \
             udp-stream = 3, icmp = 1 }"
        }
        "drop" => "loose = true, policy = \"drop\"",
        "timeouts" => {
            "loose = true, policy = \"accept\", timeouts = { syn-sent = 4, syn-recv = 3, established = 9, fin-wait = 4, \
             close-wait = 3, last-ack = 2, time-wait = 4, close = 1, max-retrans = 5, unacknowledged = 6, udp = 2, \
             udp-stream = 4, icmp = 3 }"
        }
        other => panic!("{other}: no such kind of capture"),
    }
}

struct Agreement {
    packets: usize,
    judged: usize,
    different: usize,
}

fn compare(path: &Path) -> Agreement {
    let name = path.file_name().unwrap().to_str().unwrap();
    let rule = settings(name);
    let sites = format!(
        "[[site]]\nname = 'lab'\n[[site.point]]\nname = 'fw'\nrole = 'firewall'\nmatch = {{ file = 'dump' }}\n\
         firewall = {{ {rule} }}"
    );
    let mut receiver = Receiver::new(
        Options::default(),
        Sites::parse(&sites).unwrap(),
        Arc::default(),
    );
    receiver.name_interface(0, "dump", None);
    let mut tracker = Tracker::new(Scope::None, Limits::default(), Timeouts::default());
    let mut firewalls = Firewalls::new(1 << 20);
    let drops = name.starts_with("drop");
    let mut bytes = Vec::new();
    let mut file = GzDecoder::new(File::open(path).unwrap());
    file.read_to_end(&mut bytes).unwrap();
    let mut rest = bytes.get(FILE_HEADER..).unwrap();
    let mut agreement = Agreement {
        packets: 0,
        judged: 0,
        different: 0,
    };
    while !rest.is_empty() {
        let word =
            |at: usize| u32::from_le_bytes(*rest.get(at..).unwrap().first_chunk::<4>().unwrap());
        let time = i64::from(word(0)) * SECOND + i64::from(word(4));
        let wire_len = word(12);
        let (frame, next) = rest[RECORD_HEADER..].split_at(word(8) as usize);
        rest = next;
        agreement.packets += 1;
        let frame = Frame {
            time: Timestamp(time),
            wire_len,
            link: LinkType::Ethernet,
            interface: 0,
            number: agreement.packets as u64,
            bytes: frame,
        };
        receiver.receive(&frame, |mirrored| {
            let Network::Ip(ip) = &mirrored.shown.packet.network else {
                return;
            };
            let mut taken = tracker.track(&mirrored.shown);
            if let Some(taken) = &mut taken {
                // Each of them was sent, however equal.
                taken.sight = Sight::Fresh;
            }
            let standing = firewalls.judge(&mirrored.shown, taken, &tracker);
            let Some(standing) = standing else {
                return;
            };
            agreement.judged += 1;
            let new_without_syn = matches!(&ip.transport, Transport::Tcp(tcp) if !tcp.flags.syn());
            let ours = match standing {
                Standing::New if drops && new_without_syn => 0,
                Standing::Invalid(_) if drops => 0,
                Standing::New => 1,
                Standing::Established => 2,
                Standing::Related => 3,
                Standing::Invalid(_) => 4,
                Standing::Untracked => 5,
            };
            if ours != ip.dscp {
                agreement.different += 1;
                if agreement.different <= 20 {
                    eprintln!(
                        "{name} packet {}: kernel {}, model {standing:?}: {} > {} {:?}",
                        frame.number, ip.dscp, ip.source, ip.destination, ip.transport
                    );
                }
            }
        });
    }
    agreement
}

fn dumps(folder: &Path) -> Vec<PathBuf> {
    let mut dumps: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "gz"))
        .collect();
    dumps.sort();
    dumps
}

#[test]
fn the_model_says_of_every_packet_what_the_kernel_says() {
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conntrack");
    let mut folders = vec![PathBuf::from(committed)];
    folders.extend(std::env::var_os("CONNTRACK_DUMPS").map(PathBuf::from));
    let mut different = 0;
    for path in folders.iter().flat_map(|folder| dumps(folder)) {
        let agreement = compare(&path);
        eprintln!(
            "{}: {} packets, {} judged, {} different",
            path.display(),
            agreement.packets,
            agreement.judged,
            agreement.different
        );
        assert!(agreement.judged * 100 >= agreement.packets * 97, "{path:?}");
        different += agreement.different;
    }
    assert_eq!(different, 0);
}
