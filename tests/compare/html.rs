//! The page in a real browser: Chromium without a screen runs it, says nothing on its console, and asks nobody for anything.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::ours::SITES;
use crate::{run, text};

const CAPTURE: &str = "samples/asymmetric-strict.pcap";
/// What every hostile text is.
const ATTACK: &str = "</title></style></script><script>document.title='owned'</script><img src=x onerror=alert(1)>\"'&";

/// What Chromium made of a page.
struct Seen {
    /// The document, after scripts ran.
    dom: String,
    /// What the console says.
    console: Vec<String>,
    /// What the page asked for, the file itself among it.
    requests: Vec<String>,
}

fn chromium(folder: &Path, page: &Path, more: &[&str]) -> (String, String) {
    let profile = format!("--user-data-dir={}", text(&folder.join("profile")));
    let output = Command::new("chromium")
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--enable-logging=stderr",
        ])
        .args([
            "--disable-background-networking",
            "--disable-component-update",
            "--hide-scrollbars",
        ])
        .args(["--virtual-time-budget=3000", &profile])
        .args(more)
        .arg(format!("file://{}", text(page)))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (words(&output.stdout), words(&output.stderr))
}

fn look(folder: &Path, page: &str) -> Seen {
    let path = folder.join("page.html");
    fs::write(&path, page).unwrap();
    let log = folder.join("net.json");
    let net = format!("--log-net-log={}", text(&log));
    let (dom, told) = chromium(folder, &path, &["--dump-dom", &net]);
    assert!(dom.contains("</html>"), "{told}");
    let console = told.lines().filter(|line| line.contains(":CONSOLE:"));
    Seen {
        dom,
        console: console.map(str::to_owned).collect(),
        requests: requests(&fs::read_to_string(log).unwrap()),
    }
}

/// What was asked for in the name of a page; the browser's own requests have no origin.
fn requests(log: &str) -> Vec<String> {
    // A browser that is stopped leaves the list open.
    let closed = || format!("{}]}}", log.trim_end().trim_end_matches(','));
    let log: Value = serde_json::from_str(log)
        .or_else(|_| serde_json::from_str(&closed()))
        .unwrap();
    let params = log["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["params"]);
    let of_page = params.filter(|params| {
        let initiator = params["initiator"].as_str().unwrap_or_default();
        initiator.starts_with("file:") || initiator == "null"
    });
    of_page
        .filter_map(|params| params["url"].as_str())
        .map(str::to_owned)
        .collect()
}

fn page(arguments: &[&str]) -> String {
    let arguments = [&["report", "--format", "html"], arguments].concat();
    run(env!("CARGO_BIN_EXE_mirrorscope"), &arguments)
}

#[test]
#[ignore = "needs Chromium: tests/compare/run"]
fn the_page_runs_without_a_word_and_without_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let seen = look(folder.path(), &page(&["-n", "--sites", SITES, CAPTURE]));
    assert_eq!(seen.console, [""; 0]);
    assert_eq!(seen.requests, [""; 0]);
    // Its own script was allowed.
    assert!(seen.dom.matches("<button type=\"button\">").count() > 20);
    // What looks for words and requests does find them.
    let loud = look(
        folder.path(),
        "<!DOCTYPE html><script>console.error('heard');fetch('http://192.0.2.1/asked')</script></html>",
    );
    assert!(
        loud.console.iter().any(|line| line.contains("heard")),
        "{:?}",
        loud.console
    );
    assert!(
        loud.requests.iter().any(|url| url.contains("asked")),
        "{:?}",
        loud.requests
    );
}

#[test]
#[ignore = "needs Chromium: tests/compare/run"]
fn scripts_in_payloads_and_names_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let toml = fs::read_to_string(SITES).unwrap();
    let toml = toml.replace("\"fw2-inside\"", &format!("{ATTACK:?}"));
    fs::write(at("sites.toml"), toml).unwrap();
    let cell = ATTACK.replace('"', "\"\"");
    let table = format!(
        "name,address,host,port group,site\n{}\n",
        [
            format!("\"{cell}\""),
            "10.20.0.50".to_owned(),
            format!("\"{cell}\""),
            format!("\"{cell}\""),
            "dc1".to_owned()
        ]
        .join(",")
    );
    fs::write(at("names.csv"), table).unwrap();
    fs::write(
        at("<script>.pcap"),
        with_script(&fs::read(CAPTURE).unwrap()),
    )
    .unwrap();
    let page = page(&[
        "--names",
        text(&at("names.csv")),
        "--sites",
        text(&at("sites.toml")),
        text(&at("<script>.pcap")),
    ]);
    let seen = look(folder.path(), &page);
    assert_eq!(seen.console, [""; 0]);
    assert_eq!(seen.requests, [""; 0]);
    assert_eq!(seen.dom.matches("<script").count(), 1);
    assert!(!seen.dom.contains("<img") && !seen.dom.contains("<title>owned"));
    // The browser shows it: as a text that it was told.
    assert!(
        seen.dom
            .contains("&lt;script&gt;document.title='owned'&lt;/script&gt;")
    );
}

