//! What a Prometheus of this system reads of a run, and says itself when it is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::bench::{Bench, Running, until};
use crate::{run, text};

const PROMETHEUS: &str = "127.0.0.1:9090";

/// Numbers by labels.
type Samples = BTreeMap<String, u64>;

/// Asks Prometheus; gives each sample's value.
fn query(bench: &Bench, expression: &str) -> Option<Samples> {
    let mut path = "/api/v1/query?query=".to_owned();
    for byte in expression.bytes() {
        write!(path, "%{byte:02x}").unwrap();
    }
    let answer: Value = serde_json::from_str(&bench.get(PROMETHEUS, &path)?).unwrap();
    assert_eq!(answer["status"], "success", "{answer}");
    let samples = answer["data"]["result"].as_array().unwrap().iter();
    let samples = samples.map(|sample| {
        let labels = sample["metric"].as_object().unwrap();
        let own = |name: &str| !["__name__", "job", "instance"].contains(&name);
        let labels: Vec<String> = labels
            .iter()
            .filter(|(name, _)| own(name))
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap()))
            .collect();
        let value = sample["value"][1].as_str().unwrap().parse().unwrap();
        (labels.join(" "), value)
    });
    Some(samples.collect())
}

/// Starts Prometheus: it reads mirrorscope every second.
fn prometheus(bench: &Bench, folder: &Path) -> Running {
    let config = folder.join("prometheus.yml");
    let rules = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/packaging/prometheus-rules.yml"
    );
    let settings = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: ['{rules}']\n\
         scrape_configs:\n- job_name: mirrorscope\n  static_configs: [{{ targets: ['127.0.0.1:9464'] }}]\n"
    );
    fs::write(&config, settings).unwrap();
    bench.start(
        "prometheus",
        &format!(
            "--config.file={} --storage.tsdb.path={} --web.listen-address={PROMETHEUS} --log.level=error",
            text(&config),
            text(&folder.join("data"))
        ),
    )
}

#[test]
#[ignore = "needs Prometheus and root: tests/compare/run"]
fn prometheus_says_what_the_report_says() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::new();
    let _prometheus = prometheus(&bench, folder.path());
    let mirrorscope = bench.listen(
        "report --format json -i eth0 --sites samples/two-sites.toml --metrics 127.0.0.1:9464",
    );
    // It sees how numbers grow.
    until("a first reading", || {
        query(&bench, "up == 1")?.contains_key("").then_some(())
    });
    // Its mirrors lose every hundredth packet.
    let sent = bench.send("samples/mirror-loss-1.pcap", Duration::from_millis(5));
    until("all frames read", || {
        let frames = query(&bench, "mirrorscope_frames_total")?;
        (frames.get("") == Some(&sent)).then_some(())
    });
    // What is too early to tell while packets come is told by then.
    std::thread::sleep(Duration::from_secs(5));
    let ask = |expression: &str| query(&bench, expression).unwrap();
    let flows = ask("mirrorscope_flows");
    let sites = ask("mirrorscope_site_flows");
    let packets = ask("sum by (session) (mirrorscope_session_packets_total)");
    let points = ask("sum by (point, role, session) (mirrorscope_session_info)");
    let missing = ask("mirrorscope_sequence_missing_packets");
    let findings = ask("sum by (kind) (mirrorscope_findings)");
    assert_eq!(ask("up")[""], 1);
    assert_eq!(
        ask("mirrorscope_interface_frames_total")["interface=eth0"],
        sent
    );
    assert!(ask("process_resident_memory_bytes")[""] > 1_000_000);
    let alerts = bench.get(PROMETHEUS, "/api/v1/alerts").unwrap();
    let report: Value = serde_json::from_str(&mirrorscope.interrupt()).unwrap();

    same_flows(&report, &flows, &sites);
    same_sessions(&report, &packets, &points, &missing);
    let mut kinds = Samples::new();
    for finding in report["findings"].as_array().unwrap() {
        let kind = format!("kind={}", finding["kind"].as_str().unwrap());
        *kinds.entry(kind).or_default() += 1;
    }
    assert!(kinds.contains_key("kind=mirror-loss"), "{kinds:?}");
    assert_eq!(findings, kinds);
    assert!(alerts.contains("MirrorscopeMirrorLosesPackets"), "{alerts}");
    assert!(!alerts.contains("MirrorscopeDown"), "{alerts}");
}

