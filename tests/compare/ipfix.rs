//! Flows as collectors of IPFIX have them: nfdump and pmacct over UDP, libfixbuf's ipfixDump over a connection.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::net::{IpAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::bench::until;
use crate::ours::{lines, told};
use crate::{run, text};

/// A flow, or what a point saw of it: ends, protocol, packets and bytes of the source and back, and the times.
type Row = (
    (IpAddr, IpAddr, [u64; 2], u64),
    [u64; 4],
    [String; 2],
    Option<String>,
);

/// A collector that ends with this.
struct Collector(Child);

impl Collector {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).env("TZ", "UTC");
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.spawn().unwrap();
        // It has no way to say that it listens.
        thread::sleep(Duration::from_secs(1));
        Self(child)
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

/// Sends the flows of a sample; gives them as `flows` has them.
fn send(sample: &Path, to: &[&str]) -> Vec<Value> {
    told("flows", &[&[text(sample), "--ipfix"], to].concat())
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn protocol(flow: &Value) -> u64 {
    match flow["proto"].as_str().unwrap() {
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "icmp6" => 58,
        "sctp" => 132,
        other => other.parse().unwrap(),
    }
}

fn milliseconds(time: &Value) -> String {
    time.as_str().unwrap()[..23].to_owned()
}

/// What is expected of a flow, or of what a point saw of it.
fn expected(flow: &Value, seen: &Value, point: Option<String>) -> Row {
    let address = |name: &str| flow[name].as_str().unwrap().parse().unwrap();
    let count = |way: &str, what: &str| number(&seen[way][what]);
    let counts = ["orig", "resp"].map(|way| [count(way, "packets"), count(way, "bytes")]);
    let times = ["first", "last"].map(|name| milliseconds(&seen[name]));
    let (src, dst) = (address("src"), address("dst"));
    let ports = ["sport", "dport"].map(|name| number(&flow[name]));
    let (src, dst, ports, counts) = if counts[0][0] == 0 {
        let swapped = if [1, 58].contains(&protocol(flow)) {
            ports
        } else {
            [ports[1], ports[0]]
        };
        (dst, src, swapped, [counts[1], counts[0]])
    } else {
        (src, dst, ports, counts)
    };
    let [[packets, bytes], [back, bytes_back]] = counts;
    (
        (src, dst, ports, protocol(flow)),
        [packets, bytes, back, bytes_back],
        times,
        point,
    )
}

/// nfcapd, which writes what it is sent into a folder.
struct Nfcapd {
    collector: Collector,
    folder: TempDir,
    /// Where it listens.
    at: String,
}

impl Nfcapd {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().to_string();
        // With room for what comes at once.
        let words = format!("-b 127.0.0.1 -p {port} -B 4000000 -t 3600 -w");
        let mut words: Vec<&str> = words.split(' ').collect();
        words.push(text(folder.path()));
        Self {
            collector: Collector::start("nfcapd", &words),
            at: format!("127.0.0.1:{port}"),
            folder,
        }
    }

    /// Ends it, and gives what nfdump says of what it wrote.
    fn records(self) -> Vec<Value> {
        // It has no way to say that it has read all.
        thread::sleep(Duration::from_secs(1));
        self.collector.stop();
        let mut files = fs::read_dir(self.folder.path()).unwrap();
        let file = files.next().unwrap().unwrap().path();
        let output = Command::new("nfdump")
            .args(["-r", text(&file), "-o", "json"])
            .env("TZ", "UTC")
            .output();
        serde_json::from_slice(&output.unwrap().stdout).unwrap()
    }
}

fn of_nfdump(record: &Value, points: Option<&BTreeMap<u64, String>>) -> Row {
    let address = |names: [&str; 2]| {
        let address = names.iter().find_map(|name| record[*name].as_str());
        address.unwrap().parse().unwrap()
    };
    let field = |name: &str| number(&record[name]);
    let proto = field("proto");
    let ports = if [1, 58].contains(&proto) {
        [field("icmp_type"), field("icmp_code")]
    } else {
        [field("src_port"), field("dst_port")]
    };
    (
        (
            address(["src4_addr", "src6_addr"]),
            address(["dst4_addr", "dst6_addr"]),
            ports,
            proto,
        ),
        ["in_packets", "in_bytes", "out_packets", "out_bytes"].map(field),
        ["first", "last"].map(|name| record[name].as_str().unwrap().to_owned()),
        points.map(|points| points[&field("observationPointID")].clone()),
    )
}

