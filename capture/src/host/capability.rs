//! Capabilities: what this process may do, and how to let it do more.

use std::fs;

/// What is missing, and both ways to grant it, in one line. `capability` is its name in lower case.
pub fn how_to_grant(capability: &str) -> String {
    let program = std::env::current_exe().ok();
    let program = program.and_then(|path| path.into_os_string().into_string().ok());
    let program = quoted(program.as_deref().unwrap_or("mirrorscope"));
    format!(
        "that needs {}: sudo setcap {capability}+ep {program}, or start it with sudo",
        capability.to_uppercase()
    )
}

/// A path as a shell reads it.
fn quoted(path: &str) -> String {
    let harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    if path.bytes().all(harmless) {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

/// Numbers of capabilities, as linux/capability.h has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Ports below 1024.
    NetBindService = 10,
    /// Interfaces, limits of sockets.
    NetAdmin = 12,
    /// Packet and raw sockets.
    NetRaw = 13,
    /// Other people's processes.
    SysPtrace = 19,
}

/// Whether this thread has it, as far as the system says.
pub fn has(capability: Capability) -> Option<bool> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    Some(effective(&status)? >> capability as u32 & 1 == 1)
}

/// The effective set in a `status` file of `/proc`.
fn effective(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_effective_set_is_read() {
        let status =
            "Name:\tcat\nCapPrm:\tffffffffffffffff\nCapEff:\t0000000000002400\nSeccomp:\t0\n";
        let set = effective(status).unwrap();
        assert_eq!(
            set,
            1 << Capability::NetBindService as u32 | 1 << Capability::NetRaw as u32
        );
        assert_eq!(effective("CapEff:\tnone\n"), None);
    }

    #[test]
    fn a_path_can_be_pasted() {
        assert_eq!(quoted("/opt/mirror-scope_1.0/x"), "/opt/mirror-scope_1.0/x");
        assert_eq!(quoted("/home/a b/it's"), r"'/home/a b/it'\''s'");
    }

    #[test]
    fn both_ways_to_grant_are_told_with_the_real_path() {
        let text = how_to_grant("cap_net_raw");
        let path = std::env::current_exe().unwrap();
        assert!(text.contains(&format!("sudo setcap cap_net_raw+ep {}", path.display())));
        assert!(text.contains("CAP_NET_RAW") && text.contains("or start it with sudo"));
    }
}
