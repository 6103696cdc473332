//! Giving privileges up: once everything is open, nothing that reads packets may do more than read packets.
//!
//! What the sockets needed – root, or a capability of the program's file – is gone before the first packet is parsed: the
//! process is the caller's (under sudo), holds no capabilities, can gain none, cannot start programs, talks to nobody but those that it was told to feed, and opens files
//! only where it was told to read or write. docs/collector.md has the list for people.

mod calls;
mod files;
mod user;

use std::path::PathBuf;

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

pub use user::is_sudo;

/// What the rest of the run still needs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// Who to become when started as root, by name, number or `UID:GID`; the caller of sudo if it is not said.
    pub user: Option<String>,
    /// Files or folders that are written, and `-` for standard output. Beside a file others may be made.
    pub write: Vec<PathBuf>,
    /// Folders that may be written, if somebody asks for it.
    pub may_write: Vec<PathBuf>,
    /// Files or folders that are read again: the sites file when it is reloaded.
    pub read: Vec<PathBuf>,
    /// Who is talked to.
    pub network: Network,
    /// Threads that take packets may go before other programs.
    pub realtime: bool,
}

/// Who a run talks to beside those that send it packets. Sockets that are open already need nothing of it.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Somebody may call: a socket listens.
    pub serves: bool,
    /// TCP ports that are called again when the connection is gone.
    pub calls: Vec<u16>,
    /// Other sockets are connected again: those of UDP and of this host.
    pub reconnects: bool,
}

/// Takes the capabilities that the process may have but does not use yet: those of a file with `setcap cap_net_raw+p`, which starts
/// also where it may not have them.
pub fn take() {
    if let Ok(held) = rustix::thread::capabilities(None)
        && held.effective != held.permitted
    {
        // What is missing then is told by whoever needs it.
        let _ = rustix::thread::set_capabilities(
            None,
            CapabilitySets {
                effective: held.permitted,
                ..held
            },
        );
    }
}

/// Gives up what the rest of the run does not need. The process must have one thread only: each has privileges of its own.
///
/// What the system does not have – landlock in an old kernel – is left out. What was asked for and fails is an error.
pub fn drop(needs: &Needs) -> Result<()> {
    // Without its capabilities root could no longer do this.
    for capability in CapabilitySet::all().iter() {
        // Not root, or a capability that this kernel does not know.
        let _ = rustix::thread::remove_capability_from_bounding_set(capability);
    }
    let keep = if needs.realtime && !permit_realtime() {
        CapabilitySet::SYS_NICE
    } else {
        CapabilitySet::empty()
    };
    if let Some(user) = user::wanted(needs.user.as_deref())? {
        user.become_it()?;
    }
    give_up_capabilities(keep).context("cannot give up capabilities")?;
    files::check_writable(&needs.write)?;
    rustix::thread::set_no_new_privs(true).context("cannot forbid new privileges")?;
    let write = [needs.write.as_slice(), &needs.may_write].concat();
    files::confine(&needs.read, &write, &needs.network.calls)
        .context("cannot confine the process with landlock")?;
    calls::forbid(&needs.network).context("cannot set the filter of system calls")
}

/// The same for a process that asks the name service: it reads no packets, but needs the host's files and other machines.
pub fn drop_for_names(user: Option<&str>) -> Result<()> {
    if let Some(user) = user::wanted(user)? {
        user.become_it()?;
    }
    give_up_capabilities(CapabilitySet::empty()).context("cannot give up capabilities")?;
    rustix::thread::set_no_new_privs(true).context("cannot forbid new privileges")
}

/// Effective, permitted, inheritable and ambient ones; but not those of `keep` that are in force.
fn give_up_capabilities(keep: CapabilitySet) -> rustix::io::Result<()> {
    // Kernels before 4.3 have none.
    let _ = rustix::thread::clear_ambient_capability_set();
    let kept = rustix::thread::capabilities(None)?.effective & keep;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )
}

