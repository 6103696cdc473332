//! Logs, findings and flows over TLS: to whoever proves to be the right one, and to nobody else.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::bench::until;
use crate::ipfix::ipfix_dump;
use crate::ours::{MIRRORSCOPE, SITES};
use crate::{run, text};

const SAMPLE: &str = "samples/asymmetric-strict.pcap";

/// OpenSSL's server, which writes down what it is sent.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(folder: &Path, port: u16, out: &Path) -> Server {
    let words = format!("s_server -quiet -accept 127.0.0.1:{port} -cert host.pem -key host.key");
    let mut command = Command::new("openssl");
    command
        .args(words.split(' '))
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(fs::File::create(out).unwrap())
        .stderr(Stdio::null());
    let server = Server(command.spawn().unwrap());
    thread::sleep(Duration::from_millis(500));
    server
}

/// An authority, and a host that it vouches for: `localhost`.
fn certificates(folder: &Path) {
    let lines = [
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -keyout host.key -out host.csr",
        "x509 -req -in host.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out host.pem",
    ];
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n").unwrap();
    for line in lines {
        let made = Command::new("openssl")
            .args(line.split(' '))
            .current_dir(folder)
            .output();
        assert!(made.unwrap().status.success(), "{line}");
    }
}

fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

#[test]
#[ignore = "needs openssl and ipfixDump: tests/compare/run"]
fn what_goes_over_tls_arrives_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let authority = folder.path().join("ca.pem");
    let out = folder.path().join("out");
    let send = |option: &str, form: &str| {
        let port = free_port();
        let _server = serve(folder.path(), port, &out);
        let to = format!("{form}tls://localhost:{port}");
        let ca = text(&authority);
        let arguments = [
            "findings", "--sites", SITES, option, &to, "--tls-ca", ca, SAMPLE,
        ];
        run(MIRRORSCOPE, &arguments);
        until("something", || {
            (fs::metadata(&out).unwrap().len() > 0).then_some(())
        });
        thread::sleep(Duration::from_millis(300));
    };
    send("--log", "eve:");
    let plain = run(
        MIRRORSCOPE,
        &["flows", "--sites", SITES, "--log", "eve:-", SAMPLE],
    );
    assert_eq!(fs::read_to_string(&out).unwrap(), plain);
    send("--syslog", "");
    let messages = fs::read_to_string(&out).unwrap();
    // Each begins with its length.
    let (length, rest) = messages.split_once(' ').unwrap();
    assert!(rest.starts_with("<27>1 "), "{rest}");
    let next = &rest[length.parse().unwrap()..];
    assert!(
        next.trim_start_matches(|c: char| c.is_ascii_digit())
            .starts_with(" <27>1 "),
        "{next}"
    );
    send("--ipfix", "");
    let records = ipfix_dump(&out);
    let flows = records
        .iter()
        .filter(|record| record.contains_key("octetDeltaCount"));
    assert_eq!(flows.count(), 34);
}

#[test]
#[ignore = "needs openssl: tests/compare/run"]
fn nobody_else_is_told_anything() {
    let folder = tempfile::tempdir().unwrap();
    certificates(folder.path());
    let out = folder.path().join("out");
    let port = free_port();
    let _server = serve(folder.path(), port, &out);
    let authority = folder.path().join("ca.pem");
    let ca = ["--tls-ca", text(&authority)];
    // Another name than the certificate's, and a system that does not know the authority.
    for (host, trust) in [("127.0.0.1", &ca[..]), ("localhost", &[])] {
        let to = format!("eve:tls://{host}:{port}");
        let output = Command::new(MIRRORSCOPE)
            .args(["findings", "--log", &to, SAMPLE])
            .args(trust)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("invalid peer certificate"), "{told}");
        assert!(told.contains("records were lost"), "{told}");
    }
    assert_eq!(fs::metadata(&out).unwrap().len(), 0);
}