#[test]
#[ignore = "needs nfdump: tests/compare/run"]
fn nfdump_has_every_flow_of_every_sample() {
    let collector = Nfcapd::start();
    let mut flows = Vec::new();
    for sample in crate::samples() {
        flows.extend(send(&sample, &[&collector.at, "--ipfix-each", "flow"]));
    }
    let mut expected: Vec<Row> = flows
        .iter()
        .map(|flow| expected(flow, flow, None))
        .collect();
    let records = collector.records();
    let mut rows: Vec<Row> = records
        .iter()
        .map(|record| of_nfdump(record, None))
        .collect();
    expected.sort();
    rows.sort();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected);
    }
    eprintln!("{} flows", rows.len());
}

#[test]
#[ignore = "needs nfdump and ipfixDump: tests/compare/run"]
fn nfdump_has_what_each_point_saw() {
    for name in [
        "asymmetric-strict",
        "asymmetric-udp-icmp",
        "ipv6-asymmetric",
    ] {
        let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("samples/{name}.pcap"));
        let collector = Nfcapd::start();
        let flows = send(&sample, &[&collector.at]);
        let points = names(&sample);
        let mut expected_rows = Vec::new();
        let mut one_sided = 0;
        for flow in &flows {
            for at in flow["points"].as_array().unwrap() {
                let name = |field: &str| at[field].as_str().unwrap();
                let point = format!("{} {} {}", name("site"), name("point"), name("role"));
                let row = expected(flow, at, Some(point));
                one_sided += usize::from(row.1[2] == 0);
                expected_rows.push(row);
            }
        }
        assert!(one_sided > 0, "{name}");
        let records = collector.records();
        let mut rows: Vec<Row> = records
            .iter()
            .map(|r| of_nfdump(r, Some(&points)))
            .collect();
        expected_rows.sort();
        rows.sort();
        assert_eq!(rows, expected_rows, "{name}");
        // A site is a domain.
        let domains = |site: &str| -> Vec<u64> {
            let own = records
                .iter()
                .filter(|record| points[&number(&record["observationPointID"])].starts_with(site));
            let mut domains: Vec<u64> = own.map(|r| number(&r["observationDoaminID"])).collect();
            domains.sort_unstable();
            domains.dedup();
            domains
        };
        assert_eq!((domains("dc1").len(), domains("dc2").len()), (1, 1));
        assert_ne!(domains("dc1"), domains("dc2"));
    }
}

/// What a connection is sent, as ipfixDump reads it: all data records.
fn dumped(sample: &Path, options: &[&str]) -> (Vec<Value>, Vec<BTreeMap<String, String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("tcp://{}", listener.local_addr().unwrap());
    let collector = thread::spawn(move || {
        let mut bytes = Vec::new();
        listener
            .accept()
            .unwrap()
            .0
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    });
    let flows = send(sample, &[&[to.as_str()], options].concat());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("messages");
    fs::write(&file, collector.join().unwrap()).unwrap();
    (flows, ipfix_dump(&file))
}

/// The records of a file, by name of element.
pub fn ipfix_dump(file: &Path) -> Vec<BTreeMap<String, String>> {
    let text = run("ipfixDump", &["--in", text(file), "--data"]);
    let mut records = Vec::new();
    for line in text.lines() {
        if line.starts_with("--- data record") {
            records.push(BTreeMap::new());
        }
        if let Some((name, value)) = line.split_once(" : ")
            && line.starts_with("\t(")
            && let Some(record) = records.last_mut()
        {
            let name = name.split_whitespace().last().unwrap();
            record.insert(name.to_owned(), value.to_owned());
        }
    }
    assert!(!records.is_empty(), "{text}");
    records
}

/// Site, name and role of each point by its number.
fn names(sample: &Path) -> BTreeMap<u64, String> {
    let (_, records) = dumped(sample, &[]);
    let told = records
        .iter()
        .filter(|record| record.contains_key("observationDomainName"));
    let word = |record: &BTreeMap<String, String>, name: &str| {
        record[name].split_once(") ").unwrap().1.to_owned()
    };
    let names = told.map(|record| {
        let words = [
            "observationDomainName",
            "interfaceName",
            "interfaceDescription",
        ];
        let words = words.map(|name| word(record, name));
        (
            record["observationPointId"].parse().unwrap(),
            words.join(" "),
        )
    });
    names.collect()
}

