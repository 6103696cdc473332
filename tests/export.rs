//! Feeding other tools: what is served and sent, and what happens when that cannot be.

use std::net::TcpListener;

use crate::support::{run, stderr};

const SAMPLE: &str = crate::generated::ASYMMETRIC;

#[test]
fn a_port_that_is_taken_is_told_before_anything_is_read() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["report", "flows", "findings"] {
        let output = run(&[command, "--metrics", &address, SAMPLE]);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let told = stderr(&output);
        let expected = format!("mirrorscope: --metrics {address}: cannot listen there");
        assert!(told.starts_with(&expected), "{told}");
        assert!(told.contains("in use"), "{told}");
    }
}

#[test]
fn others_than_this_host_may_read_only_if_that_is_said() {
    let told = stderr(&run(&["findings", "--metrics", "0", SAMPLE]));
    assert!(
        told.starts_with("mirrorscope: metrics can be read at http://127.0.0.1:"),
        "{told}"
    );
    assert!(!told.contains("everybody"), "{told}");
    let told = stderr(&run(&["findings", "--metrics", "0.0.0.0:0", SAMPLE]));
    assert!(
        told.contains("/metrics, by everybody who reaches that address"),
        "{told}"
    );
}
