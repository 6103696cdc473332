//! mirrorscope as a capture source of Debian's tshark and dumpcap: what they list, and what they capture from it.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use etherparse::PacketBuilder;

use crate::{run, text};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mirrorscope");
const SITES: &str = r#"
[[site]]
name = "dc1"
point = [{ name = "fw1", role = "firewall", match = { session = 77 } }]
"#;

/// Ports of mirrors are this host's: one at a time holds them.
static PORTS: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    PORTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two VXLAN mirrors that send to this host, until this goes away.
struct Mirrors {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mirrors {
    fn start() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let thread = thread::spawn(move || {
            for port in 5000_u16.. {
                for (vni, last) in [(77_u32, 1), (78, 2)] {
                    let mut packet = [0x0800_0000_u32, vni << 8].map(u32::to_be_bytes).concat();
                    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
                        .ipv4([10, 9, 0, last], [10, 20, 0, 50], 64)
                        .udp(port, 53)
                        .write(&mut packet, b"hello")
                        .unwrap();
                    // Until somebody listens, nobody takes it.
                    let _ = socket.send_to(&packet, (Ipv4Addr::LOCALHOST, 4789));
                }
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Mirrors {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// Ends with this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Fields of packets that tshark reads.
fn fields(file: &Path, names: &[&str]) -> Vec<String> {
    let names = names.iter().flat_map(|name| ["-e", name]);
    let arguments: Vec<&str> = ["-n", "-r", text(file), "-T", "fields"]
        .into_iter()
        .chain(names)
        .collect();
    run("tshark", &arguments)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Installed by one command, it is in tshark's list, and tshark captures from it, named after sites and points.
#[test]
#[ignore = "needs tshark and root: tests/compare/run"]
fn tshark_lists_it_and_captures_from_it() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let sites = folder.path().join("sites.toml");
    let out = folder.path().join("out.pcapng");
    fs::write(&sites, SITES).unwrap();
    run(PROGRAM, &["extcap", "--install"]);
    let listed = run("tshark", &["-D"]);
    assert!(
        listed.contains("mirror-lo (Mirrored packets that come to lo)"),
        "{listed}"
    );
    let _mirrors = Mirrors::start();
    let preference = format!("extcap.mirror_lo.sites:{}", text(&sites));
    let arguments = [
        "-i",
        "mirror-lo",
        "-o",
        &preference,
        "-c",
        "20",
        "-w",
        text(&out),
    ];
    let captured = Command::new("tshark").args(arguments).output().unwrap();
    let told = String::from_utf8_lossy(&captured.stderr);
    assert!(captured.status.success(), "{told}");
    assert!(!told.contains("Error by extcap"), "{told}");
    run(PROGRAM, &["extcap", "--remove"]);
    assert!(!run("tshark", &["-D"]).contains("mirror-lo"));
    let mut packets = fields(&out, &["frame.interface_name", "ip.src", "udp.dstport"]);
    assert_eq!(packets.len(), 20);
    packets.sort_unstable();
    packets.dedup();
    assert_eq!(
        packets,
        ["dc1 fw1\t10.9.0.1\t53", "vxlan-78@127.0.0.1\t10.9.0.2\t53"]
    );
}

/// A user without privileges: the folder is told by the environment, and the ports of mirrors need none.
#[test]
#[ignore = "needs tshark and root: tests/compare/run"]
fn users_without_privileges_capture_what_is_sent_to_ports() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let everyone = |path: &Path| {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    everyone(folder.path());
    let program = folder.path().join("program");
    fs::copy(PROGRAM, &program).unwrap();
    everyone(&program);
    let extcap = folder.path().join("extcap");
    run(
        text(&program),
        &["extcap", &format!("--install={}", text(&extcap))],
    );
    everyone(&extcap);
    let _mirrors = Mirrors::start();
    let captured = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "env"])
        .args([
            "HOME=/nonexistent".to_owned(),
            format!("WIRESHARK_EXTCAP_DIR={}", text(&extcap)),
        ])
        .args("tshark -i mirror-endpoint -c 10 -T fields -e ip.src -e udp.dstport".split(' '))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&captured.stderr);
    let packets = String::from_utf8_lossy(&captured.stdout);
    let mut packets: Vec<&str> = packets.lines().collect();
    assert_eq!(packets.len(), 10, "{told}");
    packets.sort_unstable();
    packets.dedup();
    assert_eq!(packets, ["10.9.0.1\t53", "10.9.0.2\t53"]);
}

/// The toolbar is told of sessions, and what it chooses is all that dumpcap gets from then on.
#[test]
#[ignore = "needs dumpcap: tests/compare/run"]
fn the_toolbar_chooses_a_session() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let [fifo, to_us, from_us, out] =
        ["fifo", "in", "out", "out.pcapng"].map(|name| folder.path().join(name));
    for path in [&fifo, &to_us, &from_us] {
        run("mkfifo", &[text(path)]);
    }
    let both = |path: &Path| {
        OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .unwrap()
    };
    let (mut choose, mut listen): (File, File) = (both(&to_us), both(&from_us));
    let _mirrors = Mirrors::start();
    let _capture = Ended(
        Command::new(PROGRAM)
            .args(["extcap", "--capture", "--extcap-interface", "mirror-lo"])
            .args([
                "--extcap-version=4.0",
                "--filter",
                "",
                "--fifo",
                text(&fifo),
            ])
            .args([
                "--extcap-control-in",
                text(&to_us),
                "--extcap-control-out",
                text(&from_us),
            ])
            .stdin(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut dumpcap = Command::new("dumpcap")
        .args(["-q", "-i", text(&fifo), "-w", text(&out), "-c", "60"])
        .spawn()
        .unwrap();
    // It tells of both sessions: T, length, control 0, command 2 (add), number and name.
    let mut sessions = Vec::new();
    for _ in 0..2 {
        let mut head = [0; 6];
        listen.read_exact(&mut head).unwrap();
        assert_eq!((head[0], head[4], head[5]), (b'T', 0, 2));
        let mut value = vec![0; usize::from(head[3]) - 2];
        listen.read_exact(&mut value).unwrap();
        let value = String::from_utf8(value).unwrap();
        let (number, name) = value.split_once('\0').unwrap();
        sessions.push((number.to_owned(), name.to_owned()));
    }
    let (number, _) = sessions
        .iter()
        .find(|(_, name)| name.starts_with("vxlan-78@127.0.0.1: "))
        .unwrap();
    let mut set = vec![b'T', 0, 0, 2 + number.len() as u8, 0, 1];
    set.extend(number.bytes());
    choose.write_all(&set).unwrap();
    assert!(dumpcap.wait().unwrap().success());
    let packets = fields(&out, &["ip.src"]);
    assert_eq!(packets.len(), 60);
    assert!(
        packets[..10].contains(&"10.9.0.1".to_owned()),
        "{packets:?}"
    );
    assert!(
        packets[40..].iter().all(|source| source == "10.9.0.2"),
        "{packets:?}"
    );
}
