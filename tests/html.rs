//! The report as a page for a browser: what it holds, and that nothing of the traffic or of files is more than text.

use std::fmt::Write as _;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::support::{run, stderr, stdout, text};

const SITES: &str = "samples/two-sites.toml";

#[track_caller]
fn page(arguments: &[&str]) -> String {
    let output = run(&[&["report", "--format", "html"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

/// What stands between two marks for the first time.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = page.split_once(from).unwrap();
    rest.split_once(to).unwrap().0
}

#[test]
fn the_answer_comes_first_and_everything_behind_it() {
    let page = page(&["-n", "--sites", SITES, "samples/asymmetric-strict.pcap"]);
    let heading = between(&page, "<h1>", "</h1>");
    assert!(
        heading.contains("10.20.0.50: requests pass dc1, answers leave by dc2"),
        "{heading}"
    );
    let head = between(&page, "<header", "</header>");
    assert!(head.contains("fw2-inside (dc2) never saw their requests"));
    // The picture tells both ways also to those who cannot see it.
    assert!(head.contains("Requests pass fw1-inside (dc1), dci1 (dc1), dci2 (dc2), vm2 (dc2)."));
    assert!(head.contains("Answers pass vm2 (dc2), fw2-inside (dc2)."));
    assert!(head.contains("✖ no requests"));
    let ladder = between(&page, "<figure class=\"ladder\">", "</figure>");
    assert!(ladder.contains("✖ fw2-inside: no connection to match"));
    for part in [
        "asymmetric-path",
        "firewall-out-of-state",
        "erspan2-101@10.60.0.1",
        "id=\"flow-rqnxpnC7wp\"",
        "href=\"#flow-rqnxpnC7wp\"",
        "02:00:00:00:00:50",
    ] {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn the_browser_is_allowed_nothing_but_the_style_and_script_in_the_page() {
    let page = page(&["--sites", SITES, "samples/asymmetric-strict.pcap"]);
    let policy = between(&page, "Content-Security-Policy\" content=\"", "\"").replace("&#39;", "'");
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for (kind, tag) in [("style", "style"), ("script", "script")] {
        let body = between(&page, &format!("<{tag}>"), &format!("</{tag}>"));
        let hash = STANDARD.encode(Sha256::digest(body.as_bytes()));
        assert!(
            policy.contains(&format!("{kind}-src 'sha256-{hash}'")),
            "{policy}"
        );
        assert_eq!(page.matches(&format!("<{tag}")).count(), 1);
    }
    for foreign in [
        "http:", "https:", " src=", "<link", "<iframe", "@import", "url(h",
    ] {
        let found = page
            .split_once(foreign)
            .map(|(_, rest)| rest.chars().take(60).collect::<String>());
        assert_eq!(found, None, "{foreign}");
    }
    // Attributes of their own would need another rule.
    assert!(!page.contains(" style=") && !page.contains(" onclick="));
}

#[test]
fn names_of_files_points_and_machines_stay_text() {
    let folder = tempfile::tempdir().unwrap();
    let attack = "</title></style></script><script>document.title='x'</script><img src=x onerror=alert(1)>\"'&";
    let toml = fs::read_to_string(SITES).unwrap();
    let toml = toml.replace("\"fw2-inside\"", &format!("{attack:?}"));
    let sites = folder.path().join("sites.toml");
    fs::write(&sites, toml).unwrap();
    let names = folder.path().join("names.csv");
    let cell = attack.replace('"', "\"\"");
    fs::write(
        &names,
        format!("name,address,host,site\n\"{cell}\",10.20.0.50,\"{cell}\",\"{cell}\"\n"),
    )
    .unwrap();
    let capture = folder.path().join("<script>alert(1)<\u{200f}script>.pcap");
    fs::copy("samples/asymmetric-strict.pcap", &capture).unwrap();
    let page = page(&[
        "--names",
        text(&names),
        "--sites",
        text(&sites),
        text(&capture),
    ]);
    assert_eq!(page.matches("<script").count(), 1);
    assert_eq!(page.matches("<img").count(), 0);
    assert!(page.matches("&lt;/title&gt;").count() > 10);
    assert!(page.contains("&lt;script&gt;alert(1)&lt;\\u{200f}script&gt;.pcap"));
}

#[test]
fn nothing_found_and_nothing_read_are_said() {
    let healthy = page(&["--sites", SITES, "samples/healthy.pcap"]);
    assert!(between(&healthy, "<h1>", "</h1>").contains("Nothing found that breaks traffic"));
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pcap");
    let bytes = fs::read("samples/healthy.pcap").unwrap();
    fs::write(&empty, &bytes[..24]).unwrap();
    let page = page(&[text(&empty)]);
    assert!(between(&page, "<h1>", "</h1>").contains("No frames"));
    for none in [
        "No flow.",
        "No mirror session.",
        "Nothing found that is worth telling.",
    ] {
        assert!(page.contains(none), "{none}");
    }
}

#[test]
fn every_sample_gives_a_page_whose_tags_are_closed() {
    for entry in fs::read_dir("samples").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "pcap") {
            let page = page(&["--sites", SITES, text(&path)]);
            assert_eq!(unclosed(&page), "", "{}", path.display());
        }
    }
}

/// Tags that are open at the end, or closed in another order; void elements have none to close.
fn unclosed(page: &str) -> String {
    const VOID: [&str; 4] = ["meta", "br", "input", "!DOCTYPE"];
    let mut open: Vec<&str> = Vec::new();
    let mut wrong = String::new();
    let body = page.split_once("</style>").unwrap().1;
    let body = body.split_once("<script>").unwrap().0;
    for tag in body.split('<').skip(1) {
        let name = tag.split(['>', ' ']).next().unwrap();
        if let Some(closed) = name.strip_prefix('/') {
            if open.pop() != Some(closed) && closed != "head" {
                let _ = write!(wrong, "</{closed}> ");
            }
        } else if !VOID.contains(&name) {
            open.push(name);
        }
    }
    open.retain(|name| *name != "body");
    wrong + &open.join(" ")
}

#[test]
fn there_are_bounds_and_what_is_left_out_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let names = folder.path().join("long.csv");
    let long = "n".repeat(10_000);
    fs::write(&names, format!("name,address\n{long},10.20.0.50\n")).unwrap();
    let page = page(&[
        "--names",
        text(&names),
        "--sites",
        SITES,
        "samples/port-scan.pcap",
    ]);
    assert!(!page.contains(&"n".repeat(254)));
}

#[test]
fn packets_of_a_pipe_are_kept_for_the_ladder() {
    let capture = fs::read("samples/asymmetric-strict.pcap").unwrap();
    let output = crate::support::run_with_input(
        &["report", "--format", "html", "--sites", SITES, "-"],
        &capture,
    );
    let page = stdout(&output);
    assert!(page.contains("standard input"), "{}", stderr(&output));
    assert!(page.contains("✖ fw2-inside: no connection to match"));
}
