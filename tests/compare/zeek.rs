//! The conn.log as readers of Zeek's logs understand it, and as Zeek itself wrote it of the same packets.

use std::fs;

use serde_json::Value;

use crate::ours::lines;
use crate::{captures, run, text};

/// Where `tests/compare/run` puts the readers.
const PYTHON: &str = "target/compare/bin/python";

#[test]
#[ignore = "needs readers of Zeek's logs: tests/compare/run"]
fn readers_of_zeek_logs_get_what_flows_says() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("conn.log");
    let sites = folder.path().join("sites.toml");
    fs::write(
        &sites,
        "[[site]]\nname = \"dc1\"\n[[site.point]]\nname = 'fw,\\ ä 1'\nmatch = { source = \"10.60.0.0/24\" }\n",
    )
    .unwrap();
    let mut compared = 0;
    for sample in crate::samples() {
        let flows = |format: &str| {
            let arguments = [
                "flows",
                "--format",
                format,
                "--sites",
                text(&sites),
                text(&sample),
            ];
            run(env!("CARGO_BIN_EXE_mirrorscope"), &arguments)
        };
        fs::write(&log, flows("zeek")).unwrap();
        let rows = lines(&run(PYTHON, &["tests/compare/zeek_readers.py", text(&log)]));
        let typed = lines(&flows("zeek-json"));
        let flows = lines(&flows("json"));
        assert_eq!((rows.len(), typed.len()), (flows.len(), flows.len()));
        for ((row, typed), flow) in rows.iter().zip(&typed).zip(&flows) {
            // What Zeek's own JSON form has is the same; what it leaves out is unset in the other.
            for (name, value) in row.as_object().unwrap() {
                assert_eq!(typed.get(name).unwrap_or(&Value::Null), value, "{name}");
            }
            let said = [
                ("id.orig_h", &flow["src"]),
                ("id.resp_h", &flow["dst"]),
                ("id.orig_p", &flow["sport"]),
                ("conn_state", &flow["state"]),
                ("orig_pkts", &flow["orig"]["packets"]),
                ("resp_ip_bytes", &flow["resp"]["bytes"]),
                ("community_id", &flow["community_id"]),
                ("verdict", &flow["verdict"]),
            ];
            for (name, value) in said {
                assert_eq!(&row[name], value, "{name}");
            }
            assert_eq!(row["points"][0], "fw,\\ ä 1");
            compared += 1;
        }
    }
    eprintln!("{compared} flows compared");
}

/// What Zeek 6 said of its own sample of GRE (testing/btest, core.tunnels.gre): both ends, protocol, payload each way,
/// state, history, packets and bytes each way.
const GRE_SAMPLE: &[&str] = &[
    "66.59.111.190 8 172.28.2.3 0 icmp 224 224 OTH - 4 336 4 336",
    "66.59.111.190 123 18.26.4.105 123 udp 48 48 SF Dd 1 76 1 76",
    "66.59.111.190 40264 172.28.2.3 22 tcp 952 1671 SF ShAdDaFf 12 1584 10 2199",
    "66.59.111.190 37675 172.28.2.3 53 udp 66 0 S0 D 2 122 0 0",
    "172.28.2.3 3 66.59.111.190 3 icmp 122 0 OTH - 2 178 0 0",
    "66.59.111.190 123 66.59.111.182 123 udp 48 48 SF Dd 1 76 1 76",
    "66.59.111.190 123 129.170.17.4 123 udp 48 48 SF Dd 1 76 1 76",
];

#[test]
#[ignore = "needs captures of others: tests/compare/run"]
fn zeek_said_the_same_of_the_same_packets() {
    let Some(captures) = captures() else { return };
    let file = captures.join("zeek-gre-sample.pcap");
    let log = run(
        env!("CARGO_BIN_EXE_mirrorscope"),
        &["flows", "--format", "zeek", text(&file)],
    );
    let rows = log.lines().filter(|line| !line.starts_with('#'));
    let rows: Vec<String> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('\t').collect();
            let parts = [&cells[2..7], &cells[9..12], &cells[15..20]];
            parts.concat().join(" ")
        })
        .collect();
    assert_eq!(rows, GRE_SAMPLE);
}
