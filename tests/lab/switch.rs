//! Open vSwitch in user space: a private instance in a namespace, with mirrors that send ERSPAN.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::machine::Machine;

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// A running instance.
#[derive(Debug)]
pub struct Switch {
    machine: Machine,
    folder: PathBuf,
}

impl Switch {
    /// Starts the database and the switch in a folder of their own.
    pub fn start(machine: &Machine, folder: PathBuf) -> Self {
        let switch = Self {
            machine: machine.clone(),
            folder,
        };
        std::fs::create_dir_all(&switch.folder).unwrap();
        let folder = switch.folder.to_str().unwrap().to_owned();
        switch.tool(&format!("ovsdb-tool create {folder}/conf.db {SCHEMA}"));
        switch.tool(&format!(
            "ovsdb-server {folder}/conf.db --remote=punix:{folder}/db.sock \
             --unixctl={folder}/db.ctl --pidfile={folder}/db.pid --log-file={folder}/db.log --detach"
        ));
        switch.tool(&format!(
            "ovs-vsctl --db=unix:{folder}/db.sock --no-wait init"
        ));
        switch.tool(&format!(
            "ovs-vswitchd unix:{folder}/db.sock --unixctl={folder}/vs.ctl \
             --pidfile={folder}/vs.pid --log-file={folder}/vs.log --detach"
        ));
        switch
    }

    /// Runs one of Open vSwitch's programs against this instance.
    fn tool(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap();
        let arguments: Vec<&str> = words.collect();
        let output = self.machine.inside(|| {
            std::process::Command::new(program)
                .args(&arguments)
                .env("OVS_RUNDIR", &self.folder)
                .env("OVS_LOGDIR", &self.folder)
                .output()
                .unwrap()
        });
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A change of the configuration; comes back when it is in force.
    pub fn configure(&self, words: &str) {
        let folder = self.folder.to_str().unwrap();
        self.tool(&format!(
            "ovs-vsctl --timeout=20 --db=unix:{folder}/db.sock {words}"
        ));
    }

    /// A request to the running switch.
    pub fn ask(&self, words: &str) -> String {
        let folder = self.folder.to_str().unwrap();
        self.tool(&format!("ovs-appctl -t {folder}/vs.ctl {words}"))
    }

    /// A rule of a bridge, as ovs-ofctl has it, without blanks.
    pub fn rule(&self, bridge: &str, rule: &str) {
        let folder = self.folder.to_str().unwrap();
        self.tool(&format!(
            "ovs-ofctl add-flow unix:{folder}/{bridge}.mgmt {rule}"
        ));
    }

    /// Takes rules away again.
    pub fn remove_rules(&self, bridge: &str, rule: &str) {
        let folder = self.folder.to_str().unwrap();
        self.tool(&format!(
            "ovs-ofctl del-flows unix:{folder}/{bridge}.mgmt {rule}"
        ));
    }

    /// Packets that a mirror has copied, as they were up to five seconds ago.
    pub fn mirrored(&self, mirror: &str) -> u64 {
        let folder = self.folder.to_str().unwrap();
        let text = self.tool(&format!(
            "ovs-vsctl --timeout=20 --db=unix:{folder}/db.sock get mirror {mirror} statistics:tx_packets"
        ));
        text.trim().parse().unwrap()
    }

    fn pid(&self, file: &str) -> Option<i32> {
        let text = std::fs::read_to_string(self.folder.join(file)).ok()?;
        text.trim().parse().ok()
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let pids: Vec<i32> = ["vs.pid", "db.pid"]
            .into_iter()
            .filter_map(|file| self.pid(file))
            .collect();
        for pid in pids
            .iter()
            .filter_map(|pid| rustix::process::Pid::from_raw(*pid))
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let until = Instant::now() + Duration::from_secs(3);
        let alive = || {
            pids.iter()
                .any(|pid| std::fs::exists(format!("/proc/{pid}")).unwrap_or(false))
        };
        while alive() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