/// The capture with a script in what a server says, as long as what it said.
fn with_script(capture: &[u8]) -> Vec<u8> {
    const SAID: &[u8] = b"mirrorscope lab";
    const SCRIPT: &[u8] = b"<script>a()</sc";
    let mut bytes = capture.to_vec();
    let mut found = 0;
    for at in 0..bytes.len() - SAID.len() {
        if bytes.get(at..at + SAID.len()) == Some(SAID) {
            bytes[at..at + SAID.len()].copy_from_slice(SCRIPT);
            found += 1;
        }
    }
    assert!(found > 10);
    bytes
}

#[test]
#[ignore = "needs Chromium: tests/compare/run"]
fn tables_are_sorted_by_their_headers() {
    let folder = tempfile::tempdir().unwrap();
    let page = page(&["-n", "--sites", SITES, CAPTURE]);
    // No script but the page's own may run: another one is let in for the test alone.
    let (front, rest) = page
        .split_once("<meta http-equiv=\"Content-Security-Policy\"")
        .unwrap();
    let (_, back) = rest.split_once('>').unwrap();
    let click = "<script>for (const b of document.querySelectorAll('#flows th button')) if (b.textContent === 'Packets') b.click();</script></body>";
    let seen = look(
        folder.path(),
        &format!("{front}{back}").replace("</body>", click),
    );
    let flows = seen.dom.split_once("id=\"flows\"").unwrap().1;
    let rows: Vec<&str> = flows.split("<tr id=\"flow-").skip(1).collect();
    let packets = |row: &&str| -> u64 {
        let cell = row.split("data-sort=\"").nth(2).unwrap();
        cell.split('"').next().unwrap().parse().unwrap()
    };
    let packets: Vec<u64> = rows.iter().map(packets).collect();
    assert_eq!(packets.len(), 10);
    assert!(
        packets.is_sorted() && packets.first() < packets.last(),
        "{packets:?}"
    );
    assert!(flows.contains("aria-sort=\"ascending\""));
    assert_eq!(seen.console, [""; 0]);
}

#[test]
#[ignore = "needs html5lib: tests/compare/run"]
fn the_page_has_no_fault_by_the_rules_of_html5() {
    const PARSE: &str = "import sys, html5lib\nparser = html5lib.HTMLParser()\nparser.parse(open(sys.argv[1], encoding='utf-8').read())\n\
                         print(parser.errors)";
    let folder = tempfile::tempdir().unwrap();
    for capture in crate::captures_in("samples") {
        let path = folder.path().join("page.html");
        fs::write(&path, page(&["--sites", SITES, text(&capture)])).unwrap();
        let errors = run("/usr/bin/python3", &["-c", PARSE, text(&path)]);
        assert_eq!(errors.trim(), "[]", "{}", capture.display());
    }
}

/// The picture of the documentation; `UPDATE_PICTURE=1` writes it anew.
#[test]
#[ignore = "needs Chromium: tests/compare/run"]
fn the_picture_can_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    let names = folder.path().join("names.csv");
    fs::write(&names, "name,address\nweb01,10.20.0.50\n").unwrap();
    let path = folder.path().join("page.html");
    fs::write(
        &path,
        page(&["--names", text(&names), "--sites", SITES, CAPTURE]),
    )
    .unwrap();
    let picture = folder.path().join("report.png");
    let shot = format!("--screenshot={}", text(&picture));
    for (dark, size) in [(false, "1200,830"), (true, "400,800")] {
        let scheme = if dark {
            "--blink-settings=preferredColorScheme=0"
        } else {
            "--blink-settings=preferredColorScheme=1"
        };
        let size = format!("--window-size={size}");
        let (_, told) = chromium(folder.path(), &path, &[&shot, &size, scheme]);
        let bytes = fs::metadata(&picture).map_or(0, |file| file.len());
        assert!((10_000..200_000).contains(&bytes), "{bytes} bytes: {told}");
        if !dark && std::env::var_os("UPDATE_PICTURE").is_some() {
            fs::copy(&picture, "docs/report.html.png").unwrap();
        }
    }
}
