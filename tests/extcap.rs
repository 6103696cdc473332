//! What Wireshark is answered; that Wireshark understands it, tests/compare shows.

use crate::support::{run, stderr, stdout};

#[test]
fn interfaces_and_settings_are_told_a_sentence_a_line() {
    let interfaces = stdout(&run(&[
        "extcap",
        "--extcap-interfaces",
        "--extcap-version=4.2",
    ]));
    assert!(interfaces.starts_with("extcap {version="), "{interfaces}");
    for told in [
        "interface {value=mirror-lo}{display=Mirrored packets that come to lo}\n",
        "interface {value=mirror-endpoint}",
        "control {number=0}{type=selector}",
        "value {control=0}{value=all}",
    ] {
        assert!(interfaces.contains(told), "{told}: {interfaces}");
    }
    let about = |what: &str| stdout(&run(&["extcap", what, "--extcap-interface", "mirror-lo"]));
    assert!(about("--extcap-dlts").starts_with("dlt {number=1}{name=mirror-lo}"));
    let settings = about("--extcap-config");
    assert!(settings.contains("{call=--sites}{display=Sites file}{type=fileselect}"));
    assert!(
        settings.contains("value {arg=3}{value=outer}"),
        "{settings}"
    );
}

#[test]
fn capture_filters_are_mirror_sources() {
    let said = |filter: &str| {
        let filter = format!("--extcap-capture-filter={filter}");
        stdout(&run(&[
            "extcap",
            "--extcap-interface",
            "mirror-lo",
            &filter,
        ]))
    };
    for right in ["", "10.60.0.1", "10.60.0.0/24, 2001:db8::/32"] {
        assert_eq!(said(right), "", "{right}");
    }
    let wrong = said("port 80");
    assert!(
        wrong.starts_with("capture filter: port 80: it takes the mirror sources"),
        "{wrong}"
    );
}

#[test]
fn other_interfaces_are_refused() {
    let output = run(&["extcap", "--extcap-config", "--extcap-interface", "eth0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("eth0: not one of mirrorscope's interfaces"));
    // Somebody else's file in the folder stays.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mirrorscope");
    std::fs::write(&file, "mine").unwrap();
    let into = format!("--install={}", folder.path().display());
    let output = run(&["extcap", &into]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("is there already"),
        "{}",
        stderr(&output)
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}