/// Has the limit of real-time priority be one at least, so that threads may go before others without a capability. False if it
/// stays lower: raising it takes `CAP_SYS_RESOURCE`, which containers have not.
fn permit_realtime() -> bool {
    let limit = getrlimit(Resource::Rtprio);
    // None is no limit.
    let raised = |limit: Option<u64>| limit.map(|most| most.max(1));
    let wanted = Rlimit {
        current: raised(limit.current),
        maximum: raised(limit.maximum),
    };
    setrlimit(Resource::Rtprio, wanted).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};
    use std::process::Command;
    use std::thread;

    use landlock::RulesetStatus;

    use super::*;

    /// What is given up is the calling thread's, so a test can do it in a thread of its own.
    #[test]
    fn what_is_not_needed_is_refused_afterwards() {
        let (inside, outside) = (
            tempfile::tempdir().unwrap(),
            tempfile::tempdir_in(".").unwrap(),
        );
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::scope(|scope| {
            let confined = scope.spawn(|| {
                drop(&Needs {
                    write: vec![inside.path().join("out.pcapng")],
                    ..Needs::default()
                })
                .unwrap();
                fs::write(inside.path().join("out_00001.pcapng"), b"packets").unwrap();
                fs::read(inside.path().join("out_00001.pcapng")).unwrap();
                fs::remove_file(inside.path().join("out_00001.pcapng")).unwrap();

                let denied = |result: std::io::Result<()>| {
                    assert_eq!(result.unwrap_err().kind(), ErrorKind::PermissionDenied);
                };
                denied(Command::new("/bin/true").status().map(|_| ()));
                denied(TcpStream::connect(address).map(|_| ()));
                if files::confine(&[], &[], &[]).unwrap() != RulesetStatus::NotEnforced {
                    denied(fs::write(outside.path().join("file"), b""));
                    denied(File::open("/etc/passwd").map(|_| ()));
                }
                let held = rustix::thread::capabilities(None).unwrap();
                assert!(held.effective.is_empty() && held.permitted.is_empty());
                assert!(rustix::thread::no_new_privs().unwrap());
            });
            confined.join().unwrap();
        });
        // The rest of the process is as it was.
        fs::write(outside.path().join("file"), b"").unwrap();
    }

    #[test]
    fn what_lets_packets_be_taken_first_is_good_for_nothing_else() {
        thread::scope(|scope| {
            let confined = scope.spawn(|| {
                drop(&Needs {
                    realtime: true,
                    ..Needs::default()
                })
                .unwrap();
                let held = rustix::thread::capabilities(None).unwrap();
                let nice = CapabilitySet::SYS_NICE;
                assert!(held.effective == held.permitted && (held.permitted - nice).is_empty());
                let limit = getrlimit(Resource::Rtprio).current;
                assert!(held.permitted.is_empty() || limit == Some(0));
                let refused = Err(rustix::io::Errno::PERM);
                let one = rustix::process::getpid();
                let slower = rustix::process::setpriority_process(Some(one), 5);
                assert_eq!(slower, refused);
                let all = rustix::thread::sched_getaffinity(Some(one)).unwrap();
                let bound = rustix::thread::sched_setaffinity(Some(one), &all);
                assert_eq!(bound, refused);
            });
            confined.join().unwrap();
        });
    }

    #[test]
    fn what_feeds_others_may_call_its_port_and_be_called_at_its_own() {
        let (collector, other) = (
            TcpListener::bind("127.0.0.1:0").unwrap(),
            TcpListener::bind("127.0.0.1:0").unwrap(),
        );
        let (port, elsewhere) = (collector.local_addr().unwrap(), other.local_addr().unwrap());
        thread::scope(|scope| {
            let confined = scope.spawn(|| {
                let network = Network {
                    serves: true,
                    calls: vec![port.port()],
                    ..Network::default()
                };
                drop(&Needs {
                    network,
                    ..Needs::default()
                })
                .unwrap();
                let call = TcpStream::connect(port).unwrap();
                let (called, _) = collector.accept().unwrap();
                assert_eq!(called.peer_addr().unwrap(), call.local_addr().unwrap());
                let denied = |result: std::io::Result<()>| {
                    result.is_err_and(|cause| cause.kind() == ErrorKind::PermissionDenied)
                };
                let other = denied(TcpStream::connect(elsewhere).map(std::mem::drop));
                let bound = denied(TcpListener::bind("127.0.0.1:0").map(std::mem::drop));
                // Older kernels than 6.7 know no ports.
                let ports = files::confine(&[], &[], &[]).unwrap() == RulesetStatus::FullyEnforced;
                assert!(!ports || other && bound);
            });
            confined.join().unwrap();
        });
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let refused = thread::scope(|scope| {
            let confined = scope.spawn(|| {
                drop(&Needs {
                    write: vec![
                        PathBuf::from("/proc/self/out.pcapng"),
                        folder.path().to_owned(),
                    ],
                    ..Needs::default()
                })
            });
            confined.join().unwrap()
        });
        let text = refused.unwrap_err().to_string();
        assert!(text.starts_with("/proc/self: user "), "{text}");
    }
}