#[test]
#[ignore = "needs ipfixDump: tests/compare/run"]
fn a_connection_has_the_same_with_reverse_elements_and_marks() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/asymmetric-strict.pcap");
    let (flows, records) = dumped(&sample, &[]);
    let points: usize = flows
        .iter()
        .map(|flow| flow["points"].as_array().unwrap().len())
        .sum();
    let flows_told = records
        .iter()
        .filter(|record| record.contains_key("octetDeltaCount"));
    let flows_told: Vec<_> = flows_told.collect();
    assert_eq!(flows_told.len(), points);
    // Who began it is told also where only answers were seen.
    let began = |value: &str| {
        let of = flows_told
            .iter()
            .filter(|record| record["biflowDirection"].starts_with(value));
        of.count()
    };
    let seen = |orig: bool, resp: bool| {
        let points = flows
            .iter()
            .flat_map(|flow| flow["points"].as_array().unwrap());
        let some = points.filter(|at| {
            (
                number(&at["orig"]["packets"]) > 0,
                number(&at["resp"]["packets"]) > 0,
            ) == (orig, resp)
        });
        some.count()
    };
    assert!(seen(false, true) > 0);
    assert_eq!(began("2"), seen(false, true));
    assert_eq!(began("1"), seen(true, false) + seen(true, true));
    let reverse = flows_told
        .iter()
        .filter(|record| record.contains_key("reverseOctetDeltaCount"));
    assert_eq!(reverse.count(), seen(true, true));
    // Equal at all points.
    let mut ids: Vec<&String> = flows_told.iter().map(|record| &record["flowId"]).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), flows.len());
}

#[test]
#[ignore = "needs pmacct: tests/compare/run"]
fn pmacct_has_every_flow() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name)).to_owned();
    let port = free_port();
    // It knows no biflows: what goes back are elements of our own choice to it.
    fs::write(
        at("primitives"),
        "name=back_bytes field_type=29305:1 len=8 semantics=u_int\n\
         name=back_packets field_type=29305:2 len=8 semantics=u_int\n\
         name=flow_id field_type=148 len=8 semantics=u_int\n",
    )
    .unwrap();
    fs::write(
        at("nfacctd.conf"),
        format!(
            "daemonize: false\nnfacctd_ip: 127.0.0.1\nnfacctd_port: {port}\nplugins: print[all]\n\
             aggregate_primitives: {}\nprint_output[all]: json\nprint_output_file[all]: {}\nprint_refresh_time[all]: 1\n\
             print_output_file_append[all]: true\nprint_cache_entries[all]: 10007\n\
             aggregate[all]: src_host, dst_host, src_port, dst_port, proto, back_bytes, back_packets, flow_id\n",
            at("primitives"),
            at("flows.json")
        ),
    )
    .unwrap();
    let _collector = Collector::start("nfacctd", &["-f", &at("nfacctd.conf")]);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples/healthy.pcap");
    let to = format!("127.0.0.1:{port}");
    let flows = send(&sample, &[&to, "--ipfix-each", "flow"]);
    let rows = until("all flows", || {
        let rows = lines(&fs::read_to_string(at("flows.json")).ok()?);
        (rows.len() >= flows.len()).then_some(rows)
    });
    let text_of = |row: &Value, name: &str| row[name].to_string().trim_matches('"').to_owned();
    let mut told: Vec<[String; 8]> = rows
        .iter()
        .map(|row| {
            [
                "ip_src",
                "ip_dst",
                "port_src",
                "port_dst",
                "packets",
                "bytes",
                "back_packets",
                "back_bytes",
            ]
            .map(|name| text_of(row, name))
        })
        .collect();
    let mut expected: Vec<[String; 8]> = flows
        .iter()
        .map(|flow| {
            let icmp = protocol(flow) == 1;
            let code = number(&flow["sport"]) * 256 + number(&flow["dport"]);
            [
                text_of(flow, "src"),
                text_of(flow, "dst"),
                if icmp {
                    "0".to_owned()
                } else {
                    text_of(flow, "sport")
                },
                if icmp {
                    code.to_string()
                } else {
                    text_of(flow, "dport")
                },
                text_of(&flow["orig"], "packets"),
                text_of(&flow["orig"], "bytes"),
                text_of(&flow["resp"], "packets"),
                text_of(&flow["resp"], "bytes"),
            ]
        })
        .collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
}
