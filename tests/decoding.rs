//! Which numbers lead to which protocol: options, the sites file, and what is proposed for unknown ones.

use std::fs;

use crate::support::{json, run, stderr, text};

const SAMPLE: &str = crate::generated::HEALTHY_VXLAN;

fn mirrored(arguments: &[&str]) -> serde_json::Value {
    let report = json(&[&["report", "--format", "json"], arguments, &[SAMPLE]].concat());
    report["totals"]["mirrored"].clone()
}

#[test]
fn a_port_is_what_the_options_say() {
    assert_eq!(mirrored(&[]), 824);
    assert_eq!(mirrored(&["--vxlan-port", "20000"]), 0);
    assert_eq!(mirrored(&["--vxlan-port", "20000,4789"]), 824);
    let rules = ["--vxlan-port", "1", "-d", "udp.port==4789,vxlan"];
    assert_eq!(mirrored(&rules), 824);
    assert_eq!(mirrored(&["-d", "ethertype==0x0806,vlan"]), 824);
}

#[test]
fn the_sites_file_tells_ports_too_and_options_win() {
    let folder = tempfile::tempdir().unwrap();
    let sites = folder.path().join("sites.toml");
    let sites = text(&sites);
    fs::write(sites, "[ports]\nvxlan = [20000]\n").unwrap();
    assert_eq!(mirrored(&["--sites", sites]), 0);
    assert_eq!(mirrored(&["--sites", sites, "--vxlan-port", "4789"]), 824);
    fs::write(
        sites,
        "decode-as = [\"udp.port==4789,vxlan\"]\n[ports]\nvxlan = []\n",
    )
    .unwrap();
    assert_eq!(mirrored(&["--sites", sites]), 824);
}

#[test]
fn a_tunnel_on_an_unknown_port_is_proposed_and_not_opened() {
    let arguments = ["report", "--format", "json", "--vxlan-port", "1", SAMPLE];
    let report = json(&arguments);
    let hints = report["hints"].as_array().unwrap();
    assert_eq!(hints.len(), 1);
    assert_eq!(hints[0]["selector"], "udp.port==4789");
    assert_eq!(hints[0]["protocol"], "vxlan");
    assert_eq!(
        (&hints[0]["packets"], &hints[0]["matching"]),
        (&824.into(), &824.into())
    );
    let option: Vec<&str> = hints[0]["option"].as_str().unwrap().split(' ').collect();
    assert_eq!(
        mirrored(&[&["--vxlan-port", "1"], &option[..]].concat()),
        824
    );

    let output = run(&["sessions", "--vxlan-port", "1", SAMPLE]);
    let told = "824 of 824 packets to UDP port 4789 read as VXLAN; to open them: \
                --decode-as udp.port==4789,vxlan";
    assert!(stderr(&output).contains(told), "{}", stderr(&output));
    let report = json(&["report", "--format", "json", SAMPLE]);
    assert_eq!(report["hints"], serde_json::json!([]), "nothing to propose");
}

#[test]
fn rules_that_cannot_be_read_are_told() {
    for (arguments, told) in [
        (
            ["-d", "udp.port==1,vxlans"],
            "unknown protocol; known are ethernet, linux-sll, ",
        ),
        (["-d", "udp.port=1"], "want FIELD==NUMBER,PROTOCOL"),
        (
            ["-d", "udp.port==70000,vxlan"],
            "the number must fit the field",
        ),
        (["-d", "port==1,vxlan"], "the field must be one of"),
        (["--vxlan-port", "70000"], "70000 is not in 0..=65535"),
        (
            ["--vxlan-port=5000", "--geneve-port=5000"],
            "port 5000 is given to both --vxlan-port and --geneve-port",
        ),
    ] {
        let output = run(&[&["report"], &arguments[..], &[SAMPLE]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains(told), "{}", stderr(&output));
    }
    let folder = tempfile::tempdir().unwrap();
    let sites = folder.path().join("sites.toml");
    fs::write(&sites, "[ports]\nvlan = [1]\n").unwrap();
    let output = run(&["report", "--sites", text(&sites), SAMPLE]);
    let told = stderr(&output);
    assert!(told.contains("\"vlan\" has no ports; known are "), "{told}");
    assert!(
        told.contains("vxlan, ") && told.contains("geneve, "),
        "{told}"
    );
}
