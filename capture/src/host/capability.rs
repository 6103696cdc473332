//! Capabilities: what this process may do, and how to let it do more.

use std::fs;

/// What is missing, and both ways to grant it, in one line. `capability` is its name in lower case.
pub fn how_to_grant(capability: &str) -> String {
    format!(
        "that needs {}: sudo setcap {capability}+ep {}, or start it with sudo",
        capability.to_uppercase(),
        program()
    )
}

/// The path of the running program, as a shell takes it.
pub fn program() -> String {
    let path = std::env::current_exe().ok();
    let path = path.and_then(|path| path.into_os_string().into_string().ok());
    let path = path.unwrap_or_else(|| "mirrorscope".to_owned());
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+".contains(letter);
    if path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
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
    /// Turns on the processor.
    SysNice = 23,
    /// Limits of a process.
    SysResource = 24,
}

/// Whether this thread has it, as far as the system says.
pub fn has(capability: Capability) -> Option<bool> {
    own().map(|own| own.has(capability))
}

/// What this program was given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// The capabilities of this thread that are in force, a bit each.
    pub effective: u64,
    /// Those that the program's file gives to who starts it.
    pub file: u64,
    /// Files give nothing any more.
    pub no_new_privileges: bool,
    /// It runs as root.
    pub root: bool,
}

impl Own {
    /// Whether one is in force.
    pub fn has(&self, capability: Capability) -> bool {
        self.effective >> capability as u32 & 1 == 1
    }

    /// Whether the program's file gives one.
    pub fn file_has(&self, capability: Capability) -> bool {
        self.file >> capability as u32 & 1 == 1
    }
}

/// What this program was given; unknown where `/proc` is not mounted.
pub fn own() -> Option<Own> {
    let status = fs::read_to_string("/proc/thread-self/status").ok()?;
    let mut attribute = [0; 64];
    let length = rustix::fs::getxattr("/proc/self/exe", "security.capability", &mut attribute);
    let attribute = attribute.get(..length.unwrap_or_default());
    Some(Own {
        effective: u64::from_str_radix(field(&status, "CapEff")?, 16).ok()?,
        file: attribute.and_then(of_file).unwrap_or_default(),
        no_new_privileges: field(&status, "NoNewPrivs") == Some("1"),
        root: rustix::process::geteuid().is_root(),
    })
}

/// The value of a field in a `status` file of `/proc`.
fn field<'a>(status: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(known, _)| *known == name)?;
    Some(value.trim())
}

/// The permitted set in the attribute of a file: a word with version and flags, then permitted and inheritable sets by halves.
fn of_file(attribute: &[u8]) -> Option<u64> {
    let word = |at: usize| {
        let bytes = attribute.get(at..)?.first_chunk()?;
        Some(u64::from(u32::from_le_bytes(*bytes)))
    };
    Some(word(4)? | word(12).unwrap_or_default() << 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_status_are_read() {
        let status = "Name:\tcat\nCapEff:\t0000000000002400\nNoNewPrivs:\t1\nSeccomp:\t0\n";
        let own = Own {
            effective: u64::from_str_radix(field(status, "CapEff").unwrap(), 16).unwrap(),
            ..Own::default()
        };
        assert!(own.has(Capability::NetRaw) && own.has(Capability::NetBindService));
        assert!(!own.has(Capability::NetAdmin));
        assert_eq!(field(status, "NoNewPrivs"), Some("1"));
        assert_eq!(field(status, "Cap"), None);
    }

    #[test]
    fn the_attribute_of_a_file_is_read() {
        // As `setcap cap_net_raw+ep` writes it: version 2, effective.
        let attribute = hex_literal::hex!("01000002 00200000 00000000 00000000 00000000");
        let own = Own {
            file: of_file(&attribute).unwrap(),
            ..Own::default()
        };
        assert!(own.file_has(Capability::NetRaw) && !own.file_has(Capability::NetAdmin));
        assert_eq!(of_file(&attribute[..6]), None);
    }

    #[test]
    fn this_process_is_known() {
        let own = own().unwrap();
        assert_eq!(own.root, rustix::process::geteuid().is_root());
    }

    #[test]
    fn both_ways_to_grant_are_told_with_the_real_path() {
        let text = how_to_grant("cap_net_raw");
        let path = std::env::current_exe().unwrap();
        assert!(text.contains(&format!("sudo setcap cap_net_raw+ep {}", path.display())));
        assert!(text.contains("CAP_NET_RAW") && text.contains("or start it with sudo"));
    }
}
