//! Where files may be opened from now on.

use std::env;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr,
    RulesetError, RulesetStatus, Scope, make_bitflags, path_beneath_rules,
};
use mirrorscope_engine::point::printable;
use rustix::fs::{AtFlags, CWD};
use rustix::process::geteuid;

/// The newest rules that are asked for; older kernels have fewer of them.
const RULES: ABI = ABI::V6;

/// What may be done where something is read.
const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

/// What may be done where something is written: files, no programs, devices, links or sockets.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer | IoctlDev
});

/// Refuses to begin what would fail at the end: without privileges, the user must be able to write there.
pub fn check_writable(places: &[PathBuf]) -> Result<()> {
    for place in places.iter().filter(|place| place.as_os_str() != "-") {
        let place = written(&real(place));
        // What is not there is told by whoever creates the file, and a device by whoever opens it.
        if !place.is_dir() {
            continue;
        }
        let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
        if rustix::fs::accessat(CWD, &place, access, AtFlags::EACCESS).is_err() {
            let (uid, place) = (geteuid().as_raw(), printable(&place.to_string_lossy()));
            bail!(
                "{place}: user {uid} may not write there, and privileges are given up before packets are read; write to a \
                 folder of that user, or choose its owner with --user"
            );
        }
    }
    Ok(())
}

/// Confines the process to these places, as far as the kernel can, which it tells; and it can call nobody by TCP but at these
/// ports.
pub fn confine(
    read: &[PathBuf],
    write: &[PathBuf],
    ports: &[u16],
) -> Result<RulesetStatus, RulesetError> {
    // A file may be replaced by one of the same name, or stand in another folder than its link.
    let readable = read
        .iter()
        .flat_map(|path| [folder_of(path), folder_of(&real(path))]);
    let writable = write
        .iter()
        .filter(|path| path.as_os_str() != "-")
        .flat_map(|path| [written(path), written(&real(path))])
        .chain([env::temp_dir(), PathBuf::from("/dev/tty")])
        .filter(|path| !is_pipe(path));
    let callable = ports
        .iter()
        .map(|port| Ok::<_, RulesetError>(NetPort::new(*port, AccessNet::ConnectTcp)));
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(RULES))?
        .handle_access(AccessNet::from_all(RULES))?
        .scope(Scope::from_all(RULES))?
        .create()?
        .add_rules(path_beneath_rules(readable, READ))?
        .add_rules(path_beneath_rules(writable, WRITE))?
        .add_rules(callable)?
        .restrict_self()?;
    Ok(status.ruleset)
}

/// Where a path leads, or the path itself.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// What is written where a file is: beside an ordinary one others are made, a device is written itself.
fn written(path: &Path) -> PathBuf {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => path.to_owned(),
        _ => folder_of(path),
    }
}

/// The folder of a file, a folder itself.
fn folder_of(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.to_owned();
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Pipes without a place in the tree of files cannot be in a rule, and need none.
fn is_pipe(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.file_type().is_fifo() || metadata.file_type().is_socket())
}