#[track_caller]
fn same_flows(report: &Value, flows: &Samples, sites: &Samples) {
    assert_eq!(flows.values().sum::<u64>(), report["totals"]["flows"]);
    for (verdict, count) in report["totals"]["verdicts"].as_object().unwrap() {
        assert_eq!(flows[&format!("verdict={verdict}")], *count);
    }
    let ways = report["sites_matrix"]["ways"].as_array().unwrap();
    assert!(ways.len() > 1);
    for way in ways {
        // Prometheus takes an empty label for none.
        let site = |name: &&str| Some(format!("{name}={}", way[*name].as_str()?));
        let labels: Vec<String> = ["answers", "requests"].iter().filter_map(site).collect();
        assert_eq!(sites[&labels.join(" ")], way["flows"]);
    }
}

#[track_caller]
fn same_sessions(report: &Value, packets: &Samples, points: &Samples, missing: &Samples) {
    let sessions = report["sessions"].as_array().unwrap();
    assert_eq!(packets.len(), sessions.len());
    let mut lost = BTreeMap::new();
    for session in sessions {
        let field = |name: &str| session[name].as_str().unwrap();
        let name = field("name");
        assert_eq!(packets[&format!("session={name}")], session["packets"]);
        let (point, role) = (field("point"), field("role"));
        assert_eq!(
            points[&format!("point={point} role={role} session={name}")],
            1
        );
        if let Some(sequence) = session["sequence"].as_object() {
            let missing = sequence["missing"].as_u64().unwrap();
            lost.insert(sequence["received"].to_string(), missing);
        }
    }
    // Sessions that share a counter are told once.
    let lost: u64 = lost.values().sum();
    assert!(lost > 0);
    assert_eq!(missing.values().sum::<u64>(), lost);
}

#[test]
#[ignore = "needs promtool: tests/compare/run"]
fn the_rules_and_the_dashboard_ask_for_what_there_is() {
    let checked = run(
        "promtool",
        &["check", "rules", "packaging/prometheus-rules.yml"],
    );
    assert!(checked.contains("SUCCESS: 11 rules found"), "{checked}");

    let bench = Bench::new();
    let _mirrorscope = bench.listen("report -i eth0 --metrics 9464");
    bench.send("samples/mirror-loss-1.pcap", Duration::ZERO);
    let page = until("metrics of flows", || {
        let page = bench.get("127.0.0.1:9464", "/metrics")?;
        page.contains("mirrorscope_site_flows{").then_some(page)
    });
    let dashboard = fs::read_to_string("packaging/grafana-dashboard.json").unwrap();
    let rules = fs::read_to_string("packaging/prometheus-rules.yml").unwrap();
    let dashboard: Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let queries = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut asked: Vec<String> = queries
        .map(|query| query["expr"].as_str().unwrap().to_owned())
        .collect();
    // Grafana puts these in before it asks.
    for expression in &mut asked {
        *expression = expression
            .replace("$__rate_interval", "5m")
            .replace("$__range", "1h")
            .replace("$instance", ".*");
        let parsed = Command::new("promtool")
            .args(["query", "instant", "http://127.0.0.1:1", expression])
            .output()
            .unwrap();
        // It is parsed before anybody is asked, and nobody is there.
        let error = String::from_utf8(parsed.stderr).unwrap();
        assert!(
            error.contains("connection refused"),
            "{expression}: {error}"
        );
    }
    asked.push(rules);
    let words = asked
        .iter()
        .flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
    let mut names: Vec<&str> = words
        .filter(|word| word.starts_with("mirrorscope_") || word.starts_with("process_"))
        .collect();
    names.sort_unstable();
    names.dedup();
    assert!(names.len() > 15);
    for name in names {
        let family = name.strip_suffix("_total").unwrap_or(name);
        let told = page.contains(&format!("# TYPE {family} "));
        assert!(told, "nobody tells {name}:\n{page}");
    }
}
